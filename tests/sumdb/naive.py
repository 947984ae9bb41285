"""The definitions of RFC 6962 §2.1, as they stand there."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """The Merkle tree hash over hashes of leaves."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while 2 * half < len(leaves):
        half *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:half]) + naive_root(leaves[half:])).digest()


def naive_tile(leaves: Sequence[bytes], height: int, level: int, index: int, width: int) -> bytes:
    """A tile's hashes, each of a complete subtree."""
    covers = 1 << (height * level)
    first = index << height
    return b"".join(
        naive_root(leaves[number * covers : (number + 1) * covers]) for number in range(first, first + width)
    )
