"""A journey over a real local store, with sources that say what a test tells them to."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from goproxy_mirror.mirror.ahead import Ahead
from goproxy_mirror.mirror.catalog import Catalog
from goproxy_mirror.mirror.doubts import Doubts
from goproxy_mirror.mirror.fetching import Fetching
from goproxy_mirror.mirror.files import Files
from goproxy_mirror.mirror.flights import Flights
from goproxy_mirror.mirror.freshness import Absences, Freshness, RecentAnswers
from goproxy_mirror.mirror.policy import Policy
from goproxy_mirror.mirror.service import MirrorService
from goproxy_mirror.mirror.texts import Texts
from goproxy_mirror.ports import Kept, Source
from goproxy_mirror.protocol import Latest, List, Resolve
from goproxy_mirror.state.files import FileAnswers, FileTurns
from goproxy_mirror.storage.local import LocalStorage
from tests.fakes.proof import FakeProvenance, FakeVerifier
from tests.fakes.sources import FakeSource


class Journey:
    """One process's journey; `source` is what everything public comes from (or else `public`), `origin` what private modules do."""

    def __init__(self, folder: Path, public: Source | None = None, *, ahead: int = 0) -> None:
        self.folder = folder
        self.storage = LocalStorage(folder / "store")
        self.storage.open()
        self.source = FakeSource("https://up.test")
        self.origin = FakeSource("origin")
        self.flights = Flights()
        turns = FileTurns(folder / "state" / "turns", wait=30)
        self.catalog = Catalog(self.storage, turns)
        self.answers = FileAnswers(folder / "state" / "answers")
        freshness = Freshness(ttl=60)
        policy = Policy(
            direct="corp.example",
            origin=self.origin,
            routes=(),
            public=public or self.source,
            unlisted="corp.example",
        )
        self.provenance = FakeProvenance()
        self.verifier = FakeVerifier()
        self.doubts = Doubts(self.storage, self.verifier, self.provenance, folder / "state" / "quarantine")
        self.doubts._known.set()
        self.fetching = fetching = Fetching(Absences(60), timeout=30, parallel=8)
        self.ahead = Ahead(self.flights, places=ahead)
        self.files = Files(
            storage=self.storage,
            policy=policy,
            verifier=self.verifier,
            catalog=self.catalog,
            flights=self.flights,
            turns=turns,
            fetching=fetching,
            provenance=self.provenance,
            doubts=self.doubts,
            ahead=self.ahead,
        )
        self.texts = Texts(
            storage=self.storage,
            policy=policy,
            catalog=self.catalog,
            flights=self.flights,
            turns=turns,
            fetching=fetching,
            answers=RecentAnswers(self.answers, freshness),
            freshness=freshness,
        )
        self.service = MirrorService(self.files, self.texts, self.ahead)

    async def age(self, request: List | Latest | Resolve, seconds: float) -> None:
        """Let a kept answer be so many seconds old, as another process would see it."""
        kept = await self.answers.get(request.key)
        assert kept is not None
        await self.texts._answers.put(request.key, Kept(kept.body, time.time() - seconds, kept.home))


@pytest.fixture
async def journey(tmp_path: Path) -> AsyncIterator[Journey]:
    made = Journey(tmp_path)
    async with made.flights:
        yield made
