"""The records made anew from a store, and both commands on one that is large."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from goproxy_mirror.mirror.catalog import Catalog
from goproxy_mirror.mirror.pruning import Pruning, Rules
from goproxy_mirror.mirror.reindexing import Progress, Reindexing
from goproxy_mirror.mirror.selection import Selection
from goproxy_mirror.mirror.spool import spooled
from goproxy_mirror.module.dirhash import go_mod_hash
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import Home, Proof, StoredFile
from goproxy_mirror.state.files import FileTurns
from goproxy_mirror.state.opening import State
from goproxy_mirror.storage.local import LocalStorage
from tests.contracts.stores import memory, publish
from tests.world.zips import write_zip

HOME = Home("origin", "https://x.test/m")
INFO, MOD, ZIP = (f"x.test/!m/@v/v1.0.0.{ending}" for ending in ("info", "mod", "zip"))


class Found:
    """A store whose database is new."""

    def __init__(self, state: State, folder: Path) -> None:
        self.state = state
        self.storage = LocalStorage(folder / "store")
        self.storage.open()
        self.reindexing = Reindexing(
            state.keeping, self.storage, Catalog(self.storage, FileTurns(folder / "turns", wait=10))
        )

    def put(self, key: str, body: bytes = b"{}", *, at: float = 1_000_000.0) -> None:
        """A file that somebody has published at a time."""
        path = self.storage._root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        os.utime(path, (at, at))

    def version(self, stem: str, *, at: float = 1_000_000.0) -> None:
        self.put(f"{stem}.info", at=at)
        self.put(f"{stem}.mod", b"module x\n", at=at)

    async def run(self, *, hashes: bool = True) -> tuple[Progress, list[str]]:
        """What was done, and the problems."""
        problems: list[str] = []

        def told(progress: Progress) -> None:
            if progress.problem is not None:
                problems.append(progress.problem)

        return await self.reindexing.run(told, hashes=hashes), problems

    async def fed(self, *, gone: bool = False) -> list[tuple[str, int]]:
        page = await self.state.feed.page(0, 100, gone=gone)
        return [(f"{each.path}@{each.version}", each.at) for each in page]


@pytest.fixture
async def lost(tmp_path: Path) -> AsyncIterator[Found]:
    async with State(tmp_path / "state") as state:
        yield Found(state, tmp_path)


async def test_records_are_made_anew(lost: Found, tmp_path: Path) -> None:
    """Sizes, hashes and times are those of the files; lists and feeds name what is held, by its time; twice is as good as once."""
    write_zip(tmp_path / "zip", "x.test/M@v1.0.0/", {"go.mod": b"module x.test/M\n"})
    content = (tmp_path / "zip").read_bytes()
    lost.put(ZIP, content)
    lost.put(MOD, b"module x.test/M\n", at=3_000_000.25)
    lost.put(INFO, b'{"Version":"v1.0.0"}', at=2_000_000.0)
    lost.put("x.test/!m/@v/v1.1.0.mod", b"module x.test/M\n")
    lost.version("x.test/old/@v/v0.1.0", at=1_500_000.0)
    lost.put("x.test/note.txt")
    done, problems = await lost.run()
    assert problems == []
    assert (done.files, done.recorded, done.fed, done.lists, done.dropped) == (6, 6, 2, 2, 0)
    record = await lost.state.provenance.of(MOD)
    assert record is not None
    assert record.proof is not None
    assert (record.size, record.first_seen, record.home) == (16, 3_000_000.25, None)
    assert (record.proof.hash, record.proof.by) == (go_mod_hash(b"module x.test/M\n"), "store")
    zipped = await lost.state.provenance.of(ZIP)
    assert zipped is not None
    assert zipped.size == len(content)
    assert await lost.state.provenance.unproven() == frozenset()
    assert await lost.fed() == [
        ("x.test/old@v0.1.0", 1_500_000_000_000),
        ("x.test/M@v1.0.0", 3_000_000_250_000),
    ]
    assert (lost.storage._root / "x.test/!m/@v/list").read_text() == "v1.0.0\n"
    again, _ = await lost.run()
    assert (again.files, again.recorded, again.fed, again.lists) == (6, 0, 0, 0)


async def test_what_is_known_stays(lost: Found) -> None:
    """Proofs, homes and times that are recorded are left alone, and an unproven file is not taken for a proven one."""
    lost.version("x.test/!m/@v/v1.0.0")
    proof = Proof("h1:known=", "sum.test", 7)
    await lost.state.provenance.record(MOD, HOME, size=9, proof=proof)
    await lost.state.provenance.record(ZIP, HOME, size=3, proof=Proof("h1:x=", ""))
    lost.put(ZIP, b"zip")
    await lost.run()
    record = await lost.state.provenance.of(MOD)
    assert record is not None
    assert (record.home, record.proof) == (HOME, proof)
    assert await lost.state.provenance.unproven() == frozenset({ZIP})


async def test_what_is_gone_is_forgotten(lost: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record without a file goes, and its version leaves the feed, but not where it may be about to be published."""
    mv = ModuleVersion(ModulePath("x.test/M"), Version("v1.0.0"))
    for key in (MOD, INFO):
        await lost.state.provenance.record(key, HOME, size=1, proof=Proof("h1:x=", "sum.test"))
    await lost.state.provenance.held(mv)
    done, _ = await lost.run()
    assert (done.dropped, len(await lost.fed())) == (0, 1)
    monkeypatch.setattr(lost.reindexing, "_clock", lambda: time.time() + 3601)
    done, _ = await lost.run()
    assert (done.dropped, await lost.fed(), len(await lost.fed(gone=True))) == (2, [], 1)


async def test_holes_are_filled_at_the_end(lost: Found) -> None:
    """What is older than the whole feed keeps its time; what is younger than its beginning comes after everything that readers
    may have seen."""
    lost.version("x.test/old/@v/v1.0.0", at=1_000_000.0)
    lost.version("x.test/old/@v/v1.1.0", at=1_000_000.0)
    await lost.state.provenance.held(ModuleVersion(ModulePath("x.test/first"), Version("v1.0.0")))
    await lost.state.provenance.held(ModuleVersion(ModulePath("x.test/last"), Version("v1.0.0")))
    first, last = [at for _, at in await lost.fed()]
    lost.version("x.test/hole/@v/v1.0.0", at=first / 1_000_000 + 0.001)
    await lost.run()
    fed = await lost.fed()
    assert fed[:4] == [
        ("x.test/old@v1.0.0", 1_000_000_000_000),
        ("x.test/old@v1.1.0", 1_000_000_000_001),
        ("x.test/first@v1.0.0", first),
        ("x.test/last@v1.0.0", last),
    ]
    assert (fed[4][0], fed[4][1] > last) == ("x.test/hole@v1.0.0", True)


async def test_unreadable_file_is_said(lost: Found) -> None:
    """A zip that is none is told by its name, and everything else is recorded."""
    lost.version("x.test/!m/@v/v1.0.0")
    lost.put(ZIP, b"no zip")
    done, problems = await lost.run()
    assert len(problems) == 1
    assert problems[0].startswith(f"{ZIP}: ")
    assert (done.recorded, done.fed) == (2, 1)
    done, problems = await lost.run(hashes=False)
    assert (done.recorded, problems) == (1, [])


MODULES, VERSIONS = 500, 200


class ManyFiles:
    """A store of 100,000 versions that takes no disk: every version has its `.info` and its `.mod` until it is deleted."""

    def __init__(self) -> None:
        self.deleted: set[str] = set()
        self.lists: dict[str, bytes] = {}

    async def list(self, prefix: str) -> AsyncIterator[str]:
        for module in range(MODULES):
            folder = f"x.test/m{module:03}/@v/"
            if folder.startswith(prefix):
                for version in range(VERSIONS):
                    for ending in (".info", ".mod"):
                        key = f"{folder}v1.{version}.0{ending}"
                        if key not in self.deleted:
                            yield key

    async def measure(self, key: str) -> tuple[int, float] | None:
        return None if key in self.deleted else (100, 1_000_000.0)

    async def find(self, key: str) -> StoredFile | None:
        return None

    async def replace(self, key: str, body: bytes) -> None:
        self.lists[key] = body

    async def delete(self, key: str) -> None:
        self.deleted.add(key)


class NoTurns:
    """Nobody else is there."""

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        yield


def resident() -> int:
    """The memory of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read as Linux tells it")
async def test_large_store_takes_no_more_memory(tmp_path: Path) -> None:
    """Of 100,000 versions all are recorded, fed, and pruned by half, while the memory stays what it was after a fifth."""
    store: Any = ManyFiles()
    catalog = Catalog(store, NoTurns())
    measured: dict[str, list[int]] = {"walk": [], "feed": [], "prune": []}

    def told(progress: Progress) -> None:
        measured["feed" if progress.fed else "walk"].append(resident())

    async with State(tmp_path / "state") as state:
        done = await Reindexing(state.keeping, store, catalog).run(told, hashes=False)
        assert (done.files, done.recorded, done.fed, done.lists) == (200_000, 200_000, 100_000, MODULES)
        assert (await state.keeping.sizes()).size == 20_000_000
        store.lists.clear()
        pruning = Pruning(state.keeping, store, NoTurns(), catalog)
        with spooled() as spool:
            rules = Rules(max_size=19_200_000, matching=(Selection.parse("x.test/*"),))
            plan = await pruning.plan(rules, spool)
            assert (plan.versions, plan.size) == (4_000, 800_000)
            async for outcome in pruning.carry_out(plan):
                assert not outcome.kept
                assert not outcome.failed
                measured["prune"].append(resident())
        assert len(store.deleted) == 8_000
        assert (await state.keeping.sizes()).versions == 96_000
    for what, sizes in measured.items():
        early = max(sizes[: max(1, len(sizes) // 5)])
        assert max(sizes) - early < 24_000_000, what


async def test_store_that_is_elsewhere(tmp_path: Path) -> None:
    """A bucket is recorded and pruned like a folder; what is only measured is not brought here."""
    tier = tmp_path / "tier"
    async with memory(tier) as bucket, State(tmp_path / "state") as state:
        for ending in (".mod", ".zip", ".info"):
            await publish(bucket, f"x.test/m/@v/v1.0.0{ending}", b"x" * 10)
        for file in tier.rglob("*.*"):
            if file.is_file():
                file.unlink()
        catalog = Catalog(bucket, NoTurns())
        done = await Reindexing(state.keeping, bucket, catalog).run(lambda _: None, hashes=False)
        assert (done.files, done.recorded, done.fed, done.lists) == (3, 3, 1, 1)
        assert not [file for file in tier.rglob("*.zip") if file.is_file()]
        assert (await state.keeping.sizes()).size == 30
        pruning = Pruning(state.keeping, bucket, NoTurns(), catalog, clock=lambda: time.time() + 60)
        with spooled() as spool:
            plan = await pruning.plan(Rules(max_size=0), spool)
            outcomes = [outcome async for outcome in pruning.carry_out(plan)]
        assert [each.name for outcome in outcomes for each in outcome.gone] == ["x.test/m@v1.0.0"]
        assert [key async for key in bucket.list("")] == []
