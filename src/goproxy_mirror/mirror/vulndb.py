"""The journey of `/vulndb/…`: a copy of the Go vulnerability database for `govulncheck`, kept and refreshed.

What a client reads must fit together. It takes the lists, then the entries that they name, and reports the time of
`index/db.json`. So the three index files are replaced as one, by one of which `index/db.json` keeps its promise; an entry is
answered only if it is as new as the index says; and all of it expires at the same moment. Whether `index/db.json` has changed
decides whether anything else is fetched. While the database cannot be reached, what is kept is answered stale.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import structlog

from goproxy_mirror.errors import MirrorError, NotFound, SourceTimeout
from goproxy_mirror.mirror.answers import TextAnswer
from goproxy_mirror.mirror.flights import Flights
from goproxy_mirror.mirror.freshness import Absences, Age, Freshness
from goproxy_mirror.module.vulndb import (
    MOST_DB,
    MOST_ENTRY,
    MOST_INDEX,
    NoVulnDB,
    PackedJSON,
    VulnIndex,
    is_id,
    packed_json,
    read_index,
)
from goproxy_mirror.ports import Answers, Home, Kept, Turns
from goproxy_mirror.ports.vulnerabilities import VulnDatabase, VulnEntry

T = TypeVar("T")
log = structlog.get_logger(__name__)

TIME_TO_LIVE = 600.0
"""Seconds for which the database counts as unchanged; it changes a few times a day."""

_PATIENCE = 10.0
"""Seconds that a client waits for sites that hang, where an older answer could be given instead."""
_STALE_AGE = 10
"""Seconds for which a client may keep an answer that could not be refreshed."""
_LONGEST_CHANGE = 3600.0
"""Seconds after which a site whose lists are older than its own index/db.json is not being changed any more, but is like that."""

_WANTED = re.compile(r"(index/(?:db|modules|vulns)|ID/([A-Za-z0-9-]{1,64}))\.json(\.gz)?", re.ASCII)
_GZIP, _JSON = "application/gzip", "application/json"


@dataclass(frozen=True, slots=True)
class _Held:
    """The index as it was when the sites were asked last (`fetched`, in seconds since the epoch)."""

    index: VulnIndex
    fetched: float
    home: Home | None

    def kept(self) -> Kept:
        return Kept(self.index.modified.isoformat().encode(), self.fetched, self.home)


class VulnService:
    """Answers by the path below `/vulndb/`; one per process.

    `name` tells this database from another one that was set before, in what `answers` keeps. `fetch_timeout` in seconds
    bounds one fetch over all its sites. Raises `NotFound`, and what `VulnDatabase` raises.
    """

    def __init__(
        self,
        database: VulnDatabase,
        *,
        name: str,
        answers: Answers,
        turns: Turns,
        flights: Flights,
        absences: Absences,
        fetch_timeout: float,
        time_to_live: float = TIME_TO_LIVE,
    ) -> None:
        self._database = database
        self._name = name
        self._answers = answers
        self._turns = turns
        self._flights = flights
        self._absences = absences
        self._fetch_timeout = fetch_timeout
        self._freshness = Freshness(time_to_live)
        self._mine: _Held | None = None
        self._doubted: tuple[datetime, float] | None = None

    async def answer(self, path: str) -> TextAnswer:
        """The answer to a path such as `index/modules.json.gz`."""
        wanted = _WANTED.fullmatch(path)
        if wanted is None or not (wanted[2] is None or is_id(wanted[2])):
            raise NotFound(
                f"{path:.200}: no file of a vulnerability database has that name (index/db.json, index/modules.json, "
                "index/vulns.json, ID/GO-YYYY-NNNN.json, each with .gz too)"
            )
        packed = wanted[3] is not None
        return await (
            self._entry(wanted[2], packed=packed) if wanted[2] else self._index(wanted[1], packed=packed)
        )

    async def _index(self, name: str, *, packed: bool) -> TextAnswer:
        held, stale = await self._current()
        file = {"index/db": held.index.db, "index/modules": held.index.modules}.get(name, held.index.vulns)
        if file is None:
            raise NotFound(f"{name}.json: the vulnerability database has no such file")
        return TextAnswer(
            body=file.packed if packed else file.plain,
            content_type=_GZIP if packed else _JSON,
            max_age=_STALE_AGE if stale else int(self._freshness.left(held.kept(), time.time())),
            fetched=held.fetched,
            stale=stale,
            home=held.home.name if held.home else None,
            modified=_stamp(held.index.modified),
        )

    async def _entry(self, name: str, *, packed: bool) -> TextAnswer:
        key = self._key(f"ID/{name}")
        kept = await self._kept_entry(key)
        try:
            held, stale = await self._current()
            promised = held.index.entries.get(name)
            if kept is None or not self._is_good(kept, promised):
                if promised is None:
                    self._absences.check(key)
                kept = await self._patiently(
                    key, lambda: self._fetch_entry(name, key, promised), kept is not None
                )
            fresh = Kept(b"", held.fetched if promised else kept[1].fetched, None)
        except NotFound:
            raise
        except MirrorError as error:
            if kept is None:
                raise
            log.warning("answered stale", request=f"/vulndb/ID/{name}", reason=error.message)
            fresh, stale = kept[1], True
        entry, said = kept
        body = entry.packed if packed else (await _unpacked(entry.packed, MOST_ENTRY)).plain
        return TextAnswer(
            body=body,
            content_type=_GZIP if packed else _JSON,
            max_age=_STALE_AGE if stale else int(self._freshness.left(fresh, time.time())),
            fetched=said.fetched,
            stale=stale,
            home=said.home.name if said.home else None,
            modified=_stamp(entry.modified),
        )

    def _is_good(self, kept: tuple[VulnEntry, Kept], promised: datetime | None) -> bool:
        """Whether a kept entry is as new as the index says; by its age where the index does not know it."""
        if promised is not None:
            return kept[0].modified >= promised
        return self._freshness.age(kept[1], time.time()) is not Age.OLD

    async def _fetch_entry(self, name: str, key: str, promised: datetime | None) -> tuple[VulnEntry, Kept]:
        kept = await self._kept_entry(key)
        if kept is not None and self._is_good(kept, promised):
            return kept  # another request was first, and had ended before this one came
        async with self._fetching(f"ID/{name}.json"):
            try:
                found = await self._database.entry(name, promised)
            except NotFound as error:
                self._absences.remember(key, error)
                raise
        self._absences.forget(key)
        said = Kept(_bundle(found.value.modified, found.value.packed), time.time(), found.home)
        await self._answers.put(key, said)
        return found.value, said

    async def _kept_entry(self, key: str) -> tuple[VulnEntry, Kept] | None:
        kept = await self._answers.get(key)
        opened = _opened(kept.body) if kept is not None else None
        if kept is None or opened is None or len(opened[1]) != 1:
            return None
        return VulnEntry(opened[1][0], opened[0]), kept

    # The index, which this process has in memory, and all share through what is kept.

    async def _current(self) -> tuple[_Held, bool]:
        """The index, and whether it is stale."""
        held = await self._held()
        key = self._key("index")
        if held is not None:
            age = self._freshness.age(held.kept(), time.time())
            if age is Age.AGING:
                self._flights.start(key, self._refresh)
            if age is not Age.OLD:
                return held, False
        try:
            return await self._patiently(key, self._refresh, held is not None), False
        except MirrorError as error:
            if held is None:
                raise
            log.warning("answered stale", request="/vulndb/index", reason=error.message)
            return held, True

    async def _patiently(self, key: str, work: Callable[[], Awaitable[T]], has_older: bool) -> T:
        """What the flight brings; who has an older answer does not wait long for it."""
        try:
            async with asyncio.timeout(_PATIENCE if has_older else None):
                return await self._flights.run(key, work)
        except TimeoutError:
            raise SourceTimeout("the vulnerability database did not answer in time") from None

    async def _refresh(self) -> _Held:
        async with self._turns.hold(self._key("index")):
            held = await self._held()
            if held is not None and self._freshness.age(held.kept(), time.time()) is Age.FRESH:
                return held  # another worker was first
            async with self._fetching("index/db.json"):
                found = await self._database.index(held.index.modified if held else None)
            now = time.time()
            if held is not None and (found is None or self._is_doubtful(found.value)):
                fresh = _Held(held.index, now, held.home)
            elif found is not None:
                fresh = _Held(found.value, now, found.home)
                index = found.value
                files = [file.packed for file in (index.db, index.modules, index.vulns) if file is not None]
                bundle = Kept(_bundle(index.modified, *files), now, found.home)
                # The index first: whoever sees its time finds it.
                await self._answers.put(self._key("index"), bundle)
                log.info("fetched", vulndb=found.home.name, modified=index.modified.isoformat())
            else:
                raise NoVulnDB("the vulnerability database has no index")
            self._mine = fresh
            await self._answers.put(self._key("head"), fresh.kept())
            return fresh

    def _is_doubtful(self, index: VulnIndex) -> bool:
        """Whether its site seems to be in the middle of a change, so that what is held is better for now."""
        if index.whole:
            self._doubted = None
            return False
        if self._doubted is None or self._doubted[0] != index.modified:
            self._doubted = index.modified, time.monotonic()
        return time.monotonic() - self._doubted[1] < _LONGEST_CHANGE

    async def _held(self) -> _Held | None:
        """The newest of what this process and the others have."""
        head = await self._answers.get(self._key("head"))
        mine = self._mine
        if head is None or (mine is not None and mine.fetched >= head.fetched):
            return mine
        if mine is None or mine.kept().body != head.body:
            mine = await self._flights.run(self._key("load"), self._load)
            if mine is None:
                return self._mine
        self._mine = _Held(mine.index, head.fetched, head.home)
        return self._mine

    async def _load(self) -> _Held | None:
        kept = await self._answers.get(self._key("index"))
        opened = _opened(kept.body) if kept is not None else None
        if kept is None or opened is None or len(opened[1]) not in {2, 3}:
            return None
        modified, (db, modules, *vulns) = opened
        try:
            index = await asyncio.to_thread(
                read_index,
                modified,
                await _unpacked(db, MOST_DB),
                await _unpacked(modules, MOST_INDEX),
                await _unpacked(vulns[0], MOST_INDEX) if vulns else None,
            )
        except NoVulnDB:
            return None
        return _Held(index, kept.fetched, kept.home)

    @asynccontextmanager
    async def _fetching(self, what: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._fetch_timeout):
                yield
        except TimeoutError:
            raise SourceTimeout(f"{what}: not fetched within {self._fetch_timeout:g} s") from None

    def _key(self, name: str) -> str:
        return f"vulndb/{self._name}/{name}"


async def _unpacked(packed: bytes, limit: int) -> PackedJSON:
    return await asyncio.to_thread(packed_json, packed, limit)


def _stamp(modified: datetime) -> float:
    # Of an empty database Go says that it was changed in the year 1.
    return max(0.0, modified.timestamp())


def _bundle(modified: datetime, *files: bytes) -> bytes:
    """Files that belong together, as one body: a line of JSON about them, then one behind the other."""
    head = {"modified": modified.isoformat(), "sizes": [len(file) for file in files]}
    return b"".join((json.dumps(head).encode(), b"\n", *files))


def _opened(bundle: bytes) -> tuple[datetime, list[bytes]] | None:
    head, _, body = bundle.partition(b"\n")
    try:
        said = json.loads(head)
        modified, sizes = datetime.fromisoformat(said["modified"]), list(map(int, said["sizes"]))
    except (ValueError, KeyError, TypeError):
        return None
    files = []
    for size in sizes:
        files.append(body[:size])
        body = body[size:]
    return modified, files
