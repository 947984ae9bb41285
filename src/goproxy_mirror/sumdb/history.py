"""The one history of a checksum database: the newest signed tree head, which every other head must agree with."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from goproxy_mirror.errors import SecurityError, StorageError
from goproxy_mirror.sumdb.note import Malformed, VerifierKey, open_note
from goproxy_mirror.sumdb.ops import Ops
from goproxy_mirror.sumdb.proving import ProvenTiles
from goproxy_mirror.sumdb.tiles import Tile, tile_of
from goproxy_mirror.sumdb.tlog import EMPTY_TREE, Node, Tree, peaks, root_hash

log = structlog.get_logger(__name__)


class Forked(SecurityError):
    """The database has signed two histories."""


@dataclass(frozen=True, slots=True)
class Head:
    """A tree, and the note in which the database has signed it (empty for the tree that all begin with)."""

    tree: Tree
    note: bytes


class History:
    """The newest verified head, shared with other processes through `ops`, and never replaced by an older one."""

    def __init__(self, key: VerifierKey, ops: Ops, tiles: ProvenTiles) -> None:
        self._key = key
        self._ops = ops
        self._tiles = tiles
        self._read = Head(EMPTY_TREE, b"")
        self._opened = self._read

    async def newest(self) -> Head:
        """The newest head that any process has verified."""
        note = await self._ops.head()
        if note != self._read.note:
            if not note:
                self._read = Head(EMPTY_TREE, b"")
                return self._read
            try:
                self._read = self.open(note)
            except (Malformed, SecurityError) as error:
                raise StorageError(
                    f"the tree head that was kept of the checksum database {self._key.name} cannot be believed: {error}; if its "
                    f"key was changed on purpose, forget it: goproxy-mirror sumdb forget-fork {self._key.name} --and-tree"
                ) from error
        return self._read

    def open(self, note: bytes) -> Head:
        """What a note says, if the database has signed it. Raises `Malformed` and `SecurityError`.

        Every answer comes with the same note until the tree grows, so the signature of the last one is not verified again.
        """
        if note != self._opened.note or not note:
            self._opened = Head(Tree.parse(open_note(note, [self._key])), note)
        return self._opened

    async def merge(self, said: Head, number: int | None = None) -> Head:
        """Take a signed head for what it is: an older one of our history, or the next one. The newest then.

        `number` is a record that will be looked at next; its tiles are fetched at the same time.
        """
        while True:
            ours = await self.newest()
            if said.tree.size <= ours.tree.size:
                await self._one_history(said, ours, number)
                return ours
            await self._one_history(ours, said, number)
            if await self._ops.advance(ours.note, said.note):
                return said

    async def _one_history(self, older: Head, newer: Head, number: int | None) -> None:
        """Raise `Forked` unless the newer tree begins with the older one."""
        if older.tree.size == newer.tree.size:
            if older.tree.root != newer.tree.root:
                await self._alarm(older, newer, None, {})
            return
        nodes = peaks(older.tree.size)
        extra = [Node(0, number)] if number is not None and number < newer.tree.size else []
        hashes = await self._tiles.hashes(newer.tree, [*nodes, *extra])
        root = root_hash(hashes[: len(nodes)])
        if root != older.tree.root:
            tiles = [tile_of(node, newer.tree.size) for node in nodes]
            await self._alarm(older, newer, root, await self._tiles.bodies(newer.tree, tiles))

    async def _alarm(self, older: Head, newer: Head, root: bytes | None, tiles: Mapping[Tile, bytes]) -> None:
        evidence = _evidence(self._key.name, older, newer, root, tiles)
        log.error("FORK: a checksum database has signed two histories", database=self._key.name)
        try:
            await self._ops.forked(evidence)
        except StorageError as error:
            log.critical("the evidence of a fork was not kept", evidence=evidence, reason=error.message)
        raise self._fork()

    async def refuse_fork(self) -> None:
        """Raise `Forked` where there is evidence of two histories, whoever found it."""
        if await self._ops.fork() is not None:
            raise self._fork()

    def _fork(self) -> Forked:
        return Forked(
            f"the checksum database {self._key.name} has signed two different histories; nothing it says is believed, and "
            "nothing new is published, until the operator has looked at the evidence and removed it: goproxy-mirror sumdb "
            f"forget-fork {self._key.name}"
        )


def _evidence(name: str, older: Head, newer: Head, root: bytes | None, tiles: Mapping[Tile, bytes]) -> bytes:
    """What shows the fork to anybody who has the database's key, without asking the database again."""
    parts = [
        f"The checksum database {name} has signed two histories.\n\nThis tree:\n\n".encode(),
        older.note,
        b"\nand this tree:\n\n",
        newer.note,
    ]
    if root is None:
        parts.append(b"\nhave the same number of records and different roots.\n")
    else:
        parts.append(
            f"\nof which the first {older.tree.size} records have another root:\n\n{base64.b64encode(root).decode()}\n\n"
            "as these tiles of the latter show:\n".encode()
        )
    parts += (f"\n{tile.path}\n{base64.b64encode(body).decode()}\n".encode() for tile, body in tiles.items())
    return b"".join(parts)
