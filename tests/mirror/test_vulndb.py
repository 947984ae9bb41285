"""The journey of the vulnerability database: what is kept, for how long, and what an outage leaves."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from goproxy_mirror.errors import NotFound, SourceTimeout, SourceUnavailable
from goproxy_mirror.mirror import vulndb
from goproxy_mirror.mirror.vulndb import VulnService
from tests.fakes.vulndb import (
    HOME,
    NEWER,
    ONE,
    PATHS,
    TWO,
    Clock,
    FakeDatabase,
    MakeService,
    at,
    modified_of,
    summary_of,
    until,
    workers,
)
from tests.world.vulndb import FIRST, SECOND, THIRD, Vuln, all_files


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


@pytest.mark.parametrize("path", PATHS)
async def test_every_file_in_both_forms(service: VulnService, database: FakeDatabase, path: str) -> None:
    """Each file is answered as JSON and gzipped, as the source gave it, with its time, its home and a time to live."""
    plain, packed = await service.answer(path), await service.answer(f"{path}.gz")
    assert (plain.body, packed.body) == (database.files[path], database.files[f"{path}.gz"])
    assert (plain.content_type, packed.content_type) == ("application/json", "application/gzip")
    expected = at(FIRST if path.startswith("ID/") else SECOND).timestamp()
    for answer in (plain, packed):
        assert (answer.max_age, answer.stale, answer.home) == (600, False, HOME.name)
        assert answer.modified == expected


@pytest.mark.parametrize(
    "path",
    [
        "",
        "index.json",
        "index/db",
        "index/db.json.gz.gz",
        "index/other.json",
        "ID/index.json",
        "ID/GO-2026-1.json",
        "ID/../index/db.json",
        "/index/db.json",
        "index//db.json",
        "ID/go-2026-0001.json",
        "index/db.json\n",
    ],
)
async def test_other_paths(service: VulnService, database: FakeDatabase, path: str) -> None:
    """What is no file of such a database is absent without anybody being asked."""
    with pytest.raises(NotFound, match="no file of a vulnerability database"):
        await service.answer(path)
    assert database.asked == []


async def test_fresh_answers_ask_nobody(service: VulnService, database: FakeDatabase, clock: Clock) -> None:
    """Within the first half of the time to live the database is not asked again, and clients may keep answers for the rest."""
    for path in PATHS:
        await service.answer(path)
    assert database.asked == ["index", "GO-2026-0001"]
    clock.now += 299
    ages = [(await service.answer(path)).max_age for path in PATHS]
    assert ages == [301] * 4
    assert database.asked == ["index", "GO-2026-0001"]


async def test_unchanged(service: VulnService, database: FakeDatabase, clock: Clock) -> None:
    """While index/db.json has not changed, it alone is asked for, and all that is kept is fresh again."""
    for path in PATHS:
        await service.answer(path)
    clock.now += 700
    ages = [(await service.answer(path)).max_age for path in PATHS]
    assert ages == [600] * 4
    assert database.asked == ["index", "GO-2026-0001", "index since 2026-02-02"]


async def test_changed(service: VulnService, database: FakeDatabase, clock: Clock) -> None:
    """When it has changed, the lists and the entry that changed are fetched, and the other entries stay."""
    await summary_of(service)
    await service.answer("ID/GO-2026-0002.json")
    database.files = all_files(NEWER, TWO)
    clock.now += 700
    assert await modified_of(service) == THIRD
    assert json.loads((await service.answer("index/vulns.json")).body)[0]["modified"] == THIRD
    assert await summary_of(service) == "told anew"
    await service.answer("ID/GO-2026-0002.json")
    assert database.asked == [
        "index",
        "GO-2026-0001",
        "GO-2026-0002",
        "index since 2026-02-02",
        "GO-2026-0001",
    ]


async def test_refreshed_behind_the_answer(
    service: VulnService, database: FakeDatabase, clock: Clock
) -> None:
    """In the second half of its time the old index is answered at once, and the new one comes behind it."""
    assert await modified_of(service) == SECOND
    database.files = all_files(NEWER, TWO)
    database.gate.clear()
    clock.now += 301
    assert await modified_of(service) == SECOND
    database.gate.set()

    async def refreshed() -> bool:
        return await modified_of(service) == THIRD

    await until(refreshed)


async def test_stale(service: VulnService, database: FakeDatabase, clock: Clock) -> None:
    """While the database cannot be reached, what is kept is answered and said to be stale; then it is fresh again."""
    before = [(await service.answer(path)).body for path in PATHS]
    fetched = clock.now
    database.failure = SourceUnavailable("503")
    clock.now += 86400
    answers = [await service.answer(path) for path in PATHS]
    assert [answer.body for answer in answers] == before
    assert [(answer.stale, answer.max_age, answer.fetched) for answer in answers] == [(True, 10, fetched)] * 4
    database.failure = None
    assert not (await service.answer("index/db.json")).stale
    assert not (await service.answer("ID/GO-2026-0001.json")).stale


@pytest.mark.parametrize("path", PATHS)
async def test_an_outage_without_anything_kept(
    service: VulnService, database: FakeDatabase, path: str
) -> None:
    """With nothing kept, an outage is an outage, and no absence."""
    database.failure = SourceUnavailable("503")
    with pytest.raises(SourceUnavailable) as failure:
        await service.answer(path)
    assert not isinstance(failure.value, NotFound)


async def test_an_entry_that_was_never_asked_for(
    service: VulnService, database: FakeDatabase, clock: Clock
) -> None:
    """An outage does not make an entry out of nothing, though the index is kept."""
    await modified_of(service)
    database.failure = SourceUnavailable("503")
    clock.now += 700
    with pytest.raises(SourceUnavailable, match="503"):
        await summary_of(service)


async def test_an_entry_that_cannot_be_had_as_new_as_promised(
    service: VulnService, database: FakeDatabase, clock: Clock
) -> None:
    """Where the index names a newer entry than can be had, the older one is answered, and said to be stale."""
    await summary_of(service)
    old = database.files["ID/GO-2026-0001.json.gz"]
    database.files = all_files(NEWER, TWO) | {"ID/GO-2026-0001.json.gz": old}
    clock.now += 700
    answer = await service.answer("ID/GO-2026-0001.json.gz")
    assert (answer.body, answer.stale) == (old, True)
    assert await modified_of(service) == THIRD


async def test_a_hanging_source(
    service: VulnService, database: FakeDatabase, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that could be given an older answer does not wait long for a source that hangs."""
    await summary_of(service)
    monkeypatch.setattr(vulndb, "_PATIENCE", 0.05)
    database.gate.clear()
    clock.now += 700
    assert (await service.answer("index/db.json")).stale
    assert (await service.answer("ID/GO-2026-0001.json")).stale


async def test_a_source_that_hangs_for_ever(
    make: MakeService, database: FakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an older answer it ends at the deadline of a fetch."""
    service = make()
    monkeypatch.setattr(service, "_fetch_timeout", 0.05)
    database.gate.clear()
    with pytest.raises(SourceTimeout, match=r"index/db\.json: not fetched within"):
        await service.answer("index/db.json")


async def test_absent_entries(service: VulnService, database: FakeDatabase) -> None:
    """An entry that the source does not have is absent, and the no is remembered; it does not hide a new one."""
    for _ in range(2):
        with pytest.raises(NotFound):
            await service.answer("ID/GO-2026-0009.json")
    assert database.asked == ["index", "GO-2026-0009"]


async def test_absence_does_not_hide_a_promised_entry(
    service: VulnService, database: FakeDatabase, clock: Clock
) -> None:
    """Once the index names an entry, the remembered no counts no more."""
    nine = Vuln("GO-2026-0009", modified=THIRD)
    with pytest.raises(NotFound):
        await service.answer("ID/GO-2026-0009.json")
    database.files = all_files(ONE, TWO, nine)
    clock.now += 700
    assert json.loads((await service.answer("ID/GO-2026-0009.json")).body)["id"] == nine.id


async def test_an_entry_that_the_index_does_not_have(
    service: VulnService, database: FakeDatabase, clock: Clock
) -> None:
    """A source may have more than its index: such an entry counts for the time to live."""
    database.files["ID/GO-2026-0009.json.gz"] = all_files(Vuln("GO-2026-0009"))["ID/GO-2026-0009.json.gz"]
    for _ in range(2):
        assert (await service.answer("ID/GO-2026-0009.json")).max_age == 600
    assert database.asked == ["index", "GO-2026-0009"]
    clock.now += 700
    await service.answer("ID/GO-2026-0009.json")
    assert database.asked[2:] == ["index since 2026-02-02", "GO-2026-0009"]


async def test_a_database_without_a_list_of_entries(service: VulnService, database: FakeDatabase) -> None:
    """A copy without index/vulns.json has none here either, and all else works."""
    del database.files["index/vulns.json.gz"]
    assert await summary_of(service) == "a weakness"
    with pytest.raises(NotFound, match=r"index/vulns\.json"):
        await service.answer("index/vulns.json.gz")
