"""Files of a tree as they are stored: from the packs as far as they lie there whole, else from `git cat-file`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from goproxy_mirror.errors import MirrorError, Unbuildable
from goproxy_mirror.module.zipmember import Packed, packed, unpacked
from goproxy_mirror.ports import Commit, Held, TreeEntry
from goproxy_mirror.vcs import objects, packtrees
from goproxy_mirror.vcs.gitcmd import Git
from goproxy_mirror.vcs.gitstore import LARGEST_FILE, LocalCopy
from goproxy_mirror.vcs.packedfiles import PackedFiles
from goproxy_mirror.vcs.packs import LARGEST_HELD, BadPack, Packs, Place

Contents = AsyncIterator[tuple[TreeEntry, AsyncIterator[bytes]]]


@asynccontextmanager
async def raw(
    git: Git, copy: LocalCopy, entries: Sequence[TreeEntry], kept: PackedFiles, *, source: str
) -> AsyncIterator[Contents]:
    """The blobs of some entries, in their order, unconverted. `source` is the URL that is named where one cannot be had."""
    async with AsyncExitStack() as stack:
        packs, places = await asyncio.to_thread(_places, copy, entries, kept)
        if packs is not None:
            stack.callback(packs.close)
        batch = None
        others = [entry.id for entry, place in zip(entries, places, strict=True) if place is None]
        if others:
            command = ("cat-file", "--batch", "--buffer")
            running = await stack.enter_async_context(git.stream(copy.objects, command))
            running.feed("".join(f"{oid}\n" for oid in others).encode("ascii"))
            batch = objects.Batch(running)
        yield _files(copy, entries, places, batch, kept, source)


async def _files(
    copy: LocalCopy,
    entries: Sequence[TreeEntry],
    places: Sequence[Packed | Place | None],
    batch: objects.Batch | None,
    kept: PackedFiles,
    source: str,
) -> Contents:
    name = copy.folder.name
    for entry, place in zip(entries, places, strict=True):
        keep = partial(kept.keep, (name, entry.id))
        if isinstance(place, Packed):
            yield entry, _Kept(place)
            continue
        if place is not None:
            yield entry, _Read(partial(_load, place, copy.damaged), keep)
            continue
        answer = await batch.next() if batch is not None else None
        if answer is None and entry.size is not None and entry.size > LARGEST_FILE:
            path = entry.path.decode("utf-8", "replace")
            raise Unbuildable(f"{path} is larger than {LARGEST_FILE} bytes", source=source)
        if batch is None or answer is None or answer[0] != entry.id or answer[1] != "blob":
            raise copy.damaged()
        if answer[2] <= LARGEST_HELD:
            whole = await batch.whole()
            yield entry, _Read(partial(_without_stream, whole), keep)
        else:
            yield entry, batch.body()


def _places(
    copy: LocalCopy, entries: Sequence[TreeEntry], kept: PackedFiles
) -> tuple[Packs | None, list[Packed | Place | None]]:
    """What is kept of the blobs, or where they lie; with that, what they are read from."""
    name = copy.folder.name
    found: list[Packed | Place | None] = [kept.get((name, entry.id)) for entry in entries]
    missing = [number for number, member in enumerate(found) if member is None]
    packs = Packs.open(copy.objects, len(entries[0].id) // 2) if missing else None
    if packs is None:
        return None, found
    try:
        for number in missing:
            place = packs.place(entries[number].id)
            found[number] = place if place is not None and place.kind == "blob" else None
    except BadPack:
        packs.close()
        return None, [member if isinstance(member, Packed) else None for member in found]
    return packs, found


def _without_stream(data: bytes) -> tuple[bytes, None]:
    return data, None


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


class _Kept(Held):
    """A body that is kept as a zip holds it."""

    def __init__(self, member: Packed) -> None:
        self._member = member
        self._read = False

    def load(self) -> Packed:
        return self._member

    async def __anext__(self) -> bytes:
        if self._read:
            raise StopAsyncIteration
        self._read = True
        return await asyncio.to_thread(unpacked, self._member)


class _Read(Held):
    """A body that can be read at once; it is kept then."""

    def __init__(
        self, read: Callable[[], tuple[bytes, bytes | None]], keep: Callable[[Packed], None]
    ) -> None:
        self._data = read
        self._keep = keep
        self._read = False

    def load(self) -> Packed:
        member = packed(*self._data())
        self._keep(member)
        return member

    async def __anext__(self) -> bytes:
        if self._read:
            raise StopAsyncIteration
        self._read = True
        return (await asyncio.to_thread(self._data))[0]


def _load(place: Place, damaged: Callable[[], MirrorError]) -> tuple[bytes, bytes | None]:
    try:
        return place.load()
    except BadPack as error:
        raise damaged() from error
