"""A GOPROXY list: upstreams in the operator's order, `,` and `|` as the go command means them.

`,` goes on only where an authority said no; `|` goes on after any failure; what `direct` says in the end outweighs what was
said before (https://go.dev/ref/mod#goproxy-protocol, TryProxies in cmd/go/internal/modfetch/proxy.go). Two things are ours:
a module under a mirror rule reaches its mirrors whatever outage came before, and a host that did not answer is not waited
for again while there are others: for each of the prefixes that `go mod tidy` asks for, that would take many seconds.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

from goproxy_mirror.errors import (
    Blocked,
    MirrorError,
    NotFound,
    NotRecorded,
    OutageDisguised,
    SecurityError,
    SourceTimeout,
    Unreachable,
)
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.ports import Found, Source
from goproxy_mirror.sources.race import Race, Runner
from goproxy_mirror.sources.walk import Ask, Question, Reach, Walking, is_out_of_reach, joined

T = TypeVar("T")

_LEADS_ON = (NotFound, OutageDisguised, SecurityError, NotRecorded)
"""What leads on after a `,`."""


class Homes(Source, Protocol):
    """What stands behind `direct`: the origin and the mirrors of it."""

    def mirrors_of(self, path: ModulePath, *, builtin: bool) -> Source | None:
        """The mirrors alone, where a rule names the module's path (with `builtin`, the built-in table's too)."""
        ...


async def _perhaps() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Step:
    """One element of the list. `host` is None where no network is asked; `on_any`: a `|` follows it.

    `is_back` finds out, within a second or so, whether a host that did not answer can be connected to again.
    """

    source: Source
    host: str | None
    on_any: bool
    is_back: Callable[[], Awaitable[bool]] = _perhaps


@dataclass(frozen=True, slots=True)
class Ending:
    """How the list ends: with `direct`, with `off`, or with its last upstream."""

    direct: bool = False
    off: bool = False


class Chain(Walking):
    """`ports.Source` over a GOPROXY list."""

    def __init__(self, steps: Sequence[Step], ending: Ending, homes: Homes, reach: Reach) -> None:
        self._steps = tuple(steps)
        self._ending = ending
        self._homes = homes
        self._reach = reach
        self._hung: set[str] = set()
        self._answers: Counter[str] = Counter()

    async def _walk(self, path: ModulePath, ask: Question[T]) -> Found[T]:
        heard = _Heard(ask)
        homes: Source | None = self._homes if self._ending.direct else self._mirrors(path)
        found = await self._upstreams(path, ask, heard, homes=homes is not None)
        if found is not None:
            return found
        if heard.cut:
            homes = self._mirrors(path)
        if homes is not None:
            try:
                return await ask(homes)
            except NotFound:
                raise  # whoever stands behind `direct` can know
            except MirrorError as error:
                if heard.noes and (is_out_of_reach(error) or isinstance(error, Blocked)):
                    # The go command asks every prefix of an import path, and stops at a failure: where an upstream denies
                    # one, a host that is not there, or that we may not go to, does not make it exist (lookupDirect in
                    # cmd/go/internal/modfetch/repo.go). What may be done about the latter is said all the same.
                    noes = heard.noes
                    raise _said_no([*noes, error] if isinstance(error, Blocked) else noes) from error
                heard.take(error)
        for step, is_back in zip(heard.passed, await self._are_back(heard.passed), strict=True):
            if not is_back:
                heard.take(_not_back(step))
                continue
            try:
                return await self._ask(step, ask)
            except MirrorError as error:
                heard.take(error)
        if heard.outages:
            raise joined(heard.outages)
        if heard.noes:
            raise _said_no(heard.noes)
        reason = "fetching is switched off (upstream = off)" if self._ending.off else "no upstream is set"
        raise NotFound(f"{path}: not held here, and {reason}")

    async def _upstreams(
        self, path: ModulePath, ask: Question[T], heard: _Heard[T], *, homes: bool
    ) -> Found[T] | None:
        """The first answer of the list's upstreams; `homes`: whether somebody stands behind them."""
        runners = [Runner(partial(self._ask, step), step.host) for step in self._steps]
        async with Race(ask, runners, self._reach, self._follower) as race:
            for place, step in enumerate(self._steps):
                if step.host and self._reach.resting(step.host):
                    if step.on_any and (homes or place + 1 < len(self._steps)):
                        heard.passed.append(step)
                        continue
                    if not step.on_any and self._mirrors(path) is not None:
                        heard.passed.append(step)
                        heard.cut = True
                        return None
                try:
                    return await race.ask(place)
                except MirrorError as error:
                    heard.take(error)
                    if not step.on_any and not isinstance(error, _LEADS_ON):
                        heard.cut = True
                        return None
        return None

    def _follower(self, place: int) -> int | None:
        """Which upstream may be asked beside the one at a place: the next after a `|`. After a `,` this one's word decides."""
        while place + 1 < len(self._steps) and self._steps[place].on_any:
            place += 1
            host = self._steps[place].host
            if host is None or not self._reach.resting(host):
                return place
        return None

    async def _ask(self, step: Step, ask: Ask[T]) -> Found[T]:
        host = step.host
        if host is None:
            return await ask(step.source)
        self._hung.discard(host)
        answers = self._answers[host]
        try:
            found = await ask(step.source)
        except Unreachable:
            self._reach.rest(host)
            raise
        except SourceTimeout:
            # Who has answered others meanwhile does not hang, but takes its time for one module.
            if self._answers[host] == answers:
                self._reach.rest(host)
                self._hung.add(host)
            raise
        except MirrorError:
            self._answers[host] += 1
            raise
        self._answers[host] += 1
        self._reach.answered(host)
        return found

    async def _are_back(self, passed: Sequence[Step]) -> list[bool]:
        """Which of the steps that were passed over may be asked after all, since nobody else could say anything.

        One that connects and then hangs costs a minute each time, so it rests to the end.
        """

        async def is_back(step: Step) -> bool:
            return step.host not in self._hung and await step.is_back()

        return await asyncio.gather(*map(is_back, passed))

    def _mirrors(self, path: ModulePath) -> Source | None:
        if self._ending.off:
            return None
        return self._homes.mirrors_of(path, builtin=self._ending.direct)


class _Heard(Generic[T]):
    """What was said on one walk: absences, and everything else; who was passed over; and whether a `,` ended the list."""

    def __init__(self, question: Question[T]) -> None:
        self.noes: list[NotFound] = []
        self.outages: list[MirrorError] = []
        self.passed: list[Step] = []
        self.cut = False
        self._question = question

    def take(self, error: MirrorError) -> None:
        """Keep what a source said. Raises what ends the walk at once."""
        if self._question.is_ended_by(error):
            raise error
        if isinstance(error, NotFound):
            self.noes.append(error)
        else:
            self.outages.append(error)


def _said_no(noes: Sequence[MirrorError]) -> NotFound:
    return NotFound("\n".join(dict.fromkeys(no.message for no in noes)), source=noes[0].source)


def _not_back(step: Step) -> Unreachable:
    host = step.host or ""
    return Unreachable(f"{host} did not answer a moment ago and is left alone for a minute", host=host)
