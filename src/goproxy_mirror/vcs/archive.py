"""Files as `git archive` converts them, and whether it would convert any.

The go command takes a module's files from `git archive` with `core.autocrlf=input`, `core.eol=lf` and
`* -export-subst -export-ignore`. Under these only three attributes change what comes out: an end of line of CRLF,
`ident`, and `working-tree-encoding` (filters are configured nowhere). A tree whose .gitattributes name none of them
is read faster, blob by blob, with the same result.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path

from goproxy_mirror.errors import SourceUnavailable
from goproxy_mirror.ports import TreeEntry
from goproxy_mirror.process import Running
from goproxy_mirror.vcs import objects
from goproxy_mirror.vcs.gitcmd import Git

_CONVERTS = re.compile(rb"crlf|ident|encoding")
_ATTRIBUTES_LIMIT = 4 << 20
_BLOCK = 512
_RECORDS_LIMIT = 1 << 20

ARCHIVE = ("-c", "core.autocrlf=input", "-c", "core.eol=lf", "archive", "--format=tar", "--end-of-options")
"""The go command's `git archive`, but for the format; a commit and perhaps a folder follow."""

ZIP = (*ARCHIVE[:5], "--format=zip", "--prefix=prefix/", "--end-of-options")
"""The same in the go command's format, of whose size it has a limit."""


async def is_too_large(git: Git, repository: Path, revision: Sequence[str], limit: int) -> bool:
    """Whether the go command's archive of a revision (and perhaps a folder) has more than `limit` bytes, compressed.

    It looks at all files, those too that no module zip would hold. What takes so long is asked only of trees whose files
    are larger. Where git has not all of them it is not known, so it is not.
    """
    async with git.stream(repository, (*ZIP, *revision)) as running:
        running.stdin.close()
        size = 0
        while size <= limit and (chunk := await running.stdout.read(objects.CHUNK)):
            size += len(chunk)
    return size > limit


async def refuses(git: Git, repository: Path, commit: str, limit: int) -> str | None:
    """A path because of which `git archive` refuses a commit, whatever folder of it is asked for; None if it has none.

    Raises `SourceUnavailable` where more than `limit` bytes of paths are to be looked at.
    """
    listing = ("ls-tree", "-r", "-z", "--full-tree", "--end-of-options", commit)
    async with git.stream(repository, listing) as running:
        running.stdin.close()
        size, left = 0, b""
        while chunk := await running.stdout.read(objects.CHUNK):
            size += len(chunk)
            if size > limit:
                raise SourceUnavailable(
                    f"the files of the commit {commit} have more than {limit} bytes of names"
                )
            whole, _, left = (left + chunk).rpartition(b"\0")
            refused = objects.refused_path(whole)
            if refused is not None:
                return refused
    return None


async def converts(git: Git, repository: Path, attributes: Iterable[str]) -> bool:
    """Whether any of these .gitattributes (ids of blobs) may convert a file; in doubt it may."""
    ids = sorted(set(attributes))
    if not ids:
        return False
    read = 0
    async with git.stream(repository, ("cat-file", "--batch", "--buffer")) as running:
        running.feed("".join(f"{oid}\n" for oid in ids).encode("ascii"))
        batch = objects.Batch(running)
        for _ in ids:
            answer = await batch.next()
            read += answer[2] if answer else 0
            if answer is None or read > _ATTRIBUTES_LIMIT:
                return True
            if _CONVERTS.search(b"".join([chunk async for chunk in batch.body()])):
                return True
    return False


async def archived(
    running: Running, subdir: str, entries: Sequence[TreeEntry]
) -> AsyncIterator[tuple[TreeEntry, AsyncIterator[bytes]]]:
    """The chosen files from the output of `git archive --format=tar`, in order."""
    tar = Tar(running)
    prefix = f"{subdir}/".encode() if subdir else b""
    for entry in entries:
        wanted = prefix + entry.path
        while (name := await tar.next()) != wanted:
            if name is None:
                raise SourceUnavailable("git archive ended before all files had come")
        yield entry, tar.body()


class Tar:
    """A tar stream as git writes it: ustar headers, and pax records for long names and sizes."""

    def __init__(self, running: Running) -> None:
        self._out = running.stdout
        self._left = 0
        self._padding = 0

    async def next(self) -> bytes | None:
        """The name of the next regular file; None at the end. What is left of the former one is skipped."""
        records: dict[bytes, bytes] = {}
        while True:
            async for _ in self.body():
                pass
            header = await self._read(_BLOCK)
            if not header.strip(b"\0"):
                return None
            size = records.get(b"size")
            self._left = int(size) if size else int(header[124:136].strip(b" \0") or b"0", 8)
            self._padding = -self._left % _BLOCK
            kind = header[156:157]
            if kind == b"x":
                records = await self._records()
            elif kind == b"0":
                name, prefix = header[:100].rstrip(b"\0"), header[345:500].rstrip(b"\0")
                return records.get(b"path") or (prefix + b"/" + name if prefix else name)
            else:
                records = {}

    async def body(self) -> AsyncIterator[bytes]:
        """The file's bytes, in chunks."""
        while self._left > 0:
            chunk = await self._out.read(min(self._left, objects.CHUNK))
            if not chunk:
                raise SourceUnavailable("git archive ended in the middle of a file")
            self._left -= len(chunk)
            yield chunk
        if self._padding:
            padding, self._padding = self._padding, 0
            await self._read(padding)

    async def _records(self) -> dict[bytes, bytes]:
        if self._left > _RECORDS_LIMIT:
            raise SourceUnavailable("git archive names a file by more than 1 MiB")
        data = b"".join([chunk async for chunk in self.body()])
        records: dict[bytes, bytes] = {}
        while data:
            # `LENGTH KEY=VALUE\n`, the length being that of the whole record.
            length = int(data.partition(b" ")[0])
            key, _, value = data[:length].partition(b" ")[2].removesuffix(b"\n").partition(b"=")
            records[key] = value
            data = data[length:]
        return records

    async def _read(self, size: int) -> bytes:
        """Exactly so many bytes; fewer, filled up with zeros, at the end of the stream."""
        data = b""
        while len(data) < size and (chunk := await self._out.read(size - len(data))):
            data += chunk
        return data.ljust(size, b"\0")
