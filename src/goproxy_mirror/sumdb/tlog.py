"""Transparent logs: the Merkle tree of RFC 6962 §2.1, and the texts of checksum databases (golang.org/x/mod/sumdb/tlog).

A tree of any size is a row of complete subtrees, its peaks, from the largest to the smallest. A node is named by its level
(0 for records) and its index within the level; the node `(level, index)` covers the records from `index << level` on,
`1 << level` of them.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from goproxy_mirror.sumdb.note import Malformed, unbase64

HASH_SIZE = 32
EMPTY = hashlib.sha256().digest()
"""The root of the tree without records."""

_TREE = b"go.sum database tree\n"
_NUMBER = re.compile(rb"0|[1-9][0-9]{0,18}")
_CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f]")
_LIMIT = 1 << 63


@dataclass(frozen=True, slots=True)
class Node:
    """A complete subtree."""

    level: int
    index: int


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree by its number of records and the hash of its root."""

    size: int
    root: bytes

    @classmethod
    def parse(cls, text: bytes) -> Tree:
        """The tree that the text of a note describes; lines behind the third are for later ages. Raises `Malformed`."""
        lines = text.split(b"\n", 3)
        if not text.startswith(_TREE) or len(lines) != 4:
            raise Malformed("it describes no tree")
        root = unbase64(lines[2].decode("ascii", "replace"))
        if root is None or len(root) != HASH_SIZE:
            raise Malformed("it describes a tree whose root is no hash")
        return cls(_number(lines[1]), root)

    def __str__(self) -> str:
        return f"{_TREE.decode()}{self.size}\n{base64.b64encode(self.root).decode()}\n"


EMPTY_TREE = Tree(0, EMPTY)


@dataclass(frozen=True, slots=True)
class Entry:
    """A record and its number in the log."""

    number: int
    text: bytes

    @property
    def hash(self) -> bytes:
        return record_hash(self.text)

    def __bytes__(self) -> bytes:
        return b"%d\n%b\n" % (self.number, self.text)


def parse_entry(body: bytes) -> tuple[Entry, bytes]:
    """What a lookup is answered with: the entry, and the signed note behind its blank line. Raises `Malformed`."""
    number, newline, rest = body.partition(b"\n")
    if not newline:
        raise Malformed("it is no record")
    text, note = cut_record(rest)
    return Entry(_number(number), text), note


def cut_record(data: bytes) -> tuple[bytes, bytes]:
    """The first record of several that each have a blank line behind them, and what follows. Raises `Malformed`."""
    text, blank, rest = data.partition(b"\n\n")
    text += b"\n"
    try:
        text.decode()
    except UnicodeDecodeError:
        raise Malformed("a record is not UTF-8") from None
    if not blank or text.startswith(b"\n") or _CONTROL.search(text):
        raise Malformed("it is no record")
    return text, rest


def record_hash(text: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\x00" + text).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node, from those of its two halves."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def peaks(size: int) -> tuple[Node, ...]:
    """The complete subtrees that make up the tree of that many records, from the left."""
    return tuple(
        Node(level, (size >> level) - 1) for level in reversed(range(size.bit_length())) if size >> level & 1
    )


def root_hash(hashes: Sequence[bytes]) -> bytes:
    """The root of the tree whose peaks have these hashes, from the left."""
    if not hashes:
        return EMPTY
    found = hashes[-1]
    for peak in reversed(hashes[:-1]):
        found = node_hash(peak, found)
    return found


def complete_hash(row: bytes) -> bytes:
    """The root of a complete subtree, from the hashes of one of its levels: 1, 2, 4, … of them, one behind the other."""
    while len(row) > HASH_SIZE:
        pair = 2 * HASH_SIZE
        row = b"".join(
            hashlib.sha256(b"\x01" + row[start : start + pair]).digest() for start in range(0, len(row), pair)
        )
    return row


def _number(text: bytes) -> int:
    if not _NUMBER.fullmatch(text) or int(text) >= _LIMIT:
        raise Malformed("a number in it is none")
    return int(text)
