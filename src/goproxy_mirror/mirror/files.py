"""The journey of a file: storage, one fetch per key, sources with their proof, publication, answer.

A cold file is answered once it is proven and durably published, from disk; nothing streams through before that. `.info`,
`.mod` and `.zip` go one by one: a `.mod` miss never fetches a zip.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from goproxy_mirror.errors import MirrorError, NotFound, SecurityError, SourceUnavailable, disk_failures
from goproxy_mirror.mirror.ahead import Ahead
from goproxy_mirror.mirror.answers import FileAnswer
from goproxy_mirror.mirror.catalog import Catalog
from goproxy_mirror.mirror.doubts import Doubts
from goproxy_mirror.mirror.fetching import Fetching
from goproxy_mirror.mirror.flights import Flights
from goproxy_mirror.mirror.policy import Policy
from goproxy_mirror.module.infofile import commit_of
from goproxy_mirror.module.version import ModuleVersion
from goproxy_mirror.ports import (
    FileKind,
    Found,
    Home,
    Info,
    Proof,
    Provenance,
    Source,
    Storage,
    StoredFile,
    Turns,
    Verifier,
)
from goproxy_mirror.protocol import File, file_key

log = structlog.get_logger(__name__)

_DENIAL_WAIT = 5.0
"""Seconds for which a no waits to be contradicted by the database."""


class Files:
    """Answers requests for files: fixed content, stored for ever. Raises what `Source`, `Verifier` and `Storage` raise."""

    def __init__(
        self,
        *,
        storage: Storage,
        policy: Policy,
        verifier: Verifier,
        catalog: Catalog,
        flights: Flights,
        turns: Turns,
        fetching: Fetching,
        provenance: Provenance,
        doubts: Doubts,
        ahead: Ahead,
    ) -> None:
        self._storage = storage
        self._policy = policy
        self._verifier = verifier
        self._catalog = catalog
        self._flights = flights
        self._turns = turns
        self._fetching = fetching
        self._provenance = provenance
        self._doubts = doubts
        self._ahead = ahead
        ahead.use(
            self._bring_ahead,
            is_held=lambda key: storage.look(key) is not None,
            is_public=policy.is_public,
        )

    async def answer(self, request: File, *, fetch: bool = True) -> FileAnswer:
        """The file; with `fetch` off, only if it is held."""
        key, mv, kind = request.key, request.mv, request.kind
        await self._doubts.known()
        stored = self._storage.look(key) or await self._storage.offer(key)
        if stored is not None and self._doubts.about(key):
            await self._flights.run(f"{key} doubt", lambda: self._settle(mv, kind))
            stored = await self._storage.offer(key)
        if stored is not None:
            if self._ahead.expects(key):
                self._ahead.used(request, fetch=fetch)
            return FileAnswer(stored, kind, lasting=self._doubts.lasting)
        if not fetch:
            raise not_held(str(request))
        self._fetching.check(key)
        self._ahead.asked(request)
        if kind is FileKind.INFO:
            return await self._flights.run(key, lambda: self._fetch_info(key, mv))
        return await self._flights.run(key, lambda: self._fetch(key, mv, kind))

    async def _bring_ahead(self, request: File) -> FileAnswer:
        """The same for a file that nobody has asked for yet; in a flight of its key."""
        self._fetching.check(request.key)
        if request.kind is FileKind.INFO:
            return await self._fetch_info(request.key, request.mv, ahead=True)
        return await self._fetch(request.key, request.mv, request.kind, ahead=True)

    async def _settle(self, mv: ModuleVersion, kind: FileKind) -> None:
        async with self._turns.hold(file_key(mv, kind)):
            await self._doubts.settle(mv, kind)
        self._derive(mv)

    async def _fetch(self, key: str, mv: ModuleVersion, kind: FileKind, *, ahead: bool = False) -> FileAnswer:
        async with self._turns.hold(key):
            stored = await self._storage.find(key)  # another worker may have been first
            if stored is not None:
                return FileAnswer(stored, kind)
            found: Found[bytes] | Found[None]
            if kind is FileKind.ZIP:
                stored, found = await self._bring_zip(key, mv)
            else:
                stored, found = await self._bring_mod(key, mv, ahead=ahead)
        self._told(mv, kind, found.home, stored)
        if ahead:
            self._ahead.fetched(key)
        if found.value is not None:
            self._ahead.arrived(mv, found.value)
        if kind is FileKind.MOD or found.info is not None:
            await self._derive_held(mv)
        return FileAnswer(stored, kind, found.home.name)

    async def _bring_mod(
        self, key: str, mv: ModuleVersion, *, ahead: bool
    ) -> tuple[StoredFile, Found[bytes]]:
        async with self._asking(key, mv, FileKind.MOD, ahead=ahead) as source:
            found = await source.go_mod(mv)
        if found.info is not None:
            await self._publish_info(mv, found.info, found.home, found.proof)
        await self._record(key, found.home, len(found.value), found.proof)
        stored, _ = await self._storage.publish(key, found.value)
        return stored, found

    async def _bring_zip(self, key: str, mv: ModuleVersion) -> tuple[StoredFile, Found[None]]:
        async with self._storage.stage() as staged:
            async with self._asking(key, mv, FileKind.ZIP) as source:
                found = await source.zip(mv, staged)
            if found.info is not None:
                await self._publish_info(mv, found.info, found.home, found.proof)
            size = (await asyncio.to_thread(staged.stat)).st_size
            await self._record(key, found.home, size, found.proof)
            return await self._storage.create(key, staged), found

    @asynccontextmanager
    async def _asking(
        self, key: str, mv: ModuleVersion, kind: FileKind, *, ahead: bool = False
    ) -> AsyncIterator[Source]:
        """The source, with a place among all fetches; what it denies may be contradicted."""
        large = kind is FileKind.ZIP
        async with self._fetching.of(key, f"{mv}{kind.value}", mv.path, large=large, ahead=ahead):
            try:
                yield self._policy.source(mv.path)
            except NotFound as error:
                raise await self._denied(mv, error) from error

    async def _fetch_info(self, key: str, mv: ModuleVersion, *, ahead: bool = False) -> FileAnswer:
        """A `.info` stands in no record: it is published only where the `.mod` of its version is held, and proven."""
        async with self._turns.hold(key), self._held_mod(mv, ahead=ahead) as mod:
            stored = await self._storage.find(key)
            if stored is not None:
                return FileAnswer(stored, FileKind.INFO)
            async with self._asking(key, mv, FileKind.INFO, ahead=ahead) as source:
                found = await source.info(mv)
            if mod is not None:
                await mod
            stored = await self._storage.find(key)  # who built the `.mod` has published its `.info` along
            if stored is None:
                stored = await self._publish_info(mv, found.value, found.home, None)
                self._told(mv, FileKind.INFO, found.home, stored)
                if ahead:
                    self._ahead.fetched(key)
        await self._derive_held(mv)
        return FileAnswer(stored, FileKind.INFO, found.home.name)

    async def _denied(self, mv: ModuleVersion, error: NotFound) -> MirrorError:
        """A no, unless the database has a record of the version: what exists is never said to be absent.

        Each home's own no has been held against it; the page that says where a repository is has not.
        """
        if self._verifier.outside(mv.path):
            return error
        try:
            async with asyncio.timeout(_DENIAL_WAIT):
                recorded = await self._verifier.recorded(mv)
        except (MirrorError, TimeoutError):
            return error
        if not recorded:
            return error
        return SourceUnavailable(
            f"{error.message} (and yet the checksum database has a record of it)", source=error.source
        )

    @asynccontextmanager
    async def _held_mod(
        self, mv: ModuleVersion, *, ahead: bool
    ) -> AsyncIterator[asyncio.Task[FileAnswer] | None]:
        """The `.mod` is fetched and proven meanwhile, where it has to vouch for the `.info`."""
        mod = File(mv, FileKind.MOD)
        held = await self._storage.find(mod.key) is not None and not self._doubts.about(mod.key)
        if held or self._verifier.outside(mv.path):
            yield None
            return
        if ahead:
            work = self._flights.run(mod.key, lambda: self._fetch(mod.key, mv, FileKind.MOD, ahead=True))
        else:
            work = self.answer(mod)
        task = asyncio.create_task(work)
        try:
            yield task
        finally:
            task.cancel()  # a waiter, not the fetch, which goes on for whoever asks next
            await asyncio.gather(task, return_exceptions=True)

    async def _record(self, key: str, home: Home, size: int, proof: Proof | None) -> None:
        """Where a file came from, and why it is believed, is said before it is visible."""
        await self._provenance.record(key, home, size=size, proof=proof)
        if proof is not None and not proof.by:
            self._doubts.add(key)

    async def _publish_info(
        self, mv: ModuleVersion, info: Info, home: Home, proof: Proof | None
    ) -> StoredFile:
        """Let the `.info` that is published first say which commit the version is, and hold what is built here to it.

        A tag can be moved between the fetches of two files. That is no matter where their hashes stand in a record;
        where they do not, `SecurityError` is raised.
        """
        key = file_key(mv, FileKind.INFO)
        stored, same = await self._storage.find(key), False
        if stored is None:
            await self._record(key, home, len(info.body), None)
            stored, same = await self._storage.publish(key, info.body)
        if same:
            return stored
        with disk_failures("read the file"):
            held = await asyncio.to_thread(stored.path.read_bytes)
        was, now = commit_of(held), commit_of(info.body)
        if was is None or now is None or was == now:
            return stored
        if proof is not None and proof.tree is not None:
            log.warning("a tag leads to another commit of the same content", module=str(mv), home=home.name)
            return stored
        raise SecurityError(
            f"{mv}: its tag was moved: here it is commit {was:.12}, and at {home.name} it is {now:.12} now. "
            "What is published stays as it is; ask its author for a new version",
            source=home.name,
        )

    async def _derive_held(self, mv: ModuleVersion) -> None:
        """Nothing is listed yet while one of the two files is missing that a version is held by."""
        for kind in (FileKind.INFO, FileKind.MOD):
            if await self._storage.find(file_key(mv, kind)) is None:
                return
        self._derive(mv)
        self._flights.start(f"feed {mv}", lambda: self._provenance.held(mv))

    def _derive(self, mv: ModuleVersion) -> None:
        self._catalog.changed(mv.path)
        self._flights.start(f"derive {mv.path}", lambda: self._catalog.derive(mv.path))

    def _told(self, mv: ModuleVersion, kind: FileKind, home: Home, stored: StoredFile) -> None:
        log.info(
            "fetched",
            module=str(mv.path),
            version=str(mv.version),
            file=kind.value,
            home=home.name,
            size=stored.size,
        )


def not_held(what: str) -> NotFound:
    """The no to a request that forbids to fetch."""
    return NotFound(f"{what}: not held here, and the request forbids to fetch it (Disable-Module-Fetch)")
