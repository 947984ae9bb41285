"""Objects that a pack stores as their difference to another one: gitformat-pack(5), "Deltified representation"."""

from __future__ import annotations


class BadDelta(Exception):
    """A difference that git would not have made."""


def sizes(delta: bytes) -> tuple[int, int, int]:
    """Of a delta's first bytes: how long its base is, how long the result is, and where the instructions begin.

    Raises `BadDelta`.
    """
    try:
        base, at = _number(delta, 0)
        result, at = _number(delta, at)
    except IndexError:
        raise BadDelta from None
    return base, result, at


def applied(base: bytes, delta: bytes) -> bytes:
    """The object that a delta makes of its base. Raises `BadDelta`."""
    base_size, size, at = sizes(delta)
    if base_size != len(base):
        raise BadDelta
    pieces: list[bytes] = []
    made = 0
    try:
        while at < len(delta) and made <= size:
            code = delta[at]
            at += 1
            if code & 0x80:
                start, length, at = _copy(code, delta, at)
                piece = base[start : start + length]
            else:
                length = code
                piece = delta[at : at + length]
                at += length
            if not length or len(piece) != length:
                raise BadDelta
            made += length
            pieces.append(piece)
    except IndexError:
        raise BadDelta from None
    if made != size:
        raise BadDelta
    return b"".join(pieces)


def _copy(code: int, delta: bytes, at: int) -> tuple[int, int, int]:
    """Where in the base to copy from, how many bytes, and where the next instruction begins."""
    start = length = 0
    if code & 0x01:
        start, at = delta[at], at + 1
    if code & 0x02:
        start, at = start | delta[at] << 8, at + 1
    if code & 0x04:
        start, at = start | delta[at] << 16, at + 1
    if code & 0x08:
        start, at = start | delta[at] << 24, at + 1
    if code & 0x10:
        length, at = delta[at], at + 1
    if code & 0x20:
        length, at = length | delta[at] << 8, at + 1
    if code & 0x40:
        length, at = length | delta[at] << 16, at + 1
    return start, length or 0x10000, at


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at
