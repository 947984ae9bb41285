"""What `fetch` is asked for: modules on the command line, the requirements of a go.mod, the lines of a go.sum."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from goproxy_mirror.errors import MirrorError, SettingError
from goproxy_mirror.module.gosum import parse_go_sum
from goproxy_mirror.module.modfile import GoMod, Replace, parse
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.ports import FileKind

EVERY_FILE = (FileKind.INFO, FileKind.MOD, FileKind.ZIP)
ONLY_MOD = (FileKind.MOD,)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A module at a version, or at whatever a query (`latest`, a branch) stands for; and which of its files."""

    path: ModulePath
    version: str
    kinds: tuple[FileKind, ...] = EVERY_FILE

    def __str__(self) -> str:
        return f"{self.path}@{self.version}"


def from_argument(text: str) -> Wanted:
    """`MODULE[@VERSION]`, the latest without a version. Raises `SettingError`."""
    path, at, version = text.partition("@")
    if at and not version:
        raise SettingError(f'"{text}": there is no version after the @; allowed is MODULE or MODULE@VERSION')
    try:
        return Wanted(ModulePath.parse(path), version or "latest")
    except MirrorError as error:
        raise SettingError(f'"{text}": {error.message}; allowed is MODULE or MODULE@VERSION') from None


def from_go_mod(file: Path) -> list[Wanted]:
    """What a go.mod requires, as its replacements have it; folders of this machine need no fetching.

    Raises `SettingError`.
    """
    go_mod = read_mod_file(file, parse)
    found = []
    for required in go_mod.requires:
        path, version = str(required.path), str(required.version)
        replacement = replacement_of(go_mod.replaces, path, version)
        if replacement is None:
            found.append(Wanted(required.path, version))
        elif replacement.new_version:
            found.append(Wanted(ModulePath.parse(replacement.new), replacement.new_version))
    return found


def from_go_sum(file: Path) -> list[Wanted]:
    """The modules of a go.sum: every file where the module's content is named, else its go.mod alone.

    Raises `SettingError`.
    """
    data = _read("--go-sum", file)
    try:
        lines = parse_go_sum(data)
    except MirrorError as error:
        raise SettingError(f'--go-sum "{file}": {error.message}') from None
    return [Wanted(line.path, str(line.version), ONLY_MOD if line.go_mod else EVERY_FILE) for line in lines]


def once(wanted: Iterable[Wanted]) -> list[Wanted]:
    """Each module version once, with all of its files if anybody wants them."""
    found: dict[tuple[ModulePath, str], Wanted] = {}
    for item in wanted:
        known = found.get((item.path, item.version))
        if known is None or len(known.kinds) < len(item.kinds):
            found[item.path, item.version] = item
    return list(found.values())


def read_mod_file(file: Path, read: Callable[[bytes], GoMod]) -> GoMod:
    """What `--go-mod` names, as `read` has it. Raises `SettingError`."""
    data = _read("--go-mod", file)
    try:
        return read(data)
    except MirrorError as error:
        raise SettingError(f'--go-mod "{file}": {error.message}') from None


def _read(flag: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SettingError(f'{flag} "{file}": the file cannot be read ({error.strerror})') from None


def replacement_of(replaces: Iterable[Replace], path: str, version: str) -> Replace | None:
    """The replacement of exactly this version, else the one of all versions."""
    fitting = [item for item in replaces if item.old == path and item.old_version in {"", version}]
    return max(fitting, key=lambda item: item.old_version, default=None)
