"""Tiles of a log, none of which is seen, or kept, before it is proven up to the signed root."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog

from goproxy_mirror.errors import Loop, MirrorError, NotFound, SecurityError, Unproven
from goproxy_mirror.ports import Home
from goproxy_mirror.sumdb.ops import Ops
from goproxy_mirror.sumdb.sharing import Shared
from goproxy_mirror.sumdb.tiles import (
    Tile,
    chain,
    edge,
    hash_in,
    parent,
    proven_edge,
    root_in_parent,
    tile_of,
)
from goproxy_mirror.sumdb.tlog import Node, Tree, complete_hash

log = structlog.get_logger(__name__)
T = TypeVar("T")

_FULL_TILES = 256
"""Full tiles in memory, of 8 KiB each."""

_EDGES = 8
"""Trees whose edge is in memory."""


@dataclass(frozen=True, slots=True)
class _Brought:
    """A tile's body, not proven yet; `home` is None for what was kept."""

    body: bytes
    home: Home | None


class ProvenTiles:
    """The tiles of one database. The methods raise `SecurityError` where no place has a tile that belongs to the signed tree,
    `Unproven` where nobody could be asked, `Loop` where a question came back to us."""

    def __init__(self, name: str, ops: Ops) -> None:
        self._name = name
        self._ops = ops
        self._shared = Shared()
        self._full: OrderedDict[Tile, tuple[bytes, bytes]] = OrderedDict()
        self._edges: OrderedDict[Tree, Mapping[Tile, bytes]] = OrderedDict()

    async def hashes(self, tree: Tree, nodes: Sequence[Node]) -> tuple[bytes, ...]:
        """The hashes of nodes of the tree."""
        tiles = [tile_of(node, tree.size) for node in nodes]
        bodies = await self.bodies(tree, tiles)
        return tuple(hash_in(tile, bodies[tile], node) for tile, node in zip(tiles, nodes, strict=True))

    async def bodies(self, tree: Tree, tiles: Iterable[Tile]) -> Mapping[Tile, bytes]:
        """Those tiles, each as wide as it is in the tree, and all that prove them."""
        edges = edge(tree.size)
        inner = {each for tile in tiles for each in chain(tile, tree.size) if each.is_full}
        known = self._edges.get(tree)
        wanted = {tile for tile in inner if tile not in self._full}.union(edges if known is None else ())
        brought = await self._bring_all(wanted)
        proven = dict(known) if known is not None else await self._prove_edge(tree, brought)
        fresh = {tile for tile in edges if tile in brought}
        for tile in sorted(inner, key=lambda tile: -tile.level):
            expected = root_in_parent(tile, proven[parent(tile, tree.size)])
            if tile in self._full and self._full[tile][1] == expected:
                self._full.move_to_end(tile)
                proven[tile] = self._full[tile][0]
                continue
            if tile not in brought:  # what memory had was pushed out meanwhile, or is of another history
                brought[tile] = await self._bring(tile)
            proven[tile] = await self._prove_full(tree, tile, expected, brought[tile])
            self._full[tile] = proven[tile], expected
            fresh.add(tile)
        if known is None:
            self._edges[tree] = {tile: proven[tile] for tile in edges}
        _forget_oldest(self._full, _FULL_TILES)
        _forget_oldest(self._edges, _EDGES)
        await self._keep({tile: proven[tile] for tile in fresh}, brought)
        return proven

    async def _prove_edge(self, tree: Tree, brought: dict[Tile, _Brought]) -> dict[Tile, bytes]:
        """The edge tiles that give the root. Which one is wrong cannot be told, so others are asked for all of them."""
        edges = edge(tree.size)
        candidates = {tile: [brought[tile]] for tile in edges}
        while True:
            bodies = {tile: [each.body for each in found] for tile, found in candidates.items()}
            proven = proven_edge(tree, bodies)
            if proven is not None:
                for tile, found in candidates.items():
                    brought[tile] = next(each for each in found if each.body == proven[tile])
                return proven
            outcomes = await _all({tile: self._again(tile, found) for tile, found in candidates.items()})
            more = {tile: found for tile, found in outcomes.items() if isinstance(found, _Brought)}
            if not more:
                failure = next((each for each in outcomes.values() if isinstance(each, MirrorError)), None)
                everybody = [each for found in candidates.values() for each in found]
                raise self._refusal(tree, "its tiles at the right edge", everybody, failure)
            for tile, another in more.items():
                candidates[tile].append(another)

    async def _prove_full(self, tree: Tree, tile: Tile, expected: bytes, brought: _Brought) -> bytes:
        """The body of a full tile whose own root is as its parent says."""
        tried = [brought]
        while complete_hash(tried[-1].body) != expected:
            try:
                tried.append(await self._again(tile, tried))
            except MirrorError as failure:
                raise self._refusal(tree, tile.path, tried, failure) from None
        return tried[-1].body

    def _refusal(
        self, tree: Tree, what: str, tried: Iterable[_Brought], failure: MirrorError | None
    ) -> MirrorError:
        homes = list(dict.fromkeys(each.home.name for each in tried if each.home is not None))
        if not homes and failure is not None:  # what was kept is damaged, which is nobody's lie
            return failure
        return SecurityError(
            f"{what} as {' and '.join(homes)} had it does not belong to the signed tree of {tree.size} records of the checksum "
            f"database {self._name}; nothing that hangs on it is believed",
            source=homes[0] if homes else None,
        )

    async def _bring_all(self, tiles: Iterable[Tile]) -> dict[Tile, _Brought]:
        outcomes = await _all({tile: self._bring(tile) for tile in tiles})
        found = {}
        for tile, outcome in outcomes.items():
            if isinstance(outcome, MirrorError):
                raise outcome
            found[tile] = outcome
        return found

    async def _bring(self, tile: Tile) -> _Brought:
        body = await self._kept(tile)
        return await self._again(tile, ()) if body is None else _Brought(body, None)

    async def _kept(self, tile: Tile) -> bytes | None:
        for each in dict.fromkeys((tile, tile.full)):
            body = await self._ops.kept(each.path)
            if body is not None and len(body) == each.size:
                return body[: tile.size]
        return None

    async def _again(self, tile: Tile, tried: Sequence[_Brought]) -> _Brought:
        """The tile from the network, from somebody who has not been asked for it."""
        without = tuple(each.home for each in tried if each.home is not None)
        return await self._shared.run((tile, without), lambda: self._fetch(tile, without))

    async def _fetch(self, tile: Tile, without: tuple[Home, ...]) -> _Brought:
        while True:
            asked = tile
            try:
                try:
                    found = await self._ops.fetch(tile.path, without)
                except NotFound:
                    if tile.is_full:
                        raise
                    # Databases drop a partial tile when the log has grown past it.
                    asked = tile.full
                    found = await self._ops.fetch(asked.path, without)
            except (Loop, Unproven):
                raise
            except MirrorError as error:
                raise Unproven(
                    f"the checksum database {self._name} could not be asked for {tile.path}, without which its signed tree "
                    f"proves nothing: {error.message}",
                    source=error.source,
                ) from error
            if len(found.value) == asked.size:
                return _Brought(found.value[: tile.size], found.home)
            log.warning("no tile", database=self._name, place=found.home.name, path=asked.path)
            without = (*without, found.home)

    async def _keep(self, proven: Mapping[Tile, bytes], brought: Mapping[Tile, _Brought]) -> None:
        async with asyncio.TaskGroup() as group:
            for tile, body in proven.items():
                if brought[tile].home is not None or brought[tile].body != body:
                    group.create_task(self._ops.keep(tile.path, body))


async def _all(work: Mapping[Tile, Awaitable[T]]) -> dict[Tile, T | MirrorError]:
    """What each of them comes to, all at the same time."""
    async with asyncio.TaskGroup() as group:
        tasks = {tile: group.create_task(_outcome(each)) for tile, each in work.items()}
    return {tile: task.result() for tile, task in tasks.items()}


async def _outcome(work: Awaitable[T]) -> T | MirrorError:
    try:
        return await work
    except MirrorError as error:
        return error


def _forget_oldest(
    memory: OrderedDict[Tile, tuple[bytes, bytes]] | OrderedDict[Tree, Mapping[Tile, bytes]], most: int
) -> None:
    while len(memory) > most:
        memory.popitem(last=False)
