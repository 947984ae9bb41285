"""What `backup` and `restore` work with."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from goproxy_mirror.config import Settings
from goproxy_mirror.errors import SettingError
from goproxy_mirror.mirror.backup import Backup
from goproxy_mirror.mirror.catalog import Catalog
from goproxy_mirror.mirror.restore import Restore
from goproxy_mirror.state.opening import State
from goproxy_mirror.wiring.storage import storage_of
from goproxy_mirror.wiring.turns import turns_of

RECORDS = "sumdb"
"""The folder below the state's in which proven records and tiles are kept."""


async def backup_of(stack: AsyncExitStack, settings: Settings) -> Backup:
    """Open it until the stack is left. Raises `SettingError` where there is no store."""
    if isinstance(settings.store, Path) and not await asyncio.to_thread(settings.store.is_dir):
        raise SettingError(
            f'store = "{settings.store}": there is no such folder; allowed is the folder that `serve` publishes to '
            "(--data, --store)"
        )
    state = await stack.enter_async_context(State(settings.state, settings.database))
    storage = await stack.enter_async_context(storage_of(settings, make=False))
    return Backup(storage, state.tables, settings.state / RECORDS)


async def restore_of(stack: AsyncExitStack, settings: Settings) -> Restore:
    """Open it until the stack is left; folders that are not there are made. Raises `StorageError`."""
    storage = await stack.enter_async_context(storage_of(settings))
    state = await stack.enter_async_context(State(settings.state, settings.database))
    catalog = Catalog(storage, await turns_of(stack, settings))
    return Restore(storage, state.tables, settings.state / RECORDS, catalog)
