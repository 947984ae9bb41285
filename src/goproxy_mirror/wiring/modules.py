"""The journey of modules, put together."""

from __future__ import annotations

from goproxy_mirror.config import Settings
from goproxy_mirror.mirror.ahead import Ahead
from goproxy_mirror.mirror.catalog import Catalog
from goproxy_mirror.mirror.doubts import Doubts
from goproxy_mirror.mirror.feed import Feed
from goproxy_mirror.mirror.fetching import Fetching
from goproxy_mirror.mirror.files import Files
from goproxy_mirror.mirror.flights import Flights
from goproxy_mirror.mirror.freshness import Absences, Freshness, RecentAnswers
from goproxy_mirror.mirror.policy import Policy
from goproxy_mirror.mirror.service import MirrorService
from goproxy_mirror.mirror.texts import Texts
from goproxy_mirror.ports import Answers, FeedRecords, Provenance, Storage, Turns, Verifier


def journey_of(
    settings: Settings,
    *,
    storage: Storage,
    policy: Policy,
    verifier: Verifier,
    provenance: Provenance,
    doubts: Doubts,
    flights: Flights,
    turns: Turns,
    answers: Answers,
) -> MirrorService:
    """Files and texts share the catalogue, the flights and the memory of who said no."""
    catalog = Catalog(storage, turns)
    freshness = Freshness(settings.list_ttl)
    fetching = Fetching(
        Absences(settings.negative_ttl), timeout=settings.fetch_timeout, parallel=settings.parallel_fetches
    )
    ahead = Ahead(flights, places=settings.fetch_ahead)
    files = Files(
        storage=storage,
        policy=policy,
        verifier=verifier,
        catalog=catalog,
        flights=flights,
        turns=turns,
        fetching=fetching,
        provenance=provenance,
        doubts=doubts,
        ahead=ahead,
    )
    texts = Texts(
        storage=storage,
        policy=policy,
        catalog=catalog,
        flights=flights,
        turns=turns,
        fetching=fetching,
        answers=RecentAnswers(answers, freshness),
        freshness=freshness,
    )
    return MirrorService(files, texts, ahead)


def feed_of(settings: Settings, records: FeedRecords, storage: Storage) -> Feed:
    """What is told of the store: nothing of modules that are to be heard of by no public place."""
    private = dict.fromkeys((*settings.private, *settings.gonoproxy, *settings.gonosumdb))
    return Feed(records, storage, private=",".join(private))
