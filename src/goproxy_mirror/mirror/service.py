"""The journey of a request: storage, one fetch per key, sources, (proof,) publication, answer.

One direction, sequenced here and nowhere else. A cold file is answered once it is durably published, from disk; nothing
streams through before that. `.info`, `.mod` and `.zip` go one by one: a `.mod` miss never fetches a zip.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from goproxy_mirror.errors import (
    MirrorError,
    NotFound,
    SecurityError,
    SourceTimeout,
    SourceUnavailable,
    StorageError,
    disk_failures,
)
from goproxy_mirror.mirror.answers import FileAnswer, TextAnswer
from goproxy_mirror.mirror.catalog import Catalog
from goproxy_mirror.mirror.flights import Flights
from goproxy_mirror.mirror.freshness import Absences, Age, Freshness, RecentAnswers
from goproxy_mirror.mirror.pins import commit_of
from goproxy_mirror.mirror.places import Places
from goproxy_mirror.mirror.policy import Policy
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import (
    FileKind,
    Found,
    Home,
    Info,
    Kept,
    Provenance,
    Source,
    Storage,
    StoredFile,
    Turns,
)
from goproxy_mirror.protocol import File, Latest, List, Resolve, file_key

log = structlog.get_logger(__name__)

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
_PATIENCE = 10.0
"""Seconds that a client waits for sources that hang, where an older answer could be given instead."""
_STALE_AGE = 10
"""Seconds for which a client may keep an answer that could not be refreshed."""


class MirrorService:
    """Answers module requests; one per process.

    `fetch_timeout` in seconds bounds one fetch over all its sources. `parallel` bounds the zips that are fetched at the
    same time, and everything else by itself: nobody who asks for a `.mod` waits for large zips on a slow line. Raises
    what `Source` and `Storage` raise.
    """

    def __init__(
        self,
        *,
        storage: Storage,
        policy: Policy,
        catalog: Catalog,
        flights: Flights,
        turns: Turns,
        answers: RecentAnswers,
        freshness: Freshness,
        absences: Absences,
        provenance: Provenance,
        fetch_timeout: float,
        parallel: int,
    ) -> None:
        self._storage = storage
        self._policy = policy
        self._catalog = catalog
        self._flights = flights
        self._turns = turns
        self._answers = answers
        self._freshness = freshness
        self._absences = absences
        self._provenance = provenance
        self._fetch_timeout = fetch_timeout
        self._places = Places(parallel)
        self._places_of_zips = Places(parallel)

    async def answer(
        self, request: List | Latest | Resolve | File, *, fetch: bool = True
    ) -> FileAnswer | TextAnswer:
        """The answer to a request; with `fetch` off, only what is held (`Disable-Module-Fetch`)."""
        if isinstance(request, File):
            return await self._file(request, fetch=fetch)
        return await self._text(request, fetch=fetch)

    # Files: fixed content, stored for ever.

    async def _file(self, request: File, *, fetch: bool) -> FileAnswer:
        key, mv, kind = request.key, request.mv, request.kind
        stored = self._storage.look(key)
        if stored is not None:
            return FileAnswer(stored, kind)
        if not fetch:
            raise _not_held(str(request))
        self._absences.check(key)
        return await self._flights.run(key, lambda: self._fetch_file(key, mv, kind))

    async def _fetch_file(self, key: str, mv: ModuleVersion, kind: FileKind) -> FileAnswer:
        async with self._turns.hold(key):
            stored = self._storage.look(key)  # another worker may have been first
            if stored is not None:
                return FileAnswer(stored, kind)
            async with self._storage.stage() as staged:
                places = self._places_of_zips if kind is FileKind.ZIP else self._places
                async with places.of(mv.path), self._fetching(key, f"{mv}{kind.value}"):
                    home, info = await _bring(self._policy.source(mv.path), mv, kind, staged)
                if info is not None:
                    await self._pin(mv, info, home)
                stored = await self._publish(key, staged, home)
        log.info(
            "fetched",
            module=str(mv.path),
            version=str(mv.version),
            file=kind.value,
            home=home.name,
            size=stored.size,
        )
        if kind is not FileKind.ZIP or info is not None:
            self._catalog.changed(mv.path)
            self._flights.start(f"derive {mv.path}", lambda: self._catalog.derive(mv.path))
        return FileAnswer(stored, kind, home.name)

    async def _publish(self, key: str, staged: Path, home: Home) -> StoredFile:
        """Make a staged file visible for ever. The place where proof will stand: nothing is proven yet."""
        size = (await asyncio.to_thread(staged.stat)).st_size
        await self._provenance.record(key, home, size=size, proof=None)
        return await self._storage.create(key, staged)

    async def _pin(self, mv: ModuleVersion, info: Info, home: Home) -> None:
        """Let the `.info` that is published first say which commit the version is, and hold every file built here to it.

        A tag can be moved between the fetches of two files. Raises `SecurityError` where it was.
        """
        key = file_key(mv, FileKind.INFO)
        stored = self._storage.look(key)
        if stored is None:
            async with self._storage.stage() as staged:
                with disk_failures("write the file"):
                    await asyncio.to_thread(staged.write_bytes, info.body)
                stored = await self._publish(key, staged, home)
        with disk_failures("read the file"):
            held = await asyncio.to_thread(stored.path.read_bytes)
        was, now = commit_of(held), commit_of(info.body)
        if was is not None and now is not None and was != now:
            raise SecurityError(
                f"{mv}: its tag was moved: here it is commit {was:.12}, and at {home.name} it is {now:.12} now. "
                "What is published stays as it is; ask its author for a new version",
                source=home.name,
            )

    # Lists, `@latest` and queries: they change, so they have a time to live.

    async def _text(self, request: List | Latest | Resolve, *, fetch: bool) -> TextAnswer:
        key = request.key
        kept = await self._answers.get(key)
        if not fetch:
            if kept is not None:
                return self._as_answer(request, kept)
            return await self._held_text(request, None, _not_held(str(request)))
        if kept is not None:
            age = self._freshness.age(kept, time.time())
            if age is not Age.OLD:
                if age is Age.AGING:
                    self._flights.start(key, lambda: self._fetch_text(request))
                return self._as_answer(request, kept)
        try:
            self._absences.check(key)
            flight = self._flights.run(key, lambda: self._fetch_text(request))
            async with asyncio.timeout(None if kept is None else _PATIENCE):
                return self._as_answer(request, await flight)
        except NotFound as error:
            return await self._held_text(request, None, error)
        except (SourceUnavailable, StorageError, TimeoutError) as error:
            reason = (
                error
                if isinstance(error, MirrorError)
                else SourceTimeout(f"{request}: no source answered in time")
            )
            return await self._held_text(request, kept, reason)

    async def _fetch_text(self, request: List | Latest | Resolve) -> Kept:
        async with self._turns.hold(request.key):
            kept = await self._answers.get_shared(request.key)
            if kept is not None and self._freshness.age(kept, time.time()) is Age.FRESH:
                return kept  # another worker was first
            async with self._places.of(request.path), self._fetching(request.key, str(request)):
                kept = await self._ask(request)
            await self._answers.put(request.key, kept)
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

    @asynccontextmanager
    async def _fetching(self, key: str, what: str) -> AsyncIterator[None]:
        """A deadline; remembers an absence, forgets it with success."""
        try:
            async with asyncio.timeout(self._fetch_timeout):
                yield
        except TimeoutError:
            raise SourceTimeout(
                f"{what}: not fetched within {self._fetch_timeout:g} s; ask again later"
            ) from None
        except NotFound as error:
            self._absences.remember(key, error)
            raise
        self._absences.forget(key)

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
        newest = _newest(listed) or (held[-1] if held else None)
        if newest is None:
            return None
        stored = self._storage.look(file_key(ModuleVersion(request.path, newest), FileKind.INFO))
        return await asyncio.to_thread(stored.path.read_bytes) if stored else None

    def _as_answer(self, request: List | Latest | Resolve, kept: Kept) -> TextAnswer:
        return TextAnswer(
            body=kept.body,
            content_type=_content_type(request),
            max_age=self._freshness.left(kept, time.time()),
            fetched=kept.fetched,
            home=kept.home.name if kept.home else None,
        )


async def _bring(source: Source, mv: ModuleVersion, kind: FileKind, staged: Path) -> tuple[Home, Info | None]:
    """One file of a module version, written to `staged`; its home, and the `.info` of what it was made of, if that is known."""
    if kind is FileKind.ZIP:
        found = await source.zip(mv, staged)
        return found.home, found.info
    body: Found[bytes]
    if kind is FileKind.MOD:
        body = await source.go_mod(mv)
    else:
        info = await source.info(mv)
        body = Found(info.value.body, info.home)
    with disk_failures("write the file"):
        await asyncio.to_thread(staged.write_bytes, body.value)
    return body.home, body.info


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


def _content_type(request: List | Latest | Resolve) -> str:
    return TEXT if isinstance(request, List) else JSON


def _not_held(what: str) -> NotFound:
    return NotFound(f"{what}: not held here, and the request forbids to fetch it (Disable-Module-Fetch)")
