"""Modules for machines without any network, with what proves them: a stream as `archive.py` has it.

    sumdb/NAME/{latest,lookup/…,tile/…}     what the checksum database says of them, under its own paths
    modules/MODULE/@v/VERSION.{mod,zip,info}

A bundle proves nothing by itself. Whoever imports it holds the records against the database's key and the files against the
records, exactly as if both had come over a network.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote

from goproxy_mirror.errors import MirrorError, NotFound, SourceUnavailable, disk_failures
from goproxy_mirror.mirror.archive import ArchiveReader, DamagedArchive, Member, Readable
from goproxy_mirror.mirror.holdings import file_of
from goproxy_mirror.module.version import ModuleVersion
from goproxy_mirror.ports import ChecksumDatabases, FileKind, Found, Home
from goproxy_mirror.ports.moving import Lot, Offered, Outcome, Taken
from goproxy_mirror.protocol import File

KIND = "bundle"
MODULES, SUMDB = "modules/", "sumdb/"
HOME = Home("upstream", "the bundle")


class ProvingDatabase(Protocol):
    """A checksum database whose key is known here. Raises every kind of `MirrorError`."""

    async def lookup_text(self, path_version: str) -> bytes: ...

    async def tile(self, path: str) -> bytes: ...


def sumdb_name(database: str, path: str) -> str:
    """Where a bundle has what a database says."""
    return f"{SUMDB}{quote(database, safe='')}/{path}"


class Bundle:
    """A bundle that is being read. `folder` is empty, and for what has to wait there; `passed_over`
    knows which files need not be unpacked."""

    def __init__(self, file: Readable, folder: Path, passed_over: Callable[[File], Awaitable[bool]]) -> None:
        self._file = file
        self._folder = folder
        self._passed_over = passed_over
        self._reader: ArchiveReader | None = None
        self._members: Iterator[Member] = iter(())
        self._next: Member | None = None

    async def open(self) -> int:
        """Read what comes before the modules; how many of their files follow. Raises `DamagedArchive`."""
        reader = self._reader = await asyncio.to_thread(ArchiveReader, self._file)
        if reader.kind != KIND:
            raise DamagedArchive(
                f"the stream is no bundle but a {reader.kind}: goproxy-mirror restore reads that"
            )
        self._members = iter(reader)
        await self._advance()
        while (member := self._next) is not None and member.name.startswith(SUMDB):
            await asyncio.to_thread(self._copy, member, self._folder / member.name)
            await self._advance()
        files = reader.about.get("files")
        return files if isinstance(files, int) else 0

    async def prove(self, databases: Mapping[str, ProvingDatabase], done: Callable[[Outcome], None]) -> None:
        """Have each record and tile proven, and so kept, by the client of its database."""
        for name in await asyncio.to_thread(_names, self._folder / SUMDB):
            database = databases.get(name)
            if database is None:
                reason = "its key is not known here, or the way to it is closed (gosumdb, sumdb)"
                done(Outcome(f"the checksum database {name}", Taken.UNPROVEN, reason=reason))
                continue
            root = self._folder / SUMDB / quote(name, safe="")
            for path in await asyncio.to_thread(_files_below, root):
                try:
                    if path.startswith("lookup/"):
                        await database.lookup_text(path.removeprefix("lookup/"))
                    elif path.startswith("tile/"):
                        await database.tile(path)
                except MirrorError as error:
                    reason = error.line
                    done(Outcome(sumdb_name(name, path), Taken.REFUSED, reason=reason))

    async def lots(self) -> AsyncIterator[Lot | Outcome]:
        """The modules, version by version; what is stored here already is not unpacked."""
        while (member := self._next) is not None:
            request = file_of(member.name.removeprefix(MODULES)) if member.name.startswith(MODULES) else None
            if request is None:
                yield Outcome(member.name, Taken.STRAY, reason="no bundle has such a file")
                await self._advance()
                continue
            yield await self._lot(request.mv)

    async def _lot(self, mv: ModuleVersion) -> Lot:
        files: dict[FileKind, Offered] = {}
        kept: list[Path] = []
        while (member := self._next) is not None and member.name.startswith(MODULES):
            request = file_of(member.name.removeprefix(MODULES))
            if request is None or request.mv != mv:
                break
            path = self._folder / secrets.token_hex(8)
            files[request.kind] = _Unpacked(path, member.name)
            if not await self._passed_over(request):
                await asyncio.to_thread(self._copy, member, path)
                kept.append(path)
            await self._advance()
        return Lot(mv, files, partial(_remove, kept), near=True)

    async def _advance(self) -> None:
        self._next = await asyncio.to_thread(next, self._members, None)

    def _copy(self, member: Member, path: Path) -> None:
        assert self._reader is not None
        with disk_failures("unpack the bundle"):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as out:
                self._reader.copy(member, out)


class BundledDatabases:
    """`ports.ChecksumDatabases`: what the bundle has, and else what the network says."""

    def __init__(self, folder: Path, network: ChecksumDatabases) -> None:
        self._folder = folder / SUMDB
        self._network = network

    def known(self, name: str) -> bool:
        return self._network.known(name)

    async def get(self, name: str, path: str, without: Collection[Home] = ()) -> Found[bytes]:
        if HOME not in without:
            file = self._folder.joinpath(quote(name, safe=""), *path.split("/"))
            try:
                return Found(await asyncio.to_thread(file.read_bytes), HOME)
            except (OSError, ValueError):
                pass
        return await self._network.get(name, path, tuple(home for home in without if home != HOME))


class _Unpacked:
    """`ports.Offered`: a file of the bundle that waits on this machine."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name

    async def read(self, limit: int) -> bytes:
        return (await asyncio.to_thread(self._content, limit))[:limit]

    async def copy(self, into: Path, limit: int) -> None:
        def rename() -> None:
            self._content(0)
            with disk_failures("write the file"):
                self._path.replace(into)

        await asyncio.to_thread(rename)

    def _content(self, size: int) -> bytes:
        try:
            with self._path.open("rb") as file:
                return file.read(size)
        except FileNotFoundError:
            raise NotFound(f"{self._name} was taken already") from None
        except OSError as error:
            raise SourceUnavailable(f"{self._name} cannot be read ({error.strerror})") from None


def _names(folder: Path) -> list[str]:
    return sorted(unquote(each.name) for each in folder.iterdir()) if folder.is_dir() else []


def _files_below(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def _remove(files: list[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)
