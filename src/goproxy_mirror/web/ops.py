"""What a supervisor, a load balancer and a crawler ask."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

from goproxy_mirror import __version__
from goproxy_mirror.errors import MirrorError
from goproxy_mirror.web.failures import error_body
from goproxy_mirror.web.incoming import Incoming
from goproxy_mirror.web.responses import JSON, NO_STORE, TEXT, Response, body_response, empty_response
from goproxy_mirror.web.services import Services

_DAY = "public, max-age=86400"

_LASTS = 5.0
"""Seconds for which what was found is said again, however often anybody asks."""

_PATIENCE = 0.5
"""Seconds that a check may take, so that who asks whether the process lives is answered in time."""


class Health:
    """The process lives and its event loop turns: 200 always. What it cannot do meanwhile is said: what is held is served
    without it, so nobody should end the process, or send its clients away, for that."""

    def __init__(self, services: Services) -> None:
        self._checks = (services.ready, services.records)
        self._troubles: list[str] = []
        self._until = 0.0

    async def __call__(self, _incoming: Incoming) -> Response:
        now = time.monotonic()
        if now >= self._until:
            self._until = now + _LASTS
            troubles = await asyncio.gather(*map(_trouble, self._checks))
            self._troubles = [each for each in troubles if each]
        said = "".join(f"degraded: {each}\n" for each in self._troubles) or "ok\n"
        return body_response(200, said.encode(), TEXT, NO_STORE)


async def _trouble(check: Callable[[], Awaitable[None]]) -> str:
    """Why a check fails, in one line; nothing where all is well."""
    try:
        async with asyncio.timeout(_PATIENCE):
            await check()
    except MirrorError as failure:
        return failure.line
    except TimeoutError:
        return "the disk, the object store or the database does not answer in time"
    return ""


async def robots(_incoming: Incoming) -> Response:
    """No crawler has anything to do here: every path it tries might start a fetch."""
    return body_response(200, b"User-agent: *\nDisallow: /\n", TEXT, _DAY)


async def favicon(_incoming: Incoming) -> Response:
    """There is none; browsers ask all the same."""
    return empty_response(204, _DAY)


class Readiness:
    """Whether a file could be published now: 200, or 503 with the reason."""

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
