"""Files that are offered from elsewhere, taken into the store as if they had been fetched: each is proven on the way in.

It may be done beside servers, and again: what is published decides by being there first, and what is there is passed over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from filecmp import cmp
from pathlib import Path
from typing import Protocol

from goproxy_mirror.errors import MirrorError, StorageError, Unproven, disk_failures
from goproxy_mirror.mirror.answers import FileAnswer
from goproxy_mirror.mirror.holdings import IN_ORDER
from goproxy_mirror.mirror.service import MirrorService
from goproxy_mirror.mirror.together import together
from goproxy_mirror.module.dirhash import hash_zip
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion
from goproxy_mirror.ports import FileKind, Found, Storage, StoredFile
from goproxy_mirror.ports.moving import Lot, Outcome, Taken
from goproxy_mirror.protocol import File, file_key


class Hand(Protocol):
    """The source behind the journey, which has whatever is put into its hand."""

    def holding(self, lot: Lot) -> AbstractContextManager[None]:
        """Have a version's files in hand."""
        ...

    def lacks(self, mv: ModuleVersion, kind: FileKind) -> bool:
        """Whether a file in hand turned out not to be there."""
        ...

    async def go_mod(self, mv: ModuleVersion) -> Found[bytes]: ...

    async def zip(self, mv: ModuleVersion, into: Path) -> Found[None]: ...


class Importer:
    """Takes lots by way of `hand`; `parallel` are worked on together. `outside`: no database has records of these modules."""

    def __init__(
        self,
        journey: MirrorService,
        storage: Storage,
        hand: Hand,
        outside: Callable[[ModulePath], bool],
        *,
        parallel: int = 4,
    ) -> None:
        self._journey = journey
        self._storage = storage
        self._hand = hand
        self._outside = outside
        self._parallel = parallel

    async def run(self, lots: AsyncIterator[Lot | Outcome], done: Callable[[Outcome], None]) -> None:
        """Take everything; `done` is told of each file. Raises `StorageError`, and what the iteration raises."""
        turn = asyncio.Lock()

        async def work() -> None:
            while True:
                async with turn:
                    try:
                        lot = await anext(lots)
                    except StopAsyncIteration:
                        return
                if isinstance(lot, Outcome):
                    done(lot)
                else:
                    await self._lot(lot, done)

        await together(work() for _ in range(self._parallel))

    async def _lot(self, lot: Lot, done: Callable[[Outcome], None]) -> None:
        try:
            with self._hand.holding(lot):
                for kind in _ordered(lot):
                    done(await self._file(lot, kind))
        finally:
            await asyncio.to_thread(lot.release)

    async def _file(self, lot: Lot, kind: FileKind) -> Outcome:
        request = File(lot.mv, kind)
        held = await self._storage.find(request.key)
        if held is not None:
            return await self._here(lot, request, held)
        if kind is FileKind.INFO and not await self._has_mod(lot.mv, lot):
            return Outcome(request.key, Taken.ALONE, reason="the .mod that has to vouch for it is not there")
        try:
            answer = await self._journey.answer(request)
        except StorageError:
            raise
        except Unproven as error:
            return Outcome(request.key, Taken.UNPROVEN, reason=error.line)
        except MirrorError as error:
            if self._hand.lacks(lot.mv, kind):
                return Outcome(request.key, Taken.STRAY, reason=error.line)
            return Outcome(request.key, Taken.REFUSED, reason=error.line)
        assert isinstance(answer, FileAnswer)
        return Outcome(request.key, Taken.IMPORTED, answer.file.size)

    async def _here(self, lot: Lot, request: File, held: StoredFile) -> Outcome:
        """What the database's record has decided needs no second look; of all else, two stores may hold two things."""
        if lot.near and request.kind is not FileKind.INFO and self._outside(lot.mv.path):
            try:
                same = await self._same(request, held)
            except StorageError:
                raise
            except MirrorError as error:
                return Outcome(request.key, Taken.REFUSED, reason=error.line)
            if not same:
                reason = "another file is published here under that name; it stays as it is"
                return Outcome(request.key, Taken.REFUSED, reason=reason)
        return Outcome(request.key, Taken.HERE)

    async def _same(self, request: File, held: StoredFile) -> bool:
        if request.kind is FileKind.MOD:
            offered = (await self._hand.go_mod(request.mv)).value
            with disk_failures("read the file"):
                return offered == await asyncio.to_thread(held.path.read_bytes)
        async with self._storage.stage() as staged:
            await self._hand.zip(request.mv, staged)
            with disk_failures("read the file"):
                # Two zips of the same files may have been packed in two ways.
                return await asyncio.to_thread(
                    lambda: cmp(staged, held.path, shallow=False) or hash_zip(staged) == hash_zip(held.path)
                )

    async def _has_mod(self, mv: ModuleVersion, lot: Lot) -> bool:
        return FileKind.MOD in lot.files or await self._storage.find(file_key(mv, FileKind.MOD)) is not None


def _ordered(lot: Lot) -> Iterator[FileKind]:
    return (kind for kind in IN_ORDER if kind in lot.files)
