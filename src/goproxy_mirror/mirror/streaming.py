"""Published files on their way into a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from goproxy_mirror.mirror.archive import ArchiveWriter, Entry
from goproxy_mirror.ports import Storage

_TRIES = 3
"""Times that a file is brought here which is gone when it is read: what stands before a bucket has dropped it meanwhile."""


async def add_stored(
    writer: ArchiveWriter, storage: Storage, below: str, keys: Sequence[str], first: Sequence[Entry] = ()
) -> list[str]:
    """Write these files, by their names below `below` and behind the `first` entries; the keys of those that are not published
    any more. Raises `StorageError`, and OSError of the stream."""
    left = await _added(writer, storage, below, keys, first)
    for _ in range(_TRIES):
        if not left:
            break
        left = [each for key in left for each in await _added(writer, storage, below, [key], ())]
    return left


async def _added(
    writer: ArchiveWriter, storage: Storage, below: str, keys: Sequence[str], first: Sequence[Entry]
) -> list[str]:
    entries = list(first)
    gone = set(keys)
    for key in keys:
        stored = await storage.find(key)
        if stored is not None:
            entries.append(Entry(below + key, stored.path))
            gone.discard(key)
    left_out = await asyncio.to_thread(writer.add, entries)
    return sorted(gone.union(name.removeprefix(below) for name in left_out))
