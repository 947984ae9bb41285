"""How the files of the vulnerability database stay together: restarts, several workers, changes half done."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from goproxy_mirror.errors import SourceUnavailable
from goproxy_mirror.mirror import vulndb
from goproxy_mirror.mirror.answers import TextAnswer
from goproxy_mirror.mirror.vulndb import VulnService
from goproxy_mirror.ports import Kept
from goproxy_mirror.state.files import FileAnswers
from tests.fakes.vulndb import (
    NEWER,
    ONE,
    PATHS,
    TWO,
    Clock,
    FakeDatabase,
    MakeService,
    modified_of,
    summary_of,
    until,
    workers,
)
from tests.world.vulndb import FIRST, SECOND, THIRD, all_files


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that stands still until it is set."""
    clock = Clock()
    monkeypatch.setattr(vulndb, "time", clock)
    return clock


@pytest.fixture
def database() -> FakeDatabase:
    """A database of two entries."""
    return FakeDatabase(all_files(ONE, TWO))


@pytest.fixture
async def make(database: FakeDatabase, tmp_path: Path, clock: Clock) -> AsyncIterator[MakeService]:
    """Makes workers' services."""
    async with workers(tmp_path, database) as make:
        yield make


@pytest.fixture
def service(make: MakeService) -> VulnService:
    """One worker's service."""
    return make()


async def test_after_a_restart(make: MakeService, database: FakeDatabase, clock: Clock) -> None:
    """What is kept outlives the process: a new one answers it fresh for its time, and stale during an outage."""
    service = make()
    before = [(await service.answer(path)).body for path in PATHS]
    database.failure = SourceUnavailable("503")
    again = make()
    assert [(await again.answer(path)).body for path in PATHS] == before
    clock.now += 700
    assert {(await again.answer(path)).stale for path in PATHS} == {True}
    assert database.asked[:2] == ["index", "GO-2026-0001"]


async def test_another_database(make: MakeService, database: FakeDatabase) -> None:
    """What was kept of one database is not taken for another's, whose times may be older."""
    assert await modified_of(make()) == SECOND
    other = FakeDatabase(all_files(ONE))
    assert await modified_of(make(of=other, name="other")) == FIRST


async def test_workers_do_not_fall_behind_each_other(
    make: MakeService, database: FakeDatabase, clock: Clock
) -> None:
    """Once one worker has told a client of a new index/db.json, no other one answers with older lists."""
    one, two = make(), make()
    await modified_of(one)
    await modified_of(two)
    assert database.asked == ["index"]
    database.files = all_files(NEWER, TWO)
    clock.now += 301

    async def refreshed() -> bool:
        return await modified_of(one) == THIRD

    await until(refreshed)
    assert json.loads((await two.answer("index/vulns.json")).body)[0]["modified"] == THIRD
    assert await summary_of(two) == "told anew"
    assert database.asked == ["index", "index since 2026-02-02", "GO-2026-0001"]


async def test_many_at_once(service: VulnService, database: FakeDatabase) -> None:
    """A crowd that comes to an empty mirror causes one fetch of each file."""
    database.gate.clear()
    tasks = [asyncio.create_task(service.answer(path)) for path in PATHS * 25]

    async def begun() -> bool:
        return bool(database.asked)

    await until(begun)
    database.gate.set()
    answers: list[TextAnswer] = await asyncio.gather(*tasks)
    assert len({answer.body for answer in answers}) == 4
    assert database.asked == ["index", "GO-2026-0001"]


async def test_one_who_looked_too_early(
    service: VulnService, database: FakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who found no entry, and hears of that only when another request's fetch is done, fetches it no second time."""
    look = FileAnswers.get
    looked, done = asyncio.Event(), asyncio.Event()

    async def late(answers: FileAnswers, key: str) -> Kept | None:
        found = await look(answers, key)
        if "ID/" in key and not looked.is_set():
            looked.set()
            await done.wait()
        return found

    monkeypatch.setattr(FileAnswers, "get", late)
    early = asyncio.create_task(service.answer(PATHS[3]))
    await looked.wait()
    other = await service.answer(PATHS[3])
    done.set()
    assert (await early).body == other.body
    assert database.asked == ["index", "GO-2026-0001"]


async def test_a_site_in_the_middle_of_a_change(
    service: VulnService, database: FakeDatabase, clock: Clock
) -> None:
    """A new index/db.json with old lists does not replace an index that fits together, until the lists have come too."""
    await modified_of(service)
    database.files = all_files(ONE, TWO, modified=THIRD)
    clock.now += 700
    answer = await service.answer("index/db.json")
    assert (json.loads(answer.body)["modified"], answer.stale) == (SECOND, False)
    database.files = all_files(NEWER, TWO)
    clock.now += 700
    assert await modified_of(service) == THIRD
    assert json.loads((await service.answer("index/modules.json")).body)[0]["vulns"][0]["modified"] == THIRD


async def test_a_database_whose_time_is_another(
    service: VulnService, database: FakeDatabase, clock: Clock
) -> None:
    """Where lists stay behind index/db.json for an hour, its time is another one, and the index is taken; at first at once."""
    database.files = all_files(ONE, modified=SECOND)
    assert await modified_of(service) == SECOND
    database.files = all_files(ONE, modified=THIRD)
    seen = []
    for _ in range(7):
        clock.now += 700
        seen.append(await modified_of(service))
    assert seen == [SECOND] * 6 + [THIRD]


@pytest.mark.parametrize("damage", [b"", b"{}", b"no bundle\nx", b'{"modified":"x","sizes":[]}\n'])
async def test_damaged_files_of_what_is_kept(
    make: MakeService, database: FakeDatabase, tmp_path: Path, damage: bytes, clock: Clock
) -> None:
    """What is kept and cannot be read is fetched again."""
    first = make()
    expected = [(await first.answer(path)).body for path in PATHS]
    for path in (tmp_path / "answers").rglob("*"):
        if path.is_file():
            head, _, _body = path.read_bytes().partition(b"\n")
            about = json.loads(head)
            if not about["key"].endswith("/head"):
                about["size"] = len(damage)
                path.write_bytes(json.dumps(about).encode() + b"\n" + damage)
    database.asked.clear()
    again = make()
    assert [(await again.answer(path)).body for path in PATHS] == expected
    assert database.asked == ["index", "GO-2026-0001"]
