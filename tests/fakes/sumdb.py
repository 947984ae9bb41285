"""What a checksum database's client needs of the world, in memory: places that answer, and what processes share."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field

from goproxy_mirror.errors import NotFound, SourceUnavailable
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import Found, Home
from goproxy_mirror.sumdb.client import Client
from goproxy_mirror.sumdb.note import VerifierKey
from tests.world.sumdb import Place, SumDB


@dataclass
class Shared:
    """What outlives a process: the newest head, the evidence of a fork, what was kept."""

    head: bytes = b""
    evidence: bytes | None = None
    kept: dict[str, bytes] = field(default_factory=dict)


class FakeOps:
    """`sumdb.ops.Ops`. The first place is the database's own, whose no counts; `asked` counts the paths that were fetched.

    `before` is awaited before each answer; `slip` is called once, before the head is next advanced, as if another process
    came between.
    """

    def __init__(self, places: Sequence[Place], shared: Shared | None = None) -> None:
        self.places = list(places)
        self.shared = Shared() if shared is None else shared
        self.asked: Counter[str] = Counter()
        self.before: Callable[[str], Awaitable[object]] | None = None
        self.slip: Callable[[], Awaitable[object]] | None = None

    async def fetch(self, path: str, without: Collection[Home] = ()) -> Found[bytes]:
        self.asked[path] += 1
        if self.before is not None:
            await self.before(path)
        await asyncio.sleep(0)
        down: list[str] = []
        absent = False
        for number, place in enumerate(self.places):
            if home_of(number) in without:
                continue
            status, body = place.handle("/" + path)
            if status == 200:
                return Found(body, home_of(number))
            if status == 404 and number == 0:
                raise NotFound(f"{path}: unknown revision", source=home_of(0).name)
            absent = absent or status == 404
            if status != 404:
                down.append(home_of(number).name)
        if absent and not down and not without:
            raise NotFound(f"{path}: nobody has it")
        raise SourceUnavailable(f"{path}: nobody else can be asked", source=down[0] if down else None)

    async def head(self) -> bytes:
        await asyncio.sleep(0)
        return self.shared.head

    async def advance(self, old: bytes, new: bytes) -> bool:
        if self.slip is not None:
            slip, self.slip = self.slip, None
            await slip()
        if self.shared.head != old:
            return False
        self.shared.head = new
        return True

    async def fork(self) -> bytes | None:
        return self.shared.evidence

    async def forked(self, evidence: bytes) -> None:
        self.shared.evidence = self.shared.evidence or evidence

    async def kept(self, path: str) -> bytes | None:
        await asyncio.sleep(0)
        return self.shared.kept.get(path)

    async def keep(self, path: str, body: bytes) -> None:
        self.shared.kept[path] = body


def home_of(number: int) -> Home:
    """The home of the place with that number."""
    return Home("upstream", f"https://place{number}.test")


def client_of(ops: FakeOps, database: SumDB | None = None) -> Client:
    """A client of the database that the places answer for."""
    return Client(VerifierKey.parse((database or ops.places[0].database).vkey), ops)


def mv_of(text: str) -> ModuleVersion:
    """`path@version`."""
    path, _, version = text.partition("@")
    return ModuleVersion(ModulePath(path), Version(version))
