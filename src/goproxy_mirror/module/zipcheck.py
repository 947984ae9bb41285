"""Whether somebody else's zip is a module's zip: its names and sizes keep the rules of golang.org/x/mod/zip."""

from __future__ import annotations

from collections.abc import Iterable

from goproxy_mirror.module.filenames import TreeNames
from goproxy_mirror.module.modzip import size_problem, zip_prefix
from goproxy_mirror.module.version import ModuleVersion
from goproxy_mirror.module.zipreader import InvalidZip, Member


def check_members(mv: ModuleVersion, members: Iterable[Member]) -> None:
    """Raise InvalidZip unless the go command would unpack a zip with these entries as the module version.

    Folders may stand in it, though the go command writes none: other proxies do.
    """
    prefix = zip_prefix(mv)
    names = TreeNames()
    for member in members:
        if not member.name.startswith(prefix):
            raise InvalidZip(f"the zip is not {mv}'s: {member.name!a} does not begin with {prefix!a}")
        name = member.name.removeprefix(prefix)
        if not name:
            continue
        problem = _problem(names, name, member.size)
        if problem:
            raise InvalidZip(f"no zip of {mv} can have {name!a}: {problem}")


def _problem(names: TreeNames, name: str, size: int) -> str | None:
    if name.endswith("/"):
        return names.problem(name[:-1], is_folder=True)
    if name.rpartition("/")[2].lower() == "go.mod" and "/" in name:
        return "go.mod file not in module root directory"
    return names.problem(name, is_folder=False) or size_problem(name, size)
