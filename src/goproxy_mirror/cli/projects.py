"""What the go command loads for a developer's module or workspace: its requirements, and what stands in their place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from goproxy_mirror.cli.wanted import read_mod_file, replacement_of
from goproxy_mirror.errors import MirrorError, SettingError
from goproxy_mirror.mirror.closure import Main
from goproxy_mirror.module.modfile import GoMod, Replace, parse, parse_lax, parse_work
from goproxy_mirror.module.path import ModulePath, module_path_problem
from goproxy_mirror.module.version import ModuleVersion, Version


@dataclass(slots=True)
class Project:
    """Main modules that are built together: see `mirror.closure`.

    `folders` has the go.mod of each folder that replaces something, by its name in the replacement; None where there is none.
    """

    mains: list[Main] = field(default_factory=list)
    excluded: set[ModuleVersion] = field(default_factory=set)
    own: set[ModulePath] = field(default_factory=set)
    replaces: list[Replace] = field(default_factory=list)
    folders: dict[str, GoMod | None] = field(default_factory=dict)

    def replaced(self, mv: ModuleVersion) -> ModuleVersion | GoMod | None:
        """What stands in a version's place: a folder's go.mod, None for a folder that is not here."""
        replacement = replacement_of(self.replaces, str(mv.path), str(mv.version))
        if replacement is None:
            return mv
        if not replacement.new_version:
            return self.folders[replacement.new]
        path = ModulePath.parse(replacement.new)
        return ModuleVersion(path, Version.parse_for(path, replacement.new_version))


def projects_of(files: Iterable[Path]) -> list[Project]:
    """One for each go.mod, and for each go.work. Raises `SettingError`."""
    return [_workspace(file) if file.suffix == ".work" else _together([file]) for file in files]


def _workspace(file: Path) -> Project:
    work = read_mod_file(file, parse_work)
    # What go.work replaces outweighs what its modules replace.
    return _together([file.parent / folder / "go.mod" for folder in work.uses], work.replaces, file.parent)


def _together(files: Iterable[Path], replaces: Iterable[Replace] = (), root: Path = Path()) -> Project:
    found = Project()
    _replace(found, replaces, root)
    loaded = [(file, read_mod_file(file, parse)) for file in files]
    for file, go_mod in loaded:
        _replace(found, go_mod.replaces, file.parent)
        found.excluded.update(_versions(go_mod.excludes))
        if module_path_problem(go_mod.module) is None:
            found.own.add(ModulePath(go_mod.module))
    seen: set[str] = set()
    for _, go_mod in loaded:
        found.mains += _mains(go_mod, found, seen)
    return found


def _replace(project: Project, replaces: Iterable[Replace], root: Path) -> None:
    known = {(each.old, each.old_version) for each in project.replaces}
    for each in replaces:
        if (each.old, each.old_version) in known:
            continue
        if each.new_version:
            _checked(each)
            project.replaces.append(each)
            continue
        folder = str(root / each.new)
        project.replaces.append(each._replace(new=folder))
        project.folders[folder] = _folder(Path(folder))


def _mains(go_mod: GoMod, project: Project, seen: set[str]) -> Iterator[Main]:
    """The module, and the folders that stand for what can be no module of a proxy."""
    yield Main(go_mod.requires, prunes=go_mod.language_at_least(1, 17))
    for path, version in go_mod.required:
        replacement = replacement_of(project.replaces, path, version)
        if module_path_problem(path) is None or replacement is None or replacement.new in seen:
            continue
        seen.add(replacement.new)
        folder = project.folders.get(replacement.new)
        if folder is not None:
            yield from _mains(folder, project, seen)


def _folder(folder: Path) -> GoMod | None:
    try:
        return parse_lax((folder / "go.mod").read_bytes())
    except (OSError, MirrorError):
        return None


def _versions(said: Iterable[tuple[str, str]]) -> Iterator[ModuleVersion]:
    for path, version in said:
        if module_path_problem(path) is None:
            yield ModuleVersion(ModulePath(path), Version(version))


def _checked(replacement: Replace) -> None:
    try:
        path = ModulePath.parse(replacement.new)
        Version.parse_for(path, replacement.new_version)
    except MirrorError as error:
        raise SettingError(f'--go-mod: the replacement "{replacement.new}": {error.message}') from None


def missing_folders(projects: Iterable[Project]) -> Mapping[str, None]:
    """The folders that replace something, and are not here."""
    return {name: None for project in projects for name, go_mod in project.folders.items() if go_mod is None}
