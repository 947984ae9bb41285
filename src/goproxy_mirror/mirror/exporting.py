"""Bundles are made of what the journey has: whatever is not held is fetched and proven first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from goproxy_mirror.errors import MirrorError, StorageError, disk_failures
from goproxy_mirror.mirror.answers import FileAnswer, TextAnswer
from goproxy_mirror.mirror.archive import TOGETHER, ArchiveWriter, Entry, Writable
from goproxy_mirror.mirror.bundle import KIND, MODULES, sumdb_name
from goproxy_mirror.mirror.holdings import IN_ORDER, folders_of, module_of, version_of
from goproxy_mirror.mirror.selection import Selection, key_prefixes
from goproxy_mirror.mirror.streaming import add_stored
from goproxy_mirror.mirror.together import together
from goproxy_mirror.module.modfile import GoMod, InvalidModFile, parse_lax
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion
from goproxy_mirror.ports import FileKind, Storage, StoredFile
from goproxy_mirror.protocol import File, file_key

_RECORDS_AT_ONCE = 200


class FileJourney(Protocol):
    """Answers requests for files, as `service.MirrorService` does."""

    async def answer(self, request: File, *, fetch: bool = True) -> FileAnswer | TextAnswer: ...


class ShowingDatabase(Protocol):
    """A checksum database that can show what proves its records. Raises every kind of `MirrorError`."""

    @property
    def name(self) -> str: ...

    async def entry(self, mv: ModuleVersion) -> tuple[int, bytes]:
        """The number of a version's record, and the record as a look-up has it before the note."""
        ...

    async def newest(self) -> tuple[int, bytes]:
        """The size of the newest tree, and its note."""
        ...

    async def tiles(self, note: bytes, numbers: Sequence[int], sizes: Sequence[int]) -> Mapping[str, bytes]:
        """By their paths, the tiles that prove in the note's tree records, and trees of earlier sizes."""
        ...


@dataclass(frozen=True, slots=True)
class Exported:
    """What is in a bundle: files, and bytes before they were packed; `sizes` of the trees that it shows, by database."""

    files: int
    bytes: int
    sizes: Mapping[str, int]


class Exporter:
    """`database_of` knows which database proves a module; None for those outside of all."""

    def __init__(
        self,
        journey: FileJourney,
        storage: Storage,
        database_of: Callable[[ModulePath], ShowingDatabase | None],
        *,
        parallel: int,
    ) -> None:
        self._journey = journey
        self._storage = storage
        self._database_of = database_of
        self._places = asyncio.Semaphore(parallel)

    async def go_mod(self, mv: ModuleVersion) -> GoMod:
        """A version's go.mod, fetched where it is not held; one that cannot be read requires nothing."""
        file = await self._file(mv, FileKind.MOD)
        with disk_failures("read the file"):
            body = await asyncio.to_thread(file.path.read_bytes)
        try:
            return await asyncio.to_thread(parse_lax, body)
        except InvalidModFile:
            return GoMod()

    async def held(self, wanted: Sequence[Selection]) -> dict[ModuleVersion, set[FileKind]]:
        """The held versions that are meant, with their files. Raises `StorageError`."""
        found: dict[ModuleVersion, set[FileKind]] = {}
        if not wanted:
            return found
        async for folder, names in folders_of(self._storage, key_prefixes(wanted)):
            path = module_of(folder)
            for name in names if path is not None else ():
                assert path is not None
                version = version_of(path, name)
                if version is not None and any(each.has(path, version[0]) for each in wanted):
                    found.setdefault(ModuleVersion(path, version[0]), set()).add(version[1])
        return {mv: kinds for mv, kinds in found.items() if {FileKind.MOD, FileKind.INFO} <= kinds}

    async def fetch(
        self,
        wanted: Mapping[ModuleVersion, set[FileKind]],
        done: Callable[[int], None],
        failed: Callable[[str, MirrorError], None],
    ) -> set[str]:
        """Have everything here; the keys of what is. `done` is told the bytes of each file.

        An `.info` beside a `.mod` alone is taken where it can be had: no graph needs it. Raises `StorageError`.
        """
        keys: set[str] = set()

        async def one(mv: ModuleVersion, kinds: set[FileKind]) -> None:
            for kind in IN_ORDER:
                if kind not in kinds and kind is not FileKind.INFO:
                    continue
                try:
                    file = await self._file(mv, kind)
                except StorageError:
                    raise
                except MirrorError as error:
                    if kind is not FileKind.INFO or FileKind.ZIP in kinds:
                        failed(f"{mv}{kind.value}", error)
                    continue
                keys.add(file_key(mv, kind))
                done(file.size)

        await together(one(mv, kinds) for mv, kinds in wanted.items())
        return keys

    async def write(
        self,
        out: Writable,
        keys: Iterable[str],
        mvs: Iterable[ModuleVersion],
        earlier: Mapping[str, Sequence[int]],
        *,
        made_by: str,
    ) -> Exported:
        """Write the bundle: files by their keys, and what proves the versions. `earlier` are the sizes of trees that whoever
        imports it may have, by database. Raises OSError of `out`, and what the databases raise."""
        ordered = sorted(keys, key=_place)
        records = await self._records(mvs)
        about = {"made_by": made_by, "files": len(ordered)}
        writer = await asyncio.to_thread(ArchiveWriter, out, KIND, about)
        sizes = {}
        for database, entries in records:
            size, note = await database.newest()
            sizes[database.name] = size
            await self._show(
                writer,
                database,
                note,
                entries,
                [each for each in earlier.get(database.name, ()) if each <= size],
            )
        files = 0
        for start in range(0, len(ordered), TOGETHER):
            batch = ordered[start : start + TOGETHER]
            for gone in await add_stored(writer, self._storage, MODULES, batch):
                raise _gone(gone)
            files += len(batch)
        await asyncio.to_thread(writer.end)
        return Exported(files, writer.bytes, sizes)

    async def _records(
        self, mvs: Iterable[ModuleVersion]
    ) -> list[tuple[ShowingDatabase, dict[ModuleVersion, tuple[int, bytes]]]]:
        found: dict[str, tuple[ShowingDatabase, dict[ModuleVersion, tuple[int, bytes]]]] = {}

        async def one(mv: ModuleVersion) -> None:
            database = self._database_of(mv.path)
            if database is not None:
                async with self._places:
                    entry = await database.entry(mv)
                found.setdefault(database.name, (database, {}))[1][mv] = entry

        await together(one(mv) for mv in mvs)
        return [found[name] for name in sorted(found)]

    async def _show(
        self,
        writer: ArchiveWriter,
        database: ShowingDatabase,
        note: bytes,
        entries: Mapping[ModuleVersion, tuple[int, bytes]],
        earlier: Sequence[int],
    ) -> None:
        ordered = sorted(entries.items(), key=lambda item: item[1][0])
        files = [Entry(sumdb_name(database.name, "latest"), note)]
        files += [
            Entry(sumdb_name(database.name, f"lookup/{mv.path.escaped}@{mv.version.escaped}"), body + note)
            for mv, (_, body) in ordered
        ]
        await asyncio.to_thread(writer.add, files)
        shown: set[str] = set()
        for start in range(0, len(ordered), _RECORDS_AT_ONCE):
            numbers = [number for _, (number, _) in ordered[start : start + _RECORDS_AT_ONCE]]
            tiles = await database.tiles(note, numbers, earlier if start == 0 else ())
            fresh = [
                Entry(sumdb_name(database.name, path), tiles[path])
                for path in sorted(tiles)
                if path not in shown
            ]
            shown.update(tiles)
            await asyncio.to_thread(writer.add, fresh)

    async def _file(self, mv: ModuleVersion, kind: FileKind) -> StoredFile:
        async with self._places:
            await self._journey.answer(File(mv, kind))
        return await self._stored(file_key(mv, kind))

    async def _stored(self, key: str) -> StoredFile:
        stored = await self._storage.find(key)
        if stored is None:
            raise _gone(key)
        return stored


def _gone(key: str) -> StorageError:
    return StorageError(f"{key} is gone from the store: is another program removing files from it?")


def _place(key: str) -> tuple[str, int]:
    """A version's `.mod` first, its `.info` last."""
    stem, dot, ending = key.rpartition(".")
    return stem, IN_ORDER.index(FileKind(dot + ending))
