"""What is told of the store, and what is not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from goproxy_mirror.errors import StorageError
from goproxy_mirror.mirror.feed import Feed
from goproxy_mirror.mirror.uses import Uses
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FeedEntry
from goproxy_mirror.protocol import File, parse
from goproxy_mirror.storage.local import LocalStorage
from tests.mirror.conftest import Journey


class Records:
    """Entries in memory; `due` is what is due, `settled` what became of it."""

    def __init__(self, paths: Sequence[str] = ()) -> None:
        self.entries = [FeedEntry(path, "v1.0.0", number + 1) for number, path in enumerate(paths)]
        self.read = 0
        self.waiting: list[ModuleVersion] = []
        self.settled: list[tuple[list[str], list[str]]] = []

    async def page(self, since: int, limit: int, *, gone: bool) -> Sequence[FeedEntry]:
        self.read += 1
        return [entry for entry in self.entries if entry.at >= since][:limit]

    async def due(self, limit: int) -> Sequence[ModuleVersion]:
        return self.waiting[:limit]

    async def unknown(self, versions: Sequence[ModuleVersion]) -> Sequence[ModuleVersion]:
        return [mv for mv in versions if str(mv.path) != "x.test/known"]

    async def settle(self, held: Sequence[ModuleVersion], absent: Sequence[ModuleVersion]) -> None:
        self.settled.append(([str(mv) for mv in held], [str(mv) for mv in absent]))


async def test_private_modules_are_named_to_nobody(tmp_path: Path) -> None:
    """They are left out, and pages are as long as without them; a module is private by the globs of today."""
    paths = [f"{'corp.example' if n % 5 else 'x.test'}/m{n}" for n in range(4000)]
    public = [path for path in paths if path.startswith("x.test")]
    records = Records(paths)
    storage = LocalStorage(tmp_path)
    feed = Feed(records, storage, private="corp.example,other.example/*")
    pages, since = [], 0
    while page := await feed.page(since, 150):
        pages.append([entry.path for entry in page])
        since = page[-1].at + 1
    assert [path for page in pages for path in page] == public
    assert [len(page) for page in pages] == [150] * 5 + [50]
    everything = await Feed(records, storage, private="").page(0, 5000)
    assert [entry.path for entry in everything] == paths


async def test_interrupted_publication_is_caught_up(journey: Journey, tmp_path: Path) -> None:
    """What was due at two looks is told if it is held, and forgotten if it is not; the first look disturbs nobody."""
    path = ModulePath("x.test/m")
    held, half = (ModuleVersion(path, Version(f"v1.{n}.0")) for n in range(2))
    for key in ("v1.0.0.mod", "v1.0.0.info", "v1.1.0.mod"):
        async with journey.storage.stage() as staged:
            staged.write_bytes(b"x")
            await journey.storage.create(f"x.test/m/@v/{key}", staged)
    records = Records()
    records.waiting = [held, half]
    feed = Feed(records, journey.storage, private="")
    await feed.settle()
    assert records.settled == []
    await feed.settle()
    assert records.settled == [(["x.test/m@v1.0.0"], ["x.test/m@v1.1.0"])]


async def test_what_is_used_and_was_never_told_is_told(journey: Journey) -> None:
    """A version whose `.info` is asked for, and that the feeds do not know, is looked for; who asked for a `.mod` shows nothing."""
    for key in (
        "m/@v/v1.0.0.mod",
        "m/@v/v1.0.0.info",
        "m/@v/v1.1.0.info",
        "known/@v/v1.0.0.mod",
        "known/@v/v1.0.0.info",
    ):
        async with journey.storage.stage() as staged:
            staged.write_bytes(b"x")
            await journey.storage.create(f"x.test/{key}", staged)
    records = Records()
    feed = Feed(records, journey.storage, private="")
    await feed.look_after(
        ["x.test/m/@v/v1.0.0.mod", "x.test/m/@v/v1.1.0.info", "x.test/known/@v/v1.0.0.info"]
    )
    assert records.settled == []
    await feed.look_after(["x.test/m/@v/v1.0.0.info"])
    assert records.settled == [(["x.test/m@v1.0.0"], [])]


async def quiet(journey: Journey) -> None:
    """Until nothing goes on behind the answers."""
    while tasks := [*journey.flights._behind]:
        await asyncio.wait(tasks)


async def test_version_enters_when_it_is_held(journey: Journey) -> None:
    """A `.mod` alone is not told; with its `.info` the version is, and a zip says nothing."""
    seen = []
    for ending in ("mod", "zip", "info"):
        request = parse(f"/x.test/m/@v/v1.0.0.{ending}")
        assert isinstance(request, File)
        await journey.service.answer(request)
        await quiet(journey)
        seen.append(list(journey.provenance.fed))
    assert seen == [[], [], ["x.test/m@v1.0.0"]]


class Uncertain:
    """Takes what was used, unless it is down."""

    def __init__(self) -> None:
        self.down = False
        self.taken: list[dict[str, int]] = []
        self.complete: bool | None = None

    async def add(self, counts: dict[str, int], day: int, *, complete: bool = True) -> None:
        if self.down:
            raise StorageError("the state database is locked")
        self.taken.append(dict(counts))
        self.complete = complete


async def test_uses_are_counted_within_bounds() -> None:
    """Counts are added up, survive an outage, and take no more memory than they may."""
    records = Uncertain()
    uses = Uses(records, most=3)  # type: ignore[arg-type]
    for key in "aabcda":
        uses.touch(key)
    records.down = True
    with pytest.raises(StorageError):
        await uses.flush()
    uses.touch("a")
    records.down = False
    assert set(await uses.flush()) == {"a", "b", "c"}
    assert not await uses.flush()
    assert records.taken == [{"a": 4, "b": 1, "c": 1}]
    assert records.complete is True


async def test_uses_that_others_see(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a front answers too, each day is said to be incomplete: at once, once, also when nothing was asked of us."""
    records, today = Uncertain(), 86400.0 * 9
    monkeypatch.setattr("time.time", lambda: today)
    uses = Uses(records, complete=False)  # type: ignore[arg-type]
    assert not await uses.flush()
    assert (records.taken, records.complete) == ([{}], False)
    assert not await uses.flush()
    today += 86400
    records.down = True
    with pytest.raises(StorageError):
        await uses.flush()
    records.down = False
    await uses.flush()
    await uses.flush()
    assert records.taken == [{}, {}]
