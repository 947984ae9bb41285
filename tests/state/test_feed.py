"""What every database must do for the feeds: times in the order in which entries become visible, and nothing lost."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, insert, select

from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileKind, Home, Proof
from goproxy_mirror.protocol import file_key, stem_of
from goproxy_mirror.state.migrate import upgrade
from goproxy_mirror.state.opening import State
from goproxy_mirror.state.session import Session
from goproxy_mirror.state.tables import feed, provenance, uses

ORIGIN = Home("origin", "https://x.test/m")
PROOF = Proof("h1:known=", "sum.test", 7)
OpenState = Callable[[], State]


def mv(number: int, path: str = "x.test/M") -> ModuleVersion:
    return ModuleVersion(ModulePath(path), Version(f"v1.{number}.0-RC1"))


async def publish(state: State, version: ModuleVersion, *kinds: FileKind) -> None:
    for kind in kinds or (FileKind.MOD, FileKind.INFO):
        await state.provenance.record(file_key(version, kind), ORIGIN, size=1, proof=PROOF)


async def told(state: State, *, gone: bool = False) -> list[tuple[str, str, int]]:
    page = await state.feed.page(0, 10_000, gone=gone)
    return [(entry.path, entry.version, entry.at) for entry in page]


async def test_times_rise_whatever_the_clock_does(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each entry is later than the one before, by a microsecond at least, also where the clock goes back."""
    ticks = iter([5_000_000_000, 5_000_000_999, 1_000_000_000, 9_000_000_000])
    monkeypatch.setattr("goproxy_mirror.state.feedrows.time.time_ns", lambda: next(ticks))
    for number in range(4):
        await state.provenance.held(mv(number))
    assert await told(state) == [
        ("x.test/M", f"v1.{number}.0-RC1", at)
        for number, at in enumerate([5_000_000, 5_000_001, 5_000_002, 9_000_000])
    ]


async def test_entry_stays_until_its_version_is_gone(state: State, open_state: OpenState) -> None:
    """A version that is held again and again has one entry; without its `.mod` it is gone, but for who asks for all; and once
    it is back it is at the end."""
    for number in range(2):
        await publish(state, mv(number))
        await state.provenance.held(mv(number))
    before = await told(state)
    await publish(state, mv(0), FileKind.ZIP)
    await state.provenance.held(mv(0))
    await state.provenance.forget(file_key(mv(0), FileKind.ZIP))
    assert await told(state) == before
    await state.provenance.forget(file_key(mv(0), FileKind.MOD))
    await state.provenance.forget(file_key(mv(0), FileKind.INFO))
    async with open_state() as other:
        assert await told(other) == before[1:]
        assert await told(other, gone=True) == before
        await publish(other, mv(0))
        await other.provenance.held(mv(0))
    after = await told(state)
    assert [entry[:2] for entry in after] == [before[1][:2], before[0][:2]]
    assert after[1][2] > before[1][2]
    assert await told(state, gone=True) == after


async def test_due_is_what_was_recorded_and_not_told(state: State) -> None:
    """Both files of a version make it due, until it is told, or found not to be there; due is not in the feed."""
    await publish(state, mv(0), FileKind.MOD, FileKind.ZIP)
    assert await state.feed.due(10) == []
    await publish(state, mv(0), FileKind.INFO)
    await publish(state, mv(1))
    await publish(state, mv(2))
    assert sorted(map(str, await state.feed.due(10))) == [str(mv(number)) for number in range(3)]
    assert await told(state, gone=True) == []
    await state.provenance.held(mv(1))
    assert await state.feed.unknown([mv(number) for number in range(4)]) == [mv(3)]
    await state.feed.settle([mv(0)], [mv(2)])
    assert await state.feed.unknown([mv(number) for number in range(4)]) == [mv(2), mv(3)]
    assert await state.feed.due(10) == []
    assert [entry[1] for entry in await told(state)] == [str(mv(1).version), str(mv(0).version)]


async def test_pages(state: State) -> None:
    """Since is inclusive, the limit counts, and the next microsecond is the next page."""
    for number in range(5):
        await state.provenance.held(mv(number))
    every = await state.feed.page(0, 10, gone=False)
    assert await state.feed.page(every[2].at, 10, gone=False) == every[2:]
    assert await state.feed.page(every[2].at + 1, 1, gone=False) == every[3:4]


async def test_uses_add_up(state: State, open_state: OpenState) -> None:
    """Days and counts of a version's zip are kept apart from those of its other files; a day never goes back."""
    stem = stem_of(mv(0))
    await state.uses.add({f"{stem}.mod": 2, f"{stem}.info": 1}, 20)
    async with open_state() as other:
        await other.uses.add({f"{stem}.zip": 5, f"{stem}.mod": 1}, 21)
    await state.uses.add({f"{stem}.zip": 1}, 19)
    rows = await state._database.read(lambda session: session._connection.execute(select(uses)).all())
    assert [tuple(row) for row in rows] == [("", 20, 0, None, 0), (stem, 21, 4, 21, 6)]


def test_what_was_held_before_is_told(tmp_path: Path) -> None:
    """A store that is older than the feeds enters them by the times when its files were seen, no two at the same one."""
    engine = create_engine(f"sqlite:///{tmp_path / 'old.db'}")
    seen: dict[int, tuple[float, float | None]] = {
        0: (3.0, 3.0),
        1: (1.0, 2.5),
        2: (3.0, 1.0),
        3: (2.5, 0.5),
        4: (9.0, None),
        5: (3.000002, 3.0),
    }
    with engine.connect() as connection, connection.begin():
        upgrade(connection, "0001")
        for number, (mod, info) in seen.items():
            for kind, at in ((FileKind.MOD, mod), (FileKind.INFO, info)):
                if at is not None:
                    row = {"key": file_key(mv(number), kind), "kind": kind.value, "first_seen": at}
                    connection.execute(insert(provenance).values(**row))
        upgrade(connection)
        rows = connection.execute(select(feed.c.stem, feed.c.at, feed.c.gone).order_by(feed.c.at)).all()
    engine.dispose()
    told_at = [(1, 2_500_000), (3, 2_500_001), (0, 3_000_000), (2, 3_000_001), (5, 3_000_002)]
    assert [tuple(row) for row in rows] == [(stem_of(mv(number)), when, None) for number, when in told_at]


async def read_on(state: State, since: int, limit: int) -> tuple[list[str], int]:
    """One page, and where the next one begins."""
    page = await state.feed.page(since, limit, gone=False)
    return [f"{entry.path}@{entry.version}" for entry in page], page[-1].at + 1 if page else since


async def test_writer_that_was_late_is_not_missed(state: State, open_state: OpenState) -> None:
    """Positive control: of two writers one takes its time first and writes last, and the reader has gone past it. The real one
    takes its time when it writes, so the same order of events loses nothing."""

    async def naive(at: int, stem: str) -> None:
        await state._database.write(
            lambda session: session._connection.execute(insert(feed).values(stem=stem, at=at))
        )

    now = time.time_ns() // 1000
    taken = (now, now + 1)
    await naive(taken[1], stem_of(mv(1)))
    first, since = await read_on(state, 0, 10)
    await naive(taken[0], stem_of(mv(0)))
    second, _ = await read_on(state, since, 10)
    assert (first, second) == ([str(mv(1))], [])

    async with open_state() as other:
        blocked, entered = asyncio.Event(), asyncio.get_running_loop()

        def slow(session: Session) -> None:
            session.put_held([stem_of(mv(3))])
            entered.call_soon_threadsafe(blocked.set)

        early = asyncio.create_task(other._database.write(slow))
        await blocked.wait()
        late = asyncio.create_task(state.provenance.held(mv(2)))
        first, since = await read_on(state, since, 10)
        await asyncio.gather(early, late)
        second, _ = await read_on(state, since, 10)
    assert [*first, *second] == [str(mv(3)), str(mv(2))]


def _insert(folder: str, url: str, number: int, count: int, start: Any, done: Connection) -> None:
    async def run() -> None:
        async with State(Path(folder), url) as state:
            await state.feed.due(1)
            await asyncio.to_thread(start.wait, 60)
            for n in range(count):
                await state.provenance.held(mv(n, f"new.test/m{number}"))
        done.send(json.dumps(count))

    asyncio.run(run())


@pytest.mark.parametrize(("backend", "many"), [("sqlite", 100_000), ("postgresql", 5_000)])
async def test_readers_miss_nothing_of_many(
    request: pytest.FixtureRequest, tmp_path: Path, backend: str, many: int
) -> None:
    """Of 100,000 versions, and of those that several processes add meanwhile, who pages by the last time sees each once."""
    folder, processes, count = tmp_path / "state", 2, 40
    url = request.getfixturevalue("postgres").database() if backend == "postgresql" else ""
    rows = [{"stem": f"x.test/m{n % 997}/@v/v0.{n}.0", "at": n + 1} for n in range(many)]
    async with State(folder, url) as state:
        await state._database.write(lambda session: session._connection.execute(insert(feed), rows))
        context = multiprocessing.get_context("spawn")
        start = context.Barrier(processes + 1)
        pipes = [context.Pipe() for _ in range(processes)]
        workers = [
            context.Process(target=_insert, args=(str(folder), url, number, count, start, there))
            for number, (_, there) in enumerate(pipes)
        ]
        for worker in workers:
            worker.start()
        try:
            seen, since, late = list[str](), 0, False
            while len(seen) < many - 4000:
                found, since = await read_on(state, since, 2000)
                seen += found
            await asyncio.to_thread(start.wait, 60)
            while True:
                ended = all(here.poll() for here, _ in pipes)
                found, since = await read_on(state, since, 7 if len(seen) > many else 2000)
                seen += found
                late = late or (len(seen) > many and not ended)
                if ended and not found:
                    break
        finally:
            for worker in workers:
                worker.join(60)
                worker.kill()
    added = {str(mv(n, f"new.test/m{number}")) for number in range(processes) for n in range(count)}
    assert len(seen) == len(set(seen)) == many + processes * count
    assert added <= set(seen)
    assert late, "the reader came after all writers, which shows nothing"
