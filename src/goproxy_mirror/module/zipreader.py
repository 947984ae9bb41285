"""A strict reader of module zips that somebody else made.

Programs disagree on what a sloppy zip holds: which of two entries of one name counts, where the directory
begins, whether the sizes in front of the data or those in the directory are true. A file that passed here as
one thing could be unpacked as another, so whatever can be read in two ways is refused: this reader wants the
entries one behind the other from the first byte, their directory right behind them, and nothing else. Sizes
and checksums are held against the data, which zlib-ng unpacks: it takes the same streams as zlib and Go do, where ISA-L
lets some pass that no Go command could unpack.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from isal import isal_zlib
from zlib_ng import zlib_ng

from goproxy_mirror.errors import SourceUnavailable

MAX_BYTES = 500 << 20
"""Bytes that a zip, and that its files together, may have: the go command's limit."""

MAX_FILES = 500_000
"""Files in one zip; none that is known comes near, and their list is held in memory."""

_DAMAGED = cast("type[Exception]", zlib_ng.error)  # its stub takes the class for an instance
_PIECE = 1 << 17
_SMALL = 1 << 20
"""Bytes of a zip that is read into memory at once."""

_STORED, _DEFLATED = 0, 8
_DESCRIPTOR_FLAG = 0x8
_KNOWN_FLAGS = 0x2 | 0x4 | _DESCRIPTOR_FLAG | 0x800
_UNIXES, _TYPE, _FOLDER, _REGULAR = {3, 19}, 0o170000, 0o040000, 0o100000  # 19: macOS
_FORBIDDEN_EXTRAS = {0x0001: "ZIP64 sizes that no module needs", 0x7075: "a second name"}

_LOCAL = struct.Struct("<4s5H3L2H")
_DESCRIPTOR = struct.Struct("<3L")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_END = struct.Struct("<4s4H2LH")
_MOST = (0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)  # what the plain end says where only the ZIP64 records can


class InvalidZip(SourceUnavailable):
    """The file is no zip that every program reads in the same way, so it is no answer of its source."""


@dataclass(frozen=True, slots=True)
class Member:
    """One entry: `size` bytes packed into `packed` bytes from `start` on; a folder's name ends in a slash."""

    name: str
    size: int
    packed: int
    crc: int
    deflated: bool
    start: int


class ZipReader:
    """Reads a zip's directory at once, and its files one by one. Raises InvalidZip. Not for the event loop."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("rb")
        if os.fstat(self._file.fileno()).st_size <= _SMALL:
            with self._file as file:  # each of its entries is looked for in three places
                self._file = io.BytesIO(file.read(_SMALL + 1))
        try:
            self.members: tuple[Member, ...] = _members(self._file)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._file.close()

    def read(self, member: Member) -> Iterator[bytes]:
        """A file's content in pieces of at most 1 MiB; once it is read to its end, its size and checksum are true."""
        size = crc = 0
        for piece in self._inflated(member) if member.deflated else self._packed(member):
            size += len(piece)
            if size > member.size:
                break
            crc = isal_zlib.crc32(piece, crc)
            yield piece
        if size != member.size:
            raise InvalidZip(f"{member.name!a} does not have the size that the zip's directory says")
        if crc != member.crc:
            raise InvalidZip(f"{member.name!a} does not have the checksum that the zip's directory says")

    def _packed(self, member: Member) -> Iterator[bytes]:
        self._file.seek(member.start)
        left = member.packed
        while left:
            piece = self._file.read(min(left, _PIECE))
            if not piece:
                raise InvalidZip(f"the zip ends within {member.name!a}")
            left -= len(piece)
            yield piece

    def _inflated(self, member: Member) -> Iterator[bytes]:
        inflate = zlib_ng.decompressobj(-zlib_ng.MAX_WBITS)
        try:
            for packed in self._packed(member):
                piece = inflate.decompress(packed, _PIECE)
                while piece:
                    yield piece
                    if inflate.eof:
                        break
                    piece = inflate.decompress(inflate.unconsumed_tail, _PIECE)
        except _DAMAGED:
            raise InvalidZip(f"{member.name!a} is not deflated as the zip's directory says") from None
        if not inflate.eof or inflate.unused_data:
            raise InvalidZip(
                f"{member.name!a} is packed into fewer or more bytes than the zip's directory says"
            )


def _members(file: BinaryIO) -> tuple[Member, ...]:
    """Every entry in the directory's order, each held against the header in front of its data."""
    count, size, start = _directory_place(file)
    directory = _read_at(file, start, size)
    members: list[Member] = []
    headers: list[tuple[int, int, Member]] = []
    position = total = 0
    for _ in range(count):
        offset, flags, member, position = _central_entry(file, directory, position)
        headers.append((offset, flags, member))
        members.append(member)
        total += member.size
    if position != len(directory):
        raise InvalidZip("the zip's directory has room for more entries than it counts")
    if total > MAX_BYTES:
        raise InvalidZip(f"the zip's files have {total} bytes together; a module has at most {MAX_BYTES}")
    if len({member.name for member in members}) < len(members):
        raise InvalidZip("the zip has two entries of one name")
    _check_tiling(file, headers, start)
    return tuple(members)


def _directory_place(file: BinaryIO) -> tuple[int, int, int]:
    """The number of entries, and the size and offset of their directory; the end records follow it at once."""
    length = file.seek(0, 2)
    if length > MAX_BYTES:
        raise InvalidZip(f"the zip has {length} bytes; a module's has at most {MAX_BYTES}")
    end = length - _END.size
    if end < 0:
        raise InvalidZip("the file is too short to be a zip")
    mark, disk, first_disk, here, count, size, start, comment = _END.unpack(_read_at(file, end, _END.size))
    if mark != b"PK\5\6" or comment:
        raise InvalidZip("the file is no zip, or has something behind its end")
    if disk or first_disk or here != count:
        raise InvalidZip("the zip is one part of several")
    if start + size != end:
        end -= _END64.size + _LOCATOR64.size
        count, size, start = _place64(file, end, (count, size, start))
    if start + size != end:
        raise InvalidZip("the zip's directory is not where its end says")
    if count > MAX_FILES:
        raise InvalidZip(f"the zip has {count} entries; at most {MAX_FILES} are read")
    return count, size, start


def _place64(file: BinaryIO, end: int, short: tuple[int, int, int]) -> tuple[int, int, int]:
    """The same from the ZIP64 records at `end`, which must agree with what the plain record was able to say."""
    if end < 0:
        raise InvalidZip("the zip's directory is not where its end says")
    records = _read_at(file, end, _END64.size + _LOCATOR64.size)
    mark, length, _, _, disk, first_disk, here, *place = _END64.unpack_from(records)
    locator = _LOCATOR64.unpack_from(records, _END64.size)
    count, size, start = place
    if (mark, length, disk, first_disk) != (b"PK\6\6", _END64.size - 12, 0, 0) or here != count:
        raise InvalidZip("the zip's directory is not where its end says")
    said = all(plain in {long, most} for plain, long, most in zip(short, place, _MOST, strict=True))
    if locator != (b"PK\6\7", 0, end, 1) or not said:
        raise InvalidZip("the zip's ZIP64 records contradict its end")
    return count, size, start


def _central_entry(file: BinaryIO, directory: bytes, position: int) -> tuple[int, int, Member, int]:
    """One entry of the directory with its header's offset and flags, and where the next entry stands."""
    if position + _CENTRAL.size > len(directory):
        raise InvalidZip("the zip's directory has fewer entries than it counts")
    fields = _CENTRAL.unpack_from(directory, position)
    mark, made_by, _, flags, method, _, _, crc, packed, size, name_length, extra_length, comment_length = (
        fields[:13]
    )
    disk, _, attributes = fields[13:16]
    offset: int = fields[16]
    name_start = position + _CENTRAL.size
    extra_start = name_start + name_length
    raw_name, extra = directory[name_start:extra_start], directory[extra_start : extra_start + extra_length]
    following = extra_start + extra_length + comment_length
    if mark != b"PK\1\2" or following > len(directory):
        raise InvalidZip("the zip's directory is damaged")
    name = _name(raw_name)
    if flags & ~_KNOWN_FLAGS or method not in {_STORED, _DEFLATED} or disk:
        raise InvalidZip(f"{name!a} is encrypted, or packed in a way that module zips are not")
    kind = attributes >> 16 & _TYPE if made_by >> 8 in _UNIXES else 0
    if kind not in {0, _REGULAR, _FOLDER} or (kind == _FOLDER) > name.endswith("/"):
        raise InvalidZip(f"{name!a} is a symbolic link or another special file")
    if name.endswith("/") and size:
        raise InvalidZip(f"{name!a} is a folder with content")
    if method == _STORED and packed != size:
        raise InvalidZip(f"{name!a} is not packed, but has two sizes")
    _check_extra(name, extra)
    start = _check_local(file, offset, raw_name, (flags, method), (crc, packed, size))
    return offset, flags, Member(name, size, packed, crc, method == _DEFLATED, start), following


def _name(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise InvalidZip(f"the name {raw!a} is not UTF-8") from None


def _check_extra(name: str, extra: bytes) -> None:
    """Refuse fields that give an entry another size or name than its header does."""
    position = 0
    while position < len(extra):
        if position + 4 > len(extra):
            raise InvalidZip(f"{name!a} has a damaged extra field")
        field, length = struct.unpack_from("<2H", extra, position)
        if field in _FORBIDDEN_EXTRAS:
            raise InvalidZip(f"{name!a} has {_FORBIDDEN_EXTRAS[field]}")
        position += 4 + length
    if position != len(extra):
        raise InvalidZip(f"{name!a} has a damaged extra field")


def _check_local(
    file: BinaryIO, offset: int, raw_name: bytes, kind: tuple[int, int], sizes: tuple[int, int, int]
) -> int:
    """Hold the header in front of the data against the directory's; where the data begins."""
    header = _read_at(file, offset, _LOCAL.size)
    mark, _, flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL.unpack(header)
    start: int = offset + _LOCAL.size + name_length + extra_length
    names = _read_at(file, offset + _LOCAL.size, name_length + extra_length)
    described = bool(flags & _DESCRIPTOR_FLAG)
    agrees = (crc, packed, size) == sizes or (described and (crc, packed, size) == (0, 0, 0))
    if mark != b"PK\3\4" or (flags, method) != kind or names[:name_length] != raw_name or not agrees:
        raise InvalidZip(f"{raw_name!a} has a header that contradicts the zip's directory")
    _check_extra(_name(raw_name), names[name_length:])
    return start


def _check_tiling(file: BinaryIO, headers: list[tuple[int, int, Member]], end: int) -> None:
    """Make sure that the entries lie one behind the other, from the first byte up to the directory."""
    headers.sort(key=lambda header: header[0])
    borders = [*(offset for offset, _, _ in headers), end]
    if borders[0] != 0:
        raise InvalidZip("the zip begins with something that belongs to no entry")
    for (_, flags, member), border in zip(headers, borders[1:], strict=True):
        data_end = member.start + member.packed
        if data_end > border:
            raise InvalidZip(f"{member.name!a} overlaps what follows it")
        descriptor = _read_at(file, data_end, border - data_end) if border - data_end <= 16 else b""
        sizes = _DESCRIPTOR.pack(member.crc, member.packed, member.size)
        expected = {sizes, b"PK\7\10" + sizes} if flags & _DESCRIPTOR_FLAG else {b""}
        if len(descriptor) != border - data_end or descriptor not in expected:
            raise InvalidZip(f"{member.name!a} is followed by something else than the directory says")


def _read_at(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    data = file.read(size)
    if len(data) != size:
        raise InvalidZip("the zip ends too early")
    return data
