"""Zips written byte by byte, so that any of them can be wrong."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

Part = tuple[bytes, Callable[[int], bytes]]


def entry(
    name: bytes,
    content: bytes = b"x",
    *,
    flags: int = 0,
    method: int = 0,
    packed: bytes | None = None,
    crc: int | None = None,
    size: int | None = None,
    extra: bytes = b"",
) -> Part:
    """A local part, and what makes its directory entry from an offset."""
    data = content if packed is None else packed
    fields = (zlib.crc32(content) if crc is None else crc, len(data), len(content) if size is None else size)
    head = struct.pack("<5H3L2H", 20, flags, method, 0, 0, *fields, len(name), len(extra))
    local = b"PK\3\4" + head + name + extra + data

    def central(offset: int, *, made_by: int = 20, attributes: int = 0) -> bytes:
        return (
            b"PK\1\2"
            + struct.pack("<H", made_by)
            + head
            + struct.pack("<3H2L", 0, 0, 0, attributes, offset)
            + name
            + extra
        )

    return local, central


def archive(*parts: Part, count: int | None = None, comment: bytes = b"") -> bytes:
    """A zip of parts, one behind the other."""
    local = directory = b""
    for data, central in parts:
        directory += central(len(local))
        local += data
    number = len(parts) if count is None else count
    return local + directory + end(number, len(directory), len(local), comment)


def end(count: int, size: int, start: int, comment: bytes = b"") -> bytes:
    """The record at a zip's end."""
    return b"PK\5\6" + struct.pack("<4H2LH", 0, 0, count, count, size, start, len(comment)) + comment


def deflated(content: bytes) -> bytes:
    """Packed as in a zip."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def with_attributes(name: bytes, attributes: int, *, system: int = 3) -> Part:
    """A file that Unix (or another system) has these attributes for."""
    local, central = entry(name)
    return local, lambda offset: central(offset, made_by=system << 8, attributes=attributes)  # type: ignore[call-arg]


class Pipe:
    """A file that only takes bytes, and cannot be sought in: a zip that is written to it has its sizes behind the data."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> int:
        """Take bytes."""
        self.data += data
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""
