"""What happens to a handler whose client has gone: it ends, and what others wait for goes on."""

from __future__ import annotations

import asyncio
import contextlib

from goproxy_mirror.web.wire import Wire


class Departure:
    """Cancels the handler that made it when the client leaves; `happened` tells that from any other cancellation.

    The server below never cancels a handler by itself. Watching needs a task of its own, which is started only once
    the handler waits for something: a hit is answered before the event loop comes round.
    """

    __slots__ = ("_begin", "_handler", "_watch", "_wire", "happened")

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._handler = asyncio.current_task()
        self._watch: asyncio.Task[None] | None = None
        self._begin = asyncio.get_running_loop().call_soon(self._start)
        self.happened = False

    def end(self) -> None:
        """The handler is done waiting."""
        self._begin.cancel()
        if self._watch is not None:
            self._watch.cancel()

    def _start(self) -> None:
        self._watch = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await self._wire.client_disconnect()
            if self._handler is not None:
                self.happened = True
                self._handler.cancel()
