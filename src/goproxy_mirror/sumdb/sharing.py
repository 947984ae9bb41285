"""One piece of work per key, whoever asks, and for as long as somebody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Failed:
    error: Exception


@dataclass(slots=True)
class _Flight:
    task: asyncio.Task[Any]
    waiting: int = 0


class Shared:
    """Work by key: who asks for what is under way waits for it, who goes away cancels nothing for the others.

    When the last one goes away the work is cancelled, and has ended before they are let go; so no task outlives who wanted it.
    """

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight] = {}

    async def run(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` returns or raises, started now unless the key is under way."""
        flight = self._flights.get(key)
        if flight is None or flight.task.done():
            flight = self._flights[key] = _Flight(asyncio.create_task(_outcome(work)))
        flight.waiting += 1
        try:
            outcome = await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                if self._flights.get(key) is flight:
                    del self._flights[key]
                if not flight.task.done():
                    flight.task.cancel()
                    await asyncio.wait({flight.task})
        if isinstance(outcome, _Failed):
            # A fresh traceback for each waiter: one exception object raised in many tasks would grow without end.
            raise outcome.error.with_traceback(None)
        result: T = outcome
        return result


async def _outcome(work: Callable[[], Awaitable[T]]) -> T | _Failed:
    try:
        return await work()
    except Exception as error:  # noqa: BLE001 (raised again by each who waits)
        return _Failed(error)
