"""The places of a module tried with small real requests, and what is to be thought of each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from goproxy_mirror.errors import (
    Blocked,
    CredentialsRefused,
    MirrorError,
    NoRepository,
    NotFound,
    NotRecorded,
    SecurityError,
    SourceTimeout,
    Undiscovered,
    Unproven,
    Unreachable,
)
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import Source, Verifier
from goproxy_mirror.ports.inspection import Place, Trial, Word

_TOGETHER = 8
"""Places that are tried at the same time."""

_NEWEST = 3
"""Versions of which one must have a record, the newest first."""

_MISSING = 5
"""Versions that another place has, and that are looked up before a place is said to be behind."""

_WORDS: tuple[tuple[type[MirrorError], Word], ...] = (
    (NoRepository, Word.NO_REPOSITORY),
    (NotFound, Word.NOT_THERE),
    (Unreachable, Word.UNREACHABLE),
    (Undiscovered, Word.UNREACHABLE),
    (SourceTimeout, Word.SLOW),
    (CredentialsRefused, Word.REFUSED),
    (Blocked, Word.REFUSED),
    (Unproven, Word.UNPROVEN),
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place to try. `source` is what it says, `proven` the same held against the record.

    `greet` is a request that comes before, to be timed by itself. `only` is the version to ask for where no list can be had.
    """

    place: Place
    source: Source
    proven: Source
    greet: Callable[[], Awaitable[object]] | None = None
    only: Version | None = None


@dataclass(slots=True)
class _Answer:
    seconds: float | None = None
    versions: tuple[Version, ...] | None = None
    word: Word = Word.FAILED
    reason: str = ""
    asked: Version | None = None


class Trials:
    """Tries places until `until` (of the event loop's clock), several at the same time."""

    def __init__(self, verifier: Verifier, *, until: float) -> None:
        self._verifier = verifier
        self._until = until
        self._places = asyncio.Semaphore(_TOGETHER)

    async def over(
        self, path: ModulePath, candidates: Sequence[Candidate], others: Sequence[Source] = ()
    ) -> tuple[Trial, ...]:
        """Try the places of one module; `others` are asked for its versions too, in turn, until one says them."""
        async with asyncio.TaskGroup() as tasks:
            elsewhere = tasks.create_task(self._elsewhere(path, others))
            asked = [tasks.create_task(self._one(path, each)) for each in candidates]
        answers = [task.result() for task in asked]
        known = set(elsewhere.result())
        for answer in answers:
            if answer.word is Word.PROVEN:
                known.update(answer.versions or ())
        return tuple(
            [
                _trial(each.place, await self._compared(path, answer, known))
                for each, answer in zip(candidates, answers, strict=True)
            ]
        )

    async def _one(self, path: ModulePath, candidate: Candidate) -> _Answer:
        answer = _Answer()
        try:
            async with asyncio.timeout_at(self._until), self._places:
                await self._ask(path, candidate, answer)
        except TimeoutError:
            answer.word, answer.reason = Word.SLOW, "it had not answered when the time was up (--timeout)"
        except SecurityError as error:
            answer.word, answer.reason = await self._judged(path, answer.asked, error)
        except MirrorError as error:
            answer.word = next((word for kind, word in _WORDS if isinstance(error, kind)), Word.FAILED)
            answer.reason = error.line
        return answer

    async def _ask(self, path: ModulePath, candidate: Candidate, answer: _Answer) -> None:
        began = time.monotonic()
        if candidate.only is not None:
            answer.asked = candidate.only
            await candidate.proven.go_mod(ModuleVersion(path, candidate.only))
            answer.seconds, answer.word = time.monotonic() - began, Word.PROVEN
            return
        if candidate.greet is not None:
            await candidate.greet()
            answer.seconds = time.monotonic() - began
        answer.versions = (await candidate.source.versions(path)).value
        answer.seconds = answer.seconds or time.monotonic() - began
        newest = sorted(answer.versions, key=lambda each: (not each.is_prerelease, each), reverse=True)
        if not newest:
            answer.word, answer.reason = Word.UNTAGGED, f"it answers, and has no tagged version of {path}"
            return
        invented: list[Version] = []
        for version in newest[:_NEWEST]:
            answer.asked = version
            try:
                await candidate.proven.go_mod(ModuleVersion(path, version))
            except NotRecorded:
                invented.append(version)
                continue
            answer.word = Word.PROVEN
            break
        else:
            answer.word = Word.UNPROVEN
        if invented:
            answer.reason = f"it names {_named(invented)}, of which there is no record"

    async def _judged(
        self, path: ModulePath, asked: Version | None, error: SecurityError
    ) -> tuple[Word, str]:
        """A lie of the place, unless it is the checksum database that contradicts itself."""
        if asked is not None:
            try:
                await self._verifier.vouched(ModuleVersion(path, asked))
            except MirrorError as fault:
                return Word.UNPROVEN, fault.line
        return Word.LIED, error.line

    async def _elsewhere(self, path: ModulePath, others: Sequence[Source]) -> Sequence[Version]:
        try:
            async with asyncio.timeout_at(self._until):
                for source in others:
                    try:
                        return (await source.versions(path)).value
                    except MirrorError:
                        continue
        except TimeoutError:
            pass
        return ()

    async def _compared(self, path: ModulePath, answer: _Answer, known: set[Version]) -> _Answer:
        """What others have of the module, and the place has not, if it has a record."""
        if answer.word is not Word.PROVEN or answer.versions is None:
            return answer
        missing = sorted(known - set(answer.versions), reverse=True)
        real = [
            version for version in missing[:_MISSING] if await self._is_real(ModuleVersion(path, version))
        ]
        if real:
            more = f" and {len(missing) - _MISSING} more" if len(missing) > _MISSING else ""
            answer.word = Word.BEHIND
            answer.reason = f"it lacks {_named(real)}{more}, which others have"
        return answer

    async def _is_real(self, mv: ModuleVersion) -> bool:
        try:
            async with asyncio.timeout_at(self._until):
                return self._verifier.outside(mv.path) or await self._verifier.recorded(mv)
        except (MirrorError, TimeoutError):
            return False


def _trial(place: Place, answer: _Answer) -> Trial:
    count = None if answer.versions is None else len(answer.versions)
    return Trial(place, answer.word, answer.seconds, count, answer.reason)


def _named(versions: Sequence[Version]) -> str:
    return ", ".join(map(str, versions))
