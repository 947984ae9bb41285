"""Fetching ahead: the budget, the places, the counts, and what it never does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from goproxy_mirror import observe
from goproxy_mirror.errors import NotFound, SourceUnavailable, StorageError
from goproxy_mirror.mirror.ahead import AheadCounts
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileKind, Found
from goproxy_mirror.protocol import File
from tests.fakes.sources import FakeSource
from tests.mirror.conftest import Journey


def file(name: str, kind: FileKind = FileKind.MOD) -> File:
    """A file of `example.test/NAME` v1.0.0; a name with a slash is a path."""
    path = name if "/" in name else f"example.test/{name}"
    return File(ModuleVersion(ModulePath.parse(path), Version.parse("v1.0.0")), kind)


@dataclass
class Graph(FakeSource):
    """Modules of go 1.16 that require one another; `broken` has what fails, `gate` holds back all but what `passes`."""

    requires: dict[str, list[str]] = field(default_factory=dict)
    broken: dict[str, Exception] = field(default_factory=dict)
    unasked: list[str] = field(default_factory=list)
    gate: asyncio.Event | None = None
    passes: str = "none"
    most: int = 0
    now: int = 0

    async def go_mod(self, mv: ModuleVersion) -> Found[bytes]:
        self._answer(f"{mv}.mod")
        if observe.unasked.get():
            self.unasked.append(mv.path.value)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            if self.gate is not None and self.passes not in mv.path.value:
                await self.gate.wait()
            await asyncio.sleep(0)
        finally:
            self.now -= 1
        if mv.path.value in self.broken:
            raise self.broken[mv.path.value]
        required = "".join(
            f"require {each}\n" if " " in each else f"require {file(each).path} v1.0.0\n"
            for each in self.requires.get(mv.path.value, ())
        )
        return Found(f"module {mv.path}\ngo 1.16\n{required}".encode(), self._home())


def wide(count: int) -> dict[str, list[str]]:
    """A module `root` that requires so many."""
    return {"example.test/root": [f"example.test/m{number:03d}" for number in range(count)]}


@asynccontextmanager
async def running(folder: Path, source: Graph, places: int) -> AsyncIterator[Journey]:
    """A journey that fetches ahead; its private modules come from a `Graph` too."""
    journey = Journey(folder, source, ahead=places)
    async with journey.flights:
        yield journey


async def until(come: Callable[[], bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(30):
        while not come():
            await asyncio.sleep(0.005)


async def settled(journey: Journey) -> None:
    """Nothing is fetched any more."""
    await until(lambda: not journey.flights._tasks)


async def test_all_below_is_fetched_and_used(tmp_path: Path) -> None:
    """What is required is there when it is asked for, at every depth, and nothing of it is asked for twice."""
    source = Graph("up", requires={"example.test/a": ["b"], "example.test/b": ["c"], "example.test/c": []})
    async with running(tmp_path, source, 4) as journey:
        await journey.files.answer(file("a"))
        await settled(journey)
        assert source.asked == [f"example.test/{name}@v1.0.0.mod" for name in "abc"]
        await journey.files.answer(file("b"))
        assert journey.ahead.counts() == AheadCounts(fetched=2, used=1)
        assert journey.ahead.last() == AheadCounts(fetched=2, used=1, wasted=1)


async def test_nothing_is_fetched_ahead_where_it_is_off(tmp_path: Path) -> None:
    """`fetch_ahead = 0`, and a request that forbids to fetch, lead to nothing."""
    source = Graph("up", requires={"example.test/a": ["b"], "example.test/b": ["c"]})
    async with running(tmp_path, source, 0) as journey:
        await journey.files.answer(file("a"))
        await settled(journey)
    async with running(tmp_path, source, 4) as journey:
        with pytest.raises(NotFound):
            await journey.files.answer(file("b"), fetch=False)
        await settled(journey)
    assert source.asked == ["example.test/a@v1.0.0.mod"]


async def test_budget(tmp_path: Path) -> None:
    """So many at a time, and so many in a minute; what is used gives room for others."""
    source = Graph("up", requires=wide(100))
    async with running(tmp_path, source, 4) as journey:
        now = journey.ahead._credited
        journey.ahead._clock = lambda: now
        await journey.files.answer(file("root"))
        await settled(journey)
        assert source.most == 4
        assert journey.ahead.counts() == AheadCounts(fetched=16)
        for number in range(5):
            await journey.files.answer(file(f"m{number:03d}"))
        await until(lambda: journey.ahead.counts().fetched == 21)


async def test_a_real_request_does_not_wait(tmp_path: Path) -> None:
    """A request is answered while all places for fetching ahead, and more than real ones have, are taken by what hangs."""
    gate = asyncio.Event()
    source = Graph("up", requires=wide(40), gate=gate, passes="r")
    async with running(tmp_path, source, 16) as journey:
        await journey.files.answer(file("root"))
        await until(lambda: source.now == 16)
        answer = await asyncio.wait_for(journey.files.answer(file("other.test/real")), 10)
        assert answer.home == "up"
        # The control: as many real requests as there are places for make the next one wait.
        real = [asyncio.create_task(journey.files.answer(file(f"host{n}.test/x"))) for n in range(8)]
        await until(lambda: sum(asked.startswith("host") for asked in source.asked) == 8)
        late = asyncio.create_task(journey.files.answer(file("other.test/rear")))
        await asyncio.wait({late}, timeout=0.2)
        assert not late.done()
        assert not any("rear" in asked for asked in source.asked)
        gate.set()
        await asyncio.gather(*real, late)


async def test_a_request_joins(tmp_path: Path) -> None:
    """Who asks for what is being fetched ahead gets that answer, and it counts as used."""
    source = Graph("up", requires=wide(1), gate=asyncio.Event(), passes="root")
    async with running(tmp_path, source, 4) as journey:
        await journey.files.answer(file("root"))
        await until(lambda: source.now == 1)
        joined = asyncio.create_task(journey.files.answer(file("m000")))
        await asyncio.sleep(0)
        assert source.gate is not None
        source.gate.set()
        assert (await joined).home == "up"
        assert journey.ahead.counts() == AheadCounts(fetched=1, used=1)
        assert len(source.asked) == 2


async def test_an_upstream_that_fails_is_left_alone(tmp_path: Path) -> None:
    """After three failures in a row nothing is fetched ahead; a failure is no absence to whoever asks afterwards."""
    names = [f"example.test/m{number:03d}" for number in range(20)]
    source = Graph("up", requires=wide(20), broken={name: SourceUnavailable("down") for name in names})
    async with running(tmp_path, source, 1) as journey:
        await journey.files.answer(file("root"))
        await settled(journey)
        assert len(source.asked) == 1 + 3
        assert journey.ahead.counts() == AheadCounts(fetched=3, wasted=3)
        source.broken.clear()
        assert (await journey.files.answer(file("m000"))).home == "up"


async def test_private_modules_come_from_their_own_source(tmp_path: Path) -> None:
    """A private module that a public one requires is asked for where it would be asked for anyway."""
    source = Graph("up", requires={"example.test/a": ["corp.example/secret", "b"]})
    async with running(tmp_path, source, 4) as journey:
        await journey.files.answer(file("a"))
        await settled(journey)
        assert journey.origin.asked == ["corp.example/secret@v1.0.0.mod"]
        assert source.asked == ["example.test/a@v1.0.0.mod", "example.test/b@v1.0.0.mod"]


async def test_a_private_module_tells_no_names(tmp_path: Path) -> None:
    """What a private go.mod names is not told to public sources: a client may have it as private, where we do not."""
    source = Graph("up", requires={"example.test/a": ["inner.example/x"]})
    secret = Graph("origin", requires={"corp.example/app": ["inner.example/y", "corp.example/lib"]})
    async with running(tmp_path, source, 4) as journey:
        journey.origin.go_mod = secret.go_mod  # type: ignore[method-assign]
        await journey.files.answer(file("corp.example/app"))
        await settled(journey)
        assert secret.asked == ["corp.example/app@v1.0.0.mod", "corp.example/lib@v1.0.0.mod"]
        assert source.asked == []
        # The control: a name that a public go.mod has is public.
        await journey.files.answer(file("a"))
        await settled(journey)
        assert source.asked == ["example.test/a@v1.0.0.mod", "inner.example/x@v1.0.0.mod"]


async def test_a_hostile_go_mod(tmp_path: Path) -> None:
    """Hundreds of requirements, itself, circles, and versions that no client could ask for cost no more than the budget; what
    is larger than any real go.mod is not even read."""
    long = f"example.test/long v1.0.0-{'a' * 300}"
    many = [f"example.test/m{number:04d} v1.0.0" for number in range(400)]
    strange = [long, "./here v1.0.0", "UPPER.example/x v1.0.0", "example.test/root v1.0.0"]
    source = Graph(
        "up",
        requires={
            "example.test/root": [*strange, "b", *many],
            "example.test/b": ["root", "b", "c"],
            "example.test/c": ["b", "root"],
            "example.test/giant": ["g", *(f"example.test/g{number:05d} v1.0.0" for number in range(5000))],
        },
    )
    async with running(tmp_path, source, 8) as journey:
        now = journey.ahead._credited
        journey.ahead._clock = lambda: now
        assert (await journey.files.answer(file("root"))).home == "up"
        await settled(journey)
        assert len(source.asked) == len(set(source.asked)) == 1 + 8 * 4
        assert source.asked[:2] == ["example.test/root@v1.0.0.mod", "example.test/b@v1.0.0.mod"]
        assert not any(part in asked for asked in source.asked for part in ("long", "here", "UPPER"))
    async with running(tmp_path, source, 8) as journey:
        await journey.files.answer(file("giant"))
        await settled(journey)
        assert len(source.asked) == 1 + 8 * 4 + 1


async def test_who_asked_is_known(tmp_path: Path) -> None:
    """What is done for nobody yet says so, to whoever judges hosts by it; a request, and what follows from it, does not."""
    source = Graph("up", requires={"example.test/a": ["b"], "example.test/b": ["c"]})
    async with running(tmp_path, source, 4) as journey:
        await journey.files.answer(file("a"))
        await settled(journey)
        assert source.unasked == ["example.test/b", "example.test/c"]
        await journey.files.answer(file("d"))
        await settled(journey)
        assert source.asked[-1] == "example.test/d@v1.0.0.mod"
        assert "example.test/d" not in source.unasked


async def test_what_is_not_there_is_wasted(tmp_path: Path) -> None:
    """An absence that nobody has asked about counts as wasted, and is no outage; who asks meanwhile hears of it."""
    names = [f"example.test/m{number:03d}" for number in range(5)]
    source = Graph("up", requires=wide(5), broken={name: NotFound("none") for name in names})
    async with running(tmp_path, source, 2) as journey:
        await journey.files.answer(file("root"))
        await settled(journey)
        assert journey.ahead.counts() == AheadCounts(fetched=5, wasted=5)
        with pytest.raises(NotFound):
            await journey.files.answer(file("m000"))


async def test_a_store_that_cannot_be_read(tmp_path: Path) -> None:
    """A file that the store cannot look for is left to whoever asks for it, and the next one is fetched."""
    source = Graph("up", requires=wide(3))
    async with running(tmp_path, source, 1) as journey:
        looks = journey.ahead._is_held

        def broken(key: str) -> bool:
            if "m001" in key:
                raise StorageError("the disk is broken")
            return looks(key)

        journey.ahead._is_held = broken
        await journey.files.answer(file("root"))
        await until(lambda: journey.ahead.counts().fetched == 2)
        await settled(journey)
        assert source.asked[1:] == ["example.test/m000@v1.0.0.mod", "example.test/m002@v1.0.0.mod"]
        assert not journey.ahead._waiting
