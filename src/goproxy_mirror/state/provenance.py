"""Where the published files came from, in the state database; what cannot be written at once is written later."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from goproxy_mirror.errors import StorageError
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion
from goproxy_mirror.ports import FileCounts, FileKind, FileRecord, Home, Proof
from goproxy_mirror.state.database import BRIEF, PATIENT, Database
from goproxy_mirror.state.feed import stem_of

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
    before the machine loses its power."""

    apply: Callable[[Session], None]
    needed: bool
    feeds: bool = False
    written: bool = False


class SQLProvenance:
    """`ports.Provenance`.

    Changes of many tasks at the same time go into one transaction. A change that cannot be written is remembered, and written
    before the next one that can be: a database that fails keeps no proven file from being published. Only the record of an
    unproven `.mod` or `.zip` has to succeed, since a file without a record would be taken for a proven one.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[_Change] = deque()
        self._turn = asyncio.Lock()
        self._again = 0.0
        self._lost = 0

    async def record(self, key: str, home: Home, *, size: int, proof: Proof | None) -> None:
        at = time.time()
        proven = (proof is not None and bool(proof.by)) or key.endswith(FileKind.INFO.value)
        await self._change(
            lambda session: session.put_file(key, home, size=size, proof=proof, at=at), needed=not proven
        )

    async def unproven(self) -> frozenset[str]:
        return await self._database.read(lambda session: session.unproven())

    async def proved(self, key: str, proof: Proof) -> None:
        at = time.time()
        await self._change(lambda session: session.put_proof(key, proof, at), needed=False)

    async def held(self, mv: ModuleVersion) -> None:
        stem = stem_of(mv)
        await self._change(lambda session: session.put_held([stem]), needed=False, feeds=True)

    async def forget(self, key: str) -> None:
        await self._change(lambda session: session.drop_file(key), needed=False)

    async def catch_up(self) -> None:
        """Write what could not be written when it was said. Raises `StorageError`."""
        if self._waiting:
            await self._write(self._waiting[-1])

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

    async def _change(self, apply: Callable[[Session], None], *, needed: bool, feeds: bool = False) -> None:
        change = _Change(apply, needed, feeds)
        self._waiting.append(change)
        if not needed and time.monotonic() < self._again:
            self._limit()
            return
        try:
            await self._write(change)
        except StorageError as error:
            if needed:
                self._waiting.remove(change)
                raise
            log.warning("provenance is written later", waiting=len(self._waiting), reason=error.message)
            self._limit()

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

    def _limit(self) -> None:
        while len(self._waiting) > MOST_WAITING:
            self._waiting.popleft()
            self._lost += 1


def _apply(session: Session, changes: Sequence[_Change]) -> None:
    if any(change.feeds for change in changes):
        session.lock_feed()  # before any row is, so that no two transactions wait for each other
    for change in changes:
        change.apply(session)
