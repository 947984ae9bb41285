"""What was taken out of a bucket, told to the other nodes, whose folders in front of it may still have it.

Who deletes a file says so first: an empty object below `_state/removed/`, named by the time and the key, so that one listing
tells all. Every node looks there now and then, for what is new since its folder was looked through last.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from goproxy_mirror.errors import StorageError
from goproxy_mirror.storage.remote import Remote
from goproxy_mirror.storage.tier import Tier, is_inside

log = structlog.get_logger(__name__)

_PLACE = "_state/removed"
_APART = 600.0
"""Seconds by which the clocks of nodes may differ, and that a deletion may take: for so long a word is heeded again."""
_KEPT = 30 * 24 * 3600.0
"""Seconds after which a word is forgotten, and a folder that was not looked through meanwhile is emptied."""


class Removals:
    """Says and heeds it; `every` is the time between two looks of a node, in seconds."""

    def __init__(
        self, remote: Remote, tier: Tier, *, every: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._remote = remote
        self._tier = tier
        self._every = every
        self._clock = clock

    async def say(self, key: str) -> None:
        """A file is about to be deleted. Raises `StorageError`: what nobody heard of must not be deleted."""
        await self._remote.put(f"{_begin(self._clock())}/{key}", b"")

    async def watch(self) -> None:
        """Heed what others say, until cancelled. A bucket that does not answer changes nothing: it is asked again."""
        while True:
            await asyncio.sleep(self._every)
            try:
                await self.heed()
            except StorageError as error:
                log.info("what other nodes removed is looked for later", reason=error.message)

    async def heed(self) -> None:
        """Let go of what was removed, unless a process that shares the folder has just looked. Raises `StorageError`."""
        now = self._clock()
        looked = await asyncio.to_thread(self._tier.looked)
        if looked is not None and 0 <= now - looked < self._every / 2:
            return
        if looked is not None and now - looked > _KEPT - _APART:
            log.info(
                "the folder in front of the bucket is emptied: nobody knows what of it was removed meanwhile"
            )
            await self._tier.empty()
        else:
            since = _begin(max(0.0, min(looked or 0.0, now) - _APART))
            async for name, meta in self._remote.list(_PLACE, after=since):
                key = name.removeprefix(_PLACE + "/").partition("/")[2]
                if is_inside(key):
                    await self._tier.drop(key, until=meta.modified)
        await asyncio.to_thread(self._tier.note_look, now)

    async def reclaim(self) -> None:
        """Forget what every folder has heeded, or will be emptied for. Raises `StorageError`."""
        async for name, _ in self._remote.list(_PLACE):
            if name > _begin(self._clock() - _KEPT):
                return
            await self._remote.delete(name)


def _begin(at: float) -> str:
    """The names of what was said at a time begin like this; they sort by time."""
    return f"{_PLACE}/{int(at * 1_000_000):016d}"
