"""Which files are asked for, so that it is known which are not any more."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from goproxy_mirror.errors import StorageError
from goproxy_mirror.ports import UseRecords

MOST = 50_000
"""Files that are counted between two calls of `flush`; what more there are is not counted then."""


class Uses:
    """Counts in memory, written down now and then; what is not written yet is lost with a process that is killed.

    `complete` off: others answer requests too (a front), or nobody counts, so that a file may be in use without a trace.
    """

    def __init__(self, records: UseRecords, *, complete: bool = True, most: int = MOST) -> None:
        self._records = records
        self._complete = complete
        self._told: int | None = None
        self._most = most
        self._counts: dict[str, int] = {}

    def touch(self, key: str) -> None:
        """A file was asked for, and is there. On the way of every hit, on any thread: costs two looks into a dictionary."""
        counts = self._counts
        if key in counts:
            counts[key] += 1
        elif len(counts) < self._most:
            counts[key] = 1

    async def flush(self) -> Collection[str]:
        """Write down what was asked for since the last time: which files. Raises `StorageError`; then it counts the next time."""
        taken, self._counts = self._counts, {}
        counts = dict(taken)  # on another thread, a hit may still be counted in what was taken away
        day = _today()
        if not counts and (self._complete or self._told == day):
            return ()
        try:
            await self._records.add(counts, day, complete=self._complete)
        except StorageError:
            self._keep(counts)
            raise
        self._told = day
        return counts.keys()

    async def leave(self) -> None:
        """The process ends: what could not be written down is left to the next."""
        counts, self._counts = dict(self._counts), {}
        if counts:
            await self._records.leave(counts, _today(), complete=self._complete)

    def _keep(self, counts: Mapping[str, int]) -> None:
        for key, count in counts.items():
            if key in self._counts:
                self._counts[key] += count
            elif len(self._counts) < self._most:
                self._counts[key] = count


def _today() -> int:
    return int(time.time() // 86400)
