"""Files of a tree as they are stored: from the packs as far as they lie there whole, else from `git cat-file`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from goproxy_mirror.errors import MirrorError, Unbuildable
from goproxy_mirror.ports import Commit, Held, TreeEntry
from goproxy_mirror.vcs import objects, packtrees
from goproxy_mirror.vcs.gitcmd import Git
from goproxy_mirror.vcs.gitstore import LARGEST_FILE, LocalCopy
from goproxy_mirror.vcs.packs import LARGEST_HELD, BadPack, Packs, Place

Contents = AsyncIterator[tuple[TreeEntry, AsyncIterator[bytes]]]


@asynccontextmanager
async def raw(
    git: Git, copy: LocalCopy, entries: Sequence[TreeEntry], *, source: str
) -> AsyncIterator[Contents]:
    """The blobs of some entries, in their order, unconverted. `source` is the URL that is named where one cannot be had."""
    async with AsyncExitStack() as stack:
        packs, places = await asyncio.to_thread(_places, copy.objects, entries)
        if packs is not None:
            stack.callback(packs.close)
        batch = None
        others = [entry.id for entry, place in zip(entries, places, strict=True) if place is None]
        if others:
            command = ("cat-file", "--batch", "--buffer")
            running = await stack.enter_async_context(git.stream(copy.objects, command))
            running.feed("".join(f"{oid}\n" for oid in others).encode("ascii"))
            batch = objects.Batch(running)
        yield _files(entries, places, batch, copy.damaged, source)


async def _files(
    entries: Sequence[TreeEntry],
    places: Sequence[Place | None],
    batch: objects.Batch | None,
    damaged: Callable[[], MirrorError],
    source: str,
) -> Contents:
    for entry, place in zip(entries, places, strict=True):
        if place is not None:
            yield entry, _Stored(place, damaged)
            continue
        answer = await batch.next() if batch is not None else None
        if answer is None and entry.size is not None and entry.size > LARGEST_FILE:
            name = entry.path.decode("utf-8", "replace")
            raise Unbuildable(f"{name} is larger than {LARGEST_FILE} bytes", source=source)
        if batch is None or answer is None or answer[0] != entry.id or answer[1] != "blob":
            raise damaged()
        whole = await batch.whole() if answer[2] <= LARGEST_HELD else None
        yield entry, _Whole(whole) if whole is not None else batch.body()


def _places(repository: Path, entries: Sequence[TreeEntry]) -> tuple[Packs | None, list[Place | None]]:
    """Where the blobs lie whole; with that, what they are read from."""
    packs = Packs.open(repository, len(entries[0].id) // 2) if entries else None
    if packs is None:
        return None, [None] * len(entries)
    try:
        found = [packs.place(entry.id) for entry in entries]
    except BadPack:
        packs.close()
        return None, [None] * len(entries)
    return packs, [place if place is not None and place.kind == "blob" else None for place in found]


async def read_blob(
    git: Git, repository: Path, commit: Commit, path: str, limit: int, *, source: str
) -> bytes | str | None:
    """The bytes of a file; None where no file is; its id where it is in the tree and not here."""
    held = await asyncio.to_thread(packtrees.file_in, repository, commit.id, path, limit)
    if held is not packtrees.Ask.GIT:
        return held
    async with git.stream(repository, ("cat-file", "--batch")) as running:
        batch = objects.Batch(running)
        answer = await batch.ask(f"{commit.id}:{path}")
        if answer is None:
            # It may be missing from the tree, or only from here.
            folder, _, name = path.rpartition("/")
            answer = await batch.ask(f"{commit.id}:{folder}")
            if answer is None or answer[1] != "tree":
                return None
            tree = b"".join([chunk async for chunk in batch.body()])
            entry = objects.find_in_tree(tree, name.encode("utf-8", "surrogateescape"), len(commit.id) // 2)
            return entry.id if entry is not None and objects.is_blob(entry) else None
        _, kind, size = answer
        if kind != "blob":
            return None
        if size > limit:
            raise Unbuildable(f"{path} has {size} bytes; more than {limit} are not read", source=source)
        return b"".join([chunk async for chunk in batch.body()])


class _Whole(Held):
    """A body that has come."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._read = False

    def load(self) -> tuple[bytes, bytes | None]:
        return self._data, None

    async def __anext__(self) -> bytes:
        if self._read:
            raise StopAsyncIteration
        self._read = True
        return self._data


class _Stored(Held):
    """A blob that lies whole in a pack."""

    def __init__(self, place: Place, damaged: Callable[[], MirrorError]) -> None:
        self._place = place
        self._damaged = damaged
        self._read = False

    def load(self) -> tuple[bytes, bytes | None]:
        try:
            return self._place.load()
        except BadPack as error:
            raise self._damaged() from error

    async def __anext__(self) -> bytes:
        if self._read:
            raise StopAsyncIteration
        self._read = True
        return (await asyncio.to_thread(self.load))[0]
