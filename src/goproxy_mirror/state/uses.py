"""Uses, in the state database."""

from __future__ import annotations

from collections.abc import Mapping

from goproxy_mirror.state.database import BRIEF, Database


class SQLUses:
    """`ports.UseRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, counts: Mapping[str, int], day: int, *, complete: bool = True) -> None:
        await self._database.write(
            lambda session: session.add_uses(counts, day, complete=complete), durable=False, wait=BRIEF
        )
