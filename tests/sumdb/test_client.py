"""The client of a checksum database: what it believes, what it keeps, and what it asks for."""

from __future__ import annotations

import asyncio

import pytest

from goproxy_mirror.errors import (
    BadRequest,
    NotFound,
    NotRecorded,
    SecurityError,
    SourceUnavailable,
    StorageError,
    Unproven,
)
from goproxy_mirror.sumdb.tiles import edge
from tests.fakes.sumdb import FakeOps, Shared, client_of, home_of, mv_of
from tests.world import sumlies
from tests.world.sumdb import SumDB, lookup_path, made_up

WANTED = mv_of("example.com/Wanted@v1.2.0")
ZIP, GO_MOD = made_up("the zip"), made_up("the go.mod")


def grown(before: int = 300, after: int = 100) -> SumDB:
    """A database that has the wanted record amid others."""
    database = SumDB()
    database.fill(before)
    database.add(str(WANTED.path), str(WANTED.version), ZIP, GO_MOD)
    database.fill(after)
    return database


async def test_a_record_is_proven() -> None:
    """The hashes of the record, its number, and the tree that has it; the name is the key's."""
    ops = FakeOps([grown()])
    client = client_of(ops)
    record = await client.lookup(WANTED)
    assert (record.zip, record.go_mod, record.number, record.tree) == (ZIP, GO_MOD, 300, 401)
    assert client.name == "sum.world.test"
    assert ops.shared.head == ops.places[0].database.head()


@pytest.mark.parametrize("size", [1, 2, 3, 255, 256, 257, 511, 512, 513, 700])
async def test_every_record_of_every_tree(size: int) -> None:
    """Any record can be proven in trees around the sizes at which tiles fill."""
    database = SumDB()
    database.fill(size, "example.com/m")
    client = client_of(FakeOps([database]))
    for number in {0, 1, 254, 255, 256, 257, 510, 511, 512, size - 1} & set(range(size)):
        record = await client.lookup(mv_of(f"example.com/m@v0.0.{number}"))
        assert (record.number, record.zip) == (number, made_up(f"example.com/m@v0.0.{number}"))


async def test_two_levels_of_full_tiles() -> None:
    """A tree of more than 65,536 records has a full tile whose parent is full as well."""
    database = SumDB()
    database.fill(66_000, "example.com/m")
    ops = FakeOps([database])
    client = client_of(ops)
    for number in (0, 65_535, 65_536, 65_999):
        assert (await client.lookup(mv_of(f"example.com/m@v0.0.{number}"))).number == number
    assert {"tile/8/1/000", "tile/8/2/000.p/1", "tile/8/0/257.p/208"} <= set(ops.shared.kept)
    ops.places[0].lie(sumlies.forged_tile(1, 0))
    ops.shared.kept.clear()
    with pytest.raises(SecurityError, match="tile/8/1/000"):
        await client_of(FakeOps(ops.places)).lookup(mv_of("example.com/m@v0.0.5"))


async def test_what_was_proven_is_answered_without_the_network() -> None:
    """S13: after a restart and with the database down, from what was kept; also once the tree has grown."""
    ops = FakeOps([grown()])
    await client_of(ops).lookup(WANTED)
    down = FakeOps([ops.places[0].database.mirror(sumlies.outage)], ops.shared)
    assert (await client_of(down).lookup(WANTED)).zip == ZIP
    assert not down.asked
    ops.places[0].database.fill(500)
    await client_of(ops).lookup(mv_of("filler.test/m@v0.0.450"))
    assert (await client_of(down).lookup(WANTED)).tree == 901
    with pytest.raises(Unproven, match=r"sum\.world\.test could not be asked") as failure:
        await client_of(down).lookup(mv_of("filler.test/m@v0.0.3"))
    assert failure.value.source == home_of(0).name


async def test_an_outage_proves_nothing() -> None:
    """S13: with nothing kept and the database down, nobody can say; the reason tells where it was asked."""
    ops = FakeOps([grown().mirror(sumlies.outage)])
    with pytest.raises(Unproven, match=r"lookup/example\.com/!wanted@v1\.2\.0") as failure:
        await client_of(ops).lookup(WANTED)
    assert not isinstance(failure.value, NotRecorded)


async def test_no_record() -> None:
    """The database's own no is no proof of anything, and said as such."""
    with pytest.raises(NotRecorded, match="has no record of it"):
        await client_of(FakeOps([grown()])).lookup(mv_of("example.com/other@v1.0.0"))


async def test_the_newest_tree_stays() -> None:
    """S07: an older tree is believed as a part of ours, and does not take its place."""
    database = grown()
    ops = FakeOps([database])
    await client_of(ops).lookup(mv_of("filler.test/m@v0.0.5"))
    newest = ops.shared.head
    database.lie(sumlies.older_tree(350))
    assert (await client_of(ops).lookup(WANTED)).tree == 401
    assert ops.shared.head == newest


async def test_a_tree_that_grows_is_followed() -> None:
    """Each newer tree begins with the one before, and becomes the newest."""
    database = SumDB()
    ops = FakeOps([database])
    client = client_of(ops)
    for size in range(0, 900, 90):
        database.fill(90)
        record = await client.lookup(mv_of(f"filler.test/m@v0.0.{size}"))
        assert record.tree == size + 90
        assert ops.shared.head == database.head()


async def test_a_record_of_our_own_tree_needs_no_newer_one() -> None:
    """Where the tiles of a newer tree cannot be had, the tree that we have proves the record all the same."""
    database = grown()
    ops = FakeOps([database])
    await client_of(ops).lookup(mv_of("filler.test/m@v0.0.290"))
    old = ops.shared.head
    database.fill(300)
    database.lie(sumlies.on("/tile/", sumlies.outage))
    assert (await client_of(ops).lookup(WANTED)).tree == 401
    assert ops.shared.head == old
    with pytest.raises(Unproven, match="tile/8/"):
        await client_of(ops).lookup(mv_of("filler.test/m@v0.0.650"))


async def test_a_partial_tile_that_is_gone_is_cut_from_the_full_one() -> None:
    """Databases drop partial tiles when the log has grown past them."""
    database = grown(500, 300)
    database.lie(sumlies.older_tree(600), sumlies.only_full_tiles)
    ops = FakeOps([database])
    assert (await client_of(ops).lookup(WANTED)).tree == 600
    assert (ops.asked["tile/8/0/002.p/88"], ops.asked["tile/8/0/002"]) == (1, 1)
    assert len(ops.shared.kept["tile/8/0/002.p/88"]) == 88 * 32


async def test_another_process_moves_the_head() -> None:
    """The head that another process has put in between is looked at, and the newest of the three wins."""
    for other_size, newest in ((350, 401), (700, 700)):
        database = grown()
        ops = FakeOps([database])

        async def slip(ops: FakeOps = ops, size: int = other_size) -> None:
            ops.places[0].database.fill(max(0, size - ops.places[0].database.size))
            ops.shared.head = ops.places[0].database.head(size)

        ops.slip = slip
        record = await client_of(ops).lookup(WANTED)
        assert record.tree == newest
        assert ops.shared.head == database.head(newest)


async def test_what_is_asked_for_at_the_same_time_is_asked_for_once() -> None:
    """A crowd wants the same record, and others whose proofs need the same tiles."""
    ops = FakeOps([grown()])
    client = client_of(ops)
    others = [mv_of(f"filler.test/m@v0.0.{number}") for number in range(5)]
    await asyncio.gather(*(client.lookup(mv) for mv in [WANTED, *others] * 20))
    assert set(ops.asked.values()) == {1}
    assert len([path for path in ops.asked if path.startswith("lookup/")]) == 6


async def test_the_tiles_of_a_proof_are_asked_for_together() -> None:
    """None of them waits for another one."""
    ops = FakeOps([grown(600)])
    together = asyncio.Barrier(len(edge(701)) + 1)

    async def before(path: str) -> None:
        if path.startswith("tile/"):
            await together.wait()

    ops.before = before
    assert (await asyncio.wait_for(client_of(ops).lookup(mv_of("filler.test/m@v0.0.5")), 20)).number == 5


async def test_who_goes_away_takes_nothing_along() -> None:
    """The look-up goes on for the others; when the last one has left, nothing of it is left."""
    ops = FakeOps([grown()])
    client = client_of(ops)
    asked, answer = asyncio.Event(), asyncio.Event()

    async def before(path: str) -> None:
        asked.set()
        await answer.wait()

    ops.before = before
    first, second = (asyncio.create_task(client.lookup(WANTED)) for _ in range(2))
    await asked.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    answer.set()
    assert (await second).zip == ZIP
    answer.clear()
    asked.clear()
    last = asyncio.create_task(client.lookup(mv_of("filler.test/m@v0.0.7")))
    await asked.wait()
    last.cancel()
    with pytest.raises(asyncio.CancelledError):
        await last
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("path", ["tile/8/0/001.p/145", "tile/8/0/000", "tile/8/1/000.p/1"])
@pytest.mark.parametrize("damage", [lambda body: body[:-1] + b"x", lambda body: body[:-32], lambda body: b""])
async def test_a_kept_tile_that_is_damaged_is_fetched_anew(path: str, damage: object) -> None:
    """What is kept is proven again at each start, and replaced where it does not hold."""
    ops = FakeOps([grown()])
    await client_of(ops).lookup(WANTED)
    await client_of(ops).lookup(mv_of("filler.test/m@v0.0.4"))
    whole = dict(ops.shared.kept)
    assert callable(damage)
    ops.shared.kept[path] = damage(whole[path])
    again = FakeOps(ops.places, ops.shared)
    await client_of(again).lookup(WANTED)
    await client_of(again).lookup(mv_of("filler.test/m@v0.0.4"))
    assert again.asked[path] == 1
    assert ops.shared.kept == whole


@pytest.mark.parametrize("kept", [b"", b"300\nrubbish", b"301\nexample.com/Wanted v1.2.0 h1:x=\n\n", b"\xff"])
async def test_a_kept_record_that_is_damaged_is_fetched_anew(kept: bytes) -> None:
    """A record on the disk is proven like any other one."""
    ops = FakeOps([grown()])
    await client_of(ops).lookup(WANTED)
    path = lookup_path("example.com/Wanted", "v1.2.0")[1:]
    whole = ops.shared.kept[path]
    ops.shared.kept[path] = kept
    again = FakeOps(ops.places, ops.shared)
    assert (await client_of(again).lookup(WANTED)).zip == ZIP
    assert again.asked == {path: 1}
    assert ops.shared.kept[path] == whole


async def test_a_kept_record_of_another_version_is_fetched_anew() -> None:
    """A true record at the wrong place says nothing of what was asked for."""
    ops = FakeOps([grown()])
    await client_of(ops).lookup(WANTED)
    path = lookup_path("example.com/Wanted", "v1.2.0")[1:]
    whole = ops.shared.kept[path]
    ops.shared.kept[path] = b"7\n" + ops.places[0].database.records[7] + b"\n"
    assert (await client_of(ops).lookup(WANTED)).zip == ZIP
    assert ops.shared.kept[path] == whole


async def test_a_head_that_cannot_be_kept_is_for_another_time() -> None:
    """While the state is down, the tree that we have proves the records that are in it, and no newer one is believed."""
    database = grown()
    ops = FakeOps([database])
    await client_of(ops).latest()
    held = ops.shared.head
    database.fill(50)
    database.append("example.com/late@v1.0.0", b"example.com/late v1.0.0 h1:late=\n")

    async def broken(old: bytes, new: bytes) -> bool:
        raise StorageError("the state database is down")

    ops.advance = broken  # type: ignore[method-assign]
    assert (await client_of(ops).lookup(WANTED)).zip == ZIP
    with pytest.raises(StorageError, match="down"):
        await client_of(ops).lookup(mv_of("example.com/late@v1.0.0"))
    assert ops.shared.head == held


async def test_a_head_that_was_damaged_is_no_reason_to_begin_anew() -> None:
    """A kept head that the key has not signed is the operator's business: going on without it would forget a history."""
    ops = FakeOps([grown()], Shared(head=b"rubbish"))
    with pytest.raises(StorageError, match="cannot be believed"):
        await client_of(ops).lookup(WANTED)


async def test_several_lines_of_one_record() -> None:
    """Lines of other kinds and of others are passed over; a line that is not there is None."""
    database = SumDB()
    database.append(
        "a.test/m@v1.0.0", b"a.test/m v1.0.0 h1:zip=\na.test/m v1.0.0 h2:other=\nb.test/m v1.0.0 h1:b=\n"
    )
    database.append("a.test/m@v1.1.0", b"a.test/m v1.1.0/go.mod h1:mod=\n")
    client = client_of(FakeOps([database]))
    record = await client.lookup(mv_of("a.test/m@v1.0.0"))
    assert (record.zip, record.go_mod) == ("h1:zip=", None)
    record = await client.lookup(mv_of("a.test/m@v1.1.0"))
    assert (record.zip, record.go_mod) == (None, "h1:mod=")


async def test_our_own_answers() -> None:
    """What we answer in the database's place is its own text with our newest head, which proves it."""
    database = grown()
    ops = FakeOps([database])
    client = client_of(ops)
    database.lie(sumlies.older_tree(350))
    await client.lookup(WANTED)
    database.lie()
    assert await client.latest() == database.head()
    text = await client.lookup_text("example.com/!wanted@v1.2.0")
    assert text == b"300\n" + database.records[300] + b"\n" + database.head()
    with pytest.raises(BadRequest):
        await client.lookup_text("example.com/!wanted")
    with pytest.raises(NotFound):
        await client.lookup_text("example.com/!wanted@v2.0.0")


@pytest.mark.parametrize(
    "path",
    [
        "tile/8/0/000",
        "tile/8/0/000.p/7",
        "tile/8/0/001.p/145",
        "tile/8/1/000.p/1",
        "tile/8/data/000",
        "tile/8/data/001.p/9",
    ],
)
async def test_tiles_that_we_answer(path: str) -> None:
    """Tiles of any width that the tree has, of hashes and of records, are as the database has them."""
    database = grown()
    database.lie(sumlies.only_full_tiles)
    assert await client_of(FakeOps([database])).tile(path) == database.honest("/" + path).body


async def test_tiles_beyond_our_tree() -> None:
    """A tile that our tree does not have yet is looked for in a newer one, and else is not there."""
    database = grown()
    ops = FakeOps([database])
    client = client_of(ops)
    await client.tile("tile/8/0/000.p/1")
    database.fill(200)
    assert len(await client.tile("tile/8/0/001")) == 8192
    for path in ("tile/8/0/009", "tile/8/0/002.p/90", "tile/8/5/000", "tile/4/0/000", "tile/8/data/003"):
        with pytest.raises(NotFound):
            await client.tile(path)
    for path in (
        "tile/8/0/x009/223/372/036/854/775/808",
        "tile/8/0/9",
        "tile/8/-1/000",
        "../latest",
        "tile/8/0/../0",
    ):
        with pytest.raises(BadRequest):
            await client.tile(path)


async def test_kept_tiles_are_answered_without_the_network() -> None:
    """What was proven once is there when the database is down; the newest head that we have as well."""
    ops = FakeOps([grown()])
    client = client_of(ops)
    tile = await client.tile("tile/8/0/000")
    down = FakeOps([ops.places[0].database.mirror(sumlies.outage)], ops.shared)
    client = client_of(down)
    assert await client.tile("tile/8/0/000") == tile
    assert not down.asked
    assert await client.latest() == ops.shared.head
    with pytest.raises(SourceUnavailable):
        await client_of(FakeOps(down.places)).latest()


async def test_the_newest_head_is_looked_for_once_a_minute() -> None:
    """`latest` asks at most every 60 seconds."""
    times = iter((0.0, 1.0, 59.0, 60.0, 100.0))
    ops = FakeOps([grown()])
    client = client_of(ops)
    client._clock = times.__next__
    for _ in range(5):
        await client.latest()
    assert ops.asked["latest"] == 2


async def test_a_look_at_the_newest_tree() -> None:
    """The size of the newest tree, asked for each time; an outage is one, whatever we have."""
    database = grown()
    client = client_of(FakeOps([database]))
    assert await client.look() == 401
    database.fill(10)
    assert await client.look() == 411
    database.lie(sumlies.older_tree(300))
    assert await client.look() == 411
    database.lie(sumlies.outage)
    with pytest.raises(Unproven):
        await client.look()


async def test_a_record_that_was_just_proven_costs_nothing() -> None:
    """The second look-up of a version asks nobody and reads nothing; when the tree has grown it is proven anew."""
    database = SumDB()
    database.fill(300)
    ops = FakeOps([database])
    client = client_of(ops)
    wanted = mv_of("filler.test/m@v0.0.5")
    record = await client.lookup(wanted)
    ops.asked.clear()
    ops.shared.kept.clear()
    assert await client.lookup(wanted) == record
    assert not ops.asked
    database.fill(10)
    await client.lookup(mv_of("filler.test/m@v0.0.305"))
    ops.asked.clear()
    again = await client.lookup(wanted)
    assert (again.number, again.go_mod, again.tree) == (record.number, record.go_mod, 310)
    assert ops.asked["lookup/filler.test/m@v0.0.5"] == 1
