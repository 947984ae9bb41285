"""What `prune` and `reindex` work with."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

from goproxy_mirror.config import Settings
from goproxy_mirror.mirror.catalog import Catalog
from goproxy_mirror.mirror.chronicle import Chronicle
from goproxy_mirror.mirror.pruning import Pruning
from goproxy_mirror.mirror.reindexing import Reindexing
from goproxy_mirror.ports import KeepingRecords
from goproxy_mirror.state.pins import SQLPins
from goproxy_mirror.wiring.inspection import check_there
from goproxy_mirror.wiring.state import state_of
from goproxy_mirror.wiring.storage import storage_of
from goproxy_mirror.wiring.turns import turns_of


@dataclass(frozen=True, slots=True)
class Keeping:
    """An opened store and its records."""

    records: KeepingRecords
    pruning: Pruning
    reindexing: Reindexing
    pins: SQLPins


async def keeping_of(stack: AsyncExitStack, settings: Settings) -> Keeping:
    """Open it until the stack is left. Raises `SettingError` where there is no store, and `StorageError`."""
    check_there(settings)
    state = await stack.enter_async_context(state_of(settings))
    storage = await stack.enter_async_context(storage_of(settings))
    turns = await turns_of(stack, settings)
    catalog = Catalog(storage, turns)
    chronicle = Chronicle(state.feed, state.ledger)
    return Keeping(
        state.keeping,
        Pruning(state.keeping, storage, turns, catalog, chronicle),
        Reindexing(state.keeping, storage, catalog, chronicle),
        state.pins,
    )
