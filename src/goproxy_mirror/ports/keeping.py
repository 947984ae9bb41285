"""What is asked of the records by those who tidy up the store, or write the records anew from it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from goproxy_mirror.ports.records import FileRecord

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class KeptVersion:
    """A version with recorded files. `stem` is that of its keys (`golang.org/x/text/@v/v0.3.0`).

    Sizes are in bytes, `zip_size` None where there is no zip. `seen` is when its first file came (seconds since the epoch), `day`
    and `zip_day` when its `.info` or `.mod`, and its zip, were asked for last (days since the epoch, or None). `pinned`: one of
    its files is proven by nothing but what it was when it was seen first.
    """

    stem: str
    size: int
    zip_size: int | None
    seen: float
    day: int | None
    zip_day: int | None
    pinned: bool


@dataclass(frozen=True, slots=True)
class StoreSize:
    """What is recorded of the store: its versions, and their bytes. `tracked` is since which day every use is written down
    (counted from the epoch); None where they never were."""

    versions: int
    size: int
    tracked: int | None


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file as it was found in the store; `seen` in seconds since the epoch, `hash` (`h1:…`) where it was made."""

    key: str
    size: int
    seen: float
    hash: str | None


@dataclass(frozen=True, slots=True)
class Settled:
    """Versions up to the time `last`: how many are held, and how many are not there although nobody took them out."""

    last: int
    held: int
    missing: int


class KeepingRecords(Protocol):
    """The records as a whole, in pieces. All raise `StorageError`."""

    async def sizes(self) -> StoreSize: ...

    async def each_version(
        self, work: Callable[[Iterator[KeptVersion]], T], *, zips: bool, by_age: bool = False
    ) -> T:
        """What `work` makes of all versions, those that were not asked for the longest first (with `zips`: whose zip was not;
        `by_age`: that came the longest ago).

        It runs in a thread, in one transaction.
        """
        ...

    async def used(self, stems: Collection[str]) -> Mapping[str, tuple[int | None, int | None]]:
        """The days on which versions were asked for last, as in `KeptVersion`."""
        ...

    async def pinned(self, stems: Collection[str]) -> frozenset[str]:
        """Those of the versions that a pin is of."""
        ...

    async def drop(self, keys: Sequence[str]) -> None:
        """The files are published no more. What a power cut brings back of that is dropped the next time."""
        ...

    async def known(self, keys: Sequence[str]) -> Mapping[str, FileRecord]:
        """What is recorded of files, by key."""
        ...

    async def found(self, files: Sequence[FoundFile]) -> None:
        """Record what is not known of files that stand in the store; what is known stays. The feeds hear nothing of it."""
        ...

    async def keys(self, after: str, limit: int) -> Sequence[tuple[str, float]]:
        """The next recorded files after a key, in the order of keys; and when each was seen first."""
        ...

    async def unfed(self, work: Callable[[Iterator[tuple[str, float]]], T]) -> T:
        """What `work` makes of the versions that are recorded as a whole and in no feed, oldest first: stems with their times
        (seconds since the epoch). It runs in a thread, in one transaction."""
        ...

    async def oldest_fed(self) -> int | None:
        """The time of the oldest entry of the feeds, in microseconds since the epoch; not of what `restore` has entered."""
        ...

    async def restore(self, times: Sequence[tuple[str, int]], *, before: int | None) -> None:
        """When versions arrived (stems, microseconds), as it stands beside the store: they enter the feeds as ones that are gone
        until `settle` has looked for them. What the feeds know already stays, and so does all from `before` on."""
        ...

    async def take_out(self, times: Sequence[tuple[str, int]]) -> None:
        """When versions were taken out; of those that `restore` has entered with an earlier time."""
        ...

    async def settle(self, after: int) -> Settled | None:
        """Of the next versions that `restore` has entered, those that are recorded as a whole are held at their times, and the
        others are gone. None where there are no more later than `after`."""
        ...

    async def feed(self, stems: Sequence[tuple[str, float]], *, before: int, after: int) -> int:
        """Enter versions into the feeds, in the order of their times: those that are older than `before` with their own times,
        later than `after`, and all others at the end. The last of those times, or `after`."""
        ...
