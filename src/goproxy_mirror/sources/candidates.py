"""The homes of one module, asked in turn or together, and what follows from what they say.

The origin is an authority. A remote mirror is none: its no counts only while the origin cannot be reached, and only where
every mirror that could be read says so. A repository on a local path is one, since the operator put it there.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TypeVar

from goproxy_mirror.errors import (
    MirrorError,
    NoRepository,
    NotFound,
    OutageDisguised,
    SecurityError,
    StorageError,
    Unbuildable,
    Undiscovered,
    Unproven,
    Unreachable,
)
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.ports import Found, Source
from goproxy_mirror.sources.race import Race, Runner
from goproxy_mirror.sources.walk import Ask, Question, Reach, joined

T = TypeVar("T")

_NO_ABSENCE = (Unbuildable, SecurityError, OutageDisguised, Unproven)
"""What is an outage in the end, whatever others deny."""

_TOGETHER = 4
"""Mirrors that are asked at the same time for what each knows a part of."""

_LONGER, _AT_LEAST = 3.0, 2.0
"""How many times as long as the first mirror the others may take, and seconds that they have in any case."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A home that may be asked. `host` is None on a local path, `url` is without credentials."""

    source: Source
    url: str
    host: str | None
    authority: bool
    origin: bool = False

    @property
    def is_remote_mirror(self) -> bool:
        """Whether it is one of several of equal weight, none of which is an authority."""
        return not self.origin and self.host is not None


class Round:
    """One request's way over the homes: what was said, and what follows from it."""

    def __init__(self, reach: Reach, is_back: Callable[[str, bool], Awaitable[bool]]) -> None:
        self._reach = reach
        self._is_back = is_back
        self._failures: list[MirrorError] = []
        self._noes: list[NotFound] = []
        self._origins_no: NotFound | None = None

    @property
    def was_denied(self) -> bool:
        """Whether some remote mirror said that there is no such thing."""
        return bool(self._noes)

    def failed(self, error: MirrorError) -> None:
        self._failures.append(error)

    async def over(self, candidates: Sequence[Candidate], ask: Question[T]) -> Found[T] | None:
        """The first answer, or where the question joins answers, that of mirrors which stand side by side.

        Among remote mirrors the operator's order is preference, and their health decides; hosts that did not answer a moment
        ago are asked last. Raises an authority's `NotFound`. That there is no repository at a place is no word about the
        module while there are other places: a repository may have moved or been blocked, and a folder of local copies need
        not have all.
        """
        order = self._ordered(candidates)
        if ask.join is None:
            return await self._in_turn(order, ask)
        for _, group in _runs(order):
            found = await (self._together(group, ask) if len(group) > 1 else self._in_turn(group, ask))
            if found is not None:
                return found
        return None

    def ended(self, path: ModulePath, found: Found[T] | None) -> Found[T]:
        """The answer, or the error; absence only where all mirrors that could be read say so (the origin could not)."""
        if found is not None:
            return found
        if self._origins_no is not None:
            raise self._origins_no
        if self._noes and not any(isinstance(error, _NO_ABSENCE) for error in self._failures):
            raise self._noes[0]
        if not self._failures:
            raise Undiscovered(f"{path}: no home of this module is known here")
        raise joined(self._failures)

    async def _in_turn(self, candidates: Sequence[Candidate], ask: Question[T]) -> Found[T] | None:
        resting = [self._is_resting(candidate) for candidate in candidates]

        def follower(place: int) -> int | None:
            after = place + 1
            if after == len(candidates) or not candidates[place].is_remote_mirror:
                return None
            return after if candidates[after].is_remote_mirror and not resting[after] else None

        runners = [Runner(partial(self._put, candidate), candidate.host) for candidate in candidates]
        async with Race(ask, runners, self._reach, follower) as race:
            for place, candidate in enumerate(candidates):
                if resting[place] and not self._noes:
                    # Nobody else could say anything. Where it is not back, it refuses by itself, at once.
                    await self._is_back(candidate.url, candidate.origin)
                try:
                    return await race.ask(place)
                except MirrorError as error:
                    if ask.is_ended_by(error):
                        raise
                    self._take(candidate, error)
        return None

    async def _together(self, mirrors: Sequence[Candidate], ask: Question[T]) -> Found[T] | None:
        """What the mirrors that could be read say together: one that lags hides nothing that another knows."""
        resting = [mirror for mirror in mirrors if self._is_resting(mirror)]
        said = await self._all_of([mirror for mirror in mirrors if mirror not in resting], ask)
        if not said or ask.join is None:
            return await self._in_turn(resting, ask)
        return ask.join(said)

    async def _all_of(self, mirrors: Sequence[Candidate], ask: Question[T]) -> list[Found[T]]:
        """The answers of those who are not much slower than the first."""
        places = asyncio.Semaphore(_TOGETHER)
        clock = asyncio.get_running_loop().time
        began = clock()
        until: float | None = None

        async def put(mirror: Candidate) -> Found[T]:
            async with places:
                if mirror.host:
                    self._reach.asked(mirror.host)
                return await self._put(mirror, ask)

        tasks = {asyncio.create_task(put(mirror)): mirror for mirror in mirrors}
        said: dict[str, Found[T]] = {}
        pending = set(tasks)
        try:
            while pending and (until is None or clock() < until):
                left = None if until is None else until - clock()
                done, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    mirror = tasks[task]
                    try:
                        said[mirror.url] = task.result()
                    except StorageError:
                        raise
                    except MirrorError as error:
                        # Others may name what somebody can vouch for.
                        self._take(mirror, error)
                    else:
                        now = clock()
                        until = until or now + max(_AT_LEAST, _LONGER * (now - began))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return [said[mirror.url] for mirror in mirrors if mirror.url in said]

    async def _put(self, candidate: Candidate, ask: Ask[T]) -> Found[T]:
        found = await ask(candidate.source)
        if candidate.host:
            self._reach.answered(candidate.host)
        return found

    def _ordered(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        order: list[Candidate] = []
        for are_mirrors, group in _runs(candidates):
            order += self._reach.ranked(group, lambda each: each.host) if are_mirrors else group
        return sorted(order, key=self._is_resting)

    def _is_resting(self, candidate: Candidate) -> bool:
        return candidate.host is not None and self._reach.resting(candidate.host)

    def _take(self, candidate: Candidate, error: MirrorError) -> None:
        """Keep what a home said in place of an answer. Raises an authority's no."""
        if isinstance(error, NoRepository) and candidate.origin:
            self._origins_no = error
        elif isinstance(error, NotFound):
            if candidate.authority and not isinstance(error, NoRepository):
                raise error
            self._noes.append(error)
        else:
            if isinstance(error, Unreachable):
                # Where it has moved to a host that is not there, its own is not to blame, and has other repositories.
                own = candidate.host if _name(candidate.host or "") == _name(error.host) else None
                self._reach.rest(own or error.host)
            self._failures.append(error)


def _name(host: str) -> str:
    """A host without its port, which is another one by SSH."""
    return re.sub(r":\d+\Z", "", host)


def _runs(candidates: Iterable[Candidate]) -> list[tuple[bool, list[Candidate]]]:
    """The candidates cut into runs of remote mirrors, and of others."""
    return [(are, list(group)) for are, group in groupby(candidates, lambda each: each.is_remote_mirror)]
