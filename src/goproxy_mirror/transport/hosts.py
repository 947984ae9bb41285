"""The short memory of hosts that did not answer."""

from __future__ import annotations

import time
from collections.abc import Callable

REST = 60.0
"""Seconds for which a host that did not answer is skipped."""


class Hosts:
    """Hosts that did not answer, each by `name` or `name:port` as in `Unreachable.host`.

    A process keeps its own; nothing here survives it. The transport writes; whoever has another home to go to
    reads.
    """

    def __init__(
        self, *, rest: float = REST, limit: int = 4096, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`rest` in seconds; at most `limit` hosts are remembered, the oldest are forgotten first."""
        self._rest = rest
        self._limit = limit
        self._clock = clock
        self._until: dict[str, float] = {}

    def resting(self, host: str) -> bool:
        """Whether the host is to be skipped for now."""
        until = self._until.get(host)
        if until is None:
            return False
        if until <= self._clock():
            del self._until[host]
            return False
        return True

    def rest(self, host: str) -> None:
        """The host did not answer. A rest is not lengthened: that it is refused while it rests says nothing about it."""
        if self.resting(host):
            return
        while len(self._until) >= self._limit:
            del self._until[next(iter(self._until))]
        self._until[host] = self._clock() + self._rest

    def answered(self, host: str) -> None:
        """The host answered, be it with an error."""
        self._until.pop(host, None)

    def forgive(self, host: str) -> None:
        """Let the host be asked again at once: nobody else is left to ask."""
        self._until.pop(host, None)
