"""What git prints about objects, turned into values: commits, trees, batches of objects."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

from goproxy_mirror.errors import SourceUnavailable, Unbuildable
from goproxy_mirror.ports import Commit, TreeEntry
from goproxy_mirror.process import Running

CHUNK = 256 << 10
"""Bytes of a file that are passed on at a time."""

_COMMITTER = re.compile(rb"^committer .*>[ \t\r]*(\d+)[ \t\r]*[+-]\d[^>\n]*$", re.MULTILINE)
_GITS_OWN = re.compile(rb"[\t/](?:\.git|git~1)[ .]*(?=[/:\\\0]|$)", re.IGNORECASE)
_LINKED = re.compile(rb"(?:^|\0)120000 [^\t]*\t(?:[^\0]*/)?\.gitmodules(?=\0|$)", re.IGNORECASE)
_YEAR_10000 = 253_402_300_800


def parse_commit(oid: str, body: bytes) -> Commit:
    """A commit from its raw object. Raises `Unbuildable` where it has no committer's time that a module can have.

    The go command takes the digits that `git log --format=%ct` prints: those behind the last `>`, if a time zone follows.
    """
    header = body.partition(b"\n\n")[0]
    match = _COMMITTER.search(header)
    seconds = int(match[1]) if match and len(match[1]) < 20 else _YEAR_10000
    if seconds >= _YEAR_10000:
        raise Unbuildable(f"commit {oid} has no committer time that a version could be made of")
    return Commit(oid, datetime.fromtimestamp(seconds, UTC))


def parse_tree(listing: bytes) -> Iterator[TreeEntry]:
    """Entries from the output of `git ls-tree -z`; without `-l`, and where a file is not here, `size` is None."""
    for line in listing.split(b"\0"):
        if line:
            head, _, path = line.partition(b"\t")
            mode, _, oid, *size = head.split()
            known = size and size[0].isdigit()
            yield TreeEntry(path, int(mode, 8), oid.decode("ascii"), int(size[0]) if known else None)


def find_in_tree(tree: bytes, name: bytes, id_size: int) -> TreeEntry | None:
    """The entry of a name in a raw tree object, whose ids are of `id_size` bytes."""
    at = 0
    while at < len(tree):
        space, end = tree.index(b" ", at), tree.index(b"\0", at)
        if tree[space + 1 : end] == name:
            return TreeEntry(name, int(tree[at:space], 8), tree[end + 1 : end + 1 + id_size].hex(), None)
        at = end + 1 + id_size
    return None


def is_blob(entry: TreeEntry) -> bool:
    """Whether the entry has bytes of its own: a file or a symlink."""
    return entry.mode & 0o170000 in {0o100000, 0o120000}


def is_named(entry: TreeEntry, name: bytes) -> bool:
    """Whether the entry is a file or a symlink of that name, in whatever folder."""
    return is_blob(entry) and (entry.path == name or entry.path.endswith(b"/" + name))


def refused_path(listing: bytes) -> str | None:
    """A path in the output of `git ls-tree -z` that `git archive` refuses, and with it the whole tree; None if it has none.

    It refuses what git would mistake for its own folder on some system (verify_path in git's read-cache.c).
    """
    match = _GITS_OWN.search(listing) or _LINKED.search(listing)
    if match is None:
        return None
    line = listing[listing.rfind(b"\0", 0, match.end()) + 1 :].partition(b"\0")[0]
    return line.partition(b"\t")[2].decode("utf-8", "backslashreplace")


class Batch:
    """The answers of a running `git cat-file --batch`, in the order of the questions."""

    def __init__(self, running: Running) -> None:
        self._in = running.stdin
        self._out = running.stdout
        self._buffer = b""
        self._at = 0
        self._left = 0

    async def next(self) -> tuple[str, str, int] | None:
        """The next object's (id, type, size), its body to be read from `body`; None where git has none such.

        What is left of the former body is skipped.
        """
        while self._left > 0:
            await self._take()
        line = await self._line()
        words = line.rsplit(b" ", 2)
        if len(words) == 3 and words[2].isdigit():
            oid, kind, size = words[0].decode("ascii"), words[1].decode("ascii"), int(words[2])
            # A newline follows every body.
            self._left = size + 1
            return oid, kind, size
        if line.endswith((b" missing", b" ambiguous")):
            return None
        raise SourceUnavailable("git ended before it had answered")

    async def ask(self, question: str) -> tuple[str, str, int] | None:
        """Ask for one object and wait for the answer, as `next`. The question holds no newline."""
        self._in.write(question.encode("utf-8", "surrogateescape") + b"\n")
        return await self.next()

    async def body(self) -> AsyncIterator[bytes]:
        """The object's body, in chunks."""
        while self._left > 0:
            chunk = await self._take()
            if self._left == 0:
                chunk = chunk[:-1]
            if chunk:
                yield chunk

    async def whole(self) -> bytes:
        """The rest of the object's body at once."""
        end = self._at + self._left
        if end <= len(self._buffer):
            data = self._buffer[self._at : end - 1]
            self._at, self._left = end, 0
            return data
        return b"".join([chunk async for chunk in self.body()])

    async def _take(self) -> bytes:
        if self._at == len(self._buffer):
            await self._fill()
        chunk = self._buffer[self._at : self._at + self._left]
        self._at += len(chunk)
        self._left -= len(chunk)
        return chunk

    async def _line(self) -> bytes:
        end = self._buffer.find(b"\n", self._at)
        while end < 0:
            kept = self._buffer[self._at :]
            await self._fill()
            self._buffer = kept + self._buffer
            end = self._buffer.find(b"\n")
        line = self._buffer[self._at : end]
        self._at = end + 1
        return line

    async def _fill(self) -> None:
        """Read on; what was in the buffer is gone."""
        self._buffer = await self._out.read(CHUNK)
        self._at = 0
        if not self._buffer:
            raise SourceUnavailable("git ended before it had answered")
