"""What every database must do for pins, lies, tree heads and the health of hosts."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileKind, HealthRecords, Home, HostHealth, Lie, Lies, Pins, TreeHeads
from goproxy_mirror.state import session
from goproxy_mirror.state.opening import State

ORIGIN = Home("origin", "https://corp.test/Secret")
MIRROR = Home("mirror", "https://mirror.test/secret")
SUMS = "sum.test"

OpenState = Callable[[], State]


def version(number: str, path: str = "corp.test/Secret") -> ModuleVersion:
    return ModuleVersion(ModulePath(path), Version(number))


def lie(at: float, *, brought: str = "h1:other=", home: Home = MIRROR) -> Lie:
    return Lie(home, version("v1.0.0"), ".zip", "h1:known=", brought, at)


def test_parts_are_what_the_ports_want(state: State) -> None:
    """Each part stands for its port."""
    pins: Pins = state.pins
    lies: Lies = state.lies
    heads: TreeHeads = state.heads
    health: HealthRecords = state.health
    assert all(part is not None for part in (pins, lies, heads, health))


async def test_first_pin_wins(state: State, open_state: OpenState) -> None:
    """A file's first hash is its pin for ever, also for those who see another one later."""
    before = time.time()
    pin = await state.pins.pin(version("v1.0.0"), FileKind.ZIP, "h1:one=", ORIGIN)
    assert (pin.hash, pin.home) == ("h1:one=", ORIGIN.name)
    assert before <= pin.at <= time.time()
    async with open_state() as later:
        assert await later.pins.pin(version("v1.0.0"), FileKind.ZIP, "h1:two=", MIRROR) == pin
        assert await later.pins.get(version("v1.0.0"), FileKind.ZIP) == pin


async def test_pin_is_of_one_file(state: State) -> None:
    """Another kind, version or module has a pin of its own, and letters' case counts."""
    await state.pins.pin(version("v1.0.0"), FileKind.ZIP, "h1:one=", ORIGIN)
    assert await state.pins.get(version("v1.0.0"), FileKind.MOD) is None
    assert await state.pins.get(version("v1.0.1"), FileKind.ZIP) is None
    assert await state.pins.get(version("v1.0.0", "corp.test/secret"), FileKind.ZIP) is None


async def test_pins_of_a_module(state: State) -> None:
    """All pins of a module are listed in the order of its versions."""
    for number in ("v1.10.0", "v1.2.0"):
        for kind in (FileKind.ZIP, FileKind.MOD):
            await state.pins.pin(version(number), kind, f"h1:{number}=", ORIGIN)
    await state.pins.pin(version("v1.0.0", "corp.test/other"), FileKind.MOD, "h1:other=", ORIGIN)
    listed = [(str(each.mv.version), each.kind.value) for each in await state.pins.of(version("v1.0.0").path)]
    assert listed == [("v1.2.0", ".mod"), ("v1.2.0", ".zip"), ("v1.10.0", ".mod"), ("v1.10.0", ".zip")]


async def test_lies_since(state: State, open_state: OpenState) -> None:
    """Lies come back whole, oldest first, from the time that is asked for."""
    told = [lie(300.5, home=ORIGIN), lie(100.0), lie(200.0, brought="a file that is no zip")]
    for each in told:
        await state.lies.record(each)
    async with open_state() as later:
        assert await later.lies.since(0) == [told[1], told[2], told[0]]
        assert await later.lies.since(200.0) == [told[2], told[0]]


async def test_same_lie_is_one(state: State) -> None:
    """A lie that is told again counts once, at the last time that it was told."""
    for at in (100.0, 300.0, 200.0):
        await state.lies.record(lie(at))
    assert await state.lies.since(0) == [lie(300.0)]


async def test_oldest_lies_are_dropped(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many different lies are told, so many are remembered, and they are the newest."""
    monkeypatch.setattr(session, "MOST_LIES", 3)
    for number in range(5):
        await state.lies.record(lie(100.0 + number, brought=f"h1:{number}="))
    assert [each.brought for each in await state.lies.since(0)] == ["h1:2=", "h1:3=", "h1:4="]


async def test_lie_may_hold_any_text(state: State) -> None:
    """What a liar brought is kept in a form that every database takes."""
    await state.lies.record(lie(1.0, brought="\udcff\0'\"%s"))
    (kept,) = await state.lies.since(0)
    assert kept.brought == "\\udcff\\x00'\"%s"


async def test_tree_head_advances(state: State, open_state: OpenState) -> None:
    """The head is what was put last, byte for byte, and there is none at first."""
    assert await state.heads.head(SUMS) == b""
    assert await state.heads.advance(SUMS, b"", b"tree\n1\n\xff\x00")
    assert await state.heads.advance(SUMS, b"tree\n1\n\xff\x00", b"tree\n2\n")
    async with open_state() as later:
        assert await later.heads.head(SUMS) == b"tree\n2\n"
        assert await later.heads.head("other.test") == b""


async def test_tree_head_does_not_go_back(state: State) -> None:
    """Who did not see the newest head changes nothing."""
    assert await state.heads.advance(SUMS, b"", b"one")
    assert not await state.heads.advance(SUMS, b"", b"two")
    assert not await state.heads.advance(SUMS, b"none", b"two")
    assert not await state.heads.advance("other.test", b"one", b"two")
    assert await state.heads.head(SUMS) == b"one"


async def test_first_evidence_of_a_fork_stays(state: State) -> None:
    """A fork is remembered with the evidence that was found first."""
    assert await state.heads.fork(SUMS) is None
    await state.heads.forked(SUMS, b"first\xff")
    await state.heads.forked(SUMS, b"second")
    assert await state.heads.fork(SUMS) == b"first\xff"
    assert await state.heads.fork("other.test") is None


async def test_all_databases(state: State) -> None:
    """What is known of each checksum database is listed by name, also where it is only that it forked."""
    await state.heads.advance("b.test", b"", b"note")
    await state.heads.forked("a.test", b"evidence")
    first, second = await state.heads.all()
    assert (first.name, first.note, first.advanced, first.evidence) == ("a.test", b"", None, b"evidence")
    assert (second.name, second.note, second.evidence, second.forked) == ("b.test", b"note", None, None)
    assert first.forked is not None
    assert second.advanced is not None


async def test_health_is_replaced_by_host(state: State, open_state: OpenState) -> None:
    """What is saved of a host replaces what was known of it; other hosts stay."""
    now = time.time()
    one, two = (
        HostHealth("one.test", 0.25, 0.5, 0.1, 10, now),
        HostHealth("two.test", 1.5, 3.0, 0.0, 2**40, now),
    )
    await state.health.save([one, two])
    newer = HostHealth("one.test", 0.5, 0.75, 0.9, 11, now)
    await state.health.save([newer])
    await state.health.save([])
    async with open_state() as later:
        assert await later.health.load() == [newer, two]


async def test_hosts_that_nobody_asks_are_forgotten(state: State) -> None:
    """A host that was not asked for a quarter of a year goes with the next that is saved."""
    now = time.time()
    await state.health.save(
        [HostHealth("new.test", 1, 1, 0, 1, now), HostHealth("old.test", 1, 1, 0, 1, now - 91 * 86400)]
    )
    assert [each.host for each in await state.health.load()] == ["new.test"]
