"""The journey of what changes: lists, `@latest` and queries, which have a time to live instead of a fixed content."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

import structlog

from goproxy_mirror.errors import MirrorError, NotFound, SourceTimeout, SourceUnavailable, StorageError
from goproxy_mirror.mirror.answers import TextAnswer
from goproxy_mirror.mirror.catalog import Catalog
from goproxy_mirror.mirror.fetching import Fetching
from goproxy_mirror.mirror.files import not_held
from goproxy_mirror.mirror.flights import Flights
from goproxy_mirror.mirror.freshness import Age, Freshness, RecentAnswers
from goproxy_mirror.mirror.policy import Policy
from goproxy_mirror.module.modfile import parse_lax
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileKind, Kept, Storage, Turns
from goproxy_mirror.protocol import Latest, List, Resolve, file_key

log = structlog.get_logger(__name__)

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
_PATIENCE = 10.0
"""Seconds that a client waits for sources that hang, where an older answer could be given instead."""
_LITTLE_PATIENCE = 1.0
"""The same, while the sources of some answer were down a moment ago: many lists are asked for one after the other."""
_MOMENT = 60.0
_STALE_AGE = 10
"""Seconds for which a client may keep an answer that could not be refreshed."""


class Texts:
    """Answers lists, `@latest` and queries. Raises what `Source` and `Storage` raise."""

    def __init__(
        self,
        *,
        storage: Storage,
        policy: Policy,
        catalog: Catalog,
        flights: Flights,
        turns: Turns,
        fetching: Fetching,
        answers: RecentAnswers,
        freshness: Freshness,
    ) -> None:
        self._storage = storage
        self._policy = policy
        self._catalog = catalog
        self._flights = flights
        self._turns = turns
        self._fetching = fetching
        self._answers = answers
        self._freshness = freshness
        self._outage = -_MOMENT

    async def answer(self, request: List | Latest | Resolve, *, fetch: bool = True) -> TextAnswer:
        """The answer; with `fetch` off, what is kept or held."""
        key = request.key
        kept = await self._answers.get(key)
        if not fetch:
            if kept is not None:
                return self._as_answer(request, kept)
            return await self._held_text(request, None, not_held(str(request)))
        if kept is not None:
            age = self._freshness.age(kept, time.time())
            if age is not Age.OLD:
                if age is Age.AGING:
                    self._flights.start(key, lambda: self._fetch(request))
                return self._as_answer(request, kept)
        try:
            self._fetching.check(key)
            flight = self._flights.run(key, lambda: self._fetch(request))
            async with asyncio.timeout(None if kept is None else self._patience()):
                return self._as_answer(request, await flight)
        except NotFound as error:
            return await self._held_text(request, None, error)
        except (SourceUnavailable, StorageError, TimeoutError) as error:
            reason = (
                error
                if isinstance(error, MirrorError)
                else SourceTimeout(f"{request}: no source answered in time")
            )
            self._outage = time.monotonic()
            return await self._held_text(request, kept, reason)

    def _patience(self) -> float:
        return _PATIENCE if time.monotonic() - self._outage >= _MOMENT else _LITTLE_PATIENCE

    async def _fetch(self, request: List | Latest | Resolve) -> Kept:
        async with self._turns.hold(request.key):
            kept = await self._answers.get_shared(request.key)
            if kept is not None and self._freshness.age(kept, time.time()) is Age.FRESH:
                return kept  # another worker was first
            async with self._fetching.of(request.key, str(request), request.path):
                kept = await self._ask(request)
            await self._answers.put(request.key, kept)
        self._outage = -_MOMENT
        return kept

    async def _ask(self, request: List | Latest | Resolve) -> Kept:
        source = self._policy.source(request.path)
        if isinstance(request, List):
            # A version that is held is served for ever, so it is listed for ever, whatever its homes have forgotten.
            said = await source.versions(request.path)
            versions = {*said.value, *_listed(await self._catalog.held(request.path))}
            return Kept(_lines(sorted(versions)), time.time(), said.home)
        info = await (
            source.latest(request.path)
            if isinstance(request, Latest)
            else source.resolve(request.path, request.query)
        )
        return Kept(info.value.body, time.time(), info.home)

    async def _held_text(
        self, request: List | Latest | Resolve, kept: Kept | None, error: MirrorError
    ) -> TextAnswer:
        """What can be said without any source: the last answer, or what the store holds; else the error."""
        if kept is None:
            held = await self._held_body(request)
            if held is None:
                raise error
            kept = Kept(held, time.time(), None)
        else:
            log.warning("answered stale", request=str(request), reason=error.message)
        return TextAnswer(
            body=kept.body,
            content_type=_content_type(request),
            max_age=_STALE_AGE,
            fetched=kept.fetched,
            stale=True,
            home=kept.home.name if kept.home else None,
        )

    async def _held_body(self, request: List | Latest | Resolve) -> bytes | None:
        if isinstance(request, Resolve):
            return None
        held = await self._catalog.held(request.path)
        listed = _listed(held)
        if isinstance(request, List):
            return _lines(listed) if listed else None
        newest = _newest(listed)
        if newest is not None:
            mod = await self._held_file(ModuleVersion(request.path, newest), FileKind.MOD)
            retracted = await asyncio.to_thread(_retracted, mod or b"", listed)
            newest = _newest([version for version in listed if version not in retracted]) or newest
        elif held:
            newest = held[-1]
        else:
            return None
        return await self._held_file(ModuleVersion(request.path, newest), FileKind.INFO)

    async def _held_file(self, mv: ModuleVersion, kind: FileKind) -> bytes | None:
        stored = await self._storage.find(file_key(mv, kind))
        return await asyncio.to_thread(stored.path.read_bytes) if stored else None

    def _as_answer(self, request: List | Latest | Resolve, kept: Kept) -> TextAnswer:
        left = self._freshness.left(kept, time.time())
        return TextAnswer(
            body=kept.body,
            content_type=_content_type(request),
            max_age=int(left),
            fetched=kept.fetched,
            home=kept.home.name if kept.home else None,
            same_for=left % 1,
        )


def _listed(held: Iterable[Version]) -> list[Version]:
    """What a list may name of what is held, without asking who knows the repository.

    Only that one can tell whether `+incompatible` versions count, which a client prefers to all others.
    """
    return [version for version in held if not version.is_pseudo and not version.is_incompatible]


def _lines(versions: Iterable[Version]) -> bytes:
    return "".join(f"{version}\n" for version in versions).encode()


def _newest(versions: list[Version]) -> Version | None:
    releases = [version for version in versions if not version.is_prerelease]
    return max(releases or versions, default=None)


def _retracted(mod: bytes, versions: Iterable[Version]) -> set[Version]:
    """Which versions the newest go.mod takes back (https://go.dev/ref/mod#go-mod-file-retract)."""
    try:
        parsed = parse_lax(mod)
    except NotFound:
        return set()
    return {version for version in versions if parsed.is_retracted(str(version))}


def _content_type(request: List | Latest | Resolve) -> str:
    return TEXT if isinstance(request, List) else JSON
