"""The application that the HTTP server runs: its life in a worker process, and the one place where a request ends.

Whatever a handler raises becomes an answer here: the server below makes an empty 500 of an exception, and an answer
that it cannot send may cost the worker its life.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from goproxy_mirror.errors import MirrorError
from goproxy_mirror.web import incoming as requests
from goproxy_mirror.web.departure import Departure
from goproxy_mirror.web.failures import failure_response, new_number, status_of, unforeseen_response
from goproxy_mirror.web.responses import Response, printable
from goproxy_mirror.web.routes import Routes, Site
from goproxy_mirror.web.services import OpenServices
from goproxy_mirror.web.warm import WarmAnswers
from goproxy_mirror.web.wire import Scope, Wire

log = structlog.get_logger(__name__)

_LONGEST_LOGGED = 512


class App:
    """One worker's application. `open_services` is entered inside the worker's event loop, and left at its end.

    With `log_requests`, every request is an event in the log; failures that nobody foresaw are there anyway.
    """

    def __init__(self, open_services: OpenServices, site: Site, *, log_requests: bool = False) -> None:
        self._open_services = open_services
        self._site = site
        self._log_requests = log_requests
        self._routes: Routes | None = None
        self._warm = WarmAnswers()
        self._root = len(site.prefix) + 1
        self._touch: Callable[[str], None] | None = None
        self.life: asyncio.Task[None] | None = None
        """Ends when the services are closed, or have failed; None before `start`."""
        self._ending = asyncio.Event()

    # The life of a worker.

    async def start(self) -> None:
        """Open the services; raises what opening them raises."""
        opened = asyncio.get_running_loop().create_future()
        self.life = asyncio.create_task(self._live(opened))
        await opened

    async def stop(self) -> None:
        """Close the services, once the last request is answered. Had they failed before, that is in the log."""
        self._ending.set()
        if self.life is not None:
            await asyncio.wait([self.life])

    async def _live(self, opened: asyncio.Future[None]) -> None:
        """Hold the services open in one task from beginning to end, which task groups and timeouts need."""
        try:
            async with self._open_services() as services:
                self._routes = Routes(services, self._site)
                self._touch = services.touch
                opened.set_result(None)
                await self._ending.wait()
        except BaseException as failure:
            if not opened.done():
                opened.set_exception(failure)
            elif isinstance(failure, Exception):  # an interrupt is no failure of theirs
                log.exception("the services of this worker have failed")

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.run_until_complete(self.start())

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.run_until_complete(self.stop())

    # Requests.

    async def __rsgi__(self, scope: Scope, wire: Wire) -> None:
        """Answer one request."""
        if self.answer_at_once(scope, wire):
            return
        began = time.perf_counter() if self._log_requests else 0.0
        departure = Departure(wire)
        try:
            response = await self._respond(scope)
        except asyncio.CancelledError:
            if not departure.happened:
                raise
            if self._log_requests:
                self._tell(scope, began, None)
            return
        finally:
            departure.end()
        try:
            response.send(wire, scope.method)
        except Exception as failure:  # a client that has left, or an answer that cannot be sent
            log.debug("not sent", path=_logged(scope.path), reason=repr(failure), exc_info=True)
        if response.file is not None:
            self._warm.keep_file(
                scope.path, scope.path[self._root :], response.headers, response.body, *response.file
            )
        elif response.same_for > 0:
            self._warm.keep_text(scope.path, response.headers, response.body, response.same_for)
        if self._log_requests:
            self._tell(scope, began, response)

    def answer_at_once(self, scope: Scope, wire: Wire) -> bool:
        """Answer a request with what was just sent, if that may be done; may be called on any thread."""
        if self._log_requests:
            return False
        warm = self._warm.find(scope)
        if warm is None:
            return False
        wire.response_bytes(200, warm.headers, warm.body)
        if warm.key is not None and self._touch is not None:
            self._touch(warm.key)
        return True

    async def _respond(self, scope: Scope) -> Response:
        assert self._routes is not None, "requests come after start()"
        try:
            incoming = requests.read(scope)
            return await self._routes.find(incoming)(incoming)
        except MirrorError as failure:
            if status_of(failure) >= 500:
                log.info("failed", path=_logged(scope.path), kind=type(failure).__name__, reason=failure.line)
            return failure_response(failure)
        except (Exception, asyncio.CancelledError) as failure:
            task = asyncio.current_task()
            if isinstance(failure, asyncio.CancelledError) and task is not None and task.cancelling():
                raise
            # Or else work that this request shared was cancelled, and the client is still there.
            number = new_number()
            log.exception("failed, and nobody foresaw it", number=number, path=_logged(scope.path))
            return unforeseen_response(number)

    def _tell(self, scope: Scope, began: float, response: Response | None) -> None:
        """One event per request; `status` 499 stands for a client that left before it had an answer."""
        log.info(
            "request",
            method=_logged(scope.method),
            path=_logged(scope.path),
            status=response.status if response else 499,
            bytes=response.length if response else 0,
            ms=round((time.perf_counter() - began) * 1000, 1),
            source=response.source if response else None,
        )


def _logged(text: str) -> str:
    """A client's text as it may stand in the log: one line, no control characters, bounded."""
    return printable(text[:_LONGEST_LOGGED])
