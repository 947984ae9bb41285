"""One piece of work that several tasks wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """Work by key, done once for all who ask for it at the same time; nothing is kept afterwards.

    One who stops waiting changes nothing for the others; when nobody waits any more the work is cancelled.
    """

    def __init__(self) -> None:
        self._running: dict[Hashable, tuple[asyncio.Task[T], list[None]]] = {}

    async def do(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of `work`, which is started unless it runs for this key already."""
        task, waiting = self._running.get(key) or (asyncio.create_task(work()), [])
        self._running[key] = (task, waiting)
        waiting.append(None)
        try:
            return await asyncio.shield(task)
        finally:
            waiting.pop()
            if not waiting:
                del self._running[key]
                if not task.done():
                    task.cancel()
                    # Not left before what it started is gone.
                    await asyncio.wait([task])
