"""Blocking work of many tasks, done together: who comes while some is being done is in what is done next."""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_MOST = 64
"""Items of one batch, so that the first of many is not kept waiting by the last."""


class Gathering(Generic[T, R]):
    """One thread that does what it is given, in batches: a hop into it, and what a batch can share, cost many items once.

    Nobody waits for a batch to fill: the first item is begun at once, and those that come meanwhile are the next batch.
    """

    def __init__(self, name: str, work: Callable[[Sequence[T]], Sequence[R | Exception]]) -> None:
        """`work` blocks; it returns for each item what came of it, in their order, and an exception fails that item alone."""
        self._work = work
        self._thread = ThreadPoolExecutor(1, name)
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._busy = False
        self._loop: asyncio.AbstractEventLoop | None = None

    async def do(self, item: T) -> R:
        """What the work makes of the item, or raises for it. Who is cancelled leaves what has begun to end by itself."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # the one before has ended, and what it waited for with it
            self._loop, self._busy = loop, False
            self._waiting.clear()
        done: asyncio.Future[R] = loop.create_future()
        self._waiting.append((item, done))
        if not self._busy:
            self._busy = True
            loop.call_soon(self._begin, loop)  # so that all who are ready now are in it
        return await done

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        batch: list[tuple[T, asyncio.Future[R]]] = []
        while self._waiting and len(batch) < _MOST:
            item, done = self._waiting.popleft()
            if not done.done():
                batch.append((item, done))
        if not batch:
            self._busy = False
            return
        items = [item for item, _ in batch]
        futures = [done for _, done in batch]
        try:
            working = loop.run_in_executor(self._thread, self._outcomes, items)
        except RuntimeError:  # no more threads: these fail, and whoever comes next tries again
            failures = [OSError(errno.EAGAIN, "no thread could be started") for _ in futures]
            loop.call_soon(self._end, loop, futures, failures)
            return
        working.add_done_callback(lambda outcome: self._end(loop, futures, outcome.result()))

    def _outcomes(self, items: Sequence[T]) -> Sequence[R | Exception]:
        try:
            return self._work(items)
        except BaseException as error:  # noqa: BLE001 (whatever it is: nobody may wait for ever)
            failure = error if isinstance(error, Exception) else RuntimeError(f"ended by {error!r}")
            return [failure] * len(items)

    def _end(
        self,
        loop: asyncio.AbstractEventLoop,
        futures: Sequence[asyncio.Future[R]],
        outcomes: Sequence[R | Exception],
    ) -> None:
        for done, outcome in zip(futures, outcomes, strict=True):
            if done.done():
                continue
            if isinstance(outcome, Exception):
                done.set_exception(outcome)
            else:
                done.set_result(outcome)
        self._begin(loop)
