"""Changes that cannot be written at once: in memory, on the disk, and in the hands of other processes."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Iterable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from goproxy_mirror.errors import StorageError
from goproxy_mirror.mirror.uses import Uses
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileCounts, FileKind, Home, Lie, Proof
from goproxy_mirror.state import changes, spool
from goproxy_mirror.state.opening import State
from goproxy_mirror.state.said import held
from goproxy_mirror.state.spool import Spool
from goproxy_mirror.storage.ledger import FolderLedger
from tests.state.conftest import Failing, OpenState

ORIGIN = Home("origin", "https://x.test/m")
PROOF = Proof("h1:known=", "sum.test", 1234)
MV = ModuleVersion(ModulePath("x.test/M"), Version("v1.0.0"))
INFO, MOD, ZIP = (f"x.test/!m/@v/v1.0.0.{ending}" for ending in ("info", "mod", "zip"))


async def publish(state: State) -> None:
    """As the journey of a file does it."""
    await state.provenance.record(INFO, ORIGIN, size=1, proof=None)
    await state.provenance.record(MOD, ORIGIN, size=2, proof=PROOF)
    await state.provenance.record(ZIP, ORIGIN, size=3, proof=PROOF)
    await state.provenance.held(MV)


async def take_out(state: State) -> None:
    for key in (INFO, MOD, ZIP):
        await state.provenance.forget(key)


async def index(state: State) -> Sequence[str]:
    return [entry.path for entry in await state.feed.page(0, 10, gone=False)]


def in_spool(folder: Spool) -> Iterable[object]:
    for path in folder.left_over():
        left = folder.take(path)
        assert left is not None
        yield from left.changes
        left.end(written=True)


async def test_what_waits_outlives_its_process(
    open_state: OpenState, tmp_path: Path, failing: Failing
) -> None:
    """What a killed process could not write is written by the next one of its node, and by nobody while that one lives."""
    killed = open_state()
    await publish(killed)
    failing.on = False
    async with open_state() as other:
        await other.catch_up()
        assert await other.provenance.of(ZIP) is None
        killed.changes.close()
        (file,) = (tmp_path / "state/spool").glob("*.jsonl")
        with file.open("a") as torn:
            torn.write('\n{"key": "x.te')
        await other.catch_up()
        record = await other.provenance.of(ZIP)
        assert record is not None
        assert (record.home, record.size, record.proof) == (ORIGIN, 3, PROOF)
        assert await other.provenance.counts() == FileCounts(infos=1, proven=2, unproven=0)
        assert await index(other) == ["x.test/M"]
    assert list((tmp_path / "state/spool").iterdir()) == []


async def test_everything_that_is_not_written_outlives_its_process(
    open_state: OpenState, tmp_path: Path, failing: Failing
) -> None:
    """Files that were taken out, lies, pins, the evidence of a fork, and at its end what was asked for."""
    failing.on = False
    ledger = FolderLedger(tmp_path / "store")
    async with open_state() as before:
        before.pins._ledger = ledger
        await publish(before)
        killed = open_state()
        killed.pins._ledger = ledger
        await killed.pins.catch_up()
        failing.on = True
        uses = Uses(killed.uses)
        uses.touch(INFO)
        with pytest.raises(StorageError):
            await uses.flush()
        await uses.leave()
        await take_out(killed)
        lie = Lie(Home("mirror", "https://m.test"), MV, ".zip", "h1:a=", "h1:\udcff", 5.0)
        await killed.lies.record(lie)
        pin = await killed.pins.pin(MV, FileKind.ZIP, "h1:pin=", ORIGIN)
        with pytest.raises(StorageError):
            await killed.heads.forked("sum.test", b"\xff evidence")
        killed.changes.close()
        await killed._database.aclose()
        failing.on = False
        assert await index(before) == ["x.test/M"]  # nothing was written yet
    async with open_state() as state:
        await state.catch_up()
        assert await index(state) == []
        assert await state.provenance.counts() == FileCounts(0, 0, 0)
        assert [(each.brought, each.at) for each in await state.lies.since(0)] == [("h1:\\udcff", 5.0)]
        assert [each.pin for each in await state.pins.of(MV.path)] == [pin]
        assert await state.heads.fork("sum.test") == b"\xff evidence"
        days = await state.keeping.used(["x.test/!m/@v/v1.0.0"])
        assert days == {"x.test/!m/@v/v1.0.0": (int(time.time() // 86400), None)}


async def test_memory_is_bounded_and_nothing_is_lost(
    state: State, failing: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many changes are remembered and no more; the others are found on the disk when they can be written."""
    monkeypatch.setattr(changes, "MOST_WAITING", 3)
    for number in range(11):
        await state.provenance.record(f"x.test/m/@v/v1.{number}.0.zip", ORIGIN, size=1, proof=PROOF)
        assert len(state.changes._waiting) <= 3
    failing.on = False
    await state.catch_up()
    assert await state.provenance.counts() == FileCounts(infos=0, proven=11, unproven=0)
    assert state.changes._spool.left_over() == []


async def test_without_a_disk_the_newest_wait(
    state: State, failing: Failing, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the state folder takes nothing either, the oldest changes are lost, which is said."""
    monkeypatch.setattr(changes, "MOST_WAITING", 3)
    monkeypatch.setattr(Spool, "add", lambda *_: False)
    for number in range(5):
        await state.provenance.record(f"x.test/m/@v/v1.{number}.0.zip", ORIGIN, size=1, proof=PROOF)
    failing.on = False
    await state.catch_up()
    assert "changes=2" in capsys.readouterr().out
    kept = [record.key async for record in state.provenance.hashed(before=time.time() + 1)]
    assert kept == [f"x.test/m/@v/v1.{number}.0.zip" for number in (2, 3, 4)]


async def test_many_at_once_wait_for_one_failure(state: State, failing: Failing) -> None:
    """Of many that come together one waits for a database that does not answer, and the others go on with it."""
    await asyncio.gather(
        *(
            state.provenance.record(f"x.test/m/@v/v1.{n}.0.zip", ORIGIN, size=1, proof=PROOF)
            for n in range(20)
        )
    )
    assert failing.tried == 1


async def test_what_was_taken_out_since_stays_out(open_state: OpenState, failing: Failing) -> None:
    """What a process said that ended long ago does not bring back what others have removed, nor remove what has come back."""
    killed = open_state()
    await publish(killed)
    late = open_state()
    await take_out(late)
    failing.on = False
    async with open_state() as state:
        await publish(state)
        late.changes.close()
        await state.catch_up()  # they were taken out before they came
        assert await index(state) == ["x.test/M"]
        assert await state.provenance.of(ZIP) is not None
        await take_out(state)
        killed.changes.close()
        await state.catch_up()
        assert await index(state) == []
        assert await state.provenance.counts() == FileCounts(0, 0, 0)


def test_a_torn_line_tears_no_other(tmp_path: Path) -> None:
    """What a full disk has cut off is lost alone."""
    writing = Spool(tmp_path)
    assert writing.add(held("one", 1.0))
    with writing._path.open("a") as file:
        file.write('\n{"held": "tor')
    assert writing.add(held("two", 2.0))
    writing.leave()
    assert list(in_spool(Spool(tmp_path))) == [held("one", 1.0), held("two", 2.0)]


def test_one_takes_what_is_left(tmp_path: Path) -> None:
    """What is left over is one process's at a time, and stays where that one could not write it."""
    writing = Spool(tmp_path)
    writing.add(held("one", 1.0))
    one, two = Spool(tmp_path), Spool(tmp_path)
    (path,) = one.left_over()
    assert one.take(path) is None  # its process lives
    writing.leave()
    taken = one.take(path)
    assert taken is not None
    assert two.take(path) is None
    taken.end(written=False)
    again = two.take(path)
    assert again is not None
    again.end(written=True)
    assert list(tmp_path.iterdir()) == []


def test_what_is_left_over_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A database that is away for very long fills no disk: the oldest goes, which is said."""
    monkeypatch.setattr(spool, "MOST_LEFT", 2)
    writing = Spool(tmp_path)
    for number in range(4):
        writing.add(held(str(number), 1.0))
        writing.leave()
    assert {str(each) for each in in_spool(writing)} == {str(held(n, 1.0)) for n in ("2", "3")}
    assert "reindex" in capsys.readouterr().out


def _add_for_ever(folder: str, said: Connection) -> None:
    writing = Spool(Path(folder))
    number = 0
    while True:
        writing.add(held(str(number), 1.0))
        said.send(number)
        number += 1


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """Whenever a process is killed, all that it has kept is there, in its order."""
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=_add_for_ever, args=(str(tmp_path), there))
    child.start()
    try:
        for _ in range(300):
            assert here.poll(60)
            last = here.recv()
    finally:
        child.kill()
        child.join()
    found = list(in_spool(Spool(tmp_path)))
    assert len(found) > last
    assert found == [held(str(number), 1.0) for number in range(len(found))]
