"""Sources asked beside one another, and what is said in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from goproxy_mirror import observe
from goproxy_mirror.errors import MirrorError, NotFound, SourceUnavailable
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import Found, Home
from goproxy_mirror.sources.race import Race, Runner
from goproxy_mirror.sources.walk import Ask, Question
from tests.fakes.sources import FakeReach

MV = ModuleVersion(ModulePath.parse("example.com/m"), Version.parse("v1.0.0"))
NO = NotFound("no")
DOWN = SourceUnavailable("500")
FAST = 60
"""Seconds within which everything here must have happened."""


@dataclass
class Source:
    """Answers once it may, and writes down what becomes of it. `says` is raised if it is an error."""

    name: str
    says: MirrorError | None = None
    may: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: bool = False
    files: list[Path] = field(default_factory=list)

    def ready(self) -> Source:
        """The same source, which need not think."""
        self.may.set()
        return self

    async def go_mod(self, mv: ModuleVersion) -> Found[bytes]:
        self.begun.set()
        try:
            await self.may.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        finally:
            self.ended.set()
        if self.says is not None:
            raise self.says
        return Found(b"module", Home("upstream", self.name))

    async def zip(self, mv: ModuleVersion, into: Path) -> Found[None]:
        self.files.append(into)
        into.write_text(f"half of {self.name}")
        found = await self.go_mod(mv)
        into.write_text(self.name)
        return Found(None, found.home)


def asking(source: Source) -> Callable[[Ask[bytes]], Awaitable[Found[bytes]]]:
    return lambda ask: ask(source)  # type: ignore[arg-type]


def race(reach: FakeReach, *sources: Source, question: Question[bytes] | None = None) -> Race[bytes]:
    """A race of all sources, each of which may be followed by the next."""
    runners = [Runner(asking(source), source.name) for source in sources]
    follower = lambda place: place + 1 if place + 1 < len(sources) else None  # noqa: E731
    asked = question or Question(lambda source: source.go_mod(MV), fixed=True)
    return Race(asked, runners, reach, follower)


async def walk(running: Race[bytes], sources: int) -> str:
    """Who answers, if each source is asked in turn."""
    failures: list[MirrorError] = []
    async with asyncio.timeout(FAST), running:
        for place in range(sources):
            try:
                return (await running.ask(place)).home.name
            except MirrorError as error:
                failures.append(error)
    raise failures[-1]


async def test_nobody_is_late() -> None:
    """The first answer is taken, and nobody else is asked."""
    one, two = Source("one").ready(), Source("two").ready()
    reach = FakeReach()
    assert await walk(race(reach, one, two), 2) == "one"
    assert not two.begun.is_set()
    assert reach.questions == ["one"]


async def test_the_quicker_one_wins() -> None:
    """The next is asked beside one that is late; its answer is the answer, and the late one is cancelled and awaited."""
    one, two = Source("one"), Source("two").ready()
    reach = FakeReach(patient={"one": 0})
    assert await walk(race(reach, one, two), 2) == "two"
    assert one.cancelled
    assert one.ended.is_set()
    assert reach.late == ["one"]


async def test_the_late_one_may_win_after_all() -> None:
    """Who was late, and answers before the other, has answered; the other is ended."""
    one, two = Source("one"), Source("two")
    reach = FakeReach(patient={"one": 0})
    asked = asyncio.create_task(walk(race(reach, one, two), 2))
    await two.begun.wait()
    one.may.set()
    assert await asked == "one"
    assert two.cancelled
    assert reach.late == []


@pytest.mark.parametrize("error", [NO, DOWN])
async def test_a_later_failure_waits_for_its_turn(error: MirrorError) -> None:
    """What fails beside one that still thinks does not end the walk: the answer of the first counts."""
    one, two = Source("one"), Source("two", error).ready()
    asked = asyncio.create_task(walk(race(FakeReach(patient={"one": 0}), one, two), 2))
    await two.ended.wait()
    assert not asked.done()
    one.may.set()
    assert await asked == "one"


async def test_a_failure_that_was_heard_is_not_asked_for_again() -> None:
    """Where the first fails in the end, the other's word is at hand, and is said as in turn."""
    one, two = Source("one", DOWN), Source("two", NO).ready()
    asked = asyncio.create_task(walk(race(FakeReach(patient={"one": 0}), one, two), 2))
    await two.ended.wait()
    two.begun.clear()
    one.may.set()
    with pytest.raises(NotFound):
        await asked
    assert not two.begun.is_set()


async def test_the_other_goes_on_when_the_first_fails() -> None:
    """Who was started beside the first is not started again when its turn comes."""
    one, two = Source("one", DOWN), Source("two")
    reach = FakeReach(patient={"one": 0})
    asked = asyncio.create_task(walk(race(reach, one, two), 2))
    await two.begun.wait()
    one.may.set()
    await one.ended.wait()
    two.may.set()
    assert await asked == "two"
    assert reach.questions == ["one", "two"]
    assert reach.late == []


async def test_one_extra_at_a_time() -> None:
    """A third is asked only when the second has failed."""
    one, two, three = Source("one"), Source("two", DOWN), Source("three").ready()
    reach = FakeReach(patient={"one": 0, "two": 0})
    asked = asyncio.create_task(walk(race(reach, one, two, three), 3))
    await two.begun.wait()
    assert not three.begun.is_set()
    two.may.set()
    assert await asked == "three"
    assert reach.questions == ["one", "two", "three"]
    assert one.cancelled


async def test_no_extra_beyond_the_budget() -> None:
    """Where no extra request may be made, the late one is waited for."""
    one, two = Source("one"), Source("two").ready()
    reach = FakeReach(patient={"one": 0}, extra=0)
    asked = asyncio.create_task(walk(race(reach, one, two), 2))
    while reach.extra == 0:
        await asyncio.sleep(0)
    one.may.set()
    assert await asked == "one"
    assert not two.begun.is_set()


async def test_whoever_rests_meanwhile_is_given_up() -> None:
    """A host that others have found dead while we wait for it: the next one is asked, which is no extra request."""
    one, two = Source("one"), Source("two").ready()
    reach = FakeReach(extra=0)
    asked = asyncio.create_task(walk(race(reach, one, two), 2))
    await one.begun.wait()
    reach.rest("one")
    assert await asked == "two"
    assert reach.extra == 0


async def test_whoever_goes_on_is_not_late() -> None:
    """Silence is what counts: a long download that goes on is left alone."""
    reach = FakeReach(patient={"one": 0.2})
    tell: list[Callable[[], None]] = []

    class Download(Source):
        async def go_mod(self, mv: ModuleVersion) -> Found[bytes]:
            tell.append(observe.going_on)
            for _ in range(40):
                await asyncio.sleep(0.01)
                observe.going_on()
            return await super().go_mod(mv)

    one, two = Download("one").ready(), Source("two").ready()
    assert await walk(race(reach, one, two), 2) == "one"
    assert not two.begun.is_set()


async def test_progress_reaches_whoever_waits_outside() -> None:
    """A race inside another tells that one that it goes on."""
    told: list[None] = []
    observe.progress.set(lambda: told.append(None))

    class Download(Source):
        async def go_mod(self, mv: ModuleVersion) -> Found[bytes]:
            observe.going_on()
            return await super().go_mod(mv)

    await walk(race(FakeReach(), Download("one").ready(), Source("two")), 2)
    assert told == [None]


async def test_cancelled_from_outside() -> None:
    """Whoever leaves takes everybody along."""
    one, two = Source("one"), Source("two")
    asked = asyncio.create_task(walk(race(FakeReach(patient={"one": 0}), one, two), 2))
    await two.begun.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert one.cancelled
    assert two.cancelled


@pytest.mark.parametrize("winner", ["one", "two"])
async def test_two_never_write_to_one_file(tmp_path: Path, winner: str) -> None:
    """Each writes to a file of its own beside the wanted one, which becomes the winner's; the loser's is removed."""
    into = tmp_path / "staged"
    into.touch()

    def onto(file: Path) -> Ask[None]:
        return lambda source: source.zip(MV, file)

    one, two = Source("one"), Source("two")
    question = Question(onto(into), fixed=True, into=into, onto=onto)
    running = race(FakeReach(patient={"one": 0}), one, two, question=question)  # type: ignore[arg-type]
    asked = asyncio.create_task(walk(running, 2))
    await two.begun.wait()
    assert into.read_text() == ""
    assert len({into, *one.files, *two.files}) == 3
    {"one": one, "two": two}[winner].may.set()
    assert await asked == winner
    assert into.read_text() == winner
    assert list(tmp_path.iterdir()) == [into]


async def test_alone_it_writes_to_the_wanted_file(tmp_path: Path) -> None:
    """Where nobody can be asked beside it, a source writes where it is wanted."""
    into = tmp_path / "staged"
    question = Question(lambda source: source.zip(MV, into), fixed=True, into=into)
    one = Source("one").ready()
    assert await walk(race(FakeReach(), one, question=question), 1) == "one"  # type: ignore[arg-type]
    assert one.files == [into]
