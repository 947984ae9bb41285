"""A journey over a real local store, with sources that say what a test tells them to."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from goproxy_mirror.mirror.catalog import Catalog
from goproxy_mirror.mirror.flights import Flights
from goproxy_mirror.mirror.freshness import Absences, Freshness, RecentAnswers
from goproxy_mirror.mirror.policy import Policy
from goproxy_mirror.mirror.service import MirrorService
from goproxy_mirror.ports import Kept, Source
from goproxy_mirror.protocol import Latest, List, Resolve
from goproxy_mirror.state.files import FileAnswers, FileTurns, Journal
from goproxy_mirror.storage.local import LocalStorage
from tests.fakes.sources import FakeSource


class Journey:
    """One process's journey; `source` is what everything public comes from (or else `public`), `origin` what private modules do."""

    def __init__(self, folder: Path, public: Source | None = None) -> None:
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
        self.service = MirrorService(
            storage=self.storage,
            policy=Policy(
                direct="corp.example",
                origin=self.origin,
                routes=(),
                public=public or self.source,
                unlisted="corp.example",
            ),
            catalog=self.catalog,
            flights=self.flights,
            turns=turns,
            answers=RecentAnswers(self.answers, freshness),
            freshness=freshness,
            absences=Absences(60),
            provenance=Journal(folder / "state" / "provenance.jsonl"),
            fetch_timeout=30,
            parallel=8,
        )

    async def age(self, request: List | Latest | Resolve, seconds: float) -> None:
        """Let a kept answer be so many seconds old, as another process would see it."""
        kept = await self.answers.get(request.key)
        assert kept is not None
        await self.service._answers.put(request.key, Kept(kept.body, time.time() - seconds, kept.home))


@pytest.fixture
async def journey(tmp_path: Path) -> AsyncIterator[Journey]:
    made = Journey(tmp_path)
    async with made.flights:
        yield made
