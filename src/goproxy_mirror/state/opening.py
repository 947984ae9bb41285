"""The state database with everything that is kept in it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from goproxy_mirror.errors import StorageError
from goproxy_mirror.ports import Ledger
from goproxy_mirror.state.changes import Changes
from goproxy_mirror.state.database import Database
from goproxy_mirror.state.dump import SQLTables
from goproxy_mirror.state.feed import SQLFeed
from goproxy_mirror.state.heads import CopiedTreeHeads
from goproxy_mirror.state.keeping import SQLKeeping
from goproxy_mirror.state.pins import SQLPins
from goproxy_mirror.state.provenance import SQLProvenance
from goproxy_mirror.state.records import SQLHealth, SQLLies, SQLTreeHeads
from goproxy_mirror.state.spool import Spool
from goproxy_mirror.state.uses import SQLUses

log = structlog.get_logger(__name__)


def import_ahead(url: str) -> None:
    """Import what the first use of the database needs: once, for all processes that will be forked from this one."""
    import_module(f"goproxy_mirror.state.{'server' if url else 'engine'}")


class State:
    """What one process knows about the files, shared with the other processes of a state folder.

    Entering begins to open the database and returns at once: no stored file waits for it. Each part says `StorageError` where
    the database cannot be used. Leaving writes what still waits, and closes.
    """

    def __init__(self, folder: Path, url: str = "", ledger: Ledger | None = None) -> None:
        """`url`: of the PostgreSQL database that several nodes share; else SQLite in the folder. `ledger`: what stands
        beside the published files, as the pins do."""
        self._database = Database(folder, url)
        self.ledger = ledger
        self.changes = Changes(self._database, Spool(folder / "spool"))
        self.pins = SQLPins(self._database, self.changes, ledger)
        self.lies = SQLLies(self._database, self.changes)
        heads = SQLTreeHeads(self._database, self.changes)
        self.heads = CopiedTreeHeads(heads, folder / "heads") if url else heads
        self.health = SQLHealth(self._database)
        self.provenance = SQLProvenance(self._database, self.changes)
        self.feed = SQLFeed(self._database)
        self.keeping = SQLKeeping(self._database)
        self.uses = SQLUses(self._database, self.changes)
        self.tables = SQLTables(self._database)

    async def __aenter__(self) -> Self:
        self._database.open_soon()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self.catch_up()
        finally:
            self.changes.close()
            await self._database.aclose()

    async def answers(self) -> None:
        """See that the database can be asked. Raises `StorageError`."""
        await self.tables.has("pins")

    async def catch_up(self) -> None:
        """Write what could not be written when it was said; now and then, and at the end. Never fails."""
        for part, what in (
            (self.changes, "what is known of files still cannot be written"),
            (self.pins, "pins are not yet in both of their places"),
            (self.heads, "the evidence of a fork still cannot be written"),
        ):
            try:
                await part.catch_up()
            except StorageError as error:
                log.warning(what, reason=error.message)
