"""How one host has answered real requests: how long it takes, how often it fails."""

from __future__ import annotations

import math
from collections import deque

from goproxy_mirror.ports import HostHealth

_WEIGHT = 0.2
"""How much of what is known a new answer replaces, while what is known is fresh."""

_FADES = 600.0
"""Seconds after which half of what is known counts: who was slow or failed yesterday gets a chance."""

_OLD = 86400.0
"""Seconds after which an old percentile says nothing any more."""

_LAST = 32
"""Answers that the percentile is made of."""

_ENOUGH = 8
"""Answers that make a percentile."""

_FEW = 3
"""Answers that a time may be compared by."""


class Health:
    """Times in seconds; `now` and `seen` since the epoch. `is_new`: some of it was learnt here, not restored."""

    __slots__ = ("_last", "_slow", "failures", "is_new", "requests", "seconds", "seen")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.failures = 0.0
        self.requests = 0
        self.seen = 0.0
        self.is_new = False
        self._slow: float | None = None
        self._last: deque[float] = deque(maxlen=_LAST)

    @classmethod
    def restored(cls, kept: HostHealth) -> Health:
        """What was known when it was kept."""
        health = cls()
        health.seconds, health.failures = kept.seconds, kept.failures
        health.requests, health.seen = kept.requests, kept.seen
        health._slow = kept.slow or None
        return health

    def kept(self, host: str) -> HostHealth:
        """The form in which it is kept."""
        return HostHealth(
            host, self.seconds, self._percentile() or 0.0, self.failures, self.requests, self.seen
        )

    def took(self, seconds: float, now: float, *, whole: bool = True) -> None:
        """An answer came after so many seconds; not `whole`: it was not waited for longer than that."""
        weight = self._weight(now)
        if not whole:
            self.seconds += weight * max(0.0, seconds - self.seconds)
            return
        self.seconds += weight * (seconds - self.seconds)
        self.failures = self.rate(now) * (1.0 - _WEIGHT)
        self._last.append(seconds)
        self._count(now)

    def failed(self, now: float) -> None:
        """A request failed by an outage."""
        rate = self.rate(now)
        self.failures = rate + (1.0 - rate) * _WEIGHT
        self._count(now)

    def slow(self, now: float) -> float | None:
        """The 95th percentile of the last answers; None where too little is known."""
        if len(self._last) < _ENOUGH and now - self.seen > _OLD:
            return None
        return self._percentile()

    def rate(self, now: float) -> float:
        """The rate of failures, faded by age."""
        return self.failures * self._fresh(now)

    def is_better(self, other: Health, now: float, *, already: bool) -> bool:
        """Whether this host is clearly better than one that is preferred to it.

        That one's bad days fade, and this one's good ones must be recent. Where it was found so `already`, less is enough,
        so that the order does not go to and fro.
        """
        gap = other.rate(now) - self.rate(now)
        enough, factor, margin = (0.2, 1.3, 0.03) if already else (0.4, 2.0, 0.1)
        if gap > enough:
            return True
        if -gap > enough or min(self.requests, other.requests) < _FEW or self._fresh(now) < 0.5:
            return False
        its = other.seconds * other._fresh(now)
        return its > factor * self.seconds and its - self.seconds > margin

    def _count(self, now: float) -> None:
        self.requests += 1
        self.seen = now
        self.is_new = True

    def _fresh(self, now: float) -> float:
        """1 for what was learnt just now, half of that after some minutes, and so on."""
        return float(0.5 ** (max(0.0, now - self.seen) / _FADES))

    def _weight(self, now: float) -> float:
        """How much a new answer says beside what is known: all where nothing is."""
        return 1.0 - (1.0 - _WEIGHT) * self._fresh(now) if self.requests else 1.0

    def _percentile(self) -> float | None:
        if len(self._last) < _ENOUGH:
            return self._slow
        return sorted(self._last)[math.ceil(0.95 * len(self._last)) - 1]
