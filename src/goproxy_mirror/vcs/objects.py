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

GITLINK = 0o160000

_COMMITTER = re.compile(rb"^committer .*>[ \t]*(\d+)(?:[ \t]|$)", re.MULTILINE)
_YEAR_10000 = 253_402_300_800


def parse_commit(oid: str, body: bytes) -> Commit:
    """A commit from its raw object. Raises `Unbuildable` where it has no committer's time that a module can have.

    The go command takes the digits that `git log --format=%ct` prints: those behind the last `>`.
    """
    header = body.partition(b"\n\n")[0]
    match = _COMMITTER.search(header)
    seconds = int(match[1]) if match and len(match[1]) < 20 else _YEAR_10000
    if seconds >= _YEAR_10000:
        raise Unbuildable(f"commit {oid} has no committer time that a version could be made of")
    return Commit(oid, datetime.fromtimestamp(seconds, UTC))


def parse_tree(listing: bytes) -> Iterator[TreeEntry]:
    """Entries from the output of `git ls-tree -r -z -l`."""
    for line in listing.split(b"\0"):
        if line:
            head, _, path = line.partition(b"\t")
            mode, _, oid, size = head.split()
            yield TreeEntry(path, int(mode, 8), oid.decode("ascii"), int(size) if size.isdigit() else None)


class Batch:
    """The answers of a running `git cat-file --batch`, in the order of the questions."""

    def __init__(self, running: Running) -> None:
        self._out = running.stdout
        self._left = 0

    async def next(self) -> tuple[str, str, int] | None:
        """The next object's (id, type, size), its body to be read from `body`; None where git has none such.

        What is left of the former body is skipped.
        """
        while self._left > 0:
            await self._take()
        line = (await self._out.readline()).rstrip(b"\n")
        words = line.rsplit(b" ", 2)
        if len(words) == 3 and words[2].isdigit():
            oid, kind, size = words[0].decode("ascii"), words[1].decode("ascii"), int(words[2])
            self._left = size + 1
            return oid, kind, size
        if line.endswith((b" missing", b" ambiguous")):
            return None
        raise SourceUnavailable("git ended before it had answered")

    async def body(self) -> AsyncIterator[bytes]:
        """The object's body, in chunks."""
        while self._left > 1:
            chunk = await self._take()
            if chunk:
                yield chunk
        while self._left > 0:
            await self._take()

    async def _take(self) -> bytes:
        chunk = await self._out.read(min(self._left, CHUNK))
        if not chunk:
            raise SourceUnavailable("git ended before it had answered")
        self._left -= len(chunk)
        # The newline that follows every body is no part of it.
        return chunk[:-1] if self._left == 0 else chunk
