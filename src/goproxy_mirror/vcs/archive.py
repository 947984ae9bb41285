"""Files as `git archive` converts them, and whether it would convert any.

The go command takes a module's files from `git archive` with `core.autocrlf=input`, `core.eol=lf` and
`* -export-subst -export-ignore`. Under these only three attributes change what comes out: an end of line of
CRLF, `ident`, and `working-tree-encoding` (filters are configured nowhere). A tree whose .gitattributes name
none of them is read faster, blob by blob, with the same result.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path, PurePosixPath

from goproxy_mirror.errors import SourceUnavailable
from goproxy_mirror.ports import Commit, TreeEntry
from goproxy_mirror.process import Running
from goproxy_mirror.vcs import objects
from goproxy_mirror.vcs.gitcmd import Git

_CONVERTS = re.compile(rb"crlf|ident|encoding", re.IGNORECASE)
_ATTRIBUTES_LIMIT = 4 << 20
_LISTING_LIMIT = 256 << 20
_BLOCK = 512


async def needs_archive(git: Git, repository: Path, commit: Commit, subdir: str) -> bool:
    """Whether any .gitattributes that counts for a folder could convert a file below it."""
    listing = ("ls-tree", "-r", "-z", "--full-tree", "--end-of-options", commit.id)
    done = await git.run(repository, listing, output_limit=_LISTING_LIMIT)
    above = {str(folder / ".gitattributes").encode() for folder in PurePosixPath(subdir, "x").parents}
    below = f"{subdir}/".encode() if subdir else b""
    ids: list[str] = []
    for line in done.stdout.split(b"\0"):
        head, _, path = line.partition(b"\t")
        if path.endswith(b".gitattributes") and (path in above or path.startswith(below)):
            ids.append(head.split()[2].decode("ascii"))
    if not ids:
        return False
    read = 0
    async with git.stream(repository, ("cat-file", "--batch", "--buffer")) as running:
        running.feed("".join(f"{oid}\n" for oid in dict.fromkeys(ids)).encode("ascii"))
        batch = objects.Batch(running)
        for _ in dict.fromkeys(ids):
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
    tar = _Tar(running)
    prefix = f"{subdir}/".encode() if subdir else b""
    for entry in entries:
        wanted = prefix + entry.path
        while True:
            name = await tar.next()
            if name is None:
                raise SourceUnavailable("git archive ended before all files had come")
            if name == wanted:
                break
        yield entry, tar.body()


class _Tar:
    """A tar stream as git writes it: ustar headers, pax records for long names and sizes."""

    def __init__(self, running: Running) -> None:
        self._out = running.stdout
        self._left = 0
        self._padding = 0

    async def next(self) -> bytes | None:
        """The name of the next regular file; None at the end. What is left of the former one is skipped."""
        path: bytes | None = None
        size: int | None = None
        while True:
            async for _ in self.body():
                pass
            header = await self._read(_BLOCK)
            if header is None or not header.strip(b"\0"):
                return None
            self._left = int(header[124:136].strip(b" \0") or b"0", 8) if size is None else size
            self._padding = -self._left % _BLOCK
            kind = header[156:157]
            if kind == b"x":
                records = await self._records()
                path = records.get(b"path", path)
                size = int(records[b"size"]) if b"size" in records else size
            elif kind in {b"0", b"\0"}:
                if path is not None:
                    return path
                name, prefix = header[:100].rstrip(b"\0"), header[345:500].rstrip(b"\0")
                return prefix + b"/" + name if prefix else name
            elif kind != b"g":
                path = size = None

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
        data = b"".join([chunk async for chunk in self.body()])
        records: dict[bytes, bytes] = {}
        while data:
            length, _, rest = data.partition(b" ")
            key, _, value = rest[: int(length) - len(length) - 1].rstrip(b"\n").partition(b"=")
            records[key] = value
            data = data[int(length) :]
        return records

    async def _read(self, size: int) -> bytes | None:
        data = b""
        while len(data) < size:
            chunk = await self._out.read(size - len(data))
            if not chunk:
                return None
            data += chunk
        return data
