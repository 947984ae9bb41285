"""Files as zips hold them, kept in memory up to a bound: the next version of a module has most of them unchanged."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from goproxy_mirror.module.zipmember import Packed
from goproxy_mirror.vcs.smallblobs import SmallBlobs

_COST = 400
"""Bytes that a file takes besides its own."""

_LARGEST = 256 << 10

Key = tuple[str, str]


class PackedFiles:
    """Files by the repository's copy and the blob's id; used by several threads at once. `limit` is in bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._lock = threading.Lock()
        self._kept: dict[Key, Packed] = {}

    def get(self, key: Key) -> Packed | None:
        """The file, if it is kept; it is kept longer then."""
        with self._lock:
            found = self._kept.pop(key, None)
            if found is not None:
                self._kept[key] = found
            return found

    def keep(self, key: Key, member: Packed) -> None:
        """Keep a file, unless it is large; those that were not asked for for longest are let go."""
        if len(member.deflated) > _LARGEST:
            return
        with self._lock:
            if key not in self._kept:
                self._kept[key] = member
                self._size += _COST + len(member.deflated)
            while self._size > self._limit:
                self._size -= _COST + len(self._kept.pop(next(iter(self._kept))).deflated)


@dataclass(frozen=True, slots=True)
class Kept:
    """What all repositories of a process keep in memory together: small files as they are, others as zips hold them."""

    blobs: SmallBlobs
    files: PackedFiles
