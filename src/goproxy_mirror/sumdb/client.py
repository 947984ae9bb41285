"""The client of one checksum database (https://go.dev/design/25530-sumdb), by the rules of golang.org/x/mod/sumdb.

What is believed: a record whose leaf is proven to stand in a tree that the database's key has signed, and that is one history
with every tree that was believed before. The newest such tree is kept and never gives way to an older one. Two trees that the
key has signed and that are no one history are the one thing that cannot be an accident or somebody else's lie: the evidence is
kept, and nothing of that database is believed until the operator removes it.

Who answers is nobody's business here: where one place lies, the next one is asked.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog

from goproxy_mirror.errors import (
    BadRequest,
    Loop,
    MirrorError,
    NotFound,
    NotRecorded,
    SecurityError,
    StorageError,
    Unproven,
)
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import Home, Record
from goproxy_mirror.sumdb.history import Forked, Head, History
from goproxy_mirror.sumdb.note import MOST_BYTES, Malformed, VerifierKey
from goproxy_mirror.sumdb.ops import Ops
from goproxy_mirror.sumdb.proving import ProvenTiles
from goproxy_mirror.sumdb.sharing import Shared
from goproxy_mirror.sumdb.tiles import DATA, HEIGHT, Tile, tile_of, widest
from goproxy_mirror.sumdb.tlog import (
    HASH_SIZE,
    Entry,
    Node,
    cut_record,
    parse_entry,
    peaks,
    record_hash,
)

log = structlog.get_logger(__name__)
T = TypeVar("T")

_LATEST_FOR = 60.0
"""Seconds for which `latest` is answered without asking anybody."""

_MOST_RECENT = 1024
"""Proven records in memory, of some 300 bytes each: a version is looked up for its `.mod`, for its zip, and for each check of
them."""


@dataclass(frozen=True, slots=True)
class _Proven:
    """An entry, and the head in whose tree it is proven to stand."""

    entry: Entry
    head: Head


class Client:
    """`ports.Records`, and verified answers for those who ask us in the database's place.

    All methods raise `SecurityError` (forged by every place that could be asked, or the database has signed two histories),
    `Unproven` (nobody could say), `StorageError` (the newest head could not be read or written) and `Loop`.
    """

    def __init__(self, key: VerifierKey, ops: Ops, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._key = key
        self._ops = ops
        self._clock = clock
        self._tiles = ProvenTiles(key.name, ops)
        self._history = History(key, ops, self._tiles)
        self._shared = Shared()
        self._refreshed: float | None = None
        self._recent: OrderedDict[ModuleVersion, _Proven] = OrderedDict()

    @property
    def name(self) -> str:
        return self._key.name

    async def lookup(self, mv: ModuleVersion) -> Record:
        """What the database has recorded of a version. Also raises `NotRecorded`."""
        proven = await self._proven(mv)
        hashes = self._hashes(mv, proven.entry)
        return Record(
            number=proven.entry.number,
            go_mod=hashes.get(f"{mv.version}/go.mod"),
            zip=hashes.get(str(mv.version)),
            tree=proven.head.tree.size,
        )

    async def lookup_text(self, path_version: str) -> bytes:
        """The verified answer to `lookup/<path_version>`, with our newest head. Also raises `NotRecorded` and `BadRequest`."""
        path, at, version = path_version.partition("@")
        if not at:
            raise BadRequest(f"lookup/{path_version!a} is not of the form lookup/module@version")
        module = ModulePath.unescape(path)
        proven = await self._proven(ModuleVersion(module, Version.unescape_for(module, version)))
        return bytes(proven.entry) + proven.head.note

    async def latest(self) -> bytes:
        """Our newest head, after a look whether there is a newer one; an outage leaves us with what we have."""
        await self._history.refuse_fork()
        now = self._clock()
        if self._refreshed is None or now - self._refreshed >= _LATEST_FOR:
            try:
                await self._refresh()
            except Unproven as error:
                log.warning("newest tree not known", database=self.name, reason=error.line)
                if not (await self._history.newest()).note:
                    raise
            self._refreshed = now
        return (await self._history.newest()).note

    async def look(self) -> int:
        """Ask for the newest tree now, and prove it to be one history with ours: the number of records of the newer of both.

        Unlike `latest`, an outage is one, whatever we have.
        """
        await self._history.refuse_fork()
        return (await self._refresh()).tree.size

    async def tile(self, path: str) -> bytes:
        """A proven tile, of hashes or of records. Also raises `BadRequest`, and `NotFound` for what is not in the tree."""
        try:
            tile = Tile.parse(path)
        except Malformed as error:
            raise BadRequest(str(error)) from None
        await self._history.refuse_fork()
        if tile.height != HEIGHT:
            raise NotFound(f"{path}: the tiles of {self.name} have height {HEIGHT}")
        head = await self._history.newest()
        held = widest(max(tile.level, 0), tile.index, head.tree.size)
        if held is None or held.width < tile.width:
            head = await self._refresh()
            held = widest(max(tile.level, 0), tile.index, head.tree.size)
        if held is None or held.width < tile.width:
            raise NotFound(f"{path} is not in the tree of {head.tree.size} records of {self.name}")
        hashes = (await self._tiles.bodies(head.tree, [held]))[held][: tile.size]
        return hashes if tile.level != DATA else await self._data(tile, hashes)

    # Showing to others what proves it, without asking anybody for more than is missing.

    async def entry(self, mv: ModuleVersion) -> tuple[int, bytes]:
        """The number of a version's record, and the record as a look-up has it before the note. Also raises `NotRecorded`."""
        proven = await self._proven(mv)
        return proven.entry.number, bytes(proven.entry)

    async def newest(self) -> tuple[int, bytes]:
        """The size of our newest tree, and its note."""
        head = await self._history.newest()
        return head.tree.size, head.note

    async def tiles(self, note: bytes, numbers: Sequence[int], sizes: Sequence[int]) -> Mapping[str, bytes]:
        """By their paths, the tiles that prove in the note's tree the records of these numbers, and that the trees of these
        sizes are its beginnings."""
        tree = self._history.open(note).tree
        nodes = {Node(0, number) for number in numbers}.union(*map(peaks, sizes))
        bodies = await self._tiles.bodies(tree, [tile_of(node, tree.size) for node in nodes])
        return {tile.path: body for tile, body in bodies.items()}

    # Looking up.

    async def _proven(self, mv: ModuleVersion) -> _Proven:
        await self._history.refuse_fork()
        recent = self._recent.get(mv)
        if recent is not None and recent.head == await self._history.newest():
            return recent
        proven = await self._shared.run(mv, lambda: self._prove(mv))
        self._recent[mv] = proven
        self._recent.move_to_end(mv)
        if len(self._recent) > _MOST_RECENT:
            self._recent.popitem(last=False)
        return proven

    async def _prove(self, mv: ModuleVersion) -> _Proven:
        path = f"lookup/{mv.path.escaped}@{mv.version.escaped}"
        kept = await self._kept(mv, path)
        if kept is not None:
            return kept
        try:
            proven = await self._ask(path, lambda body: self._check(mv, body))
        except NotFound as error:
            raise NotRecorded(
                f"{mv}: the checksum database {self.name} has no record of it: {error.message}",
                source=error.source,
            ) from error
        await self._ops.keep(path, bytes(proven.entry))
        return proven

    async def _kept(self, mv: ModuleVersion, path: str) -> _Proven | None:
        """A record that was kept, proven again: who can write to the folder can lie there."""
        body = await self._ops.kept(path)
        if body is None:
            return None
        try:
            entry, _ = parse_entry(body)
            self._hashes(mv, entry)
            head = await self._history.newest()
            if entry.number >= head.tree.size:
                return None
            await self._check_leaf(head, entry)
        except (Malformed, SecurityError, Unproven) as error:
            log.warning("a kept record is asked for anew", database=self.name, path=path, reason=str(error))
            return None
        return _Proven(entry, head)

    async def _check(self, mv: ModuleVersion, body: bytes) -> _Proven:
        """The record of a lookup's answer, proven."""
        entry, note = parse_entry(body)
        said = self._history.open(note)
        self._hashes(mv, entry)
        ours = await self._history.newest()
        if entry.number >= max(said.tree.size, ours.tree.size):
            raise SecurityError(
                f"record {entry.number} cannot be in the signed tree of {said.tree.size} records"
            )
        try:
            head = await self._history.merge(said, entry.number)
        except (Unproven, StorageError):
            # The tree that we have already proves the record; how it goes on, and to keep that, is for another time.
            if entry.number >= ours.tree.size:
                raise
            head = ours
        await self._check_leaf(head, entry)
        return _Proven(entry, head)

    async def _check_leaf(self, head: Head, entry: Entry) -> None:
        (leaf,) = await self._tiles.hashes(head.tree, [Node(0, entry.number)])
        if leaf != entry.hash:
            raise SecurityError(f"record {entry.number} of the signed tree is another one")

    def _hashes(self, mv: ModuleVersion, entry: Entry) -> dict[str, str]:
        """The `h1:` hashes by version and `version/go.mod`. A record that says nothing of the version proves nothing of it."""
        found: dict[str, str] = {}
        for line in entry.text.decode().split("\n"):
            fields = line.split(" ")
            if len(fields) != 3 or fields[0] != mv.path.value or not fields[2].startswith("h1:"):
                continue
            if fields[1] not in {str(mv.version), f"{mv.version}/go.mod"}:
                continue
            if found.setdefault(fields[1], fields[2]) != fields[2]:
                raise SecurityError(f"record {entry.number} says two different things of it")
        if not found:
            raise SecurityError(f"record {entry.number} says nothing of it")
        return found

    async def _data(self, tile: Tile, hashes: bytes) -> bytes:
        """A tile of records, each held against its hash."""

        async def check(body: bytes) -> bytes:
            rest = body
            for start in range(0, len(hashes), HASH_SIZE):
                text, rest = cut_record(rest)
                if record_hash(text) != hashes[start : start + HASH_SIZE]:
                    raise SecurityError("a record in it is not the one of the signed tree")
            return body[: len(body) - len(rest)]

        try:
            return await self._ask(tile.path, check)
        except NotFound:
            if tile.is_full:
                raise
            return await self._ask(tile.full.path, check)

    async def _ask(self, path: str, check: Callable[[bytes], Awaitable[T]]) -> T:
        """What `check` makes of the first answer that passes it. Raises `NotFound` where the database has none."""
        refused: dict[Home, Malformed | SecurityError] = {}
        while True:
            try:
                found = await self._ops.fetch(path, tuple(refused))
            except (NotFound, Loop, StorageError):
                raise
            except MirrorError as error:
                raise self._refusal(path, refused, error) from error
            try:
                if len(found.value) > MOST_BYTES and not path.startswith("tile/"):
                    raise Malformed(f"it has more than {MOST_BYTES} bytes")
                return await check(found.value)
            except Forked:
                raise
            except (Malformed, SecurityError) as error:
                log.warning(
                    "refused", database=self.name, place=found.home.name, path=path, reason=str(error)
                )
                refused[found.home] = error

    def _refusal(
        self, path: str, refused: Mapping[Home, Malformed | SecurityError], outage: MirrorError
    ) -> MirrorError:
        forged = {home.name: error for home, error in refused.items() if isinstance(error, SecurityError)}
        # Whoever is left over after those who were refused is nobody, or down as well.
        reasons = [f"{outage.source}: {outage.message}"] if outage.source and refused else []
        if forged:
            reasons[:0] = [f"the answer of {place} is forged: {error}" for place, error in forged.items()]
            return SecurityError(
                f"{path} of the checksum database {self.name}: {'; '.join(reasons)}",
                source=next(iter(forged)),
            )
        reasons[:0] = [f"{home.name} answered with what is none: {error}" for home, error in refused.items()]
        return Unproven(
            f"the checksum database {self.name} could not be asked for {path}: {'; '.join(reasons or [outage.message])}",
            source=next((home.name for home in refused), outage.source),
        )

    async def _refresh(self) -> Head:
        async def check(body: bytes) -> Head:
            return await self._history.merge(self._history.open(body))

        try:
            return await self._shared.run("latest", lambda: self._ask("latest", check))
        except NotFound as error:
            raise Unproven(
                f"the checksum database {self.name} has no newest tree: {error.message}", source=error.source
            ) from error
