"""A short memory of asynchronous answers, in which those who ask at once share one question."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


@dataclass(slots=True)
class _Entry(Generic[V]):
    until: float
    value: V | None = None
    error: Exception | None = None


class Memo(Generic[K, V]):
    """Answers by key, each for a time to live; at most `size` of them, the oldest are dropped first.

    One who gives up waiting does not cancel the question for the others: it runs to its own deadline.
    """

    def __init__(
        self,
        *,
        ttl: float,
        error_ttl: Callable[[Exception], float] = lambda _: 0.0,
        size: int = 1024,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`ttl` in seconds; `error_ttl` says for how long an exception is answered again."""
        self._ttl = ttl
        self._error_ttl = error_ttl
        self._size = size
        self._clock = clock
        self._kept: dict[K, _Entry[V]] = {}
        self._running: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K, ask: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """The kept answer, or that of `ask`, of which one runs per key. Raises what `ask` raises."""
        entry = self._kept.get(key)
        if entry is not None and entry.until > self._clock():
            if entry.error is not None:
                # Without this, every raise would lengthen the traceback that the kept exception holds.
                raise entry.error.with_traceback(None)
            return entry.value  # type: ignore[return-value]
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(ask())
            self._running[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        return await asyncio.shield(task)

    def forget(self, key: K) -> None:
        """Drop a kept answer."""
        self._kept.pop(key, None)

    async def aclose(self) -> None:
        """Cancel what still runs."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _finished(self, key: K, task: asyncio.Task[V]) -> None:
        if self._running.get(key) is task:
            del self._running[key]
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._keep(key, _Entry(self._clock() + self._ttl, value=task.result()))
        elif isinstance(error, Exception) and (ttl := self._error_ttl(error)) > 0:
            self._keep(key, _Entry(self._clock() + ttl, error=error))

    def _keep(self, key: K, entry: _Entry[V]) -> None:
        self._kept.pop(key, None)
        while len(self._kept) >= self._size:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = entry
