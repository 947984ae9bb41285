"""Equivalent sources, asked in their order; where one is late by its own habits, the next is asked beside it.

So a host that hangs costs some hundred milliseconds instead of a minute. What is said in the end is what a walk from one
source to the next would have said: a later source's answer is taken as soon as it is there, but its no waits for its turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

from goproxy_mirror import observe
from goproxy_mirror.errors import disk_failures
from goproxy_mirror.ports import Found
from goproxy_mirror.sources.walk import Ask, Question, Reach

T = TypeVar("T")

_LOOK = 0.25
"""Seconds between two looks at whether a host that is waited for rests by now, or an extra request may be made."""

_AT_LEAST = 0.3
"""Seconds that a host which rests by now may still keep silent. Whoever gives up on it then makes no extra request."""


@dataclass(frozen=True, slots=True)
class Runner(Generic[T]):
    """A source that can be asked: `ask` puts the question to it. `host` is None where no network is asked."""

    ask: Callable[[Ask[T]], Awaitable[Found[T]]]
    host: str | None


class Race(Generic[T]):
    """One question, put to some of the runners in turn, by `ask`. Leaving the context ends whoever still runs.

    `follower` says which runner may be asked beside the one at a place, or None. One at most is, at any time.
    """

    def __init__(
        self,
        question: Question[T],
        runners: Sequence[Runner[T]],
        reach: Reach,
        follower: Callable[[int], int | None],
    ) -> None:
        self._question = question
        self._runners = tuple(runners)
        self._reach = reach
        self._follower = follower
        self._attempts: dict[int, _Attempt[T]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for attempt in self._attempts.values():
            attempt.task.cancel()
        try:
            await asyncio.gather(
                *(attempt.task for attempt in self._attempts.values()), return_exceptions=True
            )
        finally:
            for attempt in self._attempts.values():
                attempt.remove()

    async def ask(self, place: int) -> Found[T]:
        """The answer of the runner at this place, or of one after it that was quicker. Raises what this one raises."""
        if not self._attempts and self._follower(place) is None:
            runner = self._runners[place]
            if runner.host:
                self._reach.asked(runner.host)
            return await runner.ask(self._question)
        first = self._attempts.get(place) or self._start(place)
        while True:
            beside = [attempt for at, attempt in self._attempts.items() if at > place]
            running = [attempt.task for attempt in beside if not attempt.task.done()]
            following = None if running else self._follower(max(self._attempts))
            await asyncio.wait(
                {first.task, *running},
                timeout=None if following is None else self._look_again(first),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if first.task.done():
                return await first.taken()
            for attempt in beside:
                if attempt.has_answered:
                    if first.host and first.heard <= attempt.began:
                        self._reach.overtaken(first.host, time.monotonic() - first.heard)
                    return await attempt.taken()
            if following is not None and self._is_late(first):
                self._start(following)

    def _start(self, place: int) -> _Attempt[T]:
        runner = self._runners[place]
        if runner.host:
            self._reach.asked(runner.host)
        self._attempts[place] = attempt = _Attempt(runner, self._question)
        return attempt

    def _is_late(self, attempt: _Attempt[T]) -> bool:
        """Whether another may be asked beside this one now."""
        host = attempt.host
        if host is None or time.monotonic() < self._due(attempt, host):
            return False
        return self._reach.resting(host) or self._reach.may_hedge(host)

    def _look_again(self, attempt: _Attempt[T]) -> float | None:
        """Seconds until that may have changed."""
        if attempt.host is None:
            return None
        left = self._due(attempt, attempt.host) - time.monotonic()
        return min(left, _LOOK) if left > 0 else _LOOK

    def _due(self, attempt: _Attempt[T], host: str) -> float:
        return attempt.heard + (_AT_LEAST if self._reach.resting(host) else self._reach.patience(host))


class _Attempt(Generic[T]):
    """A runner that is being asked, since `began`; `heard`: when something last came (seconds, monotonic).

    What it writes goes to a file of its own beside the one that is wanted.
    """

    def __init__(self, runner: Runner[T], question: Question[T]) -> None:
        self.host = runner.host
        self.began = self.heard = time.monotonic()
        self._into = question.into
        self._own: Path | None = None
        ask: Ask[T] = question
        if question.into is not None and question.onto is not None:
            self._own = question.into.with_name(f"{question.into.name}.{secrets.token_hex(4)}")
            ask = question.onto(self._own)
        self._told = observe.progress.get()
        context = contextvars.copy_context()
        context.run(observe.progress.set, self._hear)
        self.task: asyncio.Task[Found[T]] = asyncio.create_task(self._run(runner, ask), context=context)

    @property
    def has_answered(self) -> bool:
        """Whether it has ended with an answer."""
        return self.task.done() and not self.task.cancelled() and self.task.exception() is None

    async def taken(self) -> Found[T]:
        """Its answer, now the answer to the question. Raises what it has raised."""
        found = self.task.result()
        if self._own is not None and self._into is not None:
            with disk_failures("write the file"):
                await asyncio.to_thread(self._own.replace, self._into)
        return found

    def remove(self) -> None:
        """Take away what it has written, where that was not taken."""
        if self._own is not None:
            with contextlib.suppress(OSError):
                self._own.unlink(missing_ok=True)

    async def _run(self, runner: Runner[T], ask: Ask[T]) -> Found[T]:
        if self._own is not None:
            with disk_failures("write the file"):
                await asyncio.to_thread(self._own.touch, 0o644)
        return await runner.ask(ask)

    def _hear(self) -> None:
        self.heard = time.monotonic()
        if self._told is not None:
            self._told()
