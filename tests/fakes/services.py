"""Services that hold what a test puts into them, and write down what they were asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from goproxy_mirror import observe
from goproxy_mirror.errors import MirrorError, NotFound
from goproxy_mirror.mirror.answers import FileAnswer, Lasting, TextAnswer
from goproxy_mirror.ports import FeedEntry, FileKind, StoredFile
from goproxy_mirror.protocol import Request, SumDB
from goproxy_mirror.web.services import Services

NEWEST = 1_700_000_000.25
"""The modification time of every fake file, with a fraction as file systems have it."""


@dataclass
class FakeJourney:
    """Answers by key: a held answer, a failure, or NotFound. A key in `waiting` waits for its event first.

    `asked` has every key, `fetch` and the hops that the context carried; `left` the keys whose caller went away.
    """

    folder: Path
    answers: dict[str, FileAnswer | TextAnswer] = field(default_factory=dict)
    failures: dict[str, BaseException] = field(default_factory=dict)
    waiting: dict[str, asyncio.Event] = field(default_factory=dict)
    asked: list[tuple[str, bool, tuple[str, ...]]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def hold_file(self, key: str, body: bytes, *, home: str | None = None) -> StoredFile:
        """Keep a file under a key (`x.test/m/@v/v1.0.0.mod`)."""
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        return self.hold_written(key, home=home)

    def hold_written(
        self, key: str, *, home: str | None = None, lasting: Lasting | None = None
    ) -> StoredFile:
        """Keep the file that is there already."""
        path = self.folder / key
        stored = StoredFile(path, path.stat().st_size, NEWEST)
        self.answers[key] = FileAnswer(stored, FileKind(path.suffix), home, lasting)
        return stored

    def hold_text(
        self,
        key: str,
        body: bytes,
        *,
        content_type: str = "text/plain; charset=utf-8",
        max_age: int = 60,
        stale: bool = False,
        home: str | None = None,
        same_for: float = 0.0,
    ) -> None:
        """Keep an answer that has a time to live, fetched just now, or a minute ago where it is stale."""
        fetched = time.time() - (60 if stale else 0)
        self.answers[key] = TextAnswer(body, content_type, max_age, fetched, stale, home, same_for=same_for)

    async def answer(self, request: Request, *, fetch: bool = True) -> FileAnswer | TextAnswer:
        """As both journeys do."""
        key = request.key
        self.asked.append((key, fetch, observe.hops.get()))
        try:
            if key in self.waiting:
                await self.waiting[key].wait()
        except asyncio.CancelledError:
            self.left.append(key)
            raise
        if key in self.failures:
            raise self.failures[key]
        if key not in self.answers:
            raise NotFound(f"{request}: unknown to every source")
        return self.answers[key]


class FakeChecksums(FakeJourney):
    """The checksum journey, which answers texts alone."""

    async def answer(self, request: SumDB, *, fetch: bool = True) -> TextAnswer:  # type: ignore[override]
        """One page of a database."""
        answer = await super().answer(request, fetch=fetch)
        assert isinstance(answer, TextAnswer)
        return answer


@dataclass
class FakeVulnerabilities:
    """The journey of the vulnerability database: answers by path below /vulndb/, or a failure to raise."""

    answers: dict[str, TextAnswer] = field(default_factory=dict)
    failure: MirrorError | None = None
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    async def answer(self, path: str) -> TextAnswer:
        """As the journey does."""
        self.asked.append((path, observe.hops.get()))
        if self.failure is not None:
            raise self.failure
        if path not in self.answers:
            raise NotFound(f"{path}: no such file")
        return self.answers[path]


@dataclass
class FakeFeed:
    """A feed of these entries, in their order; `gone` are the paths of those that are not held any more."""

    entries: list[FeedEntry] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    failure: MirrorError | None = None

    async def page(self, since: int, limit: int, *, gone: bool = False) -> Sequence[FeedEntry]:
        """As the journey does."""
        if self.failure is not None:
            raise self.failure
        found = [each for each in self.entries if each.at >= since and (gone or each.path not in self.gone)]
        return found[:limit]


@dataclass
class FakeWorld:
    """The journeys, readiness, and how often the services were opened and closed."""

    modules: FakeJourney
    checksums: FakeChecksums
    unready: MirrorError | None = None
    hanging: bool = False
    vulnerabilities: FakeVulnerabilities | None = None
    feed: FakeFeed = field(default_factory=FakeFeed)
    touched: list[str] = field(default_factory=list)
    opened: int = 0
    closed: int = 0

    @classmethod
    def at(cls, folder: Path) -> FakeWorld:
        """A world whose files are below a folder."""
        return cls(FakeJourney(folder), FakeChecksums(folder))

    async def ready(self) -> None:
        """Raise `unready`, if there is one; never come to an end while `hanging`."""
        if self.hanging:
            await asyncio.Event().wait()
        if self.unready is not None:
            raise self.unready

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Services]:
        """The services, as a worker opens them."""
        self.opened += 1
        yield Services(
            self.modules, self.checksums, self.ready, self.vulnerabilities, self.feed, self.touched.append
        )
        self.closed += 1
