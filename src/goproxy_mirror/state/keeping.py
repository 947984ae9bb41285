"""The records as a whole, in the state database."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TypeVar

from goproxy_mirror.ports import FileRecord, FoundFile, KeptVersion, Settled, StoreSize
from goproxy_mirror.state.database import Database

T = TypeVar("T")


class SQLKeeping:
    """`ports.KeepingRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sizes(self) -> StoreSize:
        return await self._database.read(lambda session: session.sizes(), all_=True)

    async def each_version(
        self, work: Callable[[Iterator[KeptVersion]], T], *, zips: bool, by_age: bool = False
    ) -> T:
        return await self._database.read(
            lambda session: work(session.each_version(zips=zips, by_age=by_age)), all_=True
        )

    async def used(self, stems: Collection[str]) -> Mapping[str, tuple[int | None, int | None]]:
        return await self._database.read(lambda session: session.used(stems))

    async def pinned(self, stems: Collection[str]) -> frozenset[str]:
        return await self._database.read(lambda session: session.pinned_of(stems))

    async def drop(self, keys: Sequence[str]) -> None:
        await self._database.write(lambda session: session.drop_files(keys), durable=False)

    async def known(self, keys: Sequence[str]) -> Mapping[str, FileRecord]:
        return await self._database.read(lambda session: session.files(keys))

    async def found(self, files: Sequence[FoundFile]) -> None:
        await self._database.write(lambda session: session.found(files), durable=False)

    async def keys(self, after: str, limit: int) -> Sequence[tuple[str, float]]:
        return await self._database.read(lambda session: session.keys(after, limit))

    async def unfed(self, work: Callable[[Iterator[tuple[str, float]]], T]) -> T:
        return await self._database.read(lambda session: work(session.unfed()), all_=True)

    async def oldest_fed(self) -> int | None:
        return await self._database.read(lambda session: session.oldest_fed())

    async def restore(self, times: Sequence[tuple[str, int]], *, before: int | None) -> None:
        await self._database.write(lambda session: session.restore(times, before), durable=False)

    async def take_out(self, times: Sequence[tuple[str, int]]) -> None:
        await self._database.write(lambda session: session.take_out(times), durable=False)

    async def settle(self, after: int) -> Settled | None:
        return await self._database.write(lambda session: session.settle_restored(after))

    async def feed(self, stems: Sequence[tuple[str, float]], *, before: int, after: int) -> int:
        return await self._database.write(lambda session: session.feed_late(stems, before, after))
