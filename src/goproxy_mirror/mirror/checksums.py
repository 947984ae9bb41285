"""Checksum-database requests: a client behind the proxy needs no other host."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Protocol

from goproxy_mirror.errors import NotFound, NotRecorded
from goproxy_mirror.mirror.answers import TextAnswer
from goproxy_mirror.mirror.policy import Policy
from goproxy_mirror.ports import ChecksumDatabases
from goproxy_mirror.protocol import SumDB

TEXT = "text/plain; charset=utf-8"
BYTES = "application/octet-stream"
_FIXED_AGE = 86400
_LATEST_AGE = 60


class VerifiedDatabase(Protocol):
    """A checksum database whose key we have, so that what it says is proven here, and kept.

    Raises `NotFound`, `NotRecorded`, `Unproven`, `SecurityError`, `StorageError` and `Loop`.
    """

    async def latest(self) -> bytes:
        """The newest signed tree head."""
        ...

    async def lookup_text(self, path_version: str) -> bytes:
        """The answer to `lookup/<path_version>`."""
        ...

    async def tile(self, path: str) -> bytes:
        """The answer to `tile/…`."""
        ...


class ChecksumService:
    """Answers `/sumdb/…`: from what is verified where the database's key is known, and else passed through and not kept.

    Raises `NotFound` for a database that is not served here, `Blocked` for a private module, and what
    `ChecksumDatabases` and `VerifiedDatabase` raise. See https://go.dev/ref/mod#checksum-database.
    """

    def __init__(
        self,
        databases: ChecksumDatabases,
        policy: Policy,
        verified: Mapping[str, VerifiedDatabase] | None = None,
    ) -> None:
        """`verified` has databases by the names that they are asked for by."""
        self._databases = databases
        self._policy = policy
        self._verified = verified or {}

    async def answer(self, request: SumDB) -> TextAnswer:
        if not self._databases.known(request.name):
            raise NotFound(
                f"{request.name}: this proxy does not serve that checksum database; ask it directly"
            )
        if request.path == "supported":
            return TextAnswer(b"", TEXT, _FIXED_AGE, time.time())
        if request.module is not None:
            self._policy.check_lookup(request.module.value)
        verified = self._verified.get(request.name)
        if verified is not None:
            body, home = await _proven(verified, request.path), None
        else:
            found = await self._databases.get(request.name, request.path)
            body, home = found.value, found.home.name
        return TextAnswer(
            body=body,
            content_type=BYTES if request.path.startswith("tile/") else TEXT,
            max_age=_LATEST_AGE if request.path == "latest" else _FIXED_AGE,
            fetched=time.time(),
            home=home,
        )


async def _proven(database: VerifiedDatabase, path: str) -> bytes:
    if path == "latest":
        return await database.latest()
    if path.startswith("tile/"):
        return await database.tile(path)
    try:
        return await database.lookup_text(path.removeprefix("lookup/"))
    except NotRecorded as error:  # for a client of the database it is an absence
        raise NotFound(error.message, source=error.source) from error
