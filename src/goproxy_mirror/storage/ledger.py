"""The records beside the published files, as files of a storage of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from goproxy_mirror.errors import disk_failures
from goproxy_mirror.ports import StoredFile
from goproxy_mirror.storage.local import BESIDE, LocalStorage


class FolderLedger:
    """`ports.Ledger` in the folder `_state` of a local store, which no other user may read. It is made when it is needed."""

    def __init__(self, store: Path) -> None:
        self._folder = store / BESIDE
        self._storage = LocalStorage(self._folder)
        self._made = False

    def reclaim(self) -> None:
        """Take back what dead processes left; before the first use, and nothing is made. Blocks. Raises `StorageError`."""
        if self._folder.is_dir():
            self._storage.open()

    async def create(self, name: str, body: bytes) -> bytes:
        if not self._made:
            with disk_failures("make the folder of records beside the store"):
                await asyncio.to_thread(_make, self._folder)
            self._made = True
        stored, ours = await self._storage.publish(name, body)
        return body if ours else await _content(stored)

    async def get(self, name: str) -> bytes | None:
        stored = await self._storage.find(name)
        return None if stored is None else await _content(stored)

    def list(self, prefix: str) -> AsyncIterator[str]:
        return self._storage.list(prefix)


def _make(folder: Path) -> None:
    folder.mkdir(0o700, parents=True, exist_ok=True)
    folder.joinpath(".tmp").mkdir(exist_ok=True)


async def _content(stored: StoredFile) -> bytes:
    with disk_failures("read a record beside the store"):
        return await asyncio.to_thread(stored.path.read_bytes)
