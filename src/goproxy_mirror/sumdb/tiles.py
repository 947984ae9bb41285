"""Tiles: the hashes of a log in pieces that can be kept for ever, and what proves that a tile belongs to a tree.

A tile of height H holds one level of a subtree, as the hashes of up to 2**H nodes of level `H * tile.level`, one behind the
other (https://research.swtch.com/tlog#tiling_a_log). A full tile's own root is one hash in its parent. The tiles at the right
edge of a tree are not full and have no parent; but all of their hashes together make the root. So a tile is proven by the edge
tiles, which must give the signed root, and by its chain of parents up to one of them. Nothing less proves it: CVE-2026-56865
was a chain in which some tiles were left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product

from goproxy_mirror.sumdb.note import Malformed
from goproxy_mirror.sumdb.tlog import HASH_SIZE, Node, Tree, complete_hash, peaks, root_hash

HEIGHT = 8
"""The height of the tiles that checksum databases serve."""

DATA = -1
"""The level of the tiles that hold records instead of hashes."""

_PATH = re.compile(
    r"tile/([1-9][0-9]?)/(data|0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,9}))?"
)
_MOST_COMBINATIONS = 256


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile's coordinates; `width` is the number of its hashes (or records)."""

    level: int
    index: int
    width: int
    height: int = HEIGHT

    @classmethod
    def parse(cls, path: str) -> Tile:
        """The tile of a path such as `tile/8/0/x001/234.p/5`, in the one spelling that it has. Raises `Malformed`."""
        match = _PATH.fullmatch(path)
        if match is None:
            raise Malformed(f"malformed tile path {path!a}")
        height, level, index, width = match.groups()
        tile = cls(
            level=DATA if level == "data" else int(level),
            index=int(index.replace("/", "").replace("x", "")),
            width=int(width) if width else 1 << int(height),
            height=int(height),
        )
        in_range = tile.height <= 30 and tile.level <= 63 and tile.index < 1 << 63
        if not in_range or tile.path != path:
            raise Malformed(f"malformed tile path {path!a}")
        return tile

    @property
    def path(self) -> str:
        """Where the database has it."""
        groups = [f"{self.index % 1000:03}"]
        rest = self.index // 1000
        while rest:
            groups.append(f"x{rest % 1000:03}")
            rest //= 1000
        level = "data" if self.level == DATA else self.level
        partial = "" if self.is_full else f".p/{self.width}"
        return f"tile/{self.height}/{level}/{'/'.join(reversed(groups))}{partial}"

    @property
    def is_full(self) -> bool:
        return self.width == 1 << self.height

    @property
    def full(self) -> Tile:
        """The same tile when the log has grown past it."""
        return replace(self, width=1 << self.height)

    @property
    def size(self) -> int:
        """Bytes of its hashes."""
        return self.width * HASH_SIZE


def edge(size: int, height: int = HEIGHT) -> tuple[Tile, ...]:
    """The tiles at the right edge of a tree that are not full, from the lowest level up."""
    found = []
    level = 0
    while row := size >> (height * level):
        width = row & ((1 << height) - 1)
        if width:
            found.append(Tile(level, row >> height, width, height))
        level += 1
    return tuple(found)


def widest(level: int, index: int, size: int, height: int = HEIGHT) -> Tile | None:
    """A tile as wide as it is in a tree of that many records; None where the tree has nothing of it."""
    row = size >> (height * max(level, 0))
    width = min(row - (index << height), 1 << height)
    return Tile(level, index, width, height) if width > 0 else None


def tile_of(node: Node, size: int, height: int = HEIGHT) -> Tile:
    """The tile that holds a node of the tree, as wide as it is there. Raises ValueError for a node outside the tree."""
    level, above = divmod(node.level, height)
    tile = widest(level, node.index << above >> height, size, height)
    if tile is None or (node.index + 1) << node.level > size:
        raise ValueError(f"{node} is not in a tree of {size} records")
    return tile


def parent(tile: Tile, size: int) -> Tile:
    """The tile that has a full tile's own root."""
    found = widest(tile.level + 1, tile.index >> tile.height, size, tile.height)
    assert found is not None, "a full tile has a parent"
    return found


def chain(tile: Tile, size: int) -> tuple[Tile, ...]:
    """A tile and its parents, up to the one that is not full and so stands at the edge."""
    found = [tile]
    while found[-1].is_full:
        found.append(parent(found[-1], size))
    return tuple(found)


def proven_edge(
    tree: Tree, candidates: Mapping[Tile, Sequence[bytes]], height: int = HEIGHT
) -> dict[Tile, bytes] | None:
    """Those of several bodies for each edge tile that give the tree's root together; None where none do."""
    tiles = edge(tree.size, height)[::-1]
    rows = [
        [(body, _peak_hashes(tile, body)) for body in candidates[tile] if len(body) == tile.size]
        for tile in tiles
    ]
    for chosen in islice(product(*rows), _MOST_COMBINATIONS):
        if root_hash([each for _, hashes in chosen for each in hashes]) == tree.root:
            return {tile: body for tile, (body, _) in zip(tiles, chosen, strict=True)}
    return None


def _peak_hashes(tile: Tile, body: bytes) -> list[bytes]:
    return [
        complete_hash(_row(body, node.index << node.level, 1 << node.level)) for node in peaks(tile.width)
    ]


def hash_in(tile: Tile, body: bytes, node: Node) -> bytes:
    """The hash of a node from the tile that `tile_of` names."""
    above = node.level - tile.level * tile.height
    first = (node.index << above) - (tile.index << tile.height)
    return complete_hash(_row(body, first, 1 << above))


def root_in_parent(tile: Tile, parents_body: bytes) -> bytes:
    """What the parent says that the tile's own root is."""
    return _row(parents_body, tile.index & ((1 << tile.height) - 1), 1)


def _row(body: bytes, first: int, count: int) -> bytes:
    return body[first * HASH_SIZE : (first + count) * HASH_SIZE]
