"""How long an answer without a fixed content counts, and how long a no is remembered."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum

from goproxy_mirror.errors import NotFound
from goproxy_mirror.ports import Answers, Kept


class Age(Enum):
    """What to do with a kept answer."""

    FRESH = "answer"
    AGING = "answer, and ask again behind the answer"
    OLD = "ask again first; answer it only where nobody can be reached"


@dataclass(frozen=True, slots=True)
class Freshness:
    """`ttl` in seconds: an answer is never older while its sources are up; in the second half it is refreshed behind."""

    ttl: float

    def age(self, kept: Kept, now: float) -> Age:
        seconds = now - kept.fetched
        if seconds < 0 or seconds >= self.ttl:  # below zero: the clock was set back
            return Age.OLD
        return Age.FRESH if seconds < self.ttl / 2 else Age.AGING

    def left(self, kept: Kept, now: float) -> float:
        """Seconds for which a client may keep the answer."""
        return max(0.0, self.ttl - (now - kept.fetched))


class RecentAnswers:
    """The most recently used answers in memory, in front of those that the worker processes share."""

    def __init__(
        self, shared: Answers, freshness: Freshness, *, room: int = 4096, largest: int = 256 * 1024
    ) -> None:
        self._shared = shared
        self._freshness = freshness
        self._room = room
        self._largest = largest
        self._memory: OrderedDict[str, Kept] = OrderedDict()

    async def get(self, key: str) -> Kept | None:
        kept = self._memory.get(key)
        if kept is not None and self._freshness.age(kept, time.time()) is not Age.OLD:
            self._memory.move_to_end(key)
            return kept
        return await self.get_shared(key) or kept

    async def get_shared(self, key: str) -> Kept | None:
        """The answer as the worker that asked last has left it."""
        shared = await self._shared.get(key)
        if shared is not None:
            self._remember(key, shared)
        return shared

    async def put(self, key: str, kept: Kept) -> None:
        self._remember(key, kept)
        await self._shared.put(key, kept)

    def _remember(self, key: str, kept: Kept) -> None:
        if len(kept.body) > self._largest:
            self._memory.pop(key, None)
            return
        self._memory[key] = kept
        self._memory.move_to_end(key)
        while len(self._memory) > self._room:
            self._memory.popitem(last=False)


class Absences:
    """Who said no to what, for `ttl` seconds (60 at most), in memory. Asked only after the store."""

    LONGEST = 60.0

    def __init__(self, ttl: float, *, room: int = 65536) -> None:
        self._ttl = min(ttl, self.LONGEST)
        self._room = room
        # Not the error itself: it holds on to every frame that it came through.
        self._said: OrderedDict[str, tuple[float, str, str | None]] = OrderedDict()

    def check(self, key: str) -> None:
        """Raise the remembered `NotFound`, if there is one that still counts."""
        said = self._said.get(key)
        if said is None:
            return
        until, message, source = said
        if time.monotonic() >= until:
            del self._said[key]
            return
        raise NotFound(message, source=source)

    def remember(self, key: str, error: NotFound) -> None:
        self._said[key] = (time.monotonic() + self._ttl, error.message, error.source)
        self._said.move_to_end(key)
        while len(self._said) > self._room:
            self._said.popitem(last=False)

    def forget(self, key: str) -> None:
        self._said.pop(key, None)
