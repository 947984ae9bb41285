"""Several processes on one database: who is first, and what is left of those that are killed."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, create_engine

from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileCounts, FileKind, Home, Proof
from goproxy_mirror.state import journal
from goproxy_mirror.state.migrate import upgrade
from goproxy_mirror.state.opening import State
from goproxy_mirror.state.statefile import HEAD, stored_revision
from tests.state.conftest import BACKENDS

PATH = ModulePath("x.test/m")
PROCESSES = 4
ROUNDS = 15

Work = Callable[[State, int], Any]


def mv(number: int) -> ModuleVersion:
    return ModuleVersion(PATH, Version(f"v1.{number}.0"))


def key(number: int) -> str:
    return f"x.test/m/@v/v1.{number}.0.zip"


async def _pin_all(state: State, number: int) -> list[str]:
    home = Home("origin", f"https://{number}.test")
    pins = [await state.pins.pin(mv(n), FileKind.ZIP, f"h1:{number}.{n}=", home) for n in range(ROUNDS)]
    return [f"{pin.home} {pin.hash} {pin.at}" for pin in pins]


async def _count_up(state: State, _: int) -> int:
    lost = 0
    for _ in range(ROUNDS):
        while True:
            old = await state.heads.head("sum.test")
            if await state.heads.advance("sum.test", old, str(int(old or b"0") + 1).encode()):
                break
            lost += 1
    return lost


async def _record_all(state: State, number: int) -> None:
    home = Home("mirror", f"https://{number}.test")
    for n in range(ROUNDS):
        proof = Proof("h1:x=", "sum.test") if n % 2 else None
        await state.provenance.record(key(number * ROUNDS + n), home, size=n, proof=proof)


async def _race(state: State, number: int) -> tuple[list[str], int]:
    pins = await _pin_all(state, number)
    lost = await _count_up(state, number)
    await _record_all(state, number)
    return pins, lost


def _worker(folder: str, url: str, number: int, start: Any, answer: Connection) -> None:
    async def run() -> None:
        await asyncio.to_thread(start.wait, 60)
        async with State(Path(folder), url) as state:
            answer.send(await _race(state, number))

    asyncio.run(run())


@pytest.mark.parametrize("backend", BACKENDS)
async def test_racing_processes_agree(tmp_path: Path, backend: str, request: pytest.FixtureRequest) -> None:
    """Processes that start on nothing at the same time make one database, agree on each pin, lose no step of a tree head and
    no record."""
    url = request.getfixturevalue("postgres").database() if backend == "postgresql" else ""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(PROCESSES)
    pipes = [context.Pipe() for _ in range(PROCESSES)]
    workers = [
        context.Process(target=_worker, args=(str(tmp_path / "state"), url, number, start, there))
        for number, (_, there) in enumerate(pipes)
    ]
    for worker in workers:
        worker.start()
    try:
        answers = []
        for here, _ in pipes:
            assert await asyncio.to_thread(here.poll, 120)
            answers.append(here.recv())
        for worker in workers:
            await asyncio.to_thread(worker.join, 60)
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.exitcode for worker in workers] == [0] * PROCESSES
    assert len({tuple(pins) for pins, _ in answers}) == 1
    async with State(tmp_path / "state", url) as state:
        assert await state.heads.head("sum.test") == str(PROCESSES * ROUNDS).encode()
        counts = await state.provenance.counts()
        assert (counts.proven + counts.unproven, counts.infos) == (PROCESSES * ROUNDS, 0)


def _pin_for_ever(folder: str, said: Connection) -> None:
    async def run() -> None:
        async with State(Path(folder)) as state:
            number = 0
            while True:
                await state.pins.pin(
                    mv(number), FileKind.ZIP, f"h1:{number}=", Home("origin", "https://x.test")
                )
                said.send(number)
                number += 1

    asyncio.run(run())


def _stop_in_the_middle(folder: str, said: Connection) -> None:
    async def run() -> None:
        async with State(Path(folder)) as state:

            def half(session: Any) -> None:
                session._connection.exec_driver_sql(
                    "PRAGMA cache_size = 1"
                )  # so that it comes to the disk at once
                for number in range(2000):
                    session.put_proof(key(number), Proof("h1:half=" * 20, "sum.test"), 1.0)
                said.send("in the middle")
                signal.pause()

            await state._database.write(half)

    asyncio.run(run())


def _stop_while_it_is_made(folder: str, said: Connection) -> None:
    Path(folder).mkdir()
    engine = create_engine(
        URL.create("sqlite", database=f"{folder}/state.db"), connect_args={"isolation_level": None}
    )
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA cache_size = 1")  # so that it comes to the disk at once
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        upgrade(connection)
        said.send("in the middle")
        signal.pause()


def _stop_while_it_is_imported(folder: str, said: Connection) -> None:
    journal._BATCH = 100
    batches = iter(range(3))
    whole = journal._parsed

    def parsed(line: bytes) -> Any:
        if b"v1.350.0" in line:
            said.send(next(batches))
            signal.pause()
        return whole(line)

    journal._parsed = parsed

    async def run() -> None:
        async with State(Path(folder)) as state:
            await state.provenance.unproven()

    asyncio.run(run())


class Killed:
    """Another process, killed without a warning once it has said `count` things; `said` is the last of them."""

    def __init__(self, target: Callable[[str, Connection], None], folder: Path, count: int = 1) -> None:
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        child = context.Process(target=target, args=(str(folder), there))
        child.start()
        there.close()
        try:
            for _ in range(count):
                assert here.poll(60)
                self.said: object = here.recv()
        finally:
            child.kill()
            child.join()
        while here.poll():  # what it said before it died
            try:
                self.said = here.recv()
            except EOFError:
                break


def is_whole(folder: Path) -> bool:
    with closing(sqlite3.connect(folder / "state.db")) as connection:
        return bool(connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)])


@pytest.mark.parametrize("count", [1, 7, 40])
async def test_pins_that_were_believed_outlive_a_kill(tmp_path: Path, count: int) -> None:
    """Whenever a process is killed, each pin that it had been told is there, and the database is whole."""
    killed = Killed(_pin_for_ever, tmp_path, count)
    assert isinstance(killed.said, int)
    async with State(tmp_path) as state:
        held = {str(pinned.mv.version): pinned.pin.hash for pinned in await state.pins.of(PATH)}
    assert {f"v1.{n}.0": f"h1:{n}=" for n in range(killed.said + 1)}.items() <= held.items()
    assert len(held) <= killed.said + 2
    assert is_whole(tmp_path)


async def test_killed_transaction_leaves_nothing(tmp_path: Path) -> None:
    """A process that is killed within a transaction leaves nothing of it, and its lock to the next at once."""
    Killed(_stop_in_the_middle, tmp_path)
    async with State(tmp_path) as state:
        assert await state.provenance.counts() == FileCounts(0, 0, 0)
        assert await state.heads.advance("sum.test", b"", b"one")
    assert is_whole(tmp_path)


async def test_killed_while_it_makes_the_database(tmp_path: Path) -> None:
    """A process that is killed while it makes the tables leaves none, and the next makes them."""
    folder = tmp_path / "state"
    Killed(_stop_while_it_is_made, folder)
    assert stored_revision(folder / "state.db")[0] is None
    async with State(folder) as state:
        assert await state.provenance.counts() == FileCounts(0, 0, 0)
    assert stored_revision(folder / "state.db") == (HEAD, True)
    assert is_whole(folder)


async def test_killed_while_it_imports(tmp_path: Path) -> None:
    """An import that is killed is begun again, and ends with every line once."""
    lines = [
        f'{{"key": "{key(n)}", "home": "https://x.test", "kind": "origin", "size": {n}, "at": 1.5}}\n'
        for n in range(1000)
    ]
    (tmp_path / "provenance.jsonl").write_text("".join(lines))
    Killed(_stop_while_it_is_imported, tmp_path)
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        assert connection.execute("SELECT count(*) FROM provenance").fetchone() == (300,)
    assert (tmp_path / "provenance.jsonl").exists()
    async with State(tmp_path) as state:
        assert await state.provenance.unproven() == {key(n) for n in range(1000)}
    assert not (tmp_path / "provenance.jsonl").exists()


async def test_nobody_looks_before_the_import_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process that starts meanwhile waits for the import: half of it would make unproven files look proven."""
    lines = [
        f'{{"key": "{key(n)}", "home": "x", "kind": "origin", "size": 1, "at": 1.5}}\n' for n in range(1000)
    ]
    (tmp_path / "provenance.jsonl").write_text("".join(lines))
    monkeypatch.setattr(journal, "_BATCH", 100)
    half, go, other = threading.Event(), threading.Event(), threading.Event()
    whole = journal._parsed

    def parsed(line: bytes) -> Any:
        if b"v1.350.0" in line:
            half.set()
            assert go.wait(60)
        return whole(line)

    monkeypatch.setattr(journal, "_parsed", parsed)
    async with State(tmp_path) as first:
        assert await asyncio.to_thread(half.wait, 60)
        async with State(tmp_path) as second:
            asking = asyncio.create_task(second.provenance.unproven())
            asking.add_done_callback(lambda _: other.set())
            assert not await asyncio.to_thread(other.wait, 0.2)
            go.set()
            assert len(await asking) == 1000
        assert len(await first.provenance.unproven()) == 1000
