"""Somebody else's bucket, folder by folder, as it is read by those who take its files over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from goproxy_mirror.errors import NotFound, SourceUnavailable, StorageError, disk_failures
from goproxy_mirror.ports.moving import Offered
from goproxy_mirror.storage.remote import Remote


class BucketTree:
    """The objects below a URL. `name` is where they are from, fit for a log. Raises `SourceUnavailable`."""

    near = False

    def __init__(self, remote: Remote, name: str) -> None:
        self._remote = remote
        self.name = name

    async def folders(self) -> AsyncIterator[tuple[str, Sequence[str] | OSError]]:
        """Each folder with the names of what is in it. A bucket lists by name, so a folder's files come together."""
        here, names = "", list[str]()
        try:
            async for key, _ in self._remote.list(""):
                folder, _, name = key.rpartition("/")
                if folder != here and names:
                    yield here, names
                    names = []
                here = folder
                names.append(name)
        except StorageError as error:
            raise SourceUnavailable(error.message, source=self.name) from None
        if names:
            yield here, names

    def file(self, name: str) -> Offered:
        return _Object(self._remote, name)


class _Object:
    """`ports.Offered`."""

    def __init__(self, remote: Remote, key: str) -> None:
        self._remote = remote
        self._key = key

    async def read(self, limit: int) -> bytes:
        return b"".join([piece async for piece in self._pieces(limit)])

    async def copy(self, into: Path, limit: int) -> None:
        with disk_failures("write the file"):
            file = await asyncio.to_thread(into.open, "wb")
            try:
                async for piece in self._pieces(limit):
                    await asyncio.to_thread(file.write, piece)
            finally:
                await asyncio.to_thread(file.close)

    async def _pieces(self, limit: int) -> AsyncIterator[bytes]:
        try:
            found = await self._remote.get(self._key)
            if found is None:
                raise NotFound(f"{self._key} is gone")
            meta, pieces = found
            if not 0 < meta.size <= limit:
                raise SourceUnavailable(f"{self._key} is no whole file: it has {meta.size} bytes")
            async for piece in pieces:
                yield piece
        except StorageError as error:
            raise SourceUnavailable(error.message) from None
