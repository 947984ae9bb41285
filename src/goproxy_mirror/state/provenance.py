"""Where the published files came from, in the state database; what cannot be written at once is written later."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from goproxy_mirror.errors import StorageError
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion
from goproxy_mirror.ports import FileCounts, FileKind, FileRecord, Home, Proof
from goproxy_mirror.protocol import stem_of
from goproxy_mirror.state.database import BRIEF, PATIENT, Database
from goproxy_mirror.state.spool import Said, Spool, held, proved, recorded
from goproxy_mirror.state.spool import apply as replay

if TYPE_CHECKING:
    from goproxy_mirror.state.session import Session

log = structlog.get_logger(__name__)

MOST_WAITING = 10_000
"""Changes that are remembered while the database cannot be written to; the oldest are lost first."""

_AT_ONCE = 500
_REST = 5.0
"""Seconds after a failure for which nobody waits for the database again."""


@dataclass(eq=False, slots=True)
class _Change:
    """`needed`: somebody has to know whether it was written. `feeds`: it gives a time in the feeds, where a reader may see it
    before the machine loses its power. `said`: what is kept on the disk while it waits."""

    apply: Callable[[Session], None]
    needed: bool
    feeds: bool = False
    said: Said | None = None
    written: bool = False


class SQLProvenance:
    """`ports.Provenance`.

    Changes of many tasks at the same time go into one transaction. A change that cannot be written is remembered, and written
    before the next one that can be: a database that fails keeps no proven file from being published. Only the record of an
    unproven `.mod` or `.zip` has to succeed, since a file without a record would be taken for a proven one. What waits is in
    `spool` too, so that the next process of this node writes what one that was killed could not.
    """

    def __init__(self, database: Database, spool: Spool) -> None:
        self._database = database
        self._spool = spool
        self._spooled = asyncio.Lock()
        self._waiting: deque[_Change] = deque()
        self._turn = asyncio.Lock()
        self._again = 0.0
        self._lost = 0

    async def record(self, key: str, home: Home, *, size: int, proof: Proof | None) -> None:
        at = time.time()
        proven = (proof is not None and bool(proof.by)) or key.endswith(FileKind.INFO.value)
        await self._change(
            lambda session: session.put_file(key, home, size=size, proof=proof, at=at),
            needed=not proven,
            said=recorded(key, home, size, proof, at),
        )

    async def unproven(self) -> frozenset[str]:
        return await self._database.read(lambda session: session.unproven())

    async def proved(self, key: str, proof: Proof) -> None:
        at = time.time()
        await self._change(
            lambda session: session.put_proof(key, proof, at), needed=False, said=proved(key, proof, at)
        )

    async def held(self, mv: ModuleVersion) -> None:
        stem = stem_of(mv)
        await self._change(
            lambda session: session.put_held([stem]), needed=False, feeds=True, said=held(stem)
        )

    async def forget(self, key: str) -> None:
        await self._change(lambda session: session.drop_file(key), needed=False)

    async def catch_up(self) -> None:
        """Write what could not be written when it was said. Raises `StorageError`."""
        if self._waiting:
            await self._write(self._waiting[-1])
        await self._spool_out()
        for path, left in await asyncio.to_thread(self._spool.left_over):
            for start in range(0, len(left), _AT_ONCE):
                changes = left[start : start + _AT_ONCE]
                await self._database.write(lambda session, changes=changes: _replay(session, changes))  # type: ignore[misc]
            await asyncio.to_thread(self._spool.done, path)
            log.info("changes of a process that has ended were written", changes=len(left))

    def close(self) -> None:
        """Leave what still waits to the next process of this node."""
        self._spool.close()

    # What commands ask; each raises `StorageError`.

    async def of(self, key: str) -> FileRecord | None:
        """What is known of a file; None where nothing was recorded."""
        return await self._database.read(lambda session: session.file(key))

    async def counts(self) -> FileCounts:
        return await self._database.read(lambda session: session.counts())

    async def hashed(
        self, path: ModulePath | None = None, *, before: float, batch: int = 500
    ) -> AsyncIterator[FileRecord]:
        """The files whose hash is known and that were not verified since `before` (seconds since the epoch), by key.

        Of one module, or of all. With `verified` after each batch, who is stopped goes on where they were by asking again
        with the same `before`.
        """
        prefix = f"{path.escaped}/@v/" if path is not None else ""
        after = ""
        while True:
            found = await self._database.read(
                lambda session, after=after: session.hashed(prefix, after, before, batch)  # type: ignore[misc]
            )
            for record in found:
                yield record
            if len(found) < batch:
                return
            after = found[-1].key

    async def verified(self, keys: Sequence[str]) -> None:
        """The stored files are (still) what their recorded hash says, as of now."""
        at = time.time()
        await self._database.write(lambda session: session.put_verified(keys, at), durable=False)

    async def _change(
        self,
        apply: Callable[[Session], None],
        *,
        needed: bool,
        feeds: bool = False,
        said: Said | None = None,
    ) -> None:
        change = _Change(apply, needed, feeds, said)
        self._waiting.append(change)
        if not needed and time.monotonic() < self._again:
            await self._put_off(change)
            return
        try:
            await self._write(change)
        except StorageError as error:
            if needed:
                self._waiting.remove(change)
                raise
            log.warning("provenance is written later", waiting=len(self._waiting), reason=error.message)
            await self._put_off(change)

    async def _write(self, last: _Change) -> None:
        """Write everything that waits, up to `last`, unless somebody has done it meanwhile."""
        async with self._turn:
            while self._waiting and not last.written:
                changes = [self._waiting[n] for n in range(min(_AT_ONCE, len(self._waiting)))]
                needed = any(change.needed for change in changes)
                try:
                    await self._database.write(
                        lambda session, changes=changes: _apply(session, changes),  # type: ignore[misc]
                        durable=needed or any(change.feeds for change in changes),
                        wait=PATIENT if needed else BRIEF,
                    )
                except StorageError:
                    self._again = time.monotonic() + _REST
                    raise
                self._again = 0.0
                if self._lost:
                    log.warning("provenance was lost: too much had to wait", changes=self._lost)
                    self._lost = 0
                for change in changes:
                    change.written = True
                while self._waiting and self._waiting[0].written:
                    self._waiting.popleft()

    async def _put_off(self, change: _Change) -> None:
        """It waits, on the disk too. What was said before it may wait there already, and may be written meanwhile."""
        async with self._spooled:
            if change.said is not None and not change.written:
                await asyncio.to_thread(self._spool.add, change.said)
        while len(self._waiting) > MOST_WAITING:
            self._waiting.popleft()
            self._lost += 1

    async def _spool_out(self) -> None:
        """Nothing waits any more, so nothing has to on the disk."""
        async with self._spooled:
            if not self._waiting:
                await asyncio.to_thread(self._spool.clear)


def _replay(session: Session, changes: Sequence[Said]) -> None:
    session.lock_feed()
    for said in changes:
        with suppress(KeyError, TypeError, ValueError):  # no change of ours
            replay(session, said)


def _apply(session: Session, changes: Sequence[_Change]) -> None:
    if any(change.feeds for change in changes):
        session.lock_feed()  # before any row is, so that no two transactions wait for each other
    for change in changes:
        change.apply(session)
