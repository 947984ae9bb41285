"""The records beside the published files, as objects of the same bucket."""

from __future__ import annotations

from collections.abc import AsyncIterator

from goproxy_mirror.errors import StorageError
from goproxy_mirror.storage.remote import Remote

_BESIDE = "_state/"
_TRIES = 3
"""Who is refused finds the record that was first, unless the service refused for a write that then failed."""


class BucketLedger:
    """`ports.Ledger` below `_state/` in a bucket. Where the service does not honour conditional writes one node alone may
    publish, and a look before the write has to do."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    async def create(self, name: str, body: bytes) -> bytes:
        for _ in range(_TRIES):
            held = await self.get(name)
            if held is not None:
                return held
            if await self._remote.put_once(_BESIDE + name, body):
                return body
        raise StorageError(
            f"the record {name} beside the store could not be written, and is not there either"
        )

    async def get(self, name: str) -> bytes | None:
        found = await self._remote.get(_BESIDE + name)
        if found is None:
            return None
        return b"".join([piece async for piece in found[1]])

    async def list(self, prefix: str) -> AsyncIterator[str]:
        folder = f"{_BESIDE}{prefix}".rpartition("/")[0]
        async for key, _ in self._remote.list(folder):
            name = key.removeprefix(_BESIDE)
            if name.startswith(prefix):
                yield name
