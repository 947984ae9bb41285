"""Checksum-database requests, passed through: a client behind the proxy needs no other host."""

from __future__ import annotations

import time

from goproxy_mirror.errors import NotFound
from goproxy_mirror.mirror.answers import TextAnswer
from goproxy_mirror.mirror.policy import Policy
from goproxy_mirror.ports import ChecksumDatabases
from goproxy_mirror.protocol import SumDB

TEXT = "text/plain; charset=utf-8"
BYTES = "application/octet-stream"
_FIXED_AGE = 86400
_LATEST_AGE = 60


class ChecksumService:
    """Answers `/sumdb/…`. Nothing is kept: what is not verified is not stored, and the client verifies.

    Raises `NotFound` for a database that is not served here, `Blocked` for a private module, and what
    `ChecksumDatabases` raises. See https://go.dev/ref/mod#checksum-database.
    """

    def __init__(self, databases: ChecksumDatabases, policy: Policy) -> None:
        self._databases = databases
        self._policy = policy

    async def answer(self, request: SumDB) -> TextAnswer:
        if not self._databases.known(request.name):
            raise NotFound(
                f"{request.name}: this proxy does not serve that checksum database; ask it directly"
            )
        if request.path == "supported":
            return TextAnswer(b"", TEXT, _FIXED_AGE, time.time())
        if request.module is not None:
            self._policy.check_lookup(request.module.value)
        found = await self._databases.get(request.name, request.path)
        return TextAnswer(
            body=found.value,
            content_type=BYTES if request.path.startswith("tile/") else TEXT,
            max_age=_LATEST_AGE if request.path == "latest" else _FIXED_AGE,
            fetched=time.time(),
            home=found.home.name,
        )
