"""Cancellation that reaches who waits for the HTTP client."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Heeding:
    """Raises `asyncio.CancelledError` at the end of the block where the task was cancelled in it and did not hear of it.

    An awaitable of the HTTP client that is told to end when its result has just come gives the result instead. A fetch
    that nobody waits for would go on, and so would one whose deadline has passed, since a deadline is told the
    same way, once. Stands inside the `asyncio.timeout` whose end it must not miss.
    """

    __slots__ = ("_before", "_task")

    async def __aenter__(self) -> None:
        self._task = asyncio.current_task()
        self._before = self._task.cancelling() if self._task is not None else 0

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self._task is not None and self._task.cancelling() > self._before:
            raise asyncio.CancelledError
