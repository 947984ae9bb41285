"""A tree of files in the layout of the proxy protocol: our own store, `$GOMODCACHE/cache/download`, other
proxies' caches.

The go command reads such trees by `file://` URLs, and this does what it does
(cmd/go/internal/modfetch/proxy.go), but for two things: files that are no whole ones are not believed, and
versions whose `.info` and `.mod` are there are listed although `@v/list` does not name them.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

from goproxy_mirror.errors import (
    MirrorError,
    NotFound,
    OutageDisguised,
    SourceUnavailable,
    disk_failures,
)
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Query, Version
from goproxy_mirror.ports import Found, Home, Info
from goproxy_mirror.sources.reading import (
    MOST_INFO,
    MOST_LIST,
    MOST_MOD,
    MOST_ZIP,
    Listed,
    Unreadable,
    check_mod,
    check_zip,
    newest,
    read_info,
    read_list,
    tagged,
)

T = TypeVar("T")

_MISSING = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})

# Without O_NONBLOCK, opening a pipe in the tree would wait for a writer. Windows has neither, but O_BINARY.
_READ = os.O_RDONLY
for _flag in ("O_CLOEXEC", "O_NONBLOCK", "O_BINARY"):
    _READ |= getattr(os, _flag, 0)


class DirectorySource:
    """`ports.Source` over a folder. A file that is not there is an authority's no; a folder that is not
    there, an outage; a file that is damaged, an outage that lets the walk over the upstreams go on.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Where on this machine it lies is nobody's business but the operator's, who knows it by its last
        # element.
        self.home = Home("upstream", f"file://.../{ascii(folder.name)[1:-1]}")

    async def versions(self, path: ModulePath) -> Found[tuple[Version, ...]]:
        return await self._read(f"{path}@v/list", lambda: tagged(self._list(path)))

    async def latest(self, path: ModulePath) -> Found[Info]:
        return await self._read(f"{path}@latest", lambda: self._latest(path))

    async def resolve(self, path: ModulePath, query: Query) -> Found[Info]:
        name = f"{path.escaped}/@v/{query.escaped}.info"
        return await self._read(f"{path}@{query}", lambda: read_info(path, self._bytes(name, MOST_INFO)))

    async def info(self, mv: ModuleVersion) -> Found[Info]:
        return await self._read(f"{mv}", lambda: self._info(mv))

    async def go_mod(self, mv: ModuleVersion) -> Found[bytes]:
        return await self._read(f"{mv}.mod", lambda: self._go_mod(mv))

    async def zip(self, mv: ModuleVersion, into: Path) -> Found[None]:
        return await self._read(f"{mv}.zip", lambda: self._zip(mv, into))

    async def _read(self, asked: str, read: Callable[[], T]) -> Found[T]:
        """Read on a thread, and say failures in the terms of a source."""
        try:
            return Found(await asyncio.to_thread(read), self.home)
        except Unreadable as error:
            message = f"{asked}: {self.home.name} {error.message}"
            raise OutageDisguised(message, source=self.home.name) from None
        except _MissingError:
            raise NotFound(f"{asked}: not in {self.home.name}", source=self.home.name) from None
        except MirrorError as error:
            error.source = self.home.name
            raise
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else "it cannot be read"
            raise SourceUnavailable(f"{asked}: {self.home.name}: {reason}", source=self.home.name) from None

    def _latest(self, path: ModulePath) -> Info:
        try:
            return read_info(path, self._bytes(f"{path.escaped}/@latest", MOST_INFO))
        except _MissingError:
            version = newest(self._list(path))
            if version is None:
                raise
            return self._info(ModuleVersion(path, version))

    def _info(self, mv: ModuleVersion) -> Info:
        return read_info(mv.path, self._bytes(_name(mv, ".info"), MOST_INFO), mv.version)

    def _go_mod(self, mv: ModuleVersion) -> bytes:
        body = self._bytes(_name(mv, ".mod"), MOST_MOD)
        check_mod(body)
        return body

    def _zip(self, mv: ModuleVersion, into: Path) -> None:
        with (
            self._open(_name(mv, ".zip"), MOST_ZIP) as source,
            disk_failures("write the file"),
            into.open("wb") as target,
        ):
            while piece := _piece(source):
                target.write(piece)
        check_zip(into)

    def _list(self, path: ModulePath) -> list[Listed]:
        """What `@v/list` names, and what is there besides."""
        folder = f"{path.escaped}/@v"
        known = False
        body = b""
        try:
            body = self._bytes(f"{folder}/list", MOST_LIST, empty=True)
            known = True
        except _MissingError:
            pass
        try:
            with os.scandir(self._inside(folder)) as entries:
                names = {entry.name for entry in entries if entry.is_file()}
        except OSError as error:
            if error.errno not in _MISSING:
                raise
            names = set()
        except _MissingError:
            names = set()
        held = [name.removesuffix(".info") for name in names if name.endswith(".info")]
        escaped = [name for name in held if f"{name}.mod" in names]
        listed = {each.version: each for each in read_list(path, body)}
        for each in read_list(path, "\n".join(filter(None, map(_unescaped, escaped))).encode()):
            listed.setdefault(each.version, each)
        if not known and not listed:
            raise _MissingError
        return list(listed.values())

    def _bytes(self, name: str, limit: int, *, empty: bool = False) -> bytes:
        with self._open(name, limit, empty=empty) as file:
            return file.read(limit)

    def _open(self, name: str, limit: int, *, empty: bool = False) -> BinaryIO:
        """A regular file of the tree. Raises `_MissingError`, `Unreadable`, `SourceUnavailable`, OSError."""
        path = self._inside(name)
        try:
            file = os.open(path, _READ)
        except OSError as error:
            if error.errno in _MISSING:
                raise _MissingError from None
            raise
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or (status.st_size == 0 and not empty) or status.st_size > limit:
            os.close(file)
            raise Unreadable("holds something else than a whole file there")
        return os.fdopen(file, "rb")

    def _inside(self, name: str) -> Path:
        """The path behind all symbolic links, which must lie in the tree."""
        try:
            root = self._folder.resolve(strict=True)
            if not root.is_dir():
                raise FileNotFoundError
        except (OSError, RuntimeError):
            raise SourceUnavailable(f"{self.home.name} is no folder, or not there") from None
        try:
            path = (root / name).resolve(strict=True)
        except (OSError, RuntimeError) as error:
            if isinstance(error, OSError) and error.errno in _MISSING:
                raise _MissingError from None
            # Before Python 3.13 a circle is a RuntimeError.
            if isinstance(error, RuntimeError) or error.errno == errno.ELOOP:
                raise Unreadable("holds symbolic links there that lead in a circle") from None
            raise
        if not path.is_relative_to(root):
            raise Unreadable("holds a symbolic link there that leads out of it")
        return path


class _MissingError(Exception):
    """The tree has no such file."""


def _piece(source: BinaryIO) -> bytes:
    try:
        return source.read(1 << 20)
    except OSError as error:
        raise SourceUnavailable(f"a file of the tree: {error.strerror or 'it cannot be read'}") from None


def _name(mv: ModuleVersion, ending: str) -> str:
    return f"{mv.path.escaped}/@v/{mv.version.escaped}{ending}"


def _unescaped(escaped: str) -> str | None:
    try:
        return str(Version.unescape(escaped))
    except NotFound:
        return None
