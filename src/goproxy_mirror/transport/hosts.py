"""What is known of hosts: who did not answer, who fails, who is quick. Learnt from real requests, and from nothing else: what
fails that nobody has asked for (`observe.unasked`) is not held against a host, or a go.mod file could have it left alone.

A host that did not answer, or that fails again and again, is left alone for a while (`resting`). Then one request at a time
tries it: its answer ends the rest, its failure begins a longer one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from goproxy_mirror import observe
from goproxy_mirror.ports import HostHealth
from goproxy_mirror.transport.health import Health

T = TypeVar("T")

REST = 60.0
"""Seconds for which a host that did not answer is skipped."""

_LONGEST = 5
"""How many times as long a rest gets at most; each that ends with a failure doubles the next."""

_IN_A_ROW = 5
"""Failures one after the other after which a host is left alone."""

_MANY, _MOSTLY = 20, 0.6
"""Requests, and the rate of failures among them, after which it is too."""

_TRIAL = 10.0
"""Seconds that one trial of a host may take before another is let through."""

_IMPATIENT, _PATIENT, _UNKNOWN = 0.3, 10.0, 3.0
"""Seconds that a host may keep silent before another is asked beside it: at least, at most, and while it is not known."""

_EXTRA = 0.1
"""How many extra requests a host's requests may cause, on the whole; a few of them may come at once."""
_AT_ONCE = 10.0


@dataclass(slots=True)
class _Host:
    """`until` ends a rest (monotonic; None: no rest since the last success), `silent`: it did not answer at all."""

    health: Health = field(default_factory=Health)
    until: float | None = None
    silent: bool = False
    rests: int = 0
    trial: float = 0.0
    failures: int = 0
    overtaken: int = 0
    extra: float = _AT_ONCE


class Hosts:
    """All hosts, each by `name` or `name:port` as in `Unreachable.host`.

    A process keeps its own; `snapshot` and `restore` carry the health over to the next one. Transport and git write, whoever
    has a choice reads: `ranked` puts places of the same thing (mirrors, checksum databases) into the order to ask them in.
    """

    def __init__(
        self,
        *,
        rest: float = REST,
        limit: int = 4096,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`rest` in seconds, 0 for none; at most `limit` hosts are remembered, the oldest are forgotten first.

        `clock` measures, `wall` dates.
        """
        self._rest = rest
        self._limit = limit
        self._clock = clock
        self._wall = wall
        self._hosts: dict[str, _Host] = {}
        self._ahead: dict[tuple[str, str], None] = {}

    # Who is left alone.

    def resting(self, host: str) -> bool:
        """Whether the host is to be skipped for now, while there are others to ask."""
        known = self._hosts.get(host)
        if known is None or known.until is None:
            return False
        return self._clock() < max(known.until, known.trial)

    def silent(self, host: str) -> bool:
        """Whether the host rests because it did not answer at all, so that asking it would be of no use."""
        known = self._hosts.get(host)
        return known is not None and known.silent and self._is_open(known)

    def rest(self, host: str) -> None:
        """The host did not answer. A rest is not lengthened: that it is refused while it rests says nothing about it."""
        if observe.unasked.get():
            return
        known = self._of(host)
        if not self._is_open(known):
            known.health.failed(self._wall())
            self._open(known, silent=True)

    def answered(self, host: str) -> None:
        """The host answered, be it with an error."""
        known = self._hosts.get(host)
        if known is not None and known.silent:
            self._close(known)

    def forgive(self, host: str) -> None:
        """Let the host be asked again at once: nobody else is left to ask."""
        known = self._hosts.get(host)
        if known is not None:
            known.until = None

    # What real requests say.

    def asked(self, host: str) -> None:
        """The host is about to be asked by somebody who has a choice. After a rest that makes it the trial."""
        if observe.unasked.get():
            return
        known = self._of(host)
        known.extra = min(_AT_ONCE, known.extra + _EXTRA)
        if known.until is not None and not self._is_open(known):
            known.trial = self._clock() + _TRIAL

    def took(self, host: str, seconds: float) -> None:
        """A request was answered, by an absence or a refusal as well, and the answer began after so many seconds."""
        known = self._of(host)
        known.health.took(seconds, self._wall())
        known.failures = known.overtaken = 0
        self._close(known)

    def failed(self, host: str) -> None:
        """A request failed: no answer in time, a broken connection, a status of 5xx."""
        if observe.unasked.get():
            return
        known = self._of(host)
        known.health.failed(self._wall())
        known.failures += 1
        known.overtaken = 0
        mostly = known.health.requests >= _MANY and known.health.failures >= _MOSTLY
        if known.until is not None or mostly or known.failures >= _IN_A_ROW:
            self._open(known, silent=False)

    def overtaken(self, host: str, seconds: float) -> None:
        """The host kept silent for so many seconds, and another that was asked after it has answered first."""
        if observe.unasked.get():
            return
        known = self._of(host)
        known.health.took(seconds, self._wall(), whole=False)
        known.overtaken += 1
        if known.until is not None or known.overtaken >= _IN_A_ROW:
            self._open(known, silent=False)

    # What follows for those who have a choice.

    def ranked(self, items: Iterable[T], host: Callable[[T], str | None]) -> list[T]:
        """The same items in the order in which they should be asked.

        The given order is preference: an item goes before another only where its host is clearly better, and those whose
        hosts rest go last. What is on no host (None) keeps its place.
        """
        order: list[T] = []
        for item in items:
            place = len(order)
            while place and self._is_ahead(host(item), host(order[place - 1])):
                place -= 1
            order.insert(place, item)
        return sorted(order, key=lambda item: self.resting(host(item) or ""))

    def patience(self, host: str) -> float:
        """Seconds after which the host is late, by its own habits."""
        known = self._hosts.get(host)
        slow = known.health.slow(self._wall()) if known is not None else None
        return _UNKNOWN if slow is None else min(max(slow, _IMPATIENT), _PATIENT)

    def may_hedge(self, host: str) -> bool:
        """Whether one more request may be made elsewhere because this host is late. Each yes is counted."""
        known = self._of(host)
        if known.extra < 1:
            return False
        known.extra -= 1
        return True

    # Across restarts.

    def restore(self, health: Sequence[HostHealth]) -> None:
        """Take over what was known. It fades with its age; what this process has learnt itself stays."""
        for kept in sorted(health, key=lambda kept: kept.seen):
            if kept.host not in self._hosts:
                self._of(kept.host).health = Health.restored(kept)

    def snapshot(self) -> Sequence[HostHealth]:
        """What is known of every host that this process has asked; what was only restored others may know better by now."""
        return [known.health.kept(host) for host, known in self._hosts.items() if known.health.is_new]

    def _of(self, host: str) -> _Host:
        known = self._hosts.pop(host, None) or _Host()
        while len(self._hosts) >= self._limit:
            del self._hosts[next(iter(self._hosts))]
        self._hosts[host] = known
        return known

    def _is_open(self, known: _Host) -> bool:
        return known.until is not None and self._clock() < known.until

    def _open(self, known: _Host, *, silent: bool) -> None:
        """Begin a rest: a longer one where the last was followed by no success."""
        if self._rest <= 0 or self._is_open(known):
            return
        known.rests += 1
        known.until = self._clock() + self._rest * min(2 ** (known.rests - 1), _LONGEST)
        known.silent = silent
        known.trial = 0.0
        known.failures = known.overtaken = 0

    def _close(self, known: _Host) -> None:
        known.until = None
        known.silent = False
        known.rests = 0
        known.trial = 0.0

    def _is_ahead(self, host: str | None, preferred: str | None) -> bool:
        """Whether a host is so much better that it goes before one that is preferred to it."""
        if not host or not preferred or host == preferred:
            return False
        mine, its = self._hosts.get(host), self._hosts.get(preferred)
        if its is None:
            return False
        pair = (host, preferred)
        health = mine.health if mine is not None else Health()
        if health.is_better(its.health, self._wall(), already=pair in self._ahead):
            while len(self._ahead) >= self._limit:
                del self._ahead[next(iter(self._ahead))]
            self._ahead[pair] = None
            return True
        self._ahead.pop(pair, None)
        return False
