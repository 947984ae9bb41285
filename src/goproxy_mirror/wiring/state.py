"""From the settings to the state: its database, and the records that stand beside the published files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from goproxy_mirror.config import Settings
from goproxy_mirror.state.opening import State
from goproxy_mirror.wiring.storage import ledger_of


@asynccontextmanager
async def state_of(settings: Settings) -> AsyncIterator[State]:
    """The state of these settings, open for as long as the context is."""
    async with State(settings.state, settings.database, await ledger_of(settings)) as state:
        yield state
