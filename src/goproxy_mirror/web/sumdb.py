"""Checksum databases by way of this server (https://go.dev/ref/mod#checksum-database): `/sumdb/<name>/…`."""

from __future__ import annotations

from goproxy_mirror import observe, protocol
from goproxy_mirror.errors import NotFound
from goproxy_mirror.protocol import SumDB
from goproxy_mirror.web.incoming import Incoming, hops
from goproxy_mirror.web.responses import Response, text_response
from goproxy_mirror.web.services import ChecksumJourney


class Checksums:
    """Checksum-database requests. `instance` is our own name in the hop header."""

    def __init__(self, checksums: ChecksumJourney, instance: str) -> None:
        self._checksums = checksums
        self._instance = instance

    async def __call__(self, incoming: Incoming) -> Response:
        """Answer one request; raises what the journey raises."""
        request = protocol.parse(incoming.path)
        if not isinstance(request, SumDB):
            raise NotFound(f"{request} is not asked below /sumdb/")
        passed = hops(incoming.headers, self._instance)
        if passed:
            observe.hops.set(passed)
        return text_response(await self._checksums.answer(request), incoming)
