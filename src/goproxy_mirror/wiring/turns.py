"""From the settings to who may fetch a key now: among the processes of a machine, and among nodes."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack

import structlog

from goproxy_mirror.config import Settings
from goproxy_mirror.ports import Turns
from goproxy_mirror.state.files import FileTurns

log = structlog.get_logger(__name__)


async def turns_of(stack: AsyncExitStack, settings: Settings) -> Turns:
    """Lock files in the state folder; with a database that several nodes share, its locks too."""
    local = FileTurns(settings.state / "turns", wait=settings.fetch_timeout)
    if not settings.database:
        return local
    if sys.platform == "win32":
        log.warning("no turns among nodes on Windows: two of them may fetch the same file at the same time")
        return local
    from goproxy_mirror.state.serverturns import ServerTurns  # noqa: PLC0415 (its driver is slow to import)

    return await stack.enter_async_context(ServerTurns(settings.database, local, wait=settings.fetch_timeout))
