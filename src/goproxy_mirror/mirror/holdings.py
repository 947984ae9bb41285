"""What the names in a store stand for, folder by folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from goproxy_mirror.errors import NotFound
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileKind, Storage
from goproxy_mirror.protocol import File

_KINDS = {kind.value: kind for kind in FileKind}

IN_ORDER = (FileKind.MOD, FileKind.ZIP, FileKind.INFO)
"""The `.info` at last: a version is held when its `.info` and its `.mod` are."""


async def folders_of(
    storage: Storage, prefixes: Iterable[str] = ("",)
) -> AsyncIterator[tuple[str, list[str]]]:
    """The folders of the store with the names of their files, one folder at a time. Raises `StorageError`."""
    here, names = "", list[str]()
    for prefix in prefixes:
        async for key in storage.list(prefix):
            folder, _, name = key.rpartition("/")
            if folder != here and names:
                yield here, names
                names = []
            here = folder
            names.append(name)
    if names:
        yield here, names


def module_of(folder: str) -> ModulePath | None:
    """The module whose files a folder has; None for whatever is no module's."""
    if not folder.endswith("/@v"):
        return None
    try:
        return ModulePath.unescape(folder.removesuffix("/@v"))
    except NotFound:
        return None


def version_of(path: ModulePath, name: str) -> tuple[Version, FileKind] | None:
    """Which version's file a name in a module's folder is; None for whatever no request could ask for."""
    stem, dot, ending = name.rpartition(".")
    kind = _KINDS.get(dot + ending)
    if kind is None:
        return None
    try:
        return Version.unescape_for(path, stem), kind
    except NotFound:
        return None


def file_of(key: str) -> File | None:
    """The file that a key stands for; None for a key that is no published file's."""
    folder, _, name = key.rpartition("/")
    path = module_of(folder)
    found = version_of(path, name) if path is not None else None
    return File(ModuleVersion(path, found[0]), found[1]) if path is not None and found is not None else None
