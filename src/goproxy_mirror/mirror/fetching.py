"""What every fetch has: a place among the others, a deadline, and a memory of who said no."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from goproxy_mirror.errors import NotFound, SourceTimeout
from goproxy_mirror.mirror.freshness import Absences
from goproxy_mirror.mirror.places import Places
from goproxy_mirror.module.path import ModulePath


class Fetching:
    """`timeout` in seconds bounds one fetch over all its sources. `parallel` bounds the zips that are fetched at the same time,
    and everything else by itself: nobody who asks for a `.mod` waits for large zips on a slow line."""

    def __init__(self, absences: Absences, *, timeout: float, parallel: int) -> None:
        self._absences = absences
        self._timeout = timeout
        self._places = Places(parallel)
        self._places_of_zips = Places(parallel)

    def check(self, key: str) -> None:
        """Raise the `NotFound` that was said a moment ago."""
        self._absences.check(key)

    @asynccontextmanager
    async def of(
        self, key: str, what: str, path: ModulePath, *, large: bool = False, ahead: bool = False
    ) -> AsyncIterator[None]:
        """Wait for a place, then see that the block ends in time; an absence is remembered, success forgets it.

        What is fetched `ahead` has places of its own, which whoever fetches it counts: nobody waits for it here.
        """
        places = self._places_of_zips if large else self._places
        async with nullcontext() if ahead else places.of(path):
            try:
                async with asyncio.timeout(self._timeout):
                    yield
            except TimeoutError:
                raise SourceTimeout(
                    f"{what}: not fetched within {self._timeout:g} s; ask again later"
                ) from None
            except NotFound as error:
                self._absences.remember(key, error)
                raise
        self._absences.forget(key)
