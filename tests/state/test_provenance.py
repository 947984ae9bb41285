"""What every database must do for provenance, and what is done where it does not."""

from __future__ import annotations

import asyncio
import time

import pytest

from goproxy_mirror.errors import StorageError
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.ports import FileCounts, Home, Proof, Provenance
from goproxy_mirror.state.opening import State
from tests.state.conftest import Failing, OpenState

ORIGIN = Home("origin", "https://x.test/m")
PROOF = Proof("h1:known=", "sum.test", 1234)
INFO, MOD, ZIP = (f"x.test/!m/@v/v1.0.0.{ending}" for ending in ("info", "mod", "zip"))


async def test_record_is_kept(state: State, open_state: OpenState) -> None:
    """A published file's home, size and proof come back, with the times when it was seen and proven."""
    port: Provenance = state.provenance
    before = time.time()
    await port.record(ZIP, ORIGIN, size=2**40, proof=PROOF)
    async with open_state() as later:
        record = await later.provenance.of(ZIP)
    assert record is not None
    assert (record.key, record.home, record.size, record.proof) == (ZIP, ORIGIN, 2**40, PROOF)
    assert record.verified is not None
    assert before <= record.first_seen <= record.verified <= time.time()
    assert await state.provenance.of(MOD) is None


async def test_unproven_files(state: State, open_state: OpenState) -> None:
    """Unproven are files without a proof and those that nobody vouched for, but no `.info`, until they are proven."""
    await state.provenance.record(INFO, ORIGIN, size=1, proof=None)
    await state.provenance.record(MOD, ORIGIN, size=2, proof=None)
    await state.provenance.record(ZIP, ORIGIN, size=3, proof=Proof("h1:known=", ""))
    await state.provenance.record("x.test/o/@v/v1.0.0.zip", ORIGIN, size=3, proof=PROOF)
    async with open_state() as later:
        assert await later.provenance.unproven() == {MOD, ZIP}
        assert await later.provenance.counts() == FileCounts(infos=1, proven=1, unproven=2)
        await later.provenance.proved(MOD, PROOF)
        assert await later.provenance.unproven() == {ZIP}
        record = await later.provenance.of(MOD)
        assert record is not None
        assert (record.home, record.proof) == (ORIGIN, PROOF)
        assert record.verified is not None


async def test_nobodys_proof_keeps_its_hash(state: State) -> None:
    """A hash that nobody vouched for is kept, and is no verification."""
    await state.provenance.record(ZIP, ORIGIN, size=3, proof=Proof("h1:known=", ""))
    record = await state.provenance.of(ZIP)
    assert record is not None
    assert record.proof == Proof("h1:known=", "")
    assert record.verified is None


async def test_proof_of_a_file_that_nobody_recorded(state: State) -> None:
    """A proof counts also for a file whose record was lost."""
    await state.provenance.proved(ZIP, PROOF)
    record = await state.provenance.of(ZIP)
    assert record is not None
    assert (record.home, record.size, record.proof) == (None, None, PROOF)


async def test_newer_record_replaces(state: State) -> None:
    """A file that is published again under its key is only as proven as it is said to be now; first seen stays."""
    await state.provenance.record(ZIP, ORIGIN, size=3, proof=PROOF)
    first = await state.provenance.of(ZIP)
    await state.provenance.record(ZIP, Home("mirror", "https://m.test"), size=4, proof=None)
    second = await state.provenance.of(ZIP)
    assert first is not None
    assert second is not None
    assert (second.home, second.size, second.proof) == (Home("mirror", "https://m.test"), 4, None)
    assert second.first_seen == first.first_seen
    assert await state.provenance.unproven() == {ZIP}


async def test_forgotten_file(state: State) -> None:
    """Nothing is known of a file that is not published any more; it may be said again."""
    await state.provenance.record(MOD, ORIGIN, size=3, proof=None)
    await state.provenance.forget(MOD)
    await state.provenance.forget(MOD)
    assert await state.provenance.of(MOD) is None
    assert await state.provenance.unproven() == frozenset()


async def test_files_to_verify(state: State) -> None:
    """Every file with a hash is named once, by key, over many batches; who is stopped goes on where they were."""
    keys = sorted(f"x.test/{name}/@v/v1.{n}.0.zip" for name in ("m", "m-2", "m0") for n in range(12))
    for key in keys:
        await state.provenance.record(key, ORIGIN, size=1, proof=PROOF)
    await state.provenance.record(INFO, ORIGIN, size=1, proof=None)
    now = time.time() + 1
    found = [record.key async for record in state.provenance.hashed(before=now, batch=5)]
    assert found == keys
    one = [
        record.key async for record in state.provenance.hashed(ModulePath("x.test/m"), before=now, batch=5)
    ]
    assert one == [key for key in keys if key.startswith("x.test/m/@v/")]
    assert [record async for record in state.provenance.hashed(ModulePath("x.test"), before=now)] == []
    began = time.time()
    await state.provenance.verified(keys[:7])
    assert [record.key async for record in state.provenance.hashed(before=began, batch=5)] == keys[7:]


async def test_failure_stops_no_proven_file(state: State, failing: Failing) -> None:
    """Where the database cannot be written to, proven files and `.info` are published, and recorded once it can be."""
    await state.provenance.record(INFO, ORIGIN, size=1, proof=None)
    await state.provenance.record(ZIP, ORIGIN, size=1, proof=PROOF)
    await state.provenance.proved(MOD, PROOF)
    assert await state.provenance.counts() == FileCounts(0, 0, 0)
    with pytest.raises(StorageError):
        await state.changes.catch_up()
    await state.catch_up()
    failing.on = False
    await state.catch_up()
    assert await state.provenance.counts() == FileCounts(infos=1, proven=2, unproven=0)


async def test_after_a_failure_nobody_waits(state: State, failing: Failing) -> None:
    """While the database rests after a failure, proven files do not wait for it."""
    for _ in range(10):
        await state.provenance.record(ZIP, ORIGIN, size=1, proof=PROOF)
    assert failing.tried == 1


async def test_unproven_file_needs_its_record(state: State, failing: Failing) -> None:
    """An unproven file is not published without a record that says so; others' changes are not lost with it."""
    await state.provenance.record(ZIP, ORIGIN, size=1, proof=PROOF)
    with pytest.raises(StorageError, match="locked"):
        await state.provenance.record(MOD, ORIGIN, size=1, proof=None)
    failing.on = False
    await state.provenance.record(INFO.replace("v1", "v2"), ORIGIN, size=1, proof=None)
    await state.catch_up()
    assert await state.provenance.of(ZIP) is not None
    assert await state.provenance.of(MOD) is None


async def test_changes_keep_their_order(state: State, failing: Failing) -> None:
    """What is caught up ends as it would have ended."""
    await state.provenance.record(ZIP, ORIGIN, size=1, proof=PROOF)
    await state.provenance.forget(ZIP)
    await state.provenance.forget(MOD)
    await state.provenance.proved(MOD, PROOF)
    failing.on = False
    await state.catch_up()
    assert await state.provenance.of(ZIP) is None
    assert await state.provenance.of(MOD) is not None


async def test_what_waits_is_written_at_the_end(open_state: OpenState, failing: Failing) -> None:
    """A process that ends writes what still waits."""
    async with open_state() as state:
        await state.provenance.record(ZIP, ORIGIN, size=1, proof=PROOF)
        failing.on = False
    async with open_state() as later:
        assert await later.provenance.of(ZIP) is not None


async def test_many_at_once_share_transactions(state: State, failing: Failing) -> None:
    """Records of many tasks are written together, and each is there when its task goes on."""
    failing.on = False

    async def one(number: int) -> bool:
        key = f"x.test/m/@v/v1.{number}.0.mod"
        await state.provenance.record(key, ORIGIN, size=1, proof=None)
        return await state.provenance.of(key) is not None

    assert all(await asyncio.gather(*(one(number) for number in range(300))))
    assert failing.tried < 30


async def test_cancelled_record_is_written_all_the_same(state: State, open_state: OpenState) -> None:
    """A task that is cancelled in the middle neither loses another's change nor blocks it."""
    tasks = [
        asyncio.create_task(state.provenance.record(f"x.test/m/@v/v1.{n}.0.mod", ORIGIN, size=1, proof=None))
        for n in range(50)
    ]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await state.catch_up()
    assert len(await state.provenance.unproven()) == 50
