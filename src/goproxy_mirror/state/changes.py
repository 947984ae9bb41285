"""Changes of the state database, together and in their order; what cannot be written at once is written later."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from goproxy_mirror.errors import StorageError
from goproxy_mirror.state.database import BRIEF, PATIENT, Database
from goproxy_mirror.state.said import Said, apply, apply_late
from goproxy_mirror.state.spool import Spool

if TYPE_CHECKING:
    from goproxy_mirror.state.session import Session

log = structlog.get_logger(__name__)

MOST_WAITING = 10_000
"""Changes that are remembered while the database cannot be written to; what more there are waits on the disk alone."""

_AT_ONCE = 500
_REST = 5.0
"""Seconds after a failure for which nobody waits for the database again."""


@dataclass(eq=False, slots=True)
class _Change:
    """`needed`: somebody has to know whether it was written. `feeds`: it gives a time in the feeds, where a reader may see it
    before the machine loses its power. `kept`: it is on the disk. `settled`: it does not wait here any more."""

    said: Said
    needed: bool = False
    feeds: bool = False
    kept: bool = False
    settled: bool = False


class Changes:
    """Changes of many tasks at the same time go into one transaction. A change that cannot be written is remembered, and
    written before the next one that can be; it is in `spool` too, so that the next process of this node writes what one that
    was killed could not.
    """

    def __init__(self, database: Database, spool: Spool) -> None:
        self._database = database
        self._spool = spool
        self._spooling = asyncio.Lock()
        self._waiting: deque[_Change] = deque()
        self._turn = asyncio.Lock()
        self._again = 0.0
        self._failure = ""
        self._lost = 0

    async def make(self, said: Said, *, needed: bool = False, feeds: bool = False) -> None:
        """Write it, or let it wait. With `needed` it is written when this returns: raises `StorageError`."""
        change = _Change(said, needed, feeds)
        self._waiting.append(change)
        try:
            await self._write(change, now=needed)
        except StorageError:
            if needed:
                self._waiting.remove(change)
                raise
            await self._keep(change)

    async def put_off(self, said: Said) -> None:
        """Let it wait: it is known that it cannot be written now."""
        change = _Change(said)
        self._waiting.append(change)
        await self._keep(change)

    async def catch_up(self) -> None:
        """Write what could not be written when it was said, the oldest first. Raises `StorageError`."""
        for path in await asyncio.to_thread(self._spool.left_over):
            await self._take_over(path)
        if self._waiting:
            await self._write(self._waiting[-1], now=True)
        async with self._spooling:
            if not self._waiting:
                await asyncio.to_thread(self._spool.clear)

    def close(self) -> None:
        """Leave what still waits to the next process of this node."""
        self._spool.leave()

    async def _write(self, last: _Change, *, now: bool) -> None:
        """Write everything that waits, up to `last`, unless somebody has done it meanwhile. Without `now` nobody waits for a
        database that has failed a moment ago."""
        self._rested(now=now)
        async with self._turn:
            while not last.settled:
                self._rested(now=now)
                changes = list(islice(self._waiting, _AT_ONCE))
                needed = any(change.needed for change in changes)
                try:
                    await self._database.write(
                        lambda session, changes=changes: _apply(session, changes),  # type: ignore[misc]
                        durable=needed or any(change.feeds for change in changes),
                        wait=PATIENT if needed else BRIEF,
                    )
                except StorageError as error:
                    if not self._failure:
                        log.warning("what is known of files is written later", reason=error.message)
                    self._failure, self._again = error.message, time.monotonic() + _REST
                    raise
                self._again, self._failure = 0.0, ""
                if self._lost:
                    log.error(
                        "changes were lost: too much had to wait for the state database, and the state folder took none",
                        changes=self._lost,
                        instead="goproxy-mirror reindex makes anew what can be read from the store",
                    )
                    self._lost = 0
                for change in changes:
                    change.settled = True
                while self._waiting and self._waiting[0].settled:
                    self._waiting.popleft()

    def _rested(self, *, now: bool) -> None:
        if not now and time.monotonic() < self._again:
            raise StorageError(self._failure)

    async def _keep(self, change: _Change) -> None:
        """It waits, on the disk too. What was said before it may wait there already, and may be written meanwhile."""
        async with self._spooling:
            if not change.settled:
                change.kept = await asyncio.to_thread(self._spool.add, change.said)
            if len(self._waiting) > MOST_WAITING:
                await self._leave_to_the_disk()

    async def _leave_to_the_disk(self) -> None:
        """What is on the disk is forgotten here, and found there again by `catch_up`. What is not, and is too much, is lost."""
        for change in self._waiting:
            change.settled = change.kept
        rest = [change for change in self._waiting if not change.settled]
        for change in rest[: max(0, len(rest) - MOST_WAITING)]:
            if not change.needed:
                change.settled = True
                self._lost += 1
        self._waiting = deque(change for change in rest if not change.settled)
        await asyncio.to_thread(self._spool.leave)

    async def _take_over(self, path: Path) -> None:
        left = await asyncio.to_thread(self._spool.take, path)
        if left is None:
            return
        written = False
        try:
            for start in range(0, len(left.changes), _AT_ONCE):
                changes = left.changes[start : start + _AT_ONCE]
                await self._database.write(lambda session, changes=changes: _replay(session, changes))  # type: ignore[misc]
            written = True
        finally:
            await asyncio.to_thread(left.end, written=written)
        log.info("changes that were left over were written", changes=len(left.changes))


def _replay(session: Session, changes: Sequence[Said]) -> None:
    session.lock_feed()
    for said in changes:
        with suppress(KeyError, TypeError, ValueError):  # no change of ours
            apply_late(session, said)


def _apply(session: Session, changes: Sequence[_Change]) -> None:
    if any(change.feeds for change in changes):
        session.lock_feed()  # before any row is, so that no two transactions wait for each other
    for change in changes:
        apply(session, change.said)
