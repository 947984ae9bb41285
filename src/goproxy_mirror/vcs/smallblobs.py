"""Small files that are asked for again and again, above all go.mod files, kept in memory up to a bound."""

from __future__ import annotations

_LARGEST = 32 << 10
_COST = 256
"""Bytes that an entry takes besides what it holds."""

Key = tuple[str, str, str]


class SmallBlobs:
    """Files by repository, commit and path; None for one that is not there. `limit` is in bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._kept: dict[Key, bytes | None] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self._kept

    def __getitem__(self, key: Key) -> bytes | None:
        return self._kept[key]

    def keep(self, key: Key, data: bytes | None) -> None:
        """Keep a file, unless it is large; the oldest are let go."""
        if key in self._kept or (data is not None and len(data) > _LARGEST):
            return
        self._kept[key] = data
        self._size += _COST + len(data or b"")
        while self._size > self._limit:
            self._size -= _COST + len(self._kept.pop(next(iter(self._kept))) or b"")
