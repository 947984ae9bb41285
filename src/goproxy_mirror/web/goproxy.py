"""The GOPROXY protocol (https://go.dev/ref/mod#goproxy-protocol): everything that no other route takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from goproxy_mirror import observe, protocol
from goproxy_mirror.errors import NotFound, StorageError
from goproxy_mirror.mirror.answers import FileAnswer
from goproxy_mirror.protocol import SumDB
from goproxy_mirror.web.failures import failure_response
from goproxy_mirror.web.incoming import Incoming, hops
from goproxy_mirror.web.responses import Response, file_response, text_response
from goproxy_mirror.web.services import ModuleJourney

_parse = lru_cache(maxsize=8192)(protocol.parse)
"""Refusals are not kept, and a path that is none of those has a bounded length: so has the memory."""


class GoProxy:
    """Module requests. `instance` is our own name in the hop header.

    `Disable-Module-Fetch: true`, which a module site sends, asks for what is held and nothing else.
    """

    def __init__(
        self, modules: ModuleJourney, instance: str, touch: Callable[[str], None] | None = None
    ) -> None:
        self._modules = modules
        self._touch = touch
        self._instance = instance

    async def __call__(self, incoming: Incoming) -> Response:
        """Answer one request; raises what the journey raises."""
        request = _parse(incoming.path)
        if isinstance(request, SumDB):
            raise NotFound(f"{request} is asked below /sumdb/")
        passed = hops(incoming.headers, self._instance)
        if passed:
            observe.hops.set(passed)
        fetch = incoming.headers.get("disable-module-fetch", "").lower() != "true"
        try:
            answer = await self._modules.answer(request, fetch=fetch)
        except NotFound as absence:
            # A cache in between must not give this answer to those who allow a fetch.
            return failure_response(absence, keep=fetch)
        if isinstance(answer, FileAnswer):
            if self._touch is not None:
                self._touch(request.key)
            try:
                return file_response(answer, incoming)
            except StorageError:
                # Somebody may have taken it out of the store since it was found (`prune`): then it is fetched anew.
                again = await self._modules.answer(request, fetch=fetch)
                assert isinstance(again, FileAnswer)
                return file_response(again, incoming)
        return text_response(answer, incoming)
