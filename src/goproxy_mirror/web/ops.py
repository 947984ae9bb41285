"""What a supervisor, a load balancer and a crawler ask."""

from __future__ import annotations

import json

from goproxy_mirror import __version__
from goproxy_mirror.errors import MirrorError
from goproxy_mirror.web.failures import error_body
from goproxy_mirror.web.incoming import Incoming
from goproxy_mirror.web.responses import JSON, NO_STORE, TEXT, Response, body_response, empty_response
from goproxy_mirror.web.services import Services

_DAY = "public, max-age=86400"


async def health(_incoming: Incoming) -> Response:
    """The process lives and its event loop turns."""
    return body_response(200, b"ok\n", TEXT, NO_STORE)


async def robots(_incoming: Incoming) -> Response:
    """No crawler has anything to do here: every path it tries might start a fetch."""
    return body_response(200, b"User-agent: *\nDisallow: /\n", TEXT, _DAY)


async def favicon(_incoming: Incoming) -> Response:
    """There is none; browsers ask all the same."""
    return empty_response(204, _DAY)


class Readiness:
    """Whether requests can be answered now: 200, or 503 with the reason."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, _incoming: Incoming) -> Response:
        try:
            await self._services.ready()
        except MirrorError as failure:
            return body_response(503, error_body(failure.message), TEXT, NO_STORE)
        return body_response(200, b"ready\n", TEXT, NO_STORE)


class About:
    """Which program this is, in which version, and the name by which it knows itself in a hop header."""

    def __init__(self, instance: str) -> None:
        self._body = (
            json.dumps({"name": "goproxy-mirror", "version": __version__, "instance": instance}).encode()
            + b"\n"
        )

    async def __call__(self, _incoming: Incoming) -> Response:
        return body_response(200, self._body, JSON, NO_STORE)
