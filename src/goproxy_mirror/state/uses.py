"""Uses, in the state database."""

from __future__ import annotations

from collections.abc import Mapping

from goproxy_mirror.state.changes import Changes
from goproxy_mirror.state.database import BRIEF, Database
from goproxy_mirror.state.said import used


class SQLUses:
    """`ports.UseRecords`."""

    def __init__(self, database: Database, changes: Changes) -> None:
        self._database = database
        self._changes = changes

    async def add(self, counts: Mapping[str, int], day: int, *, complete: bool = True) -> None:
        await self._database.write(
            lambda session: session.add_uses(counts, day, complete=complete), durable=False, wait=BRIEF
        )

    async def leave(self, counts: Mapping[str, int], day: int, *, complete: bool) -> None:
        await self._changes.put_off(used(counts, day, complete=complete))
