"""From the settings to who may fetch a key now: among the processes of a machine, and among nodes."""

from __future__ import annotations

from contextlib import AsyncExitStack

from goproxy_mirror.config import Settings
from goproxy_mirror.ports import Turns
from goproxy_mirror.state.files import FileTurns


async def turns_of(stack: AsyncExitStack, settings: Settings) -> Turns:
    """Lock files in the state folder; with a database that several nodes share, its locks too."""
    local = FileTurns(settings.state / "turns", wait=settings.fetch_timeout)
    if not settings.database:
        return local
    from goproxy_mirror.state.serverturns import ServerTurns  # noqa: PLC0415 (its driver is slow to import)

    return await stack.enter_async_context(ServerTurns(settings.database, local, wait=settings.fetch_timeout))
