"""Whether a fetch goes on, as its growing pack tells: git itself is told to be quiet."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from goproxy_mirror import observe

_LOOK = 0.2
"""Seconds between two looks."""

_INCOMING = "tmp_pack_"
"""How git names a pack that is still coming."""


@asynccontextmanager
async def pack_progress(repository: Path) -> AsyncIterator[None]:
    """Tell whoever waits for this work (`observe.progress`) each time that a pack in the repository has grown."""
    if observe.progress.get() is None:
        yield
        return
    task = asyncio.create_task(_watch(repository / "objects" / "pack"))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _watch(folder: Path) -> None:
    size = 0
    while True:
        await asyncio.sleep(_LOOK)
        now = await asyncio.to_thread(_incoming, folder)
        if now > size:
            observe.going_on()
        size = now


def _incoming(folder: Path) -> int:
    """Bytes of the packs that are still coming."""
    try:
        with os.scandir(folder) as entries:
            return sum(entry.stat().st_size for entry in entries if entry.name.startswith(_INCOMING))
    except OSError:
        return 0
