"""A file as a zip holds it: deflated, with its sums. What is the same in two versions of a module is made once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from isal import isal_zlib

LEVEL = 2
"""Of four: nothing for level 1, which is as fast; level 3 takes half as long again for a fortieth of the size."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A whole file: its size and sums, and a raw deflate stream (RFC 1951) of it."""

    size: int
    crc: int
    sha256: bytes
    deflated: bytes


def packed(data: bytes, deflated: bytes | None = None) -> Packed:
    """Pack a file, of which a deflate stream may be there already; a poor one is not used. Work for the processor."""
    if deflated is None or len(deflated) > len(data):
        compress = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, -isal_zlib.MAX_WBITS)
        deflated = compress.compress(data) + compress.flush()
    return Packed(len(data), isal_zlib.crc32(data), hashlib.sha256(data).digest(), deflated)


def unpacked(member: Packed) -> bytes:
    """The file's bytes."""
    return bytes(isal_zlib.decompress(member.deflated, -isal_zlib.MAX_WBITS, max(member.size, 1)))
