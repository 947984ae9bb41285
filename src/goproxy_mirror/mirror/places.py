"""How many fetches go on at the same time, and whose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from goproxy_mirror.module.path import ModulePath

_SHARE = 4


class Places:
    """At most `parallel` fetches at the same time, and a quarter of them for modules that may share a repository.

    What is fetched from one repository waits for one another, some minutes on a slow line: that must not take all places
    away from everybody else. Modules that begin with the same two path elements are taken to share one.
    """

    def __init__(self, parallel: int) -> None:
        self._all = asyncio.Semaphore(parallel)
        self._share = max(1, parallel // _SHARE)
        self._shares: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, path: ModulePath) -> AsyncIterator[None]:
        """Wait for a place, and hold it for the block."""
        group = "/".join(path.value.split("/", 2)[:2])
        share = self._shares.get(group)
        if share is None:
            share = self._shares[group] = asyncio.Semaphore(self._share)
        async with share, self._all:
            yield
