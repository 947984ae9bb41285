"""One piece of work per key in this process, whoever asks and whoever leaves."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from goproxy_mirror.errors import MirrorError, SourceUnavailable

log = structlog.get_logger(__name__)
T = TypeVar("T")
_CLOSING = "the server is shutting down; ask again in a moment"
_MOST = 16_384
"""Pieces of work at a time, of some 11 kB each: who goes away cancels nothing, so connections do not bound them."""
_GRACE = 2.0
"""Seconds that work behind an answer has to end when the server does."""


@dataclass(frozen=True, slots=True)
class _Failed:
    error: Exception


class Flights:
    """Work by key. Who asks for a key that is under way waits for it; who goes away cancels nothing.

    The work runs in tasks of this object, never of a request, and ends with it: use it as an async context manager.
    """

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self._behind: set[asyncio.Task[Any]] = set()
        self._group = asyncio.TaskGroup()
        self._open = False

    async def __aenter__(self) -> Flights:
        await self._group.__aenter__()
        self._open = True
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._open = False
        if self._behind:
            await asyncio.wait(self._behind, timeout=_GRACE)
        for task in self._tasks.values():
            task.cancel()
        await self._group.__aexit__(None, None, None)

    async def run(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` returns or raises, started now unless the key is under way already.

        Raises `SourceUnavailable` where too much is, or the end has come.
        """
        if key not in self._tasks and len(self._tasks) >= _MOST:
            raise SourceUnavailable(
                f"{_MOST} others are waiting for what is not held here; ask again in a moment"
            )
        task = self._task(key, work)
        try:
            outcome = await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise SourceUnavailable(_CLOSING) from None
            raise
        if isinstance(outcome, _Failed):
            # A fresh traceback for each waiter: one exception object raised in many tasks would grow without end.
            raise outcome.error.with_traceback(None)
        result: T = outcome
        return result

    def start(self, key: str, work: Callable[[], Awaitable[object]]) -> None:
        """Have the work done behind the answer; a failure is logged."""
        task = self._task(key, work)
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)

    def begin(
        self, key: str, work: Callable[[], Awaitable[object]], context: contextvars.Context
    ) -> asyncio.Task[object] | None:
        """Start the work for whoever may ask for it; None where it is under way, where too much is, or the end has come.

        Nobody hears of a failure who does not ask.
        """
        task = self._tasks.get(key)
        if not self._open or len(self._tasks) >= _MOST or (task is not None and not task.done()):
            return None
        return self._task(key, work, context)

    def _task(
        self, key: str, work: Callable[[], Awaitable[T]], context: contextvars.Context | None = None
    ) -> asyncio.Task[T | _Failed]:
        task = self._tasks.get(key)
        if task is None or task.done():  # done, and not yet forgotten: what it did was done before
            if not self._open:
                raise SourceUnavailable(_CLOSING)
            task = self._group.create_task(_outcome(key, work), context=context)
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
        return task

    def _forget(self, key: str, done: asyncio.Task[Any]) -> None:
        if self._tasks.get(key) is done:
            del self._tasks[key]


async def _outcome(key: str, work: Callable[[], Awaitable[T]]) -> T | _Failed:
    try:
        return await work()
    except MirrorError as error:
        return _Failed(error)
    except Exception as error:
        log.exception("work failed", key=key)
        return _Failed(error)
