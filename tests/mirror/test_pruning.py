"""What goes by which rules, and what becomes of it beside others who use the store."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from goproxy_mirror.errors import StorageError, StorageFull
from goproxy_mirror.mirror.catalog import Catalog
from goproxy_mirror.mirror.pruning import Chosen, Outcome, Plan, Pruning, Rules
from goproxy_mirror.mirror.selection import Selection
from goproxy_mirror.mirror.spool import spooled
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileKind, Home, Proof
from goproxy_mirror.protocol import file_key
from goproxy_mirror.state.files import FileTurns
from goproxy_mirror.state.opening import State
from goproxy_mirror.storage.local import LocalStorage

DAY = 86400.0
NOW = 1000 * DAY
HOME = Home("origin", "https://x.test/m")


class Kept:
    """A store with records, and the pruning of it, on the day 1000."""

    def __init__(self, state: State, storage: LocalStorage, folder: Path) -> None:
        self.state = state
        self.storage = storage
        self.turns = FileTurns(folder / "turns", wait=10)
        self.catalog = Catalog(storage, self.turns)
        self.pruning = Pruning(state.keeping, storage, self.turns, self.catalog, clock=lambda: NOW)

    async def hold(
        self,
        name: str,
        *,
        seen: float = 0,
        zip_size: int | None = None,
        by: str = "sum.test",
        pin: bool = False,
    ) -> None:
        """Publish a version that came on a day, with a `.mod` and an `.info` of ten bytes, and with a zip."""
        path, _, version = name.partition("@")
        mv = ModuleVersion(ModulePath(path), Version(version))
        for kind in FileKind:
            size = zip_size if kind is FileKind.ZIP else 10
            if size is None:
                continue
            key = file_key(mv, kind)
            await self.state.provenance.record(key, HOME, size=size, proof=Proof("h1:x=", by))
            async with self.storage.stage() as staged:
                staged.write_bytes(b"x" * size)
                await self.storage.create(key, staged)
            stored = await self.storage.find(key)
            assert stored is not None
            os.utime(stored.path, (seen * DAY, seen * DAY))
            if pin:
                await self.state.pins.pin(mv, kind, "h1:x=", HOME)
        await self.state.provenance.held(mv)
        await self.state._database.write(
            lambda session: session._connection.exec_driver_sql(
                "UPDATE provenance SET first_seen = ? WHERE key LIKE ?",
                (seen * DAY, f"{mv.path.escaped}/@v/{version}.%"),
            )
        )
        self.catalog.changed(mv.path)
        await self.catalog.derive(mv.path)

    async def use(self, name: str, day: int, ending: str = ".mod", *, complete: bool = True) -> None:
        """Somebody asks for a file on a day."""
        path, _, version = name.partition("@")
        await self.state.uses.add({f"{path}/@v/{version}{ending}": 1}, day, complete=complete)

    @asynccontextmanager
    async def plan(self, rules: Rules) -> AsyncIterator[Plan]:
        with spooled() as spool:
            yield await self.pruning.plan(rules, spool)

    async def chosen(self, rules: Rules) -> list[str]:
        """The names of what would go."""
        async with self.plan(rules) as plan:
            names = [each.name for each in plan.each()]
            assert len(names) == plan.versions
            return names

    async def prune(self, rules: Rules, meanwhile: Callable[[], None] = lambda: None) -> Outcome:
        """Carry a plan out; something may happen after it was made."""
        whole = Outcome()
        async with self.plan(rules) as plan:
            meanwhile()
            async for outcome in self.pruning.carry_out(plan):
                whole.gone += outcome.gone
                whole.kept += outcome.kept
                whole.failed += outcome.failed
        return whole

    async def files(self) -> list[str]:
        return sorted([key async for key in self.storage.list("")])

    async def fed(self) -> list[str]:
        return [f"{each.path}@{each.version}" for each in await self.state.feed.page(0, 100, gone=False)]


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    storage = LocalStorage(tmp_path / "store")
    storage.open()
    async with State(tmp_path / "state") as state:
        yield Kept(state, storage, tmp_path)


def names(chosen: Sequence[Chosen]) -> list[str]:
    return [each.name for each in chosen]


def selected(*texts: str) -> tuple[Selection, ...]:
    return tuple(map(Selection.parse, texts))


async def test_rules_narrow(kept: Kept) -> None:
    """Age, last use and pattern count together, kept ones count before all, and of many those unused the longest go first."""
    for name, seen in (
        ("a.test/m@v1.0.0", 100),
        ("a.test/m@v1.1.0", 800),
        ("a.test/n@v1.0.0", 500),
        ("b.test/M@v1.0.0", 200),
    ):
        await kept.hold(name, seen=seen, zip_size=80)
    await kept.use("b.test/!m@v1.0.0", 900, ".zip")
    await kept.use("a.test/m@v1.0.0", 990)
    every = ["a.test/n@v1.0.0", "a.test/m@v1.1.0", "b.test/M@v1.0.0", "a.test/m@v1.0.0"]
    assert await kept.chosen(Rules(matching=selected("*"))) == every
    assert await kept.chosen(Rules(older_than=300 * DAY)) == [every[0], every[2], every[3]]
    assert await kept.chosen(Rules(older_than=300 * DAY, unused_for=50 * DAY)) == [every[0], every[2]]
    assert await kept.chosen(Rules(unused_for=99 * DAY)) == every[:3]
    assert await kept.chosen(Rules(unused_for=99.5 * DAY)) == every[:2], (
        "of the day 900 nobody knows the hour"
    )
    assert await kept.chosen(Rules(unused_for=101 * DAY)) == [], (
        "before the day 900 no uses were written down"
    )
    assert await kept.chosen(Rules(matching=selected("a.test"), keep=selected("a.test/m@v1.1.0"))) == [
        every[0],
        every[3],
    ]
    assert await kept.chosen(Rules(matching=selected("b.test/M@v1.0.0"))) == [every[2]]
    assert await kept.chosen(Rules(max_size=250, by_age=True)) == [every[3], every[2]]
    assert await kept.chosen(Rules(max_size=400)) == []
    assert await kept.chosen(Rules(max_size=399)) == every[:1]
    assert await kept.chosen(Rules(max_size=250)) == every[:2]
    assert await kept.chosen(Rules(max_size=250, matching=selected("a.test/m"))) == [every[1], every[3]]


async def test_front_that_counted_nothing(kept: Kept) -> None:
    """What a front may have served is never taken for unused, however long ago we were asked for it last."""
    await kept.hold("a.test/m@v1.0.0", seen=100)
    await kept.use("a.test/m@v1.0.0", 200)
    assert await kept.chosen(Rules(unused_for=50 * DAY)) == ["a.test/m@v1.0.0"]
    await kept.use("a.test/other@v1.0.0", 960, complete=False)
    assert await kept.chosen(Rules(unused_for=50 * DAY)) == []
    assert await kept.chosen(Rules(unused_for=39 * DAY)) == ["a.test/m@v1.0.0"]


async def test_pinned_versions_stay(kept: Kept) -> None:
    """What a pin is of is never chosen, whatever its record says; nor does it go where it was pinned after the plan was made."""
    await kept.hold("corp.test/m@v1.0.0", by="pin")
    await kept.hold("corp.test/N@v1.0.0", by="store", pin=True)
    await kept.hold("corp.test/o@v1.0.0")
    await kept.hold("x.test/m@v1.0.0")
    before = await kept.files()
    async with kept.plan(Rules(matching=selected("*"))) as plan:
        assert (plan.versions, plan.pinned) == (2, 2)
        late = ModuleVersion(ModulePath("corp.test/o"), Version("v1.0.0"))
        await kept.state.pins.pin(late, FileKind.MOD, "h1:x=", HOME)
        (outcome,) = [outcome async for outcome in kept.pruning.carry_out(plan)]
    assert (names(outcome.gone), names(outcome.kept)) == (["x.test/m@v1.0.0"], ["corp.test/o@v1.0.0"])
    assert await kept.files() == [key for key in before if key.startswith("corp.test")]


async def test_whole_versions_go(kept: Kept) -> None:
    """Files, list, records and feed forget the version, and no other; a module that has none left has no list."""
    for name in ("x.test/m@v1.0.0", "x.test/m@v1.1.0", "x.test/n@v1.0.0"):
        await kept.hold(name, zip_size=80)
    outcome = await kept.prune(Rules(matching=selected("x.test/m@v1.0.0", "x.test/n")))
    assert sorted(names(outcome.gone)) == ["x.test/m@v1.0.0", "x.test/n@v1.0.0"]
    assert await kept.files() == [
        f"x.test/m/@v/{name}" for name in ("list", "v1.1.0.info", "v1.1.0.mod", "v1.1.0.zip")
    ]
    assert (await kept.storage.find("x.test/m/@v/list")).path.read_text() == "v1.1.0\n"  # type: ignore[union-attr]
    assert await kept.fed() == ["x.test/m@v1.1.0"]
    assert (await kept.state.keeping.sizes()).size == 100


async def test_zips_alone_go(kept: Kept) -> None:
    """The version stays held, listed and fed, and so it is not chosen again; uses of its other files say nothing of its zip."""
    await kept.hold("x.test/m@v1.0.0", zip_size=80)
    await kept.hold("x.test/m@v1.1.0")
    await kept.use("x.test/m@v1.0.0", 999)
    rules = Rules(unused_for=0, zips_only=True, matching=selected("*"))
    outcome = await kept.prune(rules)
    assert [(each.name, each.size) for each in outcome.gone] == [("x.test/m@v1.0.0", 80)]
    assert "x.test/m/@v/v1.0.0.zip" not in await kept.files()
    assert await kept.fed() == ["x.test/m@v1.0.0", "x.test/m@v1.1.0"]
    assert await kept.chosen(rules) == []


async def test_what_is_wanted_meanwhile_stays(kept: Kept) -> None:
    """A version that somebody has asked for since the plan was made stays, and one that was published anew stays as it is."""
    for name in ("x.test/m@v1.0.0", "x.test/n@v1.0.0", "x.test/o@v1.0.0"):
        await kept.hold(name, seen=5, zip_size=80)
    await kept.use("x.test/o@v1.0.0", 6)
    with spooled() as spool:
        plan = await kept.pruning.plan(Rules(older_than=DAY), spool)
        await kept.use("x.test/m@v1.0.0", 1000)
        os.utime(kept.storage._root / "x.test/n/@v/v1.0.0.mod", (NOW + 1, NOW + 1))
        outcomes = [outcome async for outcome in kept.pruning.carry_out(plan)]
    assert [names(each.gone) for each in outcomes] == [["x.test/o@v1.0.0"]]
    assert sorted(names(outcomes[0].kept)) == ["x.test/m@v1.0.0", "x.test/n@v1.0.0"]
    assert "x.test/n/@v/v1.0.0.info" in await kept.files()
    assert await kept.fed() == ["x.test/m@v1.0.0", "x.test/n@v1.0.0"]
    assert (await kept.storage.find("x.test/n/@v/list")).path.read_text() == "v1.0.0\n"  # type: ignore[union-attr]


async def test_no_half_held_version_is_listed(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever a file goes, the list does not name its version any more, and nobody fetches it meanwhile; its `.info` is the last
    to go, while nobody can fetch its `.mod` anew."""
    for name in ("x.test/m@v1.0.0", "x.test/m@v1.1.0"):
        await kept.hold(name, zip_size=80)
    seen: list[tuple[str, str, list[str]]] = []
    delete, hold = LocalStorage.delete, FileTurns.hold
    turns: list[str] = []

    async def watched(storage: LocalStorage, key: str) -> None:
        listed = await storage.find("x.test/m/@v/list")
        seen.append((key.rpartition("/")[2], listed.path.read_text() if listed else "", list(turns)))
        await delete(storage, key)

    @asynccontextmanager
    async def counted(self: FileTurns, key: str) -> AsyncIterator[None]:
        async with hold(self, key):
            turns.append(key.rpartition("/")[2])
            yield
            turns.remove(key.rpartition("/")[2])

    monkeypatch.setattr(LocalStorage, "delete", watched)
    monkeypatch.setattr(FileTurns, "hold", counted)
    await kept.prune(Rules(matching=selected("x.test/m@v1.0.0")))
    both = ["v1.0.0.info", "v1.0.0.mod"]
    assert seen == [
        ("v1.0.0.zip", "v1.1.0\n", ["v1.0.0.zip"]),
        ("v1.0.0.mod", "v1.1.0\n", both),
        ("v1.0.0.info", "v1.1.0\n", both),
    ]


async def test_disk_that_fails(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be removed is said, and is recorded as before, so that the next run tries again."""
    for name in ("x.test/m@v1.0.0", "x.test/n@v1.0.0"):
        await kept.hold(name)
    delete = LocalStorage.delete

    async def failing(storage: LocalStorage, key: str) -> None:
        if key.startswith("x.test/m/"):
            raise StorageError("the store could not delete it: Input/output error")
        await delete(storage, key)

    monkeypatch.setattr(LocalStorage, "delete", failing)
    outcome = await kept.prune(Rules(matching=selected("*")))
    assert (names(outcome.gone), [(each.name, why) for each, why in outcome.failed]) == (
        ["x.test/n@v1.0.0"],
        [("x.test/m@v1.0.0", "the store could not delete it: Input/output error")],
    )
    assert await kept.fed() == ["x.test/m@v1.0.0"]
    assert "x.test/m/@v/list" in await kept.files()
    monkeypatch.undo()
    assert names((await kept.prune(Rules(matching=selected("*")))).gone) == ["x.test/m@v1.0.0"]


async def test_full_disk(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes no new list is what is pruned for: the list is made once there is room."""
    for name in ("x.test/m@v1.0.0", "x.test/m@v1.1.0"):
        await kept.hold(name)
    replace = LocalStorage.replace

    async def full(storage: LocalStorage, key: str, body: bytes) -> None:
        if await storage.find("x.test/m/@v/v1.0.0.mod") is not None:
            raise StorageFull("the store is full")
        await replace(storage, key, body)

    monkeypatch.setattr(LocalStorage, "replace", full)
    outcome = await kept.prune(Rules(matching=selected("x.test/m@v1.0.0")))
    assert (names(outcome.gone), outcome.failed) == (["x.test/m@v1.0.0"], [])
    assert (await kept.storage.find("x.test/m/@v/list")).path.read_text() == "v1.1.0\n"  # type: ignore[union-attr]


async def test_interruption(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who interrupts it in the middle finds what was not removed yet recorded, listed and fed, and the next run removes it. At no
    moment is there a file without a record, which a kill would leave behind."""
    for number in range(3):
        await kept.hold(f"x.test/m@v1.{number}.0", zip_size=80)
    stuck, delete = asyncio.Event(), LocalStorage.delete

    async def sticking(storage: LocalStorage, key: str) -> None:
        if key == "x.test/m/@v/v1.1.0.mod":
            stuck.set()
            await asyncio.Event().wait()
        await delete(storage, key)

    monkeypatch.setattr(LocalStorage, "delete", sticking)
    run = asyncio.create_task(kept.prune(Rules(matching=selected("*"))))
    await stuck.wait()
    every = {file async for file in kept.storage.list("") if not file.endswith("/list")}
    assert (await kept.state.keeping.known([*every])).keys() == every
    assert await kept.fed() == ["x.test/m@v1.1.0", "x.test/m@v1.2.0"]
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    monkeypatch.undo()
    assert sorted(await kept.chosen(Rules(matching=selected("*")))) == ["x.test/m@v1.1.0", "x.test/m@v1.2.0"]
    assert sorted(await kept.fed()) == ["x.test/m@v1.1.0", "x.test/m@v1.2.0"]
    listed = await kept.storage.find("x.test/m/@v/list")
    assert listed is not None
    assert listed.path.read_text() == "v1.1.0\nv1.2.0\n"
    assert len((await kept.prune(Rules(matching=selected("*")))).gone) == 2
    assert await kept.files() == []
