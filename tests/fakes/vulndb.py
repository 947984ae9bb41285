"""A vulnerability database that says what a test tells it to, and a clock."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from goproxy_mirror.errors import MirrorError, NotFound, SourceUnavailable
from goproxy_mirror.mirror.flights import Flights
from goproxy_mirror.mirror.freshness import Absences
from goproxy_mirror.mirror.vulndb import VulnService
from goproxy_mirror.module.vulndb import MOST_INDEX, VulnIndex, packed_json, read_entry, read_index
from goproxy_mirror.ports import Found, Home
from goproxy_mirror.ports.vulnerabilities import VulnEntry
from goproxy_mirror.state.files import FileAnswers, FileTurns
from tests.world.vulndb import SECOND, THIRD, Vuln

ONE, TWO = Vuln("GO-2026-0001"), Vuln("GO-2026-0002", modified=SECOND)
NEWER = Vuln("GO-2026-0001", modified=THIRD, summary="told anew")
PATHS = ("index/db.json", "index/modules.json", "index/vulns.json", "ID/GO-2026-0001.json")
HOME = Home("upstream", "https://vuln.test")


def at(text: str) -> datetime:
    """A time of the tests' database."""
    return datetime.fromisoformat(text)


@dataclass
class FakeDatabase:
    """`ports.VulnDatabase` of some files, or a failure. `asked` holds the questions; nobody is answered before `gate`."""

    files: dict[str, bytes]
    failure: MirrorError | None = None
    asked: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def index(self, held: datetime | None) -> Found[VulnIndex] | None:
        await self._asked(f"index since {held:%Y-%m-%d}" if held else "index")
        modified = at(json.loads(self.files["index/db.json"])["modified"])
        if modified == held:
            return None
        db, modules = (
            packed_json(self.files[f"index/{name}.json.gz"], MOST_INDEX) for name in ("db", "modules")
        )
        vulns = self.files.get("index/vulns.json.gz")
        listed = packed_json(vulns, MOST_INDEX) if vulns else None
        return Found(read_index(modified, db, modules, listed), HOME)

    async def entry(self, name: str, promised: datetime | None) -> Found[VulnEntry]:
        await self._asked(name)
        packed = self.files.get(f"ID/{name}.json.gz")
        if packed is None:
            raise NotFound(f"{name}: no such entry") if promised is None else SourceUnavailable("promised")
        modified = read_entry(gzip.decompress(packed), name)
        if promised is not None and modified < promised:
            raise SourceUnavailable(f"{name}: older than promised")
        return Found(VulnEntry(packed, modified), HOME)

    async def _asked(self, question: str) -> None:
        self.asked.append(question)
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure


@dataclass
class Clock:
    """The wall clock of the journey."""

    now: float = 1_800_000_000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


MakeService = Callable[..., VulnService]


@asynccontextmanager
async def workers(folder: Path, database: FakeDatabase) -> AsyncIterator[MakeService]:
    """Makes worker processes' services: each has its own memory, and all share a folder."""
    async with AsyncExitStack() as stack:
        flights = [await stack.enter_async_context(Flights()) for _ in range(3)]

        def service(*, of: FakeDatabase = database, name: str = "x") -> VulnService:
            return VulnService(
                of,
                name=name,
                answers=FileAnswers(folder / "answers"),
                turns=FileTurns(folder / "turns", wait=10),
                flights=flights.pop(),
                absences=Absences(60),
                fetch_timeout=5,
                time_to_live=600,
            )

        yield service


async def until(look: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something to come true, while other tasks go on."""
    async with asyncio.timeout(30):
        while not await look():
            await asyncio.sleep(0.005)


async def summary_of(service: VulnService) -> str:
    """What the first entry says now."""
    return str(json.loads((await service.answer("ID/GO-2026-0001.json")).body)["summary"])


async def modified_of(service: VulnService) -> str:
    """When the database was changed, as it says."""
    return str(json.loads((await service.answer("index/db.json")).body)["modified"])
