"""Mirrors at work: who goes first, who is asked beside, and what several say together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from goproxy_mirror.errors import (
    MirrorError,
    NotFound,
    NotRecorded,
    OutageDisguised,
    SecurityError,
    SourceUnavailable,
    StorageFull,
    Unproven,
)
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Query, Version
from goproxy_mirror.ports import Found, Info
from goproxy_mirror.sources import candidates, mirrors
from tests.fakes.homes import ORIGIN, PATH, World, away
from tests.fakes.sources import FakeSource

MV = ModuleVersion(PATH, Version.parse("v1.0.0"))
NAMES = ("one", "two", "three")
RULE = {"vanity.test/x/{repo}": [f"https://{name}.test/{{repo}}" for name in NAMES]}
ONE, TWO, THREE = (f"https://{name}.test/text" for name in NAMES)
DOWN = SourceUnavailable("500")


@dataclass
class Slow(FakeSource):
    """Answers everything, once it may."""

    may: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def versions(self, path: ModulePath) -> Found[tuple[Version, ...]]:
        self.begun.set()
        await self.may.wait()
        return await super().versions(path)

    async def go_mod(self, mv: ModuleVersion) -> Found[bytes]:
        self.begun.set()
        await self.may.wait()
        return await super().go_mod(mv)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """The origin's host is a black hole; three mirrors are left."""
    made = World()
    made.silent = {"vanity.test"}
    monkeypatch.setattr(mirrors, "RepositorySource", made.source)
    return made


def slow(world: World, url: str, says: Sequence[str] | MirrorError = ("v1.0.0",)) -> Slow:
    """Let a mirror take its time."""
    made = Slow(url, says)
    world.sources[url] = made
    return made


async def listed(world: World, rules: dict[str, list[str]] = RULE) -> list[str]:
    """The versions that the mirrors list."""
    return [str(version) for version in (await world.homes(rules).versions(PATH)).value]


async def test_health_decides_among_mirrors(world: World) -> None:
    """The healthier mirror goes first, the operator's order where there is no difference."""
    world.reach.order = ["two.test"]
    assert (await world.homes(RULE).go_mod(MV)).home.name == TWO
    world.says[TWO] = DOWN
    world.sources.clear()
    assert (await world.homes(RULE).go_mod(MV)).home.name == ONE


async def test_health_does_not_move_the_origin(world: World) -> None:
    """Whether the origin or the mirrors go first is the operator's setting, however quick a mirror is."""
    world.silent = set()
    world.reach.order = ["two.test"]
    assert (await world.homes(RULE).go_mod(MV)).home.name == ORIGIN
    world.says[ORIGIN] = DOWN
    world.sources.clear()
    assert (await world.homes(RULE).go_mod(MV)).home.name == TWO


async def test_a_late_mirror_is_overtaken(world: World) -> None:
    """The next mirror is asked beside one that is late, and who answered is whose answer it is."""
    late = slow(world, ONE)
    world.reach.patient = {"one.test": 0}
    assert (await world.homes(RULE).go_mod(MV)).home.name == TWO
    assert late.begun.is_set()
    assert world.reach.late == ["one.test"]


async def test_the_origin_is_not_raced(world: World) -> None:
    """Nobody is asked beside the origin, nor the origin beside a mirror."""
    world.silent = set()
    world.says = dict.fromkeys((ONE, TWO), DOWN)
    world.reach.patient = dict.fromkeys(("go.test", "three.test"), 0)
    for first, homes in (
        (ORIGIN, world.homes(RULE)),
        (THREE, world.homes(RULE, order=("mirrors", "origin"))),
    ):
        world.sources.clear()
        thinking = slow(world, first)
        asked = asyncio.create_task(homes.go_mod(MV))
        await thinking.begun.wait()
        thinking.may.set()
        assert (await asked).home.name == first
        assert world.reach.late == []


async def test_an_absence_does_not_overtake(world: World) -> None:
    """What a mirror denies while another is still thinking waits for that one's answer."""
    thinking = slow(world, ONE)
    world.says[TWO] = world.says[THREE] = NotFound("no")
    world.reach.patient = {"one.test": 0}
    asked = asyncio.create_task(world.homes(RULE).go_mod(MV))
    while THREE not in world.asked():
        await asyncio.sleep(0)
    thinking.may.set()
    assert (await asked).home.name == ONE


async def test_lists_are_joined(world: World) -> None:
    """A mirror that lags hides nothing that another one knows."""
    world.says = {ONE: ["v1.0.0"], TWO: ["v1.0.0", "v1.2.0"], THREE: ["v1.1.0"]}
    assert await listed(world) == ["v1.0.0", "v1.2.0", "v1.1.0"]


async def test_mirrors_first_are_joined_too(world: World) -> None:
    """The same where mirrors are asked before the origin."""
    world.says = {ONE: ["v1.0.0"], TWO: ["v1.2.0"]}
    found = await world.homes(RULE, order=("mirrors", "origin")).versions(PATH)
    assert set(map(str, found.value)) == {"v1.0.0", "v1.2.0"}


async def test_the_origins_list_is_the_list(world: World) -> None:
    """Where the origin can be had, its word is enough."""
    world.silent = set()
    world.says = {ORIGIN: ["v1.0.0"], ONE: ["v9.0.0"]}
    assert await listed(world) == ["v1.0.0"]
    assert world.asked() == [ORIGIN]


async def test_a_folder_is_an_authority(world: World) -> None:
    """The word of a repository on a local path is enough, and its no is final."""
    rules = {
        "vanity.test/x/{repo}": ["file:///srv/{repo}", "https://one.test/{repo}", "https://two.test/{repo}"]
    }
    world.says = {"file:///srv/text": ["v1.0.0"], ONE: ["v9.0.0"]}
    assert await listed(world, rules) == ["v1.0.0"]
    world.sources.clear()
    world.says["file:///srv/text"] = NotFound("no")
    with pytest.raises(NotFound):
        await listed(world, rules)
    assert ONE not in world.asked()


@pytest.mark.parametrize(
    "error", [DOWN, NotFound("no"), Unproven("no answer"), SecurityError("a lie"), away("one.test")]
)
async def test_who_could_be_read_is_listed(world: World, error: MirrorError) -> None:
    """Mirrors that fail, lie or deny take nothing away from what others list."""
    world.says = {ONE: error, TWO: ["v1.2.0"], THREE: ["v1.1.0"]}
    assert await listed(world) == ["v1.2.0", "v1.1.0"]


@pytest.mark.parametrize(
    ("says", "kind"),
    [
        ([NotFound("no"), DOWN, away("three.test")], NotFound),
        ([NotFound("no"), SecurityError("a lie"), DOWN], SecurityError),
        ([NotFound("no"), Unproven("no answer"), DOWN], Unproven),
        ([NotFound("no"), OutageDisguised("denied"), DOWN], SourceUnavailable),
        ([NotRecorded("no record")] * 3, NotRecorded),
        ([StorageFull("no room"), NotFound("no"), NotFound("no")], StorageFull),
    ],
)
async def test_when_nobody_lists_anything(
    world: World, says: list[MirrorError], kind: type[MirrorError]
) -> None:
    """An absence only where all that could be read deny; else what the gravest failure says."""
    world.says = dict(zip((ONE, TWO, THREE), says, strict=True))
    with pytest.raises(kind) as caught:
        await listed(world)
    assert isinstance(caught.value, NotFound) == (kind is NotFound)


async def test_whoever_rests_is_the_last_resort(world: World) -> None:
    """A mirror that rests is asked for its list only where no other has answered."""
    world.reach.down = {"one.test"}
    world.says = {ONE: ["v1.0.0"], TWO: ["v1.2.0"], THREE: DOWN}
    assert await listed(world) == ["v1.2.0"]
    assert world.woken == []
    world.sources.clear()
    world.says[TWO] = DOWN
    assert await listed(world) == ["v1.0.0"]
    assert world.woken == [ONE]


async def test_laggards_are_not_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once one has answered, the others have a few times as long, and are cancelled then."""
    monkeypatch.setattr(candidates, "_AT_LEAST", 0.05)
    never = slow(world, ONE)
    world.says = {TWO: ["v1.2.0"], THREE: ["v1.1.0"]}
    async with asyncio.timeout(60):
        assert await listed(world) == ["v1.2.0", "v1.1.0"]
    assert never.begun.is_set()
    assert never.asked == []


async def test_four_mirrors_at_a_time(world: World) -> None:
    """No more are asked at once, however many there are."""
    urls = [f"https://m{number}.test/text" for number in range(6)]
    thinking = [slow(world, url, [f"v1.{number}.0"]) for number, url in enumerate(urls)]
    asked = asyncio.create_task(
        listed(world, {"vanity.test/x/{repo}": [url.replace("text", "{repo}") for url in urls]})
    )
    for each in thinking[:4]:
        await each.begun.wait()
    assert [each.begun.is_set() for each in thinking] == [True] * 4 + [False] * 2
    for each in thinking:
        each.may.set()
    assert await asked == [f"v1.{number}.0" for number in range(6)]


async def test_lists_cancelled_from_outside(world: World) -> None:
    """Whoever leaves takes all mirrors along."""
    thinking = [slow(world, url) for url in (ONE, TWO, THREE)]
    asked = asyncio.create_task(listed(world))
    for each in thinking:
        await each.begun.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize(
    ("says", "latest"),
    [
        (["v1.0.0", "v1.2.0", "v1.1.0"], "v1.2.0"),
        (["v1.0.0", "v1.2.0-rc.1", "v2.0.0-rc.1"], "v1.0.0"),
        (["v1.2.0-rc.1", "v0.0.0-20240102030405-0123456789ab", "v1.2.0-rc.2"], "v1.2.0-rc.2"),
        (["v1.9.0", "v1.10.0", "v1.9.9"], "v1.10.0"),
    ],
)
async def test_the_latest_of_several(world: World, says: list[str], latest: str) -> None:
    """A stale mirror cannot hide the newest version: a release, else a pre-release, else a commit."""
    world.says = {url: [version] for url, version in zip((ONE, TWO, THREE), says, strict=True)}
    found = await world.homes(RULE).latest(PATH)
    assert str(found.value.version) == latest
    assert found.home.name == (ONE, TWO, THREE)[says.index(latest)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("v1.2.4-0.20240102030405-0123456789ab", "v0.0.0-20250102030405-0123456789ab"),
        ("v2.0.0+incompatible", "v1.5.0"),
        ("v1.5.0", "v2.0.0+incompatible"),
        ("v0.0.0-20250102030405-0123456789ab", "v0.1.0"),
    ],
)
async def test_where_time_tells_the_latest(world: World, one: str, other: str) -> None:
    """Of two commits the younger one, and so where versions before modules may or may not count; a release anyway."""

    class Dated(FakeSource):
        async def latest(self, path: ModulePath) -> Found[Info]:
            found = await super().latest(path)
            year = 2024 if str(found.value.version) == one else 2025
            return replace(found, value=replace(found.value, time=datetime(year, 1, 2, tzinfo=UTC)))

    for urls in ((ONE, TWO), (TWO, ONE)):
        world.sources = {url: Dated(url, [says]) for url, says in zip(urls, (one, other), strict=True)}
        world.says = {THREE: DOWN}
        assert str((await world.homes(RULE).latest(PATH)).value.version) == other


async def test_queries_take_the_first_answer(world: World) -> None:
    """A branch or a commit is looked up at one mirror."""
    world.says = {ONE: ["v1.0.0"], TWO: ["v1.2.0"]}
    found = await world.homes(RULE).resolve(PATH, Query("main"))
    assert str(found.value.version) == "v1.0.0"
    assert world.asked() == [ONE]
