"""The walk over a GOPROXY list."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from goproxy_mirror.errors import (
    Blocked,
    Loop,
    MirrorError,
    NotFound,
    NotRecorded,
    OutageDisguised,
    SecurityError,
    SourceTimeout,
    SourceUnavailable,
    StorageFull,
    Undiscovered,
    Unproven,
    Unreachable,
)
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import Found, Source
from goproxy_mirror.sources.chain import Chain, Ending, Step
from goproxy_mirror.sources.walk import joined
from tests.fakes.sources import FakeReach, FakeSource
from tests.world.polling import eventually

PATH = ModulePath.parse("example.com/m")
MV = ModuleVersion(PATH, Version.parse("v1.0.0"))
OTHER = ModulePath.parse("example.com/other")
NO = NotFound("not found: example.com/m")
DOWN = SourceUnavailable("a answered 500")
AWAY = Unreachable("b did not answer", host="b")


class FakeHomes(FakeSource):
    """What stands behind `direct`; `mirrors` answers where a rule names the path."""

    mirrors: FakeSource | None = None

    def mirrors_of(self, path: ModulePath, *, builtin: bool) -> Source | None:
        return self.mirrors


def chain(
    *upstreams: tuple[FakeSource, str],
    direct: FakeHomes | None = None,
    off: bool = False,
    reach: FakeReach | None = None,
    back: bool = True,
) -> Chain:
    """A chain of sources, each with the separator that follows it; `back`: can who rests be connected to again."""

    async def is_back() -> bool:
        return back

    steps = [Step(source, source.name, separator == "|", is_back) for source, separator in upstreams]
    ending = Ending(direct=direct is not None and not off, off=off)
    return Chain(steps, ending, direct or FakeHomes("homes", NO), reach or FakeReach())


async def said(walked: Chain) -> list[str]:
    """The versions that the chain answers."""
    return [str(version) for version in (await walked.versions(PATH)).value]


async def test_first_answer_wins() -> None:
    """Nobody is asked after an answer."""
    first, second = FakeSource("a", ["v1.0.0"]), FakeSource("b", ["v2.0.0"])
    assert await said(chain((first, ","), (second, ","))) == ["v1.0.0"]
    assert second.asked == []


@pytest.mark.parametrize(
    ("separator", "error", "goes_on"),
    [
        (",", NO, True),
        (",", DOWN, False),
        (",", AWAY, False),
        (",", Blocked("403"), False),
        (",", Loop("508"), False),
        (",", OutageDisguised("bad upstream"), True),
        (",", SecurityError("wrong hash"), True),
        ("|", NO, True),
        ("|", DOWN, True),
        ("|", AWAY, True),
        ("|", Blocked("403"), True),
        ("|", Loop("508"), True),
    ],
)
async def test_separators(separator: str, error: MirrorError, goes_on: bool) -> None:
    """After `,` only an absence (or an outage that calls itself one) goes on; after `|` everything does."""
    second = FakeSource("b", ["v1.0.0"])
    walked = chain((FakeSource("a", error), separator), (second, ","))
    if goes_on:
        assert await said(walked) == ["v1.0.0"]
    else:
        with pytest.raises(type(error)):
            await said(walked)
        assert second.asked == []


async def test_all_say_no() -> None:
    """Where every home denies it, it is absent."""
    with pytest.raises(NotFound):
        await said(chain((FakeSource("a", NO), ","), direct=FakeHomes("homes", NO)))


async def test_disguised_outage_is_no_absence() -> None:
    """A 404 that means an outage leads on, but the end is no 404."""
    with pytest.raises(SourceUnavailable):
        await said(chain((FakeSource("a", OutageDisguised("bad upstream")), ","), (FakeSource("b", NO), ",")))


async def test_outage_then_no_of_another_upstream() -> None:
    """One upstream's no does not speak for another that is down."""
    with pytest.raises(SourceUnavailable):
        await said(chain((FakeSource("a", DOWN), "|"), (FakeSource("b", NO), ",")))


async def test_origin_decides_after_outages() -> None:
    """The origin can know: its no is an absence, whatever failed before."""
    with pytest.raises(NotFound):
        await said(chain((FakeSource("a", DOWN), "|"), direct=FakeHomes("homes", NO)))


@pytest.mark.parametrize("error", [Undiscovered("x.test cannot be asked"), AWAY])
async def test_denied_path_with_unreachable_host_is_absent(error: MirrorError) -> None:
    """Upstreams deny a prefix of an import path, and its host is not there: absent, or `go mod tidy` would end."""
    with pytest.raises(NotFound):
        await said(chain((FakeSource("a", NO), ","), direct=FakeHomes("homes", error)))


async def test_denied_path_with_forbidden_host_is_absent() -> None:
    """The same where the resolver gives all hosts addresses that we may not go to; how to permit them is said."""
    blocked = Blocked(
        "x.test has the address 198.18.0.1. To permit such addresses: --allow-address 198.18.0.0/15"
    )
    with pytest.raises(NotFound, match="--allow-address"):
        await said(chain((FakeSource("a", NO), ","), direct=FakeHomes("homes", blocked)))
    with pytest.raises(Blocked):
        await said(chain(direct=FakeHomes("homes", blocked)))


async def test_failing_origin_is_no_absence() -> None:
    """An origin that is there and fails is an outage, even where an upstream denied the path."""
    with pytest.raises(SourceUnavailable):
        await said(chain((FakeSource("a", NO), ","), direct=FakeHomes("homes", DOWN)))


async def test_nobody_said_no() -> None:
    """Unreachable upstreams and an unreachable origin: an outage."""
    with pytest.raises(SourceUnavailable):
        await said(chain((FakeSource("a", AWAY), "|"), direct=FakeHomes("homes", Undiscovered("x.test"))))


async def test_mirror_rule_outlives_a_comma() -> None:
    """An outage before a comma ends the walk, except for a module under a mirror rule."""
    homes = FakeHomes("homes", ["v9.0.0"])
    with pytest.raises(SourceUnavailable):
        await said(chain((FakeSource("a", DOWN), ","), direct=homes))
    homes.mirrors = FakeSource("mirrors", ["v1.0.0"])
    assert await said(chain((FakeSource("a", DOWN), ","), direct=homes)) == ["v1.0.0"]
    assert homes.asked == []


async def test_off_means_off() -> None:
    """`off` ends the list: not even a mirror rule is followed."""
    homes = FakeHomes("homes", ["v9.0.0"])
    homes.mirrors = FakeSource("mirrors", ["v1.0.0"])
    with pytest.raises(NotFound, match="switched off"):
        await said(chain(direct=homes, off=True))
    assert homes.mirrors.asked == []


@pytest.mark.parametrize("error", [AWAY, SourceTimeout("b did not answer within 60 s")])
async def test_resting_host_is_passed_over(error: MirrorError) -> None:
    """A host that did not answer a moment ago is not waited for where others can answer."""
    reach = FakeReach()
    first = FakeSource("a", error)
    walked = chain((first, "|"), (FakeSource("b", ["v1.0.0"]), ","), reach=reach)
    assert await said(walked) == ["v1.0.0"]
    assert await said(walked) == ["v1.0.0"]
    assert len(first.asked) == 1


async def test_resting_host_is_the_last_resort() -> None:
    """Where nobody else answers, the host is asked again after all."""
    first = FakeSource("a", ["v1.0.0"])
    walked = chain((first, "|"), (FakeSource("b", DOWN), ","), reach=FakeReach({"a"}))
    assert await said(walked) == ["v1.0.0"]


async def test_who_is_not_back_is_not_waited_for() -> None:
    """A last resort that still cannot be connected to costs no more than finding that out."""
    first = FakeSource("a", ["v1.0.0"])
    walked = chain((first, "|"), (FakeSource("b", AWAY), ","), reach=FakeReach({"a"}), back=False)
    with pytest.raises(Undiscovered, match="a did not answer a moment ago"):
        await said(walked)
    assert first.asked == []


async def test_who_hangs_is_no_last_resort() -> None:
    """An upstream that connects and then hangs is waited for once, also where nobody else answers."""
    first = FakeSource("a", SourceTimeout("a did not answer within 60 s"))
    walked = chain((first, "|"), (FakeSource("b", DOWN), ","))
    for _ in range(2):
        with pytest.raises(SourceUnavailable):
            await said(walked)
    assert len(first.asked) == 1


async def test_who_answers_others_does_not_hang() -> None:
    """An upstream that takes too long for one module, and answers others meanwhile, is asked again."""

    class Slow(FakeSource):
        async def versions(self, path: ModulePath) -> Found[tuple[Version, ...]]:
            if path == PATH:
                await walked.versions(OTHER)
                raise SourceTimeout("a did not answer within 60 s")
            return await super().versions(path)

    reach, first = FakeReach(), Slow("a")
    walked = chain((first, "|"), (FakeSource("b", ["v9.0.0"]), ","), reach=reach)
    assert await said(walked) == ["v9.0.0"]
    assert reach.down == set()
    assert (await walked.versions(OTHER)).home.name == "a"


async def test_comma_waits_once_where_there_are_mirrors() -> None:
    """A module under a mirror rule does not wait again for the upstream whose outage ends the list."""
    homes = FakeHomes("homes", ["v9.0.0"])
    homes.mirrors = FakeSource("mirrors", ["v1.0.0"])
    first = FakeSource("a", AWAY)
    walked = chain((first, ","), direct=homes)
    assert [await said(walked), await said(walked)] == [["v1.0.0"], ["v1.0.0"]]
    assert len(first.asked) == 1


@pytest.mark.parametrize("error", [StorageFull("no room"), Unproven("no answer"), NotRecorded("no record")])
async def test_full_disk_is_nobodys_outage(error: MirrorError) -> None:
    """What our own disk or the checksum database says is no home's failure: nobody else is asked, and it is said as it is."""
    second = FakeSource("b", ["v1.0.0"])
    for walked in (
        chain((FakeSource("a", error), "|"), (second, ",")),
        chain((FakeSource("a", DOWN), "|"), direct=FakeHomes("homes", error)),
        chain((FakeSource("a", error), "|"), (FakeSource("c", DOWN), ","), reach=FakeReach({"a"})),
    ):
        with pytest.raises(type(error)):
            await walked.go_mod(MV)
    assert second.asked == []


@pytest.mark.parametrize("separator", [",", "|"])
async def test_a_version_without_a_record_is_one_upstreams_word(separator: str) -> None:
    """Who names a latest version that has no record does not keep others from naming one that has."""
    first = FakeSource("a", NotRecorded("no record"))
    found = await chain((first, separator), (FakeSource("b"), ",")).latest(PATH)
    assert found.home.name == "b"
    with pytest.raises(NotRecorded):
        await chain((first, separator), (FakeSource("b", NO), ",")).latest(PATH)


class Thinking(FakeSource):
    """Answers when it may."""

    def __init__(self, name: str, says: Sequence[str] | MirrorError = ("v1.0.0",)) -> None:
        super().__init__(name, says)
        self.may = asyncio.Event()

    async def go_mod(self, mv: ModuleVersion) -> Found[bytes]:
        self.asked.append("begun")
        await self.may.wait()
        return await super().go_mod(mv)


async def test_the_next_is_asked_beside_a_late_one() -> None:
    """Where an upstream before a `|` is late, the next one answers, and whoever rests is not the next one."""
    first, last = Thinking("a"), FakeSource("c")
    reach = FakeReach({"b"}, {"a": 0})
    walked = chain((first, "|"), (FakeSource("b"), "|"), (last, ","), reach=reach)
    assert (await walked.go_mod(MV)).home.name == "c"
    assert (first.asked, reach.late) == (["begun"], ["a"])


async def test_a_comma_waits() -> None:
    """Before a `,` the word of the first decides: nobody is asked beside it, be it as late as it likes."""
    first, second = Thinking("a"), FakeSource("b")
    asking = asyncio.create_task(
        chain((first, ","), (second, ","), reach=FakeReach(patient={"a": 0})).go_mod(MV)
    )
    await asyncio.to_thread(eventually, lambda: first.asked, what="the first upstream's question")
    first.may.set()
    assert (await asking).home.name == "a"
    assert second.asked == []


async def test_direct_is_not_asked_beside() -> None:
    """What stands behind `direct` is never asked beside an upstream: it would fetch a repository."""
    first, homes = Thinking("a"), FakeHomes("homes")
    asking = asyncio.create_task(
        chain((first, "|"), direct=homes, reach=FakeReach(patient={"a": 0})).go_mod(MV)
    )
    await asyncio.to_thread(eventually, lambda: first.asked, what="the upstream's question")
    first.may.set()
    assert (await asking).home.name == "a"
    assert homes.asked == []


async def test_errors_are_told_together() -> None:
    """Who failed, and how, is said for every home."""
    with pytest.raises(SourceUnavailable) as caught:
        await said(chain((FakeSource("a", DOWN), "|"), (FakeSource("b", AWAY), ",")))
    assert caught.value.message == "a answered 500\nb did not answer"


def test_a_joined_failure_keeps_its_gravity() -> None:
    """Of several failures a contradiction is the gravest; then that nobody can vouch for it."""
    unproven, unrecorded = Unproven("no answer"), NotRecorded("no record")
    assert type(joined([DOWN, unrecorded])) is NotRecorded
    assert type(joined([unrecorded, unproven])) is Unproven
    assert type(joined([SecurityError("wrong hash"), unproven])) is SecurityError
