"""A bare repository's packs, read without git: what is where, and small objects as they lie there.

For a thousand files of a module this takes a third of what `git cat-file` does; and as git stores a file as a zlib
stream, and a zip as the deflate stream within, many need not even be compressed again. Large objects, and what would
take much work, are left to git. Formats: gitformat-pack(5). The packs were written by `git index-pack`, which checks every
object; what is read is held to its bounds all the same. Files are read and not mapped: one that is cut while it is mapped
would end the process.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from isal import isal_zlib

from goproxy_mirror.vcs import deltas

LARGEST_HELD = 1 << 20
"""Bytes of an object that is read at once; larger ones are git's, which gives them in pieces."""

_MOST_PACKS = 64
_MOST_INDEXES = 16 << 20
"""Bytes of all indexes of a repository; they are read whole."""

_LONGEST_CHAIN = 60
_DELTA_ROOM = 32 << 20
"""Bytes, of a pack's deltas and of what they make, that are dealt with here: each is made once, and some are kept."""

_DAMAGED = cast("type[Exception]", isal_zlib.error)  # its stub takes the class for an instance
_MAGIC = b"\377tOc\0\0\0\2"
_IDS = len(_MAGIC) + 256 * 4
_LARGE = 1 << 31
_KINDS = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
_OFFSET_DELTA, _ID_DELTA = 6, 7


class BadPack(Exception):
    """A pack or an index is not what git has written."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a pack says about an object: its kind, or else where the object begins that it is the difference to."""

    kind: str
    base: int
    size: int
    """Of the object, or of the difference; in bytes."""
    start: int
    """Where its zlib stream begins."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object can be read."""

    pack: Pack
    offset: int
    kind: str

    def load(self) -> tuple[bytes, bytes | None]:
        """The object's bytes; where they are stored whole, also the raw deflate stream of them. Raises `BadPack`."""
        return self.pack.load(self.offset)


class Pack:
    """One pack with its index; the pack is opened when it is first needed, until `close`."""

    def __init__(self, index: Path, id_size: int) -> None:
        """Raises `BadPack`, `OSError`."""
        self._path = index.with_suffix(".pack")
        self._data: BinaryIO | None = None
        self._size = 0
        self._id_size = id_size
        self._index = index.read_bytes()
        if not self._index.startswith(_MAGIC) or len(self._index) < _IDS:
            raise BadPack(index.name)
        self._fanout = struct.unpack(">256L", self._index[len(_MAGIC) : _IDS])
        self._entries: dict[int, Entry] = {}
        self._room = _DELTA_ROOM
        self._bases: dict[int, bytes | None] = {}

    def close(self) -> None:
        """Nothing may be read any more."""
        if self._data is not None:
            self._data.close()

    def offset(self, oid: bytes) -> int | None:
        """Where an object begins in the pack; None where the pack does not have it. Raises `BadPack`."""
        size = self._id_size
        first = self._fanout[oid[0] - 1] if oid[0] else 0
        start, end = _IDS + first * size, _IDS + self._fanout[oid[0]] * size
        found = self._index.find(oid, start, end)
        while found >= 0 and (found - _IDS) % size:
            found = self._index.find(oid, found + 1, end)
        if found < 0:
            return None
        # Behind the ids stand as many checksums, offsets, and then those offsets that need eight bytes.
        count = self._fanout[255]
        offsets = _IDS + count * (size + 4)
        try:
            (offset,) = struct.unpack_from(">L", self._index, offsets + 4 * ((found - _IDS) // size))
            if offset >= _LARGE:
                at = offsets + 4 * count + 8 * (offset - _LARGE)
                (offset,) = struct.unpack_from(">Q", self._index, at)
        except struct.error as error:
            raise self._bad() from error
        return int(offset)

    def place(self, offset: int) -> Place | None:
        """What begins there; None where it is for git to read. Raises `BadPack`."""
        chain: list[int] = []
        entry = self._entry(offset)
        at = offset
        needed = 0
        while not entry.kind:
            if entry.size > LARGEST_HELD or entry.base < 0 or len(chain) == _LONGEST_CHAIN:
                return None
            if at not in self._bases:
                result = self._result_size(entry)
                if result > LARGEST_HELD:
                    return None
                needed += entry.size + result
            chain.append(at)
            at, entry = entry.base, self._entry(entry.base)
        if entry.size > LARGEST_HELD or needed > self._room:
            return None
        self._room -= needed
        for base in (*chain[1:], at) if chain else ():
            self._bases.setdefault(base, None)
        return Place(self, offset, entry.kind)

    def load(self, offset: int) -> tuple[bytes, bytes | None]:
        """See `Place.load`."""
        entry = self._entry(offset)
        if entry.kind:
            return self._inflate(entry)
        chain: list[tuple[int, Entry]] = []
        while not entry.kind and self._bases.get(offset) is None:
            chain.append((offset, entry))
            offset, entry = entry.base, self._entry(entry.base)
        data = self._bases.get(offset) or self._keep(offset, self._inflate(entry)[0])
        try:
            for at, each in reversed(chain):
                data = self._keep(at, deltas.applied(data, self._inflate(each)[0]))
        except deltas.BadDelta as error:
            raise self._bad() from error
        return data, None

    def _keep(self, offset: int, data: bytes) -> bytes:
        if offset in self._bases:
            self._bases[offset] = data
        return data

    def _entry(self, offset: int) -> Entry:
        entry = self._entries.get(offset)
        if entry is None:
            try:
                entry = self._entries[offset] = self._parse(self._read(offset, 64), offset)
            except IndexError as error:
                raise self._bad() from error
        return entry

    def _parse(self, head: bytes, offset: int) -> Entry:
        kind = head[0] >> 4 & 7
        size, shift, used = head[0] & 15, 4, 1
        while head[used - 1] & 0x80:
            size |= (head[used] & 0x7F) << shift
            shift, used = shift + 7, used + 1
        if kind in _KINDS:
            return Entry(_KINDS[kind], -1, size, offset + used)
        base: int | None = None
        if kind == _OFFSET_DELTA:
            back = head[used] & 0x7F
            while head[used] & 0x80:
                used += 1
                back = (back + 1) << 7 | head[used] & 0x7F
            used += 1
            base = offset - back
        elif kind == _ID_DELTA:
            oid = head[used : used + self._id_size]
            used += self._id_size
            base = self.offset(oid)
        if base is None or not 0 < base < self._size or base == offset:
            base = -1
        return Entry("", base, size, offset + used)

    def _result_size(self, entry: Entry) -> int:
        # The tables at the beginning of a stream may take three hundred bytes.
        stream = self._read(entry.start, 512)
        try:
            return deltas.sizes(isal_zlib.decompressobj().decompress(stream, 20))[1]
        except (_DAMAGED, deltas.BadDelta) as error:
            raise self._bad() from error

    def _inflate(self, entry: Entry) -> tuple[bytes, bytes]:
        """What an entry's stream holds, and the stream without zlib's header and checksum."""
        # What zlib may make of so many bytes at worst; a longer stream is none of git's.
        stream = self._read(entry.start, entry.size + (entry.size >> 8) + 64)
        inflater = isal_zlib.decompressobj()
        try:
            data = inflater.decompress(stream, entry.size + 1)
        except _DAMAGED as error:
            raise self._bad() from error
        if not inflater.eof or len(data) != entry.size or stream[0] & 15 != 8 or stream[1] & 0x20:
            raise self._bad()
        return data, stream[2 : len(stream) - len(inflater.unused_data) - 4]

    def _read(self, start: int, size: int) -> bytes:
        """So many bytes of the pack, fewer at its end."""
        try:
            if self._data is None:
                self._data = self._path.open("rb", buffering=0)
                self._size = self._path.stat().st_size
            self._data.seek(start)
            return self._data.read(size)
        except (OSError, ValueError, OverflowError) as error:
            raise self._bad() from error

    def _bad(self) -> BadPack:
        return BadPack(self._path.name)


class Packs:
    """All packs of a repository, as they are when it is opened; a context manager. `id_size` is that of ids, in bytes."""

    def __init__(self, packs: Sequence[Pack]) -> None:
        self._packs = [*packs]

    @classmethod
    def open(cls, repository: Path, id_size: int) -> Self | None:
        """None where there is so much that git finds an object faster, or where it cannot be read."""
        folder = repository / "objects" / "pack"
        opened: list[Pack] = []
        try:
            names = sorted(name for name in os.listdir(folder) if name.endswith(".idx"))  # noqa: PTH208
            if (
                len(names) > _MOST_PACKS
                or sum((folder / name).stat().st_size for name in names) > _MOST_INDEXES
            ):
                return None
            for name in names:
                opened.append(Pack(folder / name, id_size))  # noqa: PERF401 - each is closed where the next fails
        except (OSError, BadPack):
            cls(opened).close()
            return None
        return cls(opened)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Nothing may be read any more."""
        for pack in self._packs:
            pack.close()

    def lacks(self, oids: Iterable[str]) -> list[str]:
        """Which of these objects are in no pack. Raises `BadPack`."""
        return [oid for oid in oids if self._find(oid) is None]

    def place(self, oid: str) -> Place | None:
        """Where an object can be read; None where it is for git to read, or not here. Raises `BadPack`."""
        found = self._find(oid)
        return found[0].place(found[1]) if found is not None else None

    def read(self, oid: str) -> tuple[str, bytes] | None:
        """An object's kind and bytes; None as for `place`. Raises `BadPack`."""
        place = self.place(oid)
        return (place.kind, place.load()[0]) if place is not None else None

    def _find(self, oid: str) -> tuple[Pack, int] | None:
        raw = bytes.fromhex(oid)
        for number, pack in enumerate(self._packs):
            offset = pack.offset(raw)
            if offset is not None:
                # The next one asked for is most often in the same pack.
                if number:
                    self._packs.insert(0, self._packs.pop(number))
                return pack, offset
        return None


def lacking(repository: Path, oids: Sequence[str]) -> list[str] | None:
    """Which of these objects a repository has in no pack; None where git has to say."""
    packs = Packs.open(repository, len(oids[0]) // 2)
    if packs is None:
        return None
    with packs, suppress(BadPack):
        return packs.lacks(oids)
    return None
