"""What a worker process runs: the application, its signals, and an eye on the process that started it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from goproxy_mirror.errors import MirrorError
from goproxy_mirror.web.rsgi import App
from goproxy_mirror.web.shortcut import answering_at_once

log = logging.getLogger(__name__)

MakeApp = Callable[[], App]


def load(make_app: MakeApp) -> Any:
    """What Granian asks of a worker process at its start: an object with RSGI's three methods."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    app = make_app()
    answering_at_once(app.answer_at_once)
    return Worker(app)


class Worker:
    """An application in a worker process.

    Granian 2.8 ends a worker on SIGTERM and on SIGINT, but loses one that comes while the event loop stands still
    between two of its steps, and hangs for ever on the second where both come before it serves. A terminal sends SIGINT
    to all processes, and a supervisor may do so with SIGTERM, beside the SIGTERM of the main process. So both wait until
    the worker serves; then the first SIGTERM is passed on as the one SIGINT that Granian sees, and nothing else is.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._told = False
        self.__rsgi__ = app.__rsgi__

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        if sys.platform != "win32":
            self._watch_parent(loop)
        try:
            self._app.__rsgi_init__(loop)
        except MirrorError as failure:
            log.error("a worker cannot serve: %s", failure.message)  # noqa: TRY400 (the reason is for the operator)
            sys.exit(1)
        if sys.platform != "win32":
            if self._app.life is not None:
                # A worker whose services have failed makes room for a new one.
                self._app.life.add_done_callback(lambda _life: self._end())
            loop.add_signal_handler(signal.SIGTERM, self._end)
            loop.call_soon(signal.pthread_sigmask, signal.SIG_UNBLOCK, {signal.SIGTERM})

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._app.__rsgi_del__(loop)

    def _end(self) -> None:
        if self._told:
            return
        self._told = True
        os.kill(os.getpid(), signal.SIGINT)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

    def _watch_parent(self, loop: asyncio.AbstractEventLoop) -> None:
        """A worker that outlived its parent would keep the port, and nothing would replace it."""
        parent = multiprocessing.parent_process()
        if parent is None or parent.pid is None:
            return
        sentinel = parent.sentinel
        if sys.platform == "linux":
            # The sentinel is a pipe, whose other end a forked worker has too.
            with contextlib.suppress(OSError):
                sentinel = os.pidfd_open(parent.pid)
        loop.add_reader(sentinel, self._orphaned, loop, sentinel)

    def _orphaned(self, loop: asyncio.AbstractEventLoop, sentinel: int) -> None:
        loop.remove_reader(sentinel)
        log.warning("the server's main process has died; this worker ends")
        self._end()
