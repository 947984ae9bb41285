"""What stands in the feeds: every version that was ever held, in the order in which it arrived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from goproxy_mirror.module.version import ModuleVersion


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """A module version, path and version plain; `at` in microseconds since the epoch, no two entries at the same one."""

    path: str
    version: str
    at: int


class FeedRecords(Protocol):
    """The entries by time. All raise `StorageError`.

    A time is given inside the transaction that makes the entry visible, and is later than every one before: who asks again
    for what is later than the last entry that they have seen misses none.
    """

    async def page(self, since: int, limit: int, *, gone: bool) -> Sequence[FeedEntry]:
        """The first entries at `since` (microseconds) or later; `gone`: with versions that are not held any more."""
        ...

    async def due(self, limit: int) -> Sequence[ModuleVersion]:
        """Versions whose files were recorded, and of which nobody has said yet that they are held."""
        ...

    async def unknown(self, versions: Sequence[ModuleVersion]) -> Sequence[ModuleVersion]:
        """Those of the versions of which the feeds know nothing, or that they are gone."""
        ...

    async def settle(self, held: Sequence[ModuleVersion], absent: Sequence[ModuleVersion]) -> None:
        """What has become of versions that were due."""
        ...
