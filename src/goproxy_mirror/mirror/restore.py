"""A backup put into a store: each file is published as any other is, once it is found to be what was written."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from goproxy_mirror.errors import SettingError, disk_failures
from goproxy_mirror.mirror.archive import TOGETHER, ArchiveReader, DamagedArchive, Member, Readable
from goproxy_mirror.mirror.backup import KIND, STATE, STORE, SUMDB
from goproxy_mirror.mirror.catalog import Catalog
from goproxy_mirror.mirror.holdings import file_of
from goproxy_mirror.mirror.together import together
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.ports import FileKind, Storage
from goproxy_mirror.ports.moving import Tables
from goproxy_mirror.protocol import File

_PRECIOUS = ("pins", "tree_heads", "forks", "provenance")
"""Tables that a store which was never used has no rows in."""

_FEED = "feed"
_MOST_RECORD = 1 << 20
_SMALL = 1 << 16
"""Bytes up to which a file is kept in memory until it is published: many such are written at the cost of one."""

_PARALLEL = 32


@dataclass(slots=True)
class Restored:
    """What has been put there, and what was there already; files, and bytes of the former."""

    files: int = 0
    bytes: int = 0
    here: int = 0
    rows: int = 0


@dataclass(frozen=True, slots=True)
class _Staged:
    """A file that was read whole, and waits to be published, in memory or on the disk."""

    key: str
    content: bytes | Path
    member: Member


class Restore:
    """Reads the stream. `records` is the folder of proven records and tiles."""

    def __init__(self, storage: Storage, tables: Tables, records: Path, catalog: Catalog) -> None:
        self._storage = storage
        self._tables = tables
        self._records = records
        self._catalog = catalog
        self._touched: dict[ModulePath, None] = {}
        self._waiting: dict[str, list[Mapping[str, Any]]] = {}
        self._merges = False

    async def read(
        self,
        file: Readable,
        done: Callable[[Restored], None],
        refused: Callable[[str, str], None],
        *,
        merge: bool,
    ) -> Restored:
        """Put everything there; `refused` is told of what was not, and why.

        Raises `SettingError` where something is there already and `merge` is off, `DamagedArchive`, which leaves what was whole
        before it, and `StorageError`.
        """
        if not merge and await self._is_used():
            raise SettingError(
                "restore: something is in this store or state already; allowed are empty ones (--data, --store, --state), or "
                "--merge, which adds what is missing and changes nothing that is there"
            )
        reader = await asyncio.to_thread(ArchiveReader, file)
        if reader.kind != KIND:
            raise DamagedArchive(
                f"the stream is no backup but a {reader.kind}: goproxy-mirror import reads that"
            )
        total = Restored()
        members = iter(reader)
        # Where nobody can have followed the feed yet its times are those of the backup: so too after an interrupted restore.
        self._merges = merge
        beside = merge and await self._tables.has(_FEED)
        try:
            await self._all(reader, members, total, done, refused, beside=beside)
        finally:
            await self._derive(list(self._touched))
        return total

    async def _all(
        self,
        reader: ArchiveReader,
        members: Iterator[Member],
        total: Restored,
        done: Callable[[Restored], None],
        refused: Callable[[str, str], None],
        *,
        beside: bool,
    ) -> None:
        member = await _next(members)
        while member:
            # What is known of files comes before them, and all else behind them: so they are published in between.
            async with AsyncExitStack() as stack:
                staged: list[_Staged] = []
                while member and (found := _published(member)) and len(staged) < TOGETHER:
                    content: bytes | Path
                    if member.size <= _SMALL:
                        content = await asyncio.to_thread(reader.content, member)
                    else:
                        content = await stack.enter_async_context(self._storage.stage())
                        await asyncio.to_thread(_copy, reader, member, content)
                    staged.append(_Staged(found.key, content, member))
                    self._touched[found.path] = None
                    member = await _next(members)
                agreed = await self._publish(staged, total, refused)
                if staged:
                    total.rows += await self._of_agreed(agreed, beside=beside)
            if staged:
                done(total)
                await self._derive(list(self._touched)[:-1])  # the last one may go on
            if staged or member is None:
                continue
            kind, _, rest = member.name.partition("/")
            if kind + "/" == STATE and rest.endswith(".jsonl"):
                total.rows += await self._rows(reader, member, rest, refused, beside=beside)
            elif kind + "/" == SUMDB:
                await asyncio.to_thread(self._record, reader, member, rest)
            else:
                refused(member.name, "this program does not know what that is")
            member = await _next(members)

    async def _publish(
        self, staged: Sequence[_Staged], total: Restored, refused: Callable[[str, str], None]
    ) -> set[str]:
        """The `.info` files at last. The keys of what is there now as it is in the stream."""
        places = asyncio.Semaphore(_PARALLEL)
        agreed: set[str] = set()

        async def one(each: _Staged) -> None:
            async with places:
                held = await self._storage.find(each.key)
                if held is not None:
                    same = await asyncio.to_thread(_hash, held.path) == each.member.sha256
                elif isinstance(each.content, bytes):
                    _, same = await self._storage.publish(each.key, each.content)
                else:
                    same = (await self._storage.create(each.key, each.content)).size == each.member.size
            if not same:
                refused(each.key, "another file is published here under that name; it stays as it is")
                return
            agreed.add(each.key)
            if held is None:
                total.files += 1
                total.bytes += each.member.size
            else:
                total.here += 1

        for is_info in (False, True):
            await together(one(each) for each in staged if each.key.endswith(FileKind.INFO.value) is is_info)
        return agreed

    async def _rows(
        self,
        reader: ArchiveReader,
        member: Member,
        rest: str,
        refused: Callable[[str, str], None],
        *,
        beside: bool,
    ) -> int:
        name = rest.partition("/")[0]
        body = await asyncio.to_thread(reader.content, member)
        try:
            rows = [dict(json.loads(line)) for line in body.splitlines()]
            rows = [row for row in rows if not await self._is_gone(row)]
            # What is published here already may be another file, and nothing may be said of that.
            for row in rows if self._merges else ():
                if await self._is_here(row):
                    self._waiting.setdefault(name, []).append(row)
            rows = [row for row in rows if row not in self._waiting.get(name, ())]
            return await self._tables.put(name, rows, beside=beside)
        except (ValueError, TypeError, RecursionError) as error:
            refused(member.name, f"it cannot be kept: {error}")
        return 0

    async def _of_agreed(self, agreed: set[str], *, beside: bool) -> int:
        waiting, self._waiting = self._waiting, {}
        count = 0
        for name, rows in waiting.items():
            count += await self._tables.put(
                name, [row for row in rows if row["key"] in agreed], beside=beside
            )
        return count

    async def _is_here(self, row: Mapping[str, Any]) -> bool:
        key = row.get("key")
        return isinstance(key, str) and await self._storage.find(key) is not None

    async def _is_gone(self, row: Mapping[str, Any]) -> bool:
        """Whether a row says of a version that it is held, and it was published only after its folder had been written."""
        stem = row.get("stem")
        if not isinstance(stem, str) or row.get("gone") is not None:
            return False
        for kind in (FileKind.MOD, FileKind.INFO):
            if await self._storage.find(stem + kind.value) is None:
                return True
        return False

    def _record(self, reader: ArchiveReader, member: Member, rest: str) -> None:
        """A proven record or tile. Whoever uses it proves it again, so an older one that is there already is as good."""
        content = reader.content(member, _MOST_RECORD)
        target = self._records.joinpath(*rest.split("/"))
        with disk_failures("keep a proven record"):
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)

    async def _derive(self, paths: Sequence[ModulePath]) -> None:
        for path in paths:
            self._catalog.changed(path)
            await self._catalog.derive(path)
            del self._touched[path]

    async def _is_used(self) -> bool:
        async for key in self._storage.list(""):
            if file_of(key) is not None:
                return True
        return any([await self._tables.has(name) for name in _PRECIOUS])


async def _next(members: Iterator[Member]) -> Member | None:
    return await asyncio.to_thread(next, members, None)


def _published(member: Member) -> File | None:
    return file_of(member.name.removeprefix(STORE)) if member.name.startswith(STORE) else None


def _copy(reader: ArchiveReader, member: Member, path: Path) -> None:
    with disk_failures("write the file"), path.open("wb") as out:
        reader.copy(member, out)


def _hash(path: Path) -> str:
    found = sha256()
    with disk_failures("read the file"), path.open("rb") as file:
        while piece := file.read(1 << 20):
            found.update(piece)
    return found.hexdigest()
