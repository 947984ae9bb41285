"""What the edge asks of the rooms behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from goproxy_mirror.mirror.answers import FileAnswer, TextAnswer
from goproxy_mirror.ports import FeedEntry
from goproxy_mirror.protocol import File, Latest, List, Resolve, SumDB


class ModuleJourney(Protocol):
    """Answers module requests; `MirrorService` is the one outside the tests."""

    async def answer(
        self, request: List | Latest | Resolve | File, *, fetch: bool = True
    ) -> FileAnswer | TextAnswer:
        """The answer; with `fetch` off, only what is held. Raises every kind of `MirrorError`.

        A caller that is cancelled must not end work that others wait for.
        """
        ...


class ChecksumJourney(Protocol):
    """Answers checksum-database requests."""

    async def answer(self, request: SumDB) -> TextAnswer:
        """The answer. Raises `NotFound`, `Blocked` or `SourceUnavailable`."""
        ...


class VulnJourney(Protocol):
    """Answers requests for the vulnerability database."""

    async def answer(self, path: str) -> TextAnswer:
        """The answer to a path below `/vulndb/`. Raises `NotFound`, `SourceUnavailable`, `Blocked` or `Loop`."""
        ...


class FeedJourney(Protocol):
    """Answers what is held, by the time at which it arrived."""

    async def page(self, since: int, limit: int, *, gone: bool = False) -> Sequence[FeedEntry]:
        """The first public entries at `since` (microseconds since the epoch) or later; fewer than `limit` only at the end.

        `gone`: with versions that are not held any more. Raises `StorageError`.
        """
        ...


async def always_ready() -> None:
    """For services that have nothing to look at."""


@dataclass(frozen=True, slots=True)
class Services:
    """What one worker process serves with.

    `ready` raises a `MirrorError` while requests could not be answered (an unwritable store). `vulnerabilities` is None where
    no vulnerability database is served, `feed` where nobody writes down what is held. `touch` is told the key of
    each file that is answered, where it is to be known what is used. `records` raises one while nothing can be written down (a
    database that is down): stored files are served without it.
    """

    modules: ModuleJourney
    checksums: ChecksumJourney
    ready: Callable[[], Awaitable[None]] = always_ready
    vulnerabilities: VulnJourney | None = None
    feed: FeedJourney | None = None
    touch: Callable[[str], None] | None = None
    records: Callable[[], Awaitable[None]] = always_ready


OpenServices = Callable[[], AbstractAsyncContextManager[Services]]
"""Opens the services inside a worker's event loop; leaving the context closes them."""
