"""The only door of a checksum database's client to the outside, as golang.org/x/mod/sumdb has one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from goproxy_mirror.ports import Found, Home


class Ops(Protocol):
    """What a client needs of the world, for one database. Paths are the database's own: `lookup/…`, `tile/…`, `latest`."""

    async def fetch(self, path: str, without: Collection[Home] = ()) -> Found[bytes]:
        """Bytes that nobody has verified, from the best place that can be asked and is not in `without`.

        Raises `NotFound` where the database has no such thing, and any other `MirrorError` where nobody (else) could say.
        """
        ...

    async def head(self) -> bytes:
        """The newest verified signed tree head, or nothing. Raises `StorageError`."""
        ...

    async def advance(self, old: bytes, new: bytes) -> bool:
        """Put a newer head where `old` still is the head; False where another process was quicker. Raises `StorageError`."""
        ...

    async def fork(self) -> bytes | None:
        """The evidence that the database has signed two histories, kept until the operator removes it. Raises `StorageError`."""
        ...

    async def forked(self, evidence: bytes) -> None:
        """Keep that evidence. Raises `StorageError`."""
        ...

    async def kept(self, path: str) -> bytes | None:
        """What was kept of a tile or a record; None for nothing, and for what cannot be read."""
        ...

    async def keep(self, path: str, body: bytes) -> None:
        """Keep what has been verified. It may fail in silence, since that costs nothing but time."""
        ...
