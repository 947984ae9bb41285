"""Proven tiles, apart from the client: which tree they belong to, and what is remembered of them."""

from __future__ import annotations

import asyncio

import pytest

from goproxy_mirror.errors import Loop, SecurityError, Unproven
from goproxy_mirror.sumdb import proving
from goproxy_mirror.sumdb.proving import ProvenTiles
from goproxy_mirror.sumdb.tiles import Tile, widest
from goproxy_mirror.sumdb.tlog import Node, Tree
from tests.fakes.sumdb import FakeOps
from tests.world import sumlies
from tests.world.sumdb import SumDB, leaf


def tree_of(database: SumDB) -> Tree:
    return Tree(database.size, database.root(database.size))


def two_histories() -> tuple[SumDB, SumDB]:
    """700 records each, of which the first 100 are the same."""
    database = SumDB()
    database.fill(700)
    return database, database.fork(keep=100)


async def test_a_tile_in_memory_belongs_to_its_own_history() -> None:
    """The same coordinates in a tree of another history have other hashes, whatever is remembered or kept."""
    database, other = two_histories()
    ops = FakeOps([database])
    tiles = ProvenTiles("sum.world.test", ops)
    for each in (database, other, database):
        ops.places = [each]
        hashes = await tiles.hashes(tree_of(each), [Node(0, 5), Node(0, 200), Node(0, 650)])
        assert hashes == tuple(leaf(each.records[number]) for number in (5, 200, 650))
    ops.places = [other.mirror(sumlies.outage)]
    with pytest.raises(Unproven):
        await ProvenTiles("sum.world.test", ops).hashes(tree_of(other), [Node(0, 5)])


async def test_nodes_of_every_level() -> None:
    """Inner nodes are made of the tiles below them."""
    database, _ = two_histories()
    tiles = ProvenTiles("sum.world.test", FakeOps([database]))
    nodes = [Node(level, 0) for level in range(10)]
    hashes = await tiles.hashes(tree_of(database), nodes)
    assert hashes == tuple(database.root(1 << level) for level in range(10))


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are forgotten, and are proven again when they are wanted, also in the middle of a crowd."""
    monkeypatch.setattr(proving, "_FULL_TILES", 2)
    monkeypatch.setattr(proving, "_EDGES", 1)
    database = SumDB()
    database.fill(2100)
    ops = FakeOps([database])
    tiles = ProvenTiles("sum.world.test", ops)
    trees = [Tree(size, database.root(size)) for size in (2000, 2100)]
    numbers = [number * 256 + 3 for number in range(7)] * 3
    found = await asyncio.gather(
        *(tiles.hashes(tree, [Node(0, number), Node(0, 100)]) for tree in trees for number in numbers)
    )
    assert [hashes[0] for hashes in found] == [leaf(database.records[number]) for number in numbers] * 2
    assert (len(tiles._full), len(tiles._edges)) == (2, 1)


async def test_a_circle_is_said_as_one() -> None:
    """A question that came back to us is neither an outage nor a lie."""
    database, _ = two_histories()
    ops = FakeOps([database])

    async def before(path: str) -> None:
        raise Loop("it came back")

    ops.before = before
    with pytest.raises(Loop):
        await ProvenTiles("sum.world.test", ops).hashes(tree_of(database), [Node(0, 5)])


async def test_who_had_the_wrong_tile_is_named() -> None:
    """All who were asked, and the first as the source."""
    database, _ = two_histories()
    ops = FakeOps([database.mirror(sumlies.forged_tile(0)), database.mirror(sumlies.forged_tile(0))])
    tiles = ProvenTiles("sum.world.test", ops)
    with pytest.raises(
        SecurityError, match=r"https://place0\.test and https://place1\.test had it"
    ) as failure:
        await tiles.bodies(tree_of(database), [Tile(0, 0, 256)])
    assert failure.value.source == "https://place0.test"
    tile = widest(0, 1, 700)
    assert tile is not None
    with pytest.raises(SecurityError):
        await tiles.bodies(tree_of(database), [tile])
