"""A strict reader of tars that somebody else made, piece by piece, from the first byte to the last.

The standard library's reader believes what an archive says of itself: it keeps headers of any length in memory, and follows
links, sparse files and sizes that go backwards. Nothing of that stands in an archive of plain files, so it is refused here,
and nothing is ever written to where an archive says.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol, cast

from isal import isal_zlib

from goproxy_mirror.errors import SourceUnavailable
from goproxy_mirror.module.filenames import unclean

MOST_FILES = 200_000
"""Files in one archive; a Go distribution has some 15,000."""

_BLOCK = 512
_PIECE = 1 << 20
_MOST_RECORDS = 64 << 10
_GZIP = 16 + isal_zlib.MAX_WBITS
_OCTAL = re.compile(rb" *([0-7]{1,11})[ \0]*")
_FILE, _OLD_FILE, _FOLDER, _RECORDS, _COMMENT = b"0", b"\0", b"5", b"x", b"g"
_HARMLESS = frozenset({b"path", b"mtime", b"atime", b"ctime", b"uname", b"gname", b"uid", b"gid", b"comment"})

_DAMAGED = cast("type[Exception]", isal_zlib.error)  # its stub takes the class for an instance


class InvalidTar(SourceUnavailable):
    """The file is no archive of plain files, so it is no answer of its source."""


@dataclass(frozen=True, slots=True)
class TarFile:
    """A regular file: its clean, relative name, and its size in bytes."""

    name: str
    size: int


class Unpacked(Protocol):
    """The bytes of an archive, unpacked as far as is asked for. Raises `InvalidTar`."""

    def read(self, size: int) -> bytes:
        """Exactly so many bytes."""
        ...

    def end(self) -> None:
        """Read to the end, where nothing but zeros may stand."""
        ...


class StreamReader:
    """The files of a tar in its order, at most `most` of them. Raises `InvalidTar`.

    Iterate over it, and `read` each file that is wanted before the next one. Not for the event loop.
    """

    def __init__(self, unpacked: Unpacked, *, most: int = sys.maxsize) -> None:
        self._unpacked = unpacked
        self._most = most
        self._left = self._padding = 0

    def __iter__(self) -> Iterator[TarFile]:
        name: bytes | None = None
        for _ in range(self._most):
            self._skip()
            header = self._unpacked.read(_BLOCK)
            if not header.strip(b"\0"):
                self._unpacked.end()
                return
            kind = _check(header)
            self._left = _number(header[124:136])
            self._padding = -self._left % _BLOCK
            if kind == _RECORDS:
                name = self._records().get(b"path")
                continue
            if kind == _COMMENT:
                self._records()
                continue
            found = _name(name or _plain_name(header))
            name = None
            if kind == _FOLDER:
                continue
            yield TarFile(found, self._left)
        raise InvalidTar(f"the archive has more than {self._most} entries")

    def read(self) -> Iterator[bytes]:
        """The content of the file that the iteration stands at, in pieces of at most 1 MiB."""
        while self._left:
            piece = self._unpacked.read(min(self._left, _PIECE))
            self._left -= len(piece)
            yield piece

    def _skip(self) -> None:
        for _ in self.read():
            pass
        self._unpacked.read(self._padding)
        self._padding = 0

    def _records(self) -> dict[bytes, bytes]:
        """What stands in front of an entry about it (POSIX.1-2001, pax): its name where that is long, and times."""
        if self._left > _MOST_RECORDS:
            raise InvalidTar(f"the archive says more than {_MOST_RECORDS} bytes about one file")
        data = b"".join(self.read())
        records: dict[bytes, bytes] = {}
        while data:
            # `LENGTH KEY=VALUE\n`, the length being that of the whole record.
            digits, _, _ = data.partition(b" ")
            length = int(digits) if digits.isdigit() and len(digits) < 6 else 0
            record, data = data[:length], data[length:]
            key, equals, value = record[len(digits) + 1 :].partition(b"=")
            if len(record) != length or not record.endswith(b"\n") or not equals or key in records:
                raise InvalidTar("the archive has a damaged extended header")
            if key not in _HARMLESS:
                raise InvalidTar(f"the archive has an extended header that files do not need: {key[:40]!a}")
            records[key] = value[:-1]
        return records


class TarReader(StreamReader):
    """The same of a gzipped tar from elsewhere. `limit`: bytes that it may unpack to."""

    def __init__(self, file: BinaryIO, *, limit: int) -> None:
        super().__init__(_Gunzipped(file, limit), most=MOST_FILES)


class _Gunzipped:
    """One gzip stream, unpacked as far as is asked for."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self._file = file
        self._room = self._limit = limit
        self._inflate = isal_zlib.decompressobj(_GZIP)
        self._ready = b""
        self._at = 0

    def read(self, size: int) -> bytes:
        """Exactly so many bytes."""
        parts = []
        while size:
            if self._at == len(self._ready):
                self._ready, self._at = self._next(), 0
                if not self._ready:
                    raise InvalidTar("the archive is cut off")
            part = self._ready[self._at : self._at + size]
            self._at += len(part)
            size -= len(part)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def end(self) -> None:
        """Read to the end, where nothing but zeros may stand."""
        rest = self._ready[self._at :]
        while rest:
            if rest.strip(b"\0"):
                raise InvalidTar("the archive has something behind its end")
            rest = self._next()
        if self._inflate.unused_data or self._file.read(1):
            raise InvalidTar("the archive has something behind its end")

    def _next(self) -> bytes:
        """The next piece, empty at the end of what was packed (or of what there is)."""
        while not self._inflate.eof:
            packed = self._inflate.unconsumed_tail or self._file.read(_PIECE)
            try:
                piece = self._inflate.decompress(packed, _PIECE)
            except _DAMAGED:
                raise InvalidTar("the file is no gzipped archive, or a damaged one") from None
            self._room -= len(piece)
            if self._room < 0:
                raise InvalidTar(f"the archive unpacks to more than {self._limit} bytes")
            if piece or not packed:
                return piece
        return b""


def _check(header: bytes) -> bytes:
    """The kind of an entry whose header is whole and well."""
    said = _number(header[148:156])
    if sum(header) - sum(header[148:156]) + 8 * ord(" ") != said:
        raise InvalidTar("the file is no archive, or a damaged one")
    kind = header[156:157]
    if kind not in {_FILE, _OLD_FILE, _FOLDER, _RECORDS, _COMMENT}:
        raise InvalidTar(f"{_plain_name(header)!a} is a link or another special file")
    return kind


def _number(field: bytes) -> int:
    digits = _OCTAL.fullmatch(field)
    if digits is None:
        raise InvalidTar("the archive has a damaged header")
    return int(digits[1], 8)


def _plain_name(header: bytes) -> bytes:
    name = header[:100].partition(b"\0")[0]
    # What stands at that place means something else in GNU's own format, whose mark has blanks.
    prefix = header[345:500].partition(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _name(raw: bytes) -> str:
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        raise InvalidTar(f"the name {raw[:200]!a} is not UTF-8") from None
    plain = name.removesuffix("/")
    if unclean(plain) or ".." in plain.split("/") or "\\" in plain or "\0" in plain:
        raise InvalidTar(f"the archive names a file {name[:200]!a}, which is no plain way to one")
    return plain
