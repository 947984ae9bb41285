"""Lies, tree heads and the health of hosts, in the state database."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from goproxy_mirror.errors import StorageError
from goproxy_mirror.ports import DatabaseState, HostHealth, Lie, Standing
from goproxy_mirror.state.changes import Changes
from goproxy_mirror.state.database import BRIEF, Database
from goproxy_mirror.state.said import forked, lied

if TYPE_CHECKING:
    from goproxy_mirror.state.session import Session


class SQLLies:
    """`ports.Lies`. One that is told again is the same lie, told at another time; the newest 100,000 are remembered."""

    def __init__(self, database: Database, changes: Changes) -> None:
        self._database = database
        self._changes = changes

    async def record(self, lie: Lie) -> None:
        await self._changes.make(lied(lie))

    async def since(self, at: float) -> Sequence[Lie]:
        return await self._database.read(lambda session: session.lies_since(at))


class SQLTreeHeads:
    """`ports.TreeHeads`."""

    def __init__(self, database: Database, changes: Changes) -> None:
        self._database = database
        self._changes = changes

    async def standing(self, name: str) -> Standing:
        return await self._database.read(lambda session: session.standing(name))

    async def head(self, name: str) -> bytes:
        return await self._database.read(lambda session: session.head(name))

    async def advance(self, name: str, old: bytes, new: bytes) -> bool:
        return await self._database.write(lambda session: session.advance(name, old, new, time.time()))

    async def fork(self, name: str) -> bytes | None:
        return await self._database.read(lambda session: session.fork(name))

    async def forked(self, name: str, evidence: bytes) -> None:
        at = time.time()
        try:
            await self._database.write(lambda session: session.add_fork(name, evidence, at))
        except StorageError:
            await self._changes.put_off(forked(name, evidence, at))
            raise

    async def catch_up(self) -> None:
        """Nothing waits here."""

    async def forget_fork(self, name: str, *, and_tree: bool) -> bool:
        """Remove the evidence of a fork; whether there was any. `and_tree`: our newest tree too, so that the one that the
        database shows next is believed, whatever it is. Raises `StorageError`."""

        def forgotten(session: Session) -> bool:
            if and_tree:
                session.drop_head(name)
            return session.drop_fork(name)

        return await self._database.write(forgotten)

    async def all(self) -> Sequence[DatabaseState]:
        """What is known of each checksum database, by name. Raises `StorageError`."""
        return await self._database.read(lambda session: session.databases())


class SQLHealth:
    """`ports.HealthRecords`. A host that was not asked for 90 days is forgotten."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> Sequence[HostHealth]:
        return await self._database.read(lambda session: session.hosts())

    async def save(self, health: Sequence[HostHealth]) -> None:
        await self._database.write(lambda session: session.put_hosts(health), durable=False, wait=BRIEF)
