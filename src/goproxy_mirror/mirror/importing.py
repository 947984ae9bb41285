"""Files that are offered from elsewhere, taken into the store as if they had been fetched: each is proven on the way in.

It may be done beside servers, and again: what is published decides by being there first, and what is there is passed over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from goproxy_mirror.errors import MirrorError, StorageError, Unproven
from goproxy_mirror.mirror.answers import FileAnswer
from goproxy_mirror.mirror.holdings import IN_ORDER
from goproxy_mirror.mirror.service import MirrorService
from goproxy_mirror.mirror.together import together
from goproxy_mirror.module.version import ModuleVersion
from goproxy_mirror.ports import FileKind, Storage
from goproxy_mirror.ports.moving import Lot, Outcome, Stray, Taken
from goproxy_mirror.protocol import File, file_key


class Hand(Protocol):
    """The source behind the journey, which has whatever is put into its hand."""

    def holding(self, lot: Lot) -> AbstractContextManager[None]:
        """Have a version's files in hand."""
        ...

    def lacks(self, mv: ModuleVersion, kind: FileKind) -> bool:
        """Whether a file in hand turned out not to be there."""
        ...


class Importer:
    """Takes lots by way of `hand`; `parallel` are worked on together."""

    def __init__(
        self,
        journey: MirrorService,
        storage: Storage,
        hand: Hand,
        *,
        parallel: int = 4,
    ) -> None:
        self._journey = journey
        self._storage = storage
        self._hand = hand
        self._parallel = parallel

    async def run(self, lots: AsyncIterator[Lot | Stray], done: Callable[[Outcome], None]) -> None:
        """Take everything; `done` is told of each file. Raises `StorageError`, and what the iteration raises."""
        turn = asyncio.Lock()

        async def work() -> None:
            while True:
                async with turn:
                    try:
                        lot = await anext(lots)
                    except StopAsyncIteration:
                        return
                if isinstance(lot, Stray):
                    done(Outcome(lot.name, Taken.STRAY, reason=lot.reason))
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
        if await self._storage.find(request.key) is not None:
            return Outcome(request.key, Taken.HERE)
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

    async def _has_mod(self, mv: ModuleVersion, lot: Lot) -> bool:
        return FileKind.MOD in lot.files or await self._storage.find(file_key(mv, FileKind.MOD)) is not None


def _ordered(lot: Lot) -> Iterator[FileKind]:
    return (kind for kind in IN_ORDER if kind in lot.files)
