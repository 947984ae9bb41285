"""What is behind a checksum database's client: places over HTTP, the head in the state, and a folder that nobody need trust."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from goproxy_mirror.errors import SecurityError, Unproven
from goproxy_mirror.ports import Home, Standing
from goproxy_mirror.sources.checksums import ChecksumUpstreams
from goproxy_mirror.state.opening import State
from goproxy_mirror.sumdb.client import Client
from goproxy_mirror.sumdb.history import Forked
from goproxy_mirror.sumdb.note import VerifierKey
from goproxy_mirror.sumdb.ops import Ops
from goproxy_mirror.transport import AddressPolicy, Transport
from goproxy_mirror.verify import sumdb_ops
from goproxy_mirror.verify.sumdb_ops import SumDBOps, folder_of
from tests.fakes.sumdb import mv_of
from tests.world import sumlies
from tests.world.sumdb import Answer, Place, SumDB, SumDBServer

WANTED = mv_of("example.com/Wanted@v2.2.0+incompatible")
NAME = "sum.world.test"
LOOKUP = "lookup/example.com/!wanted@v2.2.0+incompatible"
PROCESSES = 3
ROUNDS = 15


@pytest.fixture
def database() -> SumDB:
    database = SumDB()
    database.fill(300)
    database.add(str(WANTED.path), str(WANTED.version))
    return database


@pytest.fixture
def server(database: SumDB) -> Iterator[SumDBServer]:
    with SumDBServer(database) as server:
        yield server


@asynccontextmanager
async def opened(folder: Path, database_key: str, *urls: str) -> AsyncIterator[Client]:
    """A client as a process has it."""
    transport = Transport(policy=AddressPolicy(), user_agent="test", answer_timeout=5)
    try:
        async with State(folder) as state:
            places = ChecksumUpstreams({NAME: list(urls)}, transport)
            key = VerifierKey.parse(database_key)
            yield Client(key, SumDBOps(key.name, places, state.heads, folder / "sumdb"))
    finally:
        await transport.aclose()


def folder(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "sumdb", NAME)


async def test_over_http_and_again_after_a_restart(
    tmp_path: Path, database: SumDB, server: SumDBServer
) -> None:
    """A record is proven, kept, and known to the next process while the database is down."""
    async with opened(tmp_path, database.vkey, server.url) as client:
        record = await client.lookup(WANTED)
    assert record.number == 300
    database.lie(sumlies.outage)
    server.asked.clear()
    async with opened(tmp_path, database.vkey, server.url) as client:
        assert await client.lookup(WANTED) == record
        assert await client.latest() == database.head()
        with pytest.raises(Unproven):
            await client.lookup(mv_of("filler.test/m@v0.0.7"))
    assert LOOKUP not in "".join(server.asked)


@pytest.mark.parametrize("lie", [sumlies.forged_record, sumlies.forged_tile(0), sumlies.huge, sumlies.empty])
async def test_a_place_that_lies_and_one_that_does_not(
    tmp_path: Path, database: SumDB, server: SumDBServer, lie: Any
) -> None:
    """S15 among them: the next place is asked; without it nothing is believed."""
    with SumDBServer(database.mirror(lie)) as liar:
        async with opened(tmp_path / "a", database.vkey, liar.url) as client:
            with pytest.raises((SecurityError, Unproven)) as failure:
                await client.lookup(WANTED)
            assert failure.value.source == liar.url
        async with opened(tmp_path / "b", database.vkey, liar.url, server.url) as client:
            assert (await client.lookup(WANTED)).number == 300


async def test_a_fork_stops_every_process_until_its_evidence_is_removed(
    tmp_path: Path, database: SumDB, server: SumDBServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S06: what one process has found counts for the others, within a moment and after a restart."""
    other = database.fork(keep=100)
    other.fill(10)
    async with opened(tmp_path, database.vkey, server.url) as one:
        await one.lookup(WANTED)
        async with opened(tmp_path, database.vkey, server.url) as another:
            await another.lookup(WANTED)
            server.place.lie(sumlies.forked_tree(other))
            with pytest.raises(Forked):
                await one.lookup(mv_of("filler.test/m@v0.0.303"))
            monkeypatch.setattr(sumdb_ops, "_MOMENT", 0.0)
            with pytest.raises(Forked):
                await another.lookup(WANTED)
    async with opened(tmp_path, database.vkey, server.url) as later:
        with pytest.raises(Forked):
            await later.lookup(WANTED)
    async with State(tmp_path) as state:
        assert database.head() in (await state.heads.fork(NAME) or b"")


async def test_the_folder(tmp_path: Path, database: SumDB, server: SumDBServer) -> None:
    """Records and tiles by the database's own paths, whole, and of each partial tile the widest."""
    async with opened(tmp_path, database.vkey, server.url) as client:
        await client.lookup(WANTED)
        assert (folder(tmp_path) / "tile/8/0/001.p/45").stat().st_size == 45 * 32
        assert (folder(tmp_path) / LOOKUP).read_bytes() == b"300\n" + database.records[300] + b"\n"
        database.fill(50)
        await client.lookup(mv_of("filler.test/m@v0.0.320"))
        assert [path.name for path in (folder(tmp_path) / "tile/8/0/001.p").iterdir()] == ["95"]
        database.fill(200)
        await client.lookup(mv_of("filler.test/m@v0.0.512"))
        await client.lookup(mv_of("filler.test/m@v0.0.400"))
    names = {str(path.relative_to(folder(tmp_path))) for path in folder(tmp_path).rglob("*")}
    assert {"tile/8/0/001", "tile/8/0/002.p/39", "tile/8/1/000.p/2"} <= names
    assert not [name for name in names if "001.p" in name or "/." in name]


@pytest.mark.parametrize("damage", [b"", b"x" * 8192, bytes(1 << 21)])
async def test_a_damaged_folder_costs_time_alone(
    tmp_path: Path, database: SumDB, server: SumDBServer, damage: bytes
) -> None:
    """Each kept file in turn is replaced by rubbish: what is proven is the same, and the file is whole again."""
    async with opened(tmp_path, database.vkey, server.url) as client:
        record = await client.lookup(WANTED)
    files = {path: path.read_bytes() for path in folder(tmp_path).rglob("*") if path.is_file()}
    assert len(files) >= 3
    for path, whole in files.items():
        path.write_bytes(damage)
        async with opened(tmp_path, database.vkey, server.url) as client:
            assert await client.lookup(WANTED) == record
        assert path.read_bytes() == whole


async def test_a_folder_that_cannot_be_written(tmp_path: Path, database: SumDB, server: SumDBServer) -> None:
    """Nothing is kept, and everything is proven all the same."""
    tmp_path.joinpath("sumdb").write_text("in the way")
    async with opened(tmp_path, database.vkey, server.url) as client:
        assert (await client.lookup(WANTED)).number == 300


class Nobody:
    """Places that are never asked, heads that are never read."""

    async def get(self, *arguments: object) -> Any:
        raise AssertionError

    standing = head = advance = fork = forked = get

    def known(self, name: str) -> bool:
        raise AssertionError


@dataclass
class CountedHeads:
    """Heads that count how often they are looked at; `slow` holds a look up."""

    now: Standing = field(default_factory=lambda: Standing(b"one", None))
    looks: int = 0
    slow: asyncio.Event = field(default_factory=asyncio.Event)

    async def head(self, name: str) -> bytes:
        raise AssertionError

    async def fork(self, name: str) -> bytes | None:
        raise AssertionError

    async def standing(self, name: str) -> Standing:
        self.looks += 1
        standing = self.now
        await self.slow.wait()
        return standing

    async def advance(self, name: str, old: bytes, new: bytes) -> bool:
        if old != self.now.note:
            return False
        self.now = Standing(new, self.now.evidence)
        return True

    async def forked(self, name: str, evidence: bytes) -> None:
        self.now = Standing(self.now.note, evidence)


async def test_the_state_is_looked_at_once_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask; what another process did is seen after that, and what this one did at once."""
    monkeypatch.setattr(sumdb_ops, "_MOMENT", 3600.0)
    heads = CountedHeads()
    heads.slow.set()
    ops: Ops = SumDBOps(NAME, Nobody(), heads, tmp_path)
    assert await asyncio.gather(*(ops.head() for _ in range(20))) == [b"one"] * 20
    assert await ops.fork() is None
    assert heads.looks == 1
    heads.now = Standing(b"two", b"evidence")
    assert not await ops.advance(b"one", b"three")  # which tells that another process was quicker
    assert await ops.head() == b"two"
    assert await ops.advance(b"two", b"three")
    assert await ops.head() == b"three"
    heads.now = Standing(b"three", None)
    assert await ops.fork() == b"evidence"
    await ops.forked(b"again")
    assert await ops.fork() == b"again"
    heads.now = Standing(b"four", None)
    monkeypatch.setattr(sumdb_ops, "_MOMENT", 0.0)
    assert (await ops.head(), await ops.fork()) == (b"four", None)


async def test_a_look_that_began_before_is_none(tmp_path: Path) -> None:
    """Who has advanced the head is not answered with what was being read meanwhile."""
    heads = CountedHeads()
    ops: Ops = SumDBOps(NAME, Nobody(), heads, tmp_path)
    before = asyncio.create_task(ops.head())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert heads.looks == 1
    assert await ops.advance(b"one", b"two")
    after = asyncio.create_task(ops.head())
    await asyncio.sleep(0)
    heads.slow.set()
    assert await after == b"two"
    assert await before == b"one"
    assert await ops.head() == b"two"


async def test_what_is_kept_and_what_is_not(tmp_path: Path) -> None:
    """A narrower partial tile is cut from a wider one; no path leaves the folder."""
    ops: Ops = SumDBOps(NAME, Nobody(), Nobody(), tmp_path)
    await ops.keep("tile/8/0/000.p/200", bytes(6400))
    assert await ops.kept("tile/8/0/000.p/100") == bytes(3200)
    assert await ops.kept("tile/8/0/000.p/201") is None
    assert await ops.kept("tile/8/0/000") is None
    await ops.keep("tile/8/0/000.p/100", bytes(3200))
    assert await ops.kept("tile/8/0/000.p/200") == bytes(6400)
    for path in (
        "../escaped",
        "tile/../../escaped",
        "/escaped",
        "lookup/a b@v1.0.0",
        "",
        "lookup/" + "x" * 300,
    ):
        await ops.keep(path, b"x")
        assert await ops.kept(path) is None
    assert not list(tmp_path.rglob("escaped"))


def test_folders_of_databases() -> None:
    """Each name has a folder of its own directly below the base, whatever the name holds."""
    names = [
        "sum.golang.org",
        "Sum.golang.org",
        "sum.test/a",
        "sum.test%2fa",
        "..",
        ".",
        "/",
        "a/../b",
        "ä",
        "a:1",
        "a+b",
    ]
    folders = [folder_of(Path("/base"), name) for name in names]
    assert len(set(folders)) == len(names)
    assert all(each.parent == Path("/base") and each.name not in {".", ".."} for each in folders)
    assert folders[0].name == "sum.golang.org"


async def test_the_places(server: SumDBServer, database: SumDB, tmp_path: Path) -> None:
    """An answer names its home, which can be left out of the next question."""
    transport = Transport(policy=AddressPolicy(), user_agent="test")
    with SumDBServer(database.mirror()) as second:
        places = ChecksumUpstreams({NAME: [server.url, second.url]}, transport)
        ops = SumDBOps(NAME, places, Nobody(), tmp_path)
        first = await ops.fetch("latest")
        assert first.home == Home("upstream", server.url)
        assert (await ops.fetch("latest", [first.home])).home.name == second.url
    await transport.aclose()


def _look_up(folder: str, key: str, url: str, number: int, start: Any, answer: Connection) -> None:
    async def run() -> None:
        async with opened(Path(folder), key, url) as client:
            await asyncio.to_thread(start.wait, 60)
            trees = [
                (await client.lookup(mv_of(f"filler.test/m@v0.0.{ROUNDS * number + each}"))).tree
                for each in range(ROUNDS)
            ]
            answer.send(trees)

    asyncio.run(run())


async def test_processes_that_move_one_head(tmp_path: Path, database: SumDB, server: SumDBServer) -> None:
    """The tree grows with each question that any of them asks: each sees it grow, and the newest one stays."""

    def growing(place: Place, path: str, answer: Answer) -> Answer:
        if path.startswith("/lookup/"):
            with database.unchanged():
                database.fill(7)
                return database.honest(path)
        return answer

    database.lie(growing)
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(PROCESSES)
    pipes = [context.Pipe() for _ in range(PROCESSES)]
    workers = [
        context.Process(
            target=_look_up, args=(str(tmp_path), database.vkey, server.url, number, start, there)
        )
        for number, (_, there) in enumerate(pipes)
    ]
    for worker in workers:
        worker.start()
    try:
        answers: list[list[int]] = []
        for here, _ in pipes:
            assert await asyncio.to_thread(here.poll, 120)
            answers.append(here.recv())
    finally:
        for worker in workers:
            worker.kill()
    assert all(trees == sorted(trees) for trees in answers)
    async with State(tmp_path) as state:
        assert await state.heads.head(NAME) == database.head(max(max(trees) for trees in answers))
        assert await state.heads.fork(NAME) is None
    assert database.size == 301 + 7 * PROCESSES * ROUNDS
