"""Tiles: their paths, which of them a tree has, and that every hash in them is held against the root."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goproxy_mirror.sumdb.note import Malformed
from goproxy_mirror.sumdb.tiles import (
    DATA,
    Tile,
    chain,
    edge,
    hash_in,
    parent,
    proven_edge,
    root_in_parent,
    tile_of,
    widest,
)
from goproxy_mirror.sumdb.tlog import HASH_SIZE, Node, Tree, complete_hash, peaks, record_hash, root_hash
from tests.sumdb import gomod_tables as tables
from tests.sumdb.naive import naive_root, naive_tile

H = 2
"""The height at which a hundred records make four levels of tiles."""


class Log:
    """A log whose tiles are made by the definition, at height 2."""

    def __init__(self, size: int) -> None:
        self.leaves = [record_hash(b"leaf %d" % number) for number in range(size)]
        self.tree = Tree(size, naive_root(self.leaves))

    def body(self, tile: Tile) -> bytes:
        return naive_tile(self.leaves, tile.height, tile.level, tile.index, tile.width)

    def node(self, node: Node) -> bytes:
        return naive_root(self.leaves[node.index << node.level : (node.index + 1) << node.level])

    def nodes(self) -> list[Node]:
        """Every complete subtree."""
        size = self.tree.size
        return [Node(level, index) for level in range(size.bit_length()) for index in range(size >> level)]


def read(log: Log, node: Node, bodies: dict[Tile, bytes]) -> bytes | None:
    """A node's hash by the rules, from tiles that may be forged; None where they are not proven."""
    tiles = chain(tile_of(node, log.tree.size, H), log.tree.size)
    if proven_edge(log.tree, {tile: [bodies[tile]] for tile in edge(log.tree.size, H)}, H) is None:
        return None
    for tile in reversed(tiles[:-1]):
        if complete_hash(bodies[tile]) != root_in_parent(tile, bodies[parent(tile, log.tree.size)]):
            return None
    return hash_in(tiles[0], bodies[tiles[0]], node)


def all_tiles(log: Log) -> dict[Tile, bytes]:
    """Every tile of a log, as wide as it is."""
    tiles = {tile_of(node, log.tree.size, H) for node in log.nodes()}
    return {tile: log.body(tile) for tile in tiles}


@pytest.mark.parametrize("path", tables.TILE_PATHS)
def test_paths(path: str) -> None:
    """Each tile has one spelling."""
    said = tables.TILE_PATHS[path]
    if said is None:
        with pytest.raises(Malformed):
            Tile.parse(path)
        return
    height, level, index, width = said
    tile = Tile(level, index, width, height)
    assert Tile.parse(path) == tile
    assert tile.path == path


@pytest.mark.parametrize(
    "path",
    [
        "tile/8/0/x009/x223/x372/x036/x854/x775/808",  # 2**63
        "tile/8/0/x999/x999/x999/x999/x999/x999/999",
        "tile/8/0/x001/x009/x223/x372/x036/x854/x775/808",
        "tile/8/64/000",
        "tile/31/0/000",
        "tile/0/0/000",
        "tile/08/0/000",
        "tile/8/00/000",
        "tile/8/0/0",
        "tile/8/0/0000",
        "tile/8/0/x000/001",
        "tile/8/0/001/002",
        "tile/8/0/x001",
        "tile/8/0/000.p/0",
        "tile/8/0/000.p/256",
        "tile/8/0/000.p/007",
        "tile/8/0/000.p",
        "tile/8/0/000.p/99999999999",
        "tile/8/0/٠٠٠",
        "tile/8/0/../000",
        "tile/../latest",
        "/tile/8/0/000",
        "tile/8/0/000/",
        "tile/8/0/000\n",
        "tile/8//000",
        "",
    ],
)
def test_paths_of_nothing(path: str) -> None:
    """S10, S11: indexes that no log has, other spellings, and ways out."""
    with pytest.raises(Malformed):
        Tile.parse(path)


@given(st.integers(1, 30), st.integers(-1, 63), st.integers(0, (1 << 63) - 1), st.data())
def test_every_tile_has_its_path(height: int, level: int, index: int, data: st.DataObject) -> None:
    """What is written is read again."""
    tile = Tile(level, index, data.draw(st.integers(1, 1 << height)), height)
    assert Tile.parse(tile.path) == tile


@given(st.text(alphabet="tile/8x0123.pda-", max_size=40))
def test_rubbish_is_no_path(text: str) -> None:
    """What is taken for a path is the one spelling of its tile."""
    try:
        tile = Tile.parse(f"tile/{text}")
    except Malformed:
        return
    assert tile.path == f"tile/{text}"


@pytest.mark.parametrize("size", [1, 255, 256, 257, 65_535, 65_536, 65_537, 49_516_586, (1 << 63) - 1])
def test_the_edge_of_a_tree(size: int) -> None:
    """The tiles that are not full: none where a level has only full ones."""
    tiles = edge(size)
    assert sum(tile.width << (8 * tile.level) for tile in tiles) == size
    assert all(0 < tile.width < 256 for tile in tiles)
    assert all(widest(tile.level, tile.index, size) == tile for tile in tiles)
    assert all(widest(tile.level, tile.index + 1, size) is None for tile in tiles)


def test_tiles_as_wide_as_they_are() -> None:
    """Full, partial, or nothing of it."""
    assert widest(0, 0, 300) == Tile(0, 0, 256)
    assert widest(0, 1, 300) == Tile(0, 1, 44)
    assert widest(1, 0, 300) == Tile(1, 0, 1)
    assert widest(DATA, 1, 300) == Tile(DATA, 1, 44)
    for level, index in ((0, 2), (1, 1), (2, 0), (63, 0)):
        assert widest(level, index, 300) is None
    assert Tile(0, 1, 44).full == Tile(0, 1, 256)
    assert (Tile(0, 1, 44).size, Tile(0, 1, 256).size) == (44 * 32, 8192)


def test_the_chain_of_a_tile() -> None:
    """Up to the edge, and not beyond it."""
    assert chain(Tile(0, 0, 256), 300) == (Tile(0, 0, 256), Tile(1, 0, 1))
    assert chain(Tile(0, 1, 44), 300) == (Tile(0, 1, 44),)
    assert chain(Tile(0, 3, 256), 65_536) == (Tile(0, 3, 256), Tile(1, 0, 256), Tile(2, 0, 1))


def test_nodes_outside_the_tree() -> None:
    """A subtree that is not complete yet is in no tile."""
    for node in (Node(0, 300), Node(8, 1), Node(9, 0), Node(63, 0)):
        with pytest.raises(ValueError, match="300 records"):
            tile_of(node, 300)


@pytest.mark.parametrize("size", [*range(1, 41), 63, 64, 65, 100])
def test_every_hash_of_every_tree(size: int) -> None:
    """Each node is read from the tiles as the definition has it, and with any one hash of any one tile forged it is either
    that or refused: no hash that anybody reads goes unproven (CVE-2026-56865)."""
    log = Log(size)
    true = all_tiles(log)
    for node in log.nodes():
        assert read(log, node, true) == log.node(node)
    for tile, body in true.items():
        for spot in range(0, len(body), HASH_SIZE):
            forged = true | {tile: body[:spot] + bytes(HASH_SIZE) + body[spot + HASH_SIZE :]}
            for node in log.nodes():
                assert read(log, node, forged) in {None, log.node(node)}
            inside = Node(H * tile.level, (tile.index << H) + spot // HASH_SIZE)
            assert read(log, inside, forged) is None


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 700), st.data())
def test_older_trees_are_beginnings(size: int, data: st.DataObject) -> None:
    """The root of any older tree is made of hashes in the tiles of the newer one."""
    log = Log(size)
    older = data.draw(st.integers(0, size))
    hashes = [
        naive_hash
        for node in peaks(older)
        for tile in [tile_of(node, size, H)]
        for naive_hash in [hash_in(tile, log.body(tile), node)]
    ]
    assert root_hash(hashes) == naive_root(log.leaves[:older])


def edge_proves(tree: Tree, bodies: Mapping[Tile, bytes], height: int) -> bool:
    """Whether the edge tiles give the tree's root, where there is one body for each."""
    return proven_edge(tree, {tile: [body] for tile, body in bodies.items()}, height) is not None


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3000), st.integers(1, 8))
def test_edges_prove_roots_at_any_height(size: int, height: int) -> None:
    """The edge tiles of a tree give its root, and no other one."""
    log = Log(size)
    bodies = {tile: log.body(tile) for tile in edge(size, height)}
    assert edge_proves(log.tree, bodies, height)
    assert not edge_proves(Tree(size, bytes(32)), bodies, height)
    assert not edge_proves(log.tree, {tile: body[:-1] for tile, body in bodies.items()}, height)
    assert not edge_proves(log.tree, {tile: body + bytes(32) for tile, body in bodies.items()}, height)


def test_the_right_bodies_are_found_among_wrong_ones() -> None:
    """Of several bodies for each edge tile, those that give the root together."""
    log = Log(27)
    true = {tile: log.body(tile) for tile in edge(27, H)}
    assert len(true) == 3
    several = {tile: [bytes(len(body)), b"", body] for tile, body in true.items()}
    assert proven_edge(log.tree, several, H) == true
    assert proven_edge(log.tree, {tile: bodies[:2] for tile, bodies in several.items()}, H) is None
