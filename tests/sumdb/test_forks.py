"""Two histories by one signer: the alarm, its evidence, and the stop of publication until the operator removes it."""

from __future__ import annotations

import base64

import pytest

from goproxy_mirror.errors import SecurityError, StorageError
from goproxy_mirror.sumdb.client import Client
from goproxy_mirror.sumdb.history import Forked
from goproxy_mirror.sumdb.note import VerifierKey, open_note
from goproxy_mirror.sumdb.tiles import Tile, hash_in, tile_of
from goproxy_mirror.sumdb.tlog import Tree, peaks, root_hash
from tests.fakes.sumdb import FakeOps, client_of, mv_of
from tests.world import sumlies
from tests.world.sumdb import SumDB

EARLY = mv_of("filler.test/m@v0.0.5")
LATE = mv_of("filler.test/m@v0.0.650")


def two_histories() -> tuple[SumDB, SumDB]:
    """A database of 500 records, and another history of 700 that has the first 200 of them."""
    database = SumDB()
    database.fill(500)
    other = database.fork(keep=200)
    other.fill(200)
    return database, other


async def seen(database: SumDB, places: list[SumDB] | None = None) -> FakeOps:
    """The world of a client that believes in a history already."""
    ops = FakeOps([database])
    await client_of(ops).lookup(EARLY)
    ops.places = list(places or ops.places)
    return ops


async def test_a_longer_history_that_is_another_one() -> None:
    """S06: the newer tree does not begin with ours. The head stays, the evidence is kept, nothing is believed."""
    database, other = two_histories()
    ops = await seen(database, [other])
    with pytest.raises(Forked, match="signed two different histories") as failure:
        await client_of(ops).lookup(LATE)
    assert isinstance(failure.value, SecurityError)
    assert ops.shared.head == database.head()
    assert ops.shared.evidence is not None
    assert database.head() in ops.shared.evidence
    assert other.head() in ops.shared.evidence


async def test_a_shorter_history_that_is_another_one() -> None:
    """A tree that is older than ours, and that ours does not begin with."""
    database, other = two_histories()
    ops = await seen(other, [database])
    database.lie(sumlies.on("/tile/", sumlies.forked_tree(other)))
    with pytest.raises(Forked):
        await client_of(ops).lookup(mv_of("filler.test/m@v0.0.6"))
    assert ops.shared.head == other.head()


async def test_the_same_size_and_another_root() -> None:
    """Two trees of one size need no tile to be told apart."""
    database = SumDB()
    database.fill(500)
    other = database.fork(keep=400)
    ops = await seen(database, [other])
    other.lie(sumlies.on("/tile/", sumlies.outage))
    with pytest.raises(Forked):
        await client_of(ops).lookup(mv_of("filler.test/m@v0.0.6"))
    assert ops.shared.evidence is not None
    assert b"the same number of records and different roots" in ops.shared.evidence


async def test_a_fork_is_seen_whichever_place_shows_it() -> None:
    """A contradiction that the database has signed is an alarm, also where another place goes on telling the old history."""
    database, other = two_histories()
    ops = await seen(database)
    ops.places = [other.mirror(), database.mirror()]
    with pytest.raises(Forked):
        await client_of(ops).lookup(LATE)


async def test_a_fork_that_comes_with_the_newest_tree() -> None:
    """Our own clients' questions find it as well."""
    database, other = two_histories()
    for ask in (Client.latest, lambda client: client.tile("tile/8/0/002.p/100")):
        ops = await seen(database, [other])
        with pytest.raises(Forked):
            await ask(client_of(ops))
        assert ops.shared.evidence is not None


async def test_one_history_is_no_fork() -> None:
    """Positive control: the same steps along one history raise nothing."""
    database, _ = two_histories()
    ops = await seen(database)
    database.fill(200)
    assert (await client_of(ops).lookup(LATE)).tree == 700
    assert ops.shared.evidence is None


async def test_nothing_is_believed_until_the_evidence_is_removed() -> None:
    """For every question, in every process, after a restart, from the network and from what is kept; then all is well again."""
    database, other = two_histories()
    ops = await seen(database, [other])
    client = client_of(ops)
    with pytest.raises(Forked):
        await client.lookup(LATE)
    ops.places = [database]
    for each in (client, client_of(FakeOps([database], ops.shared))):
        for ask in (each.lookup(EARLY), each.lookup(LATE), each.latest(), each.tile("tile/8/0/000")):
            with pytest.raises(Forked, match="until the operator"):
                await ask
        with pytest.raises(Forked):
            await each.lookup_text("filler.test/m@v0.0.5")
    ops.shared.evidence = None
    assert (await client.lookup(EARLY)).number == 5


async def test_the_evidence_speaks_for_itself() -> None:
    """Whoever has the database's key can see from the evidence alone that the newer tree does not begin with the older one."""
    database, other = two_histories()
    ops = await seen(database, [other])
    with pytest.raises(Forked):
        await client_of(ops).lookup(LATE)
    evidence = ops.shared.evidence or b""
    key = VerifierKey.parse(database.vkey)
    notes = [b"go.sum" + part for part in evidence.split(b"go.sum")[1:]]
    older, newer = (Tree.parse(open_note(b"\n".join(note.split(b"\n")[:5]) + b"\n", [key])) for note in notes)
    assert (older.size, newer.size) == (500, 700)
    lines = evidence.decode().splitlines()
    tiles = {
        Tile.parse(line): base64.b64decode(lines[number + 1])
        for number, line in enumerate(lines)
        if line.startswith("tile/")
    }
    found = [
        hash_in(tile_of(node, newer.size), tiles[tile_of(node, newer.size)], node)
        for node in peaks(older.size)
    ]
    assert root_hash(found) == other.root(500) != older.root


async def test_evidence_that_cannot_be_kept_is_no_reason_to_believe() -> None:
    """The state is down: the look-up fails as it has to, and the next one finds the fork again."""
    database, other = two_histories()
    ops = await seen(database, [other])

    async def broken(evidence: bytes) -> None:
        raise StorageError("no room")

    ops.forked = broken  # type: ignore[method-assign]
    for _ in range(2):
        with pytest.raises(Forked):
            await client_of(ops).lookup(LATE)


async def test_a_lie_about_tiles_is_no_fork() -> None:
    """A signed head whose tiles nobody has is a refusal, not an alarm: it may be the tiles that are wrong."""
    database, other = two_histories()
    ops = await seen(database)
    database.fill(200)
    database.lie(sumlies.on("/lookup/", sumlies.forked_tree(other)))
    with pytest.raises(SecurityError) as failure:
        await client_of(ops).lookup(LATE)
    assert not isinstance(failure.value, Forked)
    assert ops.shared.evidence is None
