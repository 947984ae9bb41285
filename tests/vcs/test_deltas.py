"""Differences between objects: `goproxy_mirror.vcs.deltas`."""

from __future__ import annotations

import pytest

from goproxy_mirror.vcs.deltas import BadDelta, applied, sizes

BASE = bytes(range(256)) * 300


def head(*values: int) -> bytes:
    """The sizes that a delta begins with: seven bits a byte, the lowest first."""
    numbers = []
    for value in values:
        parts = [value >> shift & 0x7F for shift in range(0, max(value.bit_length(), 1), 7)]
        numbers.append(bytes(part | 0x80 for part in parts[:-1]) + bytes(parts[-1:]))
    return b"".join(numbers)


def test_applied__copies_and_insertions() -> None:
    """A copy names each byte of its start and length that is not zero; a length of zero is 65,536."""
    delta = head(len(BASE), 65536 + 3 + 2) + b"\x80" + b"\x03abc" + b"\x93\x01\x01\x02"
    assert applied(BASE, delta) == BASE[:65536] + b"abc" + BASE[257:259]
    assert sizes(delta) == (len(BASE), 65541, 6)


@pytest.mark.parametrize(
    "delta",
    [
        b"",
        b"\xff",
        head(5, 0),
        head(len(BASE), 1),
        head(len(BASE), 2) + b"\x01a",
        head(len(BASE), 1) + b"\x02ab",
        head(len(BASE), 3) + b"\x03a",
        head(len(BASE), 1) + b"\x00",
        head(len(BASE), 1) + b"\xff\x00",
        head(len(BASE), 3) + b"\x97\xff\xff\xff\x03",
        head(len(BASE), 10) + b"\x80" * 10_000,
    ],
    ids=str,
)
def test_applied__what_git_would_not_have_made(delta: bytes) -> None:
    """Sizes that are wrong, and instructions that lead beyond the end, are refused; nothing grows beyond the size."""
    with pytest.raises(BadDelta):
        applied(BASE, delta)
