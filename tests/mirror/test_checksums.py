"""Answers in a checksum database's place: from what is verified where its key is known, and else passed through."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from goproxy_mirror.errors import Blocked, MirrorError, NotFound, NotRecorded, SecurityError, Unproven
from goproxy_mirror.mirror.checksums import ChecksumService
from goproxy_mirror.mirror.policy import Policy
from goproxy_mirror.ports import ChecksumDatabases, Found, Home
from goproxy_mirror.protocol import SumDB as Question
from goproxy_mirror.protocol import parse
from tests.fakes.sources import FakeSource
from tests.fakes.sumdb import FakeOps, client_of
from tests.world import sumlies
from tests.world.sumdb import Lie, SumDB

KNOWN, OTHER = "sum.world.test", "sum.other.test"


class Outside:
    """`ports.ChecksumDatabases`: both databases, from one place that answers anything."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def known(self, name: str) -> bool:
        return name in {KNOWN, OTHER}

    async def get(self, name: str, path: str, without: Collection[Home] = ()) -> Found[bytes]:
        self.asked.append(f"{name}/{path}")
        return Found(b"whatever", Home("upstream", "https://place.test"))


class World:
    """The service over a database whose key is known, and one whose key is not."""

    def __init__(self) -> None:
        self.database = SumDB(KNOWN)
        self.database.fill(300)
        self.ops = FakeOps([self.database])
        self.outside = Outside()
        databases: ChecksumDatabases = self.outside
        source = FakeSource("https://up.test")
        policy = Policy(
            direct="corp.example", origin=source, routes=(), public=source, unlisted="corp.example"
        )
        self.service = ChecksumService(databases, policy, {KNOWN: client_of(self.ops)})

    async def ask(self, path: str, name: str = KNOWN) -> tuple[bytes, str, int, str | None]:
        """Body, content type, age and home of an answer."""
        question = parse(f"/sumdb/{name}/{path}")
        assert isinstance(question, Question)
        answer = await self.service.answer(question)
        return answer.body, answer.content_type.partition(";")[0], answer.max_age, answer.home


@pytest.fixture
def world() -> World:
    return World()


async def test_verified_answers(world: World) -> None:
    """Records, tiles and the newest head come from the verified client, with their types and times to live."""
    lookup = "lookup/filler.test/m@v0.0.7"
    record = world.database.honest("/" + lookup).body
    assert await world.ask(lookup) == (record, "text/plain", 86400, None)
    assert await world.ask("latest") == (world.database.head(), "text/plain", 60, None)
    for tile in ("tile/8/0/000", "tile/8/0/001.p/44", "tile/8/data/000"):
        body = world.database.honest("/" + tile).body
        assert await world.ask(tile) == (body, "application/octet-stream", 86400, None)
    assert (await world.ask("supported"))[0] == b""
    assert world.outside.asked == []


async def test_a_database_whose_key_is_not_known_is_passed_through(world: World) -> None:
    """What it says is answered with the place that said it."""
    assert await world.ask("latest", OTHER) == (b"whatever", "text/plain", 60, "https://place.test")
    assert (await world.ask("tile/8/0/000", OTHER))[1] == "application/octet-stream"
    assert world.outside.asked == [f"{OTHER}/latest", f"{OTHER}/tile/8/0/000"]


@pytest.mark.parametrize("name", [KNOWN, OTHER])
async def test_private_modules_are_blocked_before_anybody_is_asked(world: World, name: str) -> None:
    """S12, for either kind."""
    with pytest.raises(Blocked):
        await world.ask("lookup/corp.example/m@v1.0.0", name)
    assert not world.ops.asked
    assert not world.outside.asked


async def test_what_is_not_there(world: World) -> None:
    """S14: absences are absences: a database that is not served, a record and a tile that do not exist."""
    for path, name in (
        ("latest", "sum.third.test"),
        ("lookup/x.test/m@v1.0.0", KNOWN),
        ("tile/8/0/009", KNOWN),
    ):
        with pytest.raises(NotFound):
            await world.ask(path, name)


@pytest.mark.parametrize(
    ("lie", "error"), [(sumlies.forged_record, SecurityError), (sumlies.outage, Unproven)]
)
async def test_what_cannot_be_verified_is_not_answered(
    world: World, lie: Lie, error: type[MirrorError]
) -> None:
    """A refusal, and never an absence."""
    world.database.lie(lie)
    with pytest.raises(error) as failure:
        await world.ask("lookup/filler.test/m@v0.0.7")
    assert not isinstance(failure.value, (NotFound, NotRecorded))
