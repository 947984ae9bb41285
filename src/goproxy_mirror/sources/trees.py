"""Trees of files that other programs keep, and which of their files are which version's.

Two layouts are known, told apart folder by folder:

* `MODULE/@v/VERSION.{info,mod,zip}`, of the proxy protocol: a go command's module cache, goproxyio's, our own store, Athens in
  S3, Google's and Azure's storage. Names are escaped (`!capital`), or, as Athens has them, not.
* `MODULE/VERSION/{go.mod,source.zip,VERSION.info}`, of Athens on disk and in MinIO. Names are not escaped.

goproxyio puts its upstream's path in front where that has one; an element without a dot begins no module path.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from goproxy_mirror.errors import MirrorError, NotFound, SourceUnavailable, disk_failures
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileKind
from goproxy_mirror.ports.moving import Lot, Offered, Outcome, Taken

Layout = Literal["goproxy", "athens"]

_KINDS = {kind.value: kind for kind in FileKind}
_ATHENS = {"go.mod": FileKind.MOD, "source.zip": FileKind.ZIP}
_INSIDE = ("cache/download", "pkg/mod/cache/download", "store")
"""Where the files are below a folder that somebody names: GOMODCACHE, GOPATH (goproxyio's too), our data folder."""

_PIECE = 1 << 20
_MISSING = {errno.ENOENT, errno.ENOTDIR}
_READ = os.O_RDONLY
for _flag in ("O_CLOEXEC", "O_NONBLOCK", "O_NOFOLLOW", "O_BINARY"):
    _READ |= getattr(os, _flag, 0)


class Tree(Protocol):
    """Files by name, the elements of which are separated by slashes. Raises `SourceUnavailable`."""

    @property
    def near(self) -> bool:
        """Whether it is on this machine."""
        ...

    def folders(self) -> AsyncIterator[tuple[str, Sequence[str] | OSError]]:
        """Each folder with the names of its files, or with what is in the way of reading it."""
        ...

    def file(self, name: str) -> Offered: ...


async def lots_of(tree: Tree, layout: Layout | None = None) -> AsyncIterator[Lot | Outcome]:
    """The versions of a tree, of one layout or of both."""
    async for folder, names in tree.folders():
        if isinstance(names, OSError):
            yield Outcome(folder, Taken.REFUSED, reason=f"the folder cannot be read ({names.strerror})")
            continue
        above, _, last = folder.rpartition("/")
        found: Iterable[Lot | Outcome] = ()
        if last == "@v" and layout != "athens":
            found = _of_protocol(tree, folder, above, names)
        elif above and layout != "goproxy" and _is_athens(last, names):
            found = _of_athens(tree, folder, above, last, names)
        for each in found:
            yield each


def _of_protocol(tree: Tree, folder: str, module: str, names: Sequence[str]) -> Iterator[Lot | Outcome]:
    path = _path(module)
    if path is None:
        yield Outcome(folder, Taken.STRAY, reason="no module has that path")
        return
    versions: dict[Version, dict[FileKind, Offered]] = {}
    for name in names:
        stem, dot, ending = name.rpartition(".")
        kind = _KINDS.get(dot + ending)
        version = _version(path, stem) if kind is not None else None
        if kind is not None and version is not None:
            versions.setdefault(version, {})[kind] = tree.file(f"{folder}/{name}")
    for version in sorted(versions):
        yield Lot(ModuleVersion(path, version), versions[version], near=tree.near)


def _is_athens(version: str, names: Sequence[str]) -> bool:
    return version.startswith("v") and bool({*_ATHENS, f"{version}.info"}.intersection(names))


def _of_athens(
    tree: Tree, folder: str, module: str, version: str, names: Sequence[str]
) -> Iterator[Lot | Outcome]:
    path = _path(module)
    found = _version(path, version) if path is not None else None
    if path is None or found is None:
        yield Outcome(folder, Taken.STRAY, reason="no module version has that name")
        return
    kinds = {**_ATHENS, f"{version}.info": FileKind.INFO}
    files = {kinds[name]: tree.file(f"{folder}/{name}") for name in names if name in kinds}
    yield Lot(ModuleVersion(path, found), files, near=tree.near)


def _path(text: str) -> ModulePath | None:
    elements = text.split("/")
    while len(elements) > 1 and "." not in elements[0]:
        del elements[0]
    plain = "/".join(elements)
    try:
        return ModulePath.unescape(plain) if "!" in plain else ModulePath.parse(plain)
    except MirrorError:
        return None


def _version(path: ModulePath, text: str) -> Version | None:
    try:
        return Version.unescape_for(path, text) if "!" in text else Version.parse_for(path, text)
    except MirrorError:
        return None


def is_folder(path: Path) -> bool:
    """Whether it is one that can be seen: a folder above may be closed to us."""
    try:
        return path.is_dir()
    except OSError:
        return False


class LocalTree:
    """A folder of this machine. Symbolic links below it are not followed."""

    near = True

    def __init__(self, folder: Path) -> None:
        inside = (folder / each for each in _INSIDE)
        self.root = next((each for each in inside if is_folder(each)), folder)
        self.name = f"file://.../{ascii(folder.name)[1:-1]}"
        """Where on this machine it lies is nobody's business but the operator's, who knows it by its last element."""

    async def folders(self) -> AsyncIterator[tuple[str, Sequence[str] | OSError]]:
        walk = self._walk()
        while (found := await asyncio.to_thread(next, walk, None)) is not None:
            yield found

    def file(self, name: str) -> Offered:
        return LocalFile(self.root / name, name)

    def _walk(self) -> Iterator[tuple[str, Sequence[str] | OSError]]:
        closed: list[OSError] = []
        for folder, folders, names in os.walk(self.root, onerror=closed.append):
            folders.sort()
            if names:
                yield self._name(folder), names
            yield from self._told(closed)
        yield from self._told(closed)

    def _told(self, closed: list[OSError]) -> Iterator[tuple[str, OSError]]:
        while closed:
            error = closed.pop()
            yield self._name(error.filename), error

    def _name(self, folder: str) -> str:
        return Path(folder).relative_to(self.root).as_posix()


class LocalFile:
    """`ports.Offered`: a regular file. `name` is what it is called in errors."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name

    async def read(self, limit: int) -> bytes:
        return await asyncio.to_thread(self._bytes, limit)

    async def copy(self, into: Path, limit: int) -> None:
        await asyncio.to_thread(self._copy, into, limit)

    def _bytes(self, limit: int) -> bytes:
        with self._opened(limit) as file:
            return _piece(file, limit, self._name)

    def _copy(self, into: Path, limit: int) -> None:
        with self._opened(limit) as file, disk_failures("write the file"), into.open("wb") as out:
            while piece := _piece(file, _PIECE, self._name):
                out.write(piece)

    def _opened(self, limit: int) -> BinaryIO:
        try:
            file = os.open(self._path, _READ)
        except OSError as error:
            if error.errno in _MISSING:
                raise NotFound(f"{self._name} is gone") from None
            if error.errno == errno.ELOOP:
                raise SourceUnavailable(
                    f"{self._name} is a symbolic link, and those are not followed"
                ) from None
            raise SourceUnavailable(f"{self._name} cannot be read ({error.strerror})") from None
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or not 0 < status.st_size <= limit:
            os.close(file)
            raise SourceUnavailable(f"{self._name} is no whole file: it has {status.st_size} bytes")
        return os.fdopen(file, "rb")


def _piece(file: BinaryIO, size: int, name: str) -> bytes:
    try:
        return file.read(size)
    except OSError as error:
        raise SourceUnavailable(f"{name} cannot be read ({error.strerror})") from None
