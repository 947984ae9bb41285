"""When files were asked for last, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class UseRecords(Protocol):
    """What was asked for, by day. Raises `StorageError`."""

    async def add(self, counts: Mapping[str, int], day: int, *, complete: bool = True) -> None:
        """How often each file, by its key, was asked for on a day (days since the epoch, UTC).

        With `complete` off, files were asked for on that day of which nobody heard: what was known before is no sign any more
        that a file is not used.
        """
        ...

    async def leave(self, counts: Mapping[str, int], day: int, *, complete: bool) -> None:
        """The same, for the next process to write down. Never fails."""
        ...
