"""Fetching ahead: what clients will ask for next is fetched before they do, within a small budget.

A file that is fetched ahead goes the same way as any other (one flight per key, policy, proof, publication), so whoever asks
for it meanwhile joins its flight, and nobody is given what they would not have been given. But it never takes a place from
a real request, no zip is ever fetched ahead, and what nobody asked for afterwards is counted as wasted. Nor does anybody hear a
name who would not have heard it: what a private module requires is followed only to where private modules come from.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from goproxy_mirror import observe
from goproxy_mirror.errors import Blocked, MirrorError, NotFound, NotRecorded
from goproxy_mirror.mirror.flights import Flights
from goproxy_mirror.mirror.foresight import Foresight
from goproxy_mirror.module.modfile import parse_lax
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion
from goproxy_mirror.ports import FileKind
from goproxy_mirror.protocol import File, parse

log = structlog.get_logger(__name__)

_BUDGET = 4
"""Files for each place that may be fetched ahead in a minute; each that is used gives one back. So this bounds the waste."""
_MINUTE = 60.0

_LATER = 60.0
"""Seconds after which what has not come to its turn is not fetched ahead any more: who would have asked has, or is gone."""

_WASTED = 600.0
"""Seconds after which a file that nobody has asked for counts as wasted."""

_FAILURES, _REST = 3, 60.0
"""Failures one after the other after which nothing is fetched ahead, and for how many seconds."""

_MOST_WAITING = 1024
_MOST_REMEMBERED = 4096

_LARGE_MOD = 16 * 1024
"""Bytes of a `.mod` that is not worth reading for this: on the event loop, 0.7 ms for each KiB. Large real ones have ten."""


@dataclass(frozen=True, slots=True)
class AheadCounts:
    """How many files this process has fetched ahead, in vain too; how many of them were asked for; and how many were of no use:
    not to be had, or not asked for by the time after which nobody is expected any more. The rest still waits."""

    fetched: int = 0
    used: int = 0
    wasted: int = 0


@dataclass(frozen=True, slots=True)
class _Waiting:
    request: File
    since: float
    context: contextvars.Context


class Ahead:
    """Fetches ahead; one per process. `places` files at the same time, none where it is 0."""

    def __init__(self, flights: Flights, *, places: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._flights = flights
        self._places = places
        self._clock = clock
        self._foresight = Foresight()
        self._fetch: Callable[[File], Awaitable[object]] | None = None
        self._is_held: Callable[[str], bool] = lambda _: False
        self._is_public: Callable[[ModulePath], bool] = lambda _: True
        self._waiting: deque[_Waiting] = deque()
        self._running: set[str] = set()
        self._done: OrderedDict[str, None] = OrderedDict()
        self._asked: OrderedDict[str, None] = OrderedDict()
        self._unused: OrderedDict[str, float] = OrderedDict()
        self._credit = float(places * _BUDGET)
        self._credited = clock()
        self._failures = 0
        self._rest_until = 0.0
        self._fetched = self._used = self._wasted = 0

    def use(
        self,
        fetch: Callable[[File], Awaitable[object]],
        *,
        is_held: Callable[[str], bool],
        is_public: Callable[[ModulePath], bool],
    ) -> None:
        """`fetch` is the journey of a file at low priority; `is_held` looks whether there is one, without waiting.

        `is_public`: whether public sources hear the name of a module whose files are fetched.
        """
        self._fetch, self._is_held, self._is_public = fetch, is_held, is_public

    # What the journey tells.

    def asked(self, request: File) -> None:
        """A client waits for a file that is not held, and may be fetched."""
        if not self._places:
            return
        _remember(self._asked, request.key)
        self._expect(self._foresight.asked(request, self._clock()))

    def expects(self, key: str) -> bool:
        """Whether a stored file was fetched ahead, perhaps only just now, and not asked for yet."""
        return key in self._unused or key in self._running

    def used(self, request: File, *, fetch: bool) -> None:
        """A file that was fetched ahead was asked for; `fetch`: others may be fetched for this client."""
        if self._unused.pop(request.key, None) is not None:
            self._count_used()
        else:  # published, and not counted yet
            _remember(self._asked, request.key)
        self._expect(self._foresight.used(request, self._clock()) if fetch else ())

    def arrived(self, mv: ModuleVersion, body: bytes) -> None:
        """The `.mod` of a version was fetched, by whomever."""
        if not self._places or len(body) > _LARGE_MOD:
            return
        try:
            mod = parse_lax(body)
            required = mod.requires
        except NotFound:
            return  # not for the go command either
        if not self._is_public(mv.path):
            # What it names may be private to the client alone, which would not ask us for it.
            required = tuple(each for each in required if not self._is_public(each.path))
        pruned = mod.language_at_least(1, 17)
        self._expect(self._foresight.arrived(mv, required, self._clock(), pruned=pruned))

    def fetched(self, key: str) -> None:
        """A file was fetched for nobody but us."""
        self._fetched += 1
        if key not in self._running:  # the `.mod` that vouches for a `.info`
            self._credit -= 1
        if key in self._asked:
            self._count_used()
        else:
            self._unused[key] = self._clock()
        self._sweep()

    def counts(self) -> AheadCounts:
        self._sweep()
        return AheadCounts(self._fetched, self._used, self._wasted)

    def last(self) -> AheadCounts:
        """The counts at the end: what was not asked for by now never will be."""
        self._wasted += len(self._unused)
        self._unused.clear()
        return AheadCounts(self._fetched, self._used, self._wasted)

    # What follows.

    def _expect(self, expected: Sequence[File]) -> None:
        now = self._clock()
        if now < self._rest_until or not (expected or self._waiting):
            return
        context = contextvars.copy_context()
        context.run(observe.unasked.set, True)
        for request in expected:
            if request.kind is FileKind.ZIP or len(self._waiting) >= _MOST_WAITING:
                continue
            if request.key not in self._done and _can_be_asked(request):
                _remember(self._done, request.key)
                self._waiting.append(_Waiting(request, now, context))
        # The request that this follows from is under way first.
        asyncio.get_running_loop().call_soon(self._start)

    def _start(self) -> None:
        """Begin what there are places, and means, for."""
        now = self._clock()
        if now < self._rest_until:
            return
        full = float(self._places * _BUDGET)
        self._credit = max(self._credit, min(full, self._credit + full * (now - self._credited) / _MINUTE))
        self._credited = now
        while self._waiting and len(self._running) < self._places and self._credit >= 1:
            waiting = self._waiting.popleft()
            key = waiting.request.key
            if now - waiting.since > _LATER:
                self._done.pop(key, None)
                continue
            try:
                held = key in self._asked or self._is_held(key)
            except MirrorError:
                continue  # a store that cannot be read is told to whoever asks
            if not held and self._begin(waiting):
                self._credit -= 1

    def _begin(self, waiting: _Waiting) -> bool:
        request = waiting.request
        key = request.key
        task = self._flights.begin(key, lambda: self._go(request), waiting.context.copy())
        if task is None:
            return False
        self._running.add(key)

        def ended(_task: object) -> None:
            self._running.discard(key)
            self._start()

        task.add_done_callback(ended)
        return True

    async def _go(self, request: File) -> object:
        """One fetch. A client that has joined it hears of a failure; nobody else does."""
        assert self._fetch is not None
        try:
            answer = await self._fetch(request)
        except MirrorError as error:
            log.debug("not fetched ahead", file=str(request), reason=error.message)
            self._failed(request.key, outage=not isinstance(error, NotFound | NotRecorded | Blocked))
            raise
        self._failures = 0
        return answer

    def _failed(self, key: str, *, outage: bool) -> None:
        self._fetched += 1
        if key in self._asked:
            self._count_used()  # who asks hears the same
        else:
            self._wasted += 1
        if outage:
            self._failures += 1
            if self._failures >= _FAILURES:
                self._rest_until = self._clock() + _REST
                self._forget_waiting()

    def _forget_waiting(self) -> None:
        for waiting in self._waiting:
            self._done.pop(waiting.request.key, None)
        self._waiting.clear()

    def _count_used(self) -> None:
        self._used += 1
        self._credit += 1

    def _sweep(self) -> None:
        now = self._clock()
        while self._unused:
            oldest = next(iter(self._unused))
            if now - self._unused[oldest] < _WASTED and len(self._unused) <= _MOST_REMEMBERED:
                return
            del self._unused[oldest]
            self._wasted += 1


def _can_be_asked(request: File) -> bool:
    """Whether a client could ask for it: go.mod files name what the protocol refuses."""
    try:
        return parse(f"/{request.key}") == request
    except MirrorError:
        return False


def _remember(memory: OrderedDict[str, None], key: str) -> None:
    memory[key] = None
    memory.move_to_end(key)
    if len(memory) > _MOST_REMEMBERED:
        memory.popitem(last=False)
