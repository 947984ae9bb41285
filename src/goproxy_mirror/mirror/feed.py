"""What is told of the store to those who follow it: which versions are held, in the order in which they arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from goproxy_mirror.mirror.holdings import file_of
from goproxy_mirror.module.patterns import match_globs
from goproxy_mirror.module.version import ModuleVersion
from goproxy_mirror.ports import FeedEntry, FeedRecords, FileKind, Storage
from goproxy_mirror.protocol import file_key

_LEAST = 500
"""Entries that are read at once, so that a short page behind many private modules takes few transactions."""

_DUE = 1000
"""Versions that are looked for at once, of those whose publication was interrupted."""


class Feed:
    """Pages of the feeds. `private` are globs as in GOPRIVATE, of modules that are named to nobody.

    The globs of today count: whoever makes a module public shows all its versions at the times when they arrived.
    """

    def __init__(self, records: FeedRecords, storage: Storage, *, private: str) -> None:
        self._records = records
        self._storage = storage
        self._private = private
        self._due: set[ModuleVersion] = set()

    async def page(self, since: int, limit: int, *, gone: bool = False) -> Sequence[FeedEntry]:
        """The first public entries at `since` (microseconds since the epoch) or later; fewer than `limit` only at the end.

        `gone`: with versions that are not held any more. Raises `StorageError`.
        """
        found: list[FeedEntry] = []
        size = max(limit, _LEAST)
        while len(found) < limit:
            entries = await self._records.page(since, size, gone=gone)
            found += await asyncio.to_thread(self._public, entries)
            if len(entries) < size:
                break
            since = entries[-1].at + 1
        return found[:limit]

    async def settle(self) -> None:
        """Let those enter the feeds whose publication was interrupted after they were held; now and then.

        What was due at the call before too, and is not there, has not been published. Raises `StorageError`.
        """
        held: list[ModuleVersion] = []
        absent: list[ModuleVersion] = []
        due = set(await self._records.due(_DUE))
        for mv in due & self._due:
            (held if await self._is_held(mv) else absent).append(mv)
        self._due = due - {*held, *absent}
        if held or absent:
            await self._records.settle(held, absent)

    async def look_after(self, keys: Iterable[str]) -> None:
        """Let those of the files that were asked for enter whose publication nobody could write down: a process that died while
        the database was not there takes it along. Raises `StorageError`."""
        infos = [file for key in keys if key.endswith(FileKind.INFO.value) and (file := file_of(key))]
        for start in range(0, len(infos), _LEAST):
            unknown = await self._records.unknown([file.mv for file in infos[start : start + _LEAST]])
            held = [mv for mv in unknown if await self._is_held(mv)]
            if held:
                await self._records.settle(held, [])

    async def _is_held(self, mv: ModuleVersion) -> bool:
        for kind in (FileKind.MOD, FileKind.INFO):
            if await self._storage.measure(file_key(mv, kind)) is None:
                return False
        return True

    def _public(self, entries: Sequence[FeedEntry]) -> list[FeedEntry]:
        if not self._private:
            return list(entries)
        return [entry for entry in entries if not match_globs(self._private, entry.path)]
