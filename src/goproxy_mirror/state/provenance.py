"""Where the published files came from, in the state database."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence

from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion
from goproxy_mirror.ports import FileCounts, FileKind, FileRecord, Home, Proof
from goproxy_mirror.protocol import stem_of
from goproxy_mirror.state.changes import Changes
from goproxy_mirror.state.database import Database
from goproxy_mirror.state.said import dropped, held, proved, recorded


class SQLProvenance:
    """`ports.Provenance`.

    A database that fails keeps no proven file from being published: its record waits. Only the record of an unproven `.mod` or
    `.zip` has to succeed, since a file without a record would be taken for a proven one.
    """

    def __init__(self, database: Database, changes: Changes) -> None:
        self._database = database
        self._changes = changes

    async def record(self, key: str, home: Home, *, size: int, proof: Proof | None) -> None:
        proven = (proof is not None and bool(proof.by)) or key.endswith(FileKind.INFO.value)
        await self._changes.make(recorded(key, home, size, proof, time.time()), needed=not proven)

    async def unproven(self) -> frozenset[str]:
        return await self._database.read(lambda session: session.unproven())

    async def proved(self, key: str, proof: Proof) -> None:
        await self._changes.make(proved(key, proof, time.time()))

    async def held(self, mv: ModuleVersion) -> None:
        await self._changes.make(held(stem_of(mv), time.time()), feeds=True)

    async def forget(self, key: str) -> None:
        await self._changes.make(dropped(key, time.time()))

    # What commands ask; each raises `StorageError`.

    async def of(self, key: str) -> FileRecord | None:
        """What is known of a file; None where nothing was recorded."""
        return await self._database.read(lambda session: session.file(key))

    async def counts(self) -> FileCounts:
        return await self._database.read(lambda session: session.counts(), all_=True)

    async def hashed(
        self, path: ModulePath | None = None, *, before: float, batch: int = 500
    ) -> AsyncIterator[FileRecord]:
        """The files whose hash is known and that were not verified since `before` (seconds since the epoch), by key.

        Of one module, or of all. With `verified` after each batch, who is stopped goes on where they were by asking again
        with the same `before`.
        """
        prefix = f"{path.escaped}/@v/" if path is not None else ""
        after = ""
        while True:
            found = await self._database.read(
                lambda session, after=after: session.hashed(prefix, after, before, batch)  # type: ignore[misc]
            )
            for record in found:
                yield record
            if len(found) < batch:
                return
            after = found[-1].key

    async def verified(self, keys: Sequence[str]) -> None:
        """The stored files are (still) what their recorded hash says, as of now."""
        at = time.time()
        await self._database.write(lambda session: session.put_verified(keys, at), durable=False)
