"""One writer at a time in a repository's folder, among tasks and among processes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from filelock import lock_descriptor

from goproxy_mirror.errors import SourceTimeout

_FIRST_POLL = 0.005
_LAST_POLL = 0.25


class FolderLock:
    """The right to write to a folder. `wait` is in seconds.

    The descriptor is handed to the programs that write, so that one that outlives a killed process keeps the
    lock until it ends too.
    """

    def __init__(self, path: Path, *, wait: float) -> None:
        self._path = path
        self._wait = wait
        self._mine = asyncio.Lock()

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[int]:
        """Wait for the turn and keep it for the block; gives the descriptor. Raises `SourceTimeout`."""
        deadline = asyncio.timeout(self._wait)
        try:
            async with deadline:
                await self._mine.acquire()
        except TimeoutError:
            raise self._late() from None
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                await self._poll(descriptor)
                yield descriptor
            finally:
                # Gives the lock up, unless a program still holds the descriptor.
                os.close(descriptor)
        finally:
            self._mine.release()

    async def _poll(self, descriptor: int) -> None:
        pause = _FIRST_POLL
        end = asyncio.get_running_loop().time() + self._wait
        while not lock_descriptor(descriptor, blocking=False):
            if asyncio.get_running_loop().time() > end:
                raise self._late()
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LAST_POLL)

    def _late(self) -> SourceTimeout:
        return SourceTimeout(f"another fetch of the same repository did not end within {self._wait:g} s")
