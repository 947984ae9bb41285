"""What a process has learned reaches the next one."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from goproxy_mirror.errors import StorageError
from goproxy_mirror.mirror.ahead import Ahead
from goproxy_mirror.mirror.chronicle import Chronicle
from goproxy_mirror.mirror.doubts import Doubts
from goproxy_mirror.mirror.feed import Feed
from goproxy_mirror.mirror.flights import Flights
from goproxy_mirror.mirror.uses import Uses
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import Home, Lie
from goproxy_mirror.state.files import FileAnswers
from goproxy_mirror.state.opening import State
from goproxy_mirror.storage.ledger import FolderLedger
from goproxy_mirror.storage.local import LocalStorage
from goproxy_mirror.transport import Hosts
from goproxy_mirror.verify.checker import Checker
from goproxy_mirror.wiring.upkeep import Upkeep

MV = ModuleVersion(ModulePath.parse("example.com/m"), Version.parse("v1.0.0"))
MIRROR = Home("mirror", "https://mirror.test/m")


def upkeep(state: State, folder: Path) -> Upkeep:
    """A process's upkeep; nothing of it looks at repositories within a minute."""
    checker = Checker(database=None, toolchains=None, outside="", pins=state.pins, lies=state.lies)
    storage = LocalStorage(folder / "store")
    doubts = Doubts(storage, checker, state.provenance, folder / "quarantine")
    answers = FileAnswers(folder / "answers")
    feed = Feed(state.feed, storage, private="")
    uses, ahead = Uses(state.uses), Ahead(Flights(), places=0)
    chronicle = Chronicle(state.feed, FolderLedger(folder / "store"))
    return Upkeep(state, Hosts(), checker, doubts, None, answers, feed, uses, ahead, chronicle, 0)  # type: ignore[arg-type]


def ranked(hosts: Hosts) -> list[str]:
    """In which order two places would be asked, of which the slow one is preferred."""
    return hosts.ranked(["slow.test", "quick.test"], lambda host: host)


async def begun(work: Upkeep) -> None:
    """Let it run until it has learned what there is."""
    running = asyncio.create_task(work.run())
    async with asyncio.timeout(10):
        while not (
            work.doubts._known.is_set() and work.verifier._liars and work.hosts.snapshot() is not None
        ):
            await asyncio.sleep(0.01)
            assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_next_process_knows_hosts_liars_and_doubts(tmp_path: Path) -> None:
    """The ranking of hosts, who lied, and what is stored unproven survive a restart."""
    async with State(tmp_path) as state:
        first = upkeep(state, tmp_path)
        for _ in range(20):
            first.hosts.took("slow.test", 4.0)
            first.hosts.took("quick.test", 0.01)
        assert ranked(first.hosts) == ["quick.test", "slow.test"]
        assert ranked(Hosts()) == ["slow.test", "quick.test"], "positive control"
        await state.lies.record(Lie(MIRROR, MV, ".zip", "h1:x", "h1:y", time.time()))
        await state.provenance.record("example.com/m/@v/v1.0.0.zip", MIRROR, size=1, proof=None)
        await first.last()
    async with State(tmp_path) as state:
        second = upkeep(state, tmp_path)
        await begun(second)
        assert second.verifier.distrusted(MIRROR, MV.path)
        assert second.doubts.about("example.com/m/@v/v1.0.0.zip")


async def test_state_that_fails_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be kept is told in the log, and no more."""

    async def fails(*_: object) -> None:
        raise StorageError("the state database is gone")

    async with State(tmp_path) as state:
        monkeypatch.setattr(state.health, "save", fails)
        await upkeep(state, tmp_path).last()
