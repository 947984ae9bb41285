"""What every source made of sources has in common: the same question, put to one after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from goproxy_mirror.errors import (
    Blocked,
    MirrorError,
    NotRecorded,
    SecurityError,
    SourceUnavailable,
    StorageError,
    Undiscovered,
    Unproven,
    Unreachable,
)
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Query, Version
from goproxy_mirror.ports import Found, Info, Source

K = TypeVar("K")
T = TypeVar("T")
Ask = Callable[[Source], Awaitable[Found[T]]]

NO_HOMES_FAILURE = (StorageError, Unproven)
"""Failures that no other home cures, so that they end a walk at once: our own disk's, and the checksum database's."""


@dataclass(frozen=True)
class Question(Generic[T]):
    """What is asked of a source; called with one, it asks.

    `fixed`: about one version, whose content cannot change. `join` makes one answer of several, where each source knows but a
    part. `onto` is the same question with another file to be written than `into`, so that two sources can be asked at once.
    """

    ask: Ask[T]
    fixed: bool = False
    join: Callable[[Sequence[Found[T]]], Found[T]] | None = None
    into: Path | None = None
    onto: Callable[[Path], Ask[T]] | None = None

    def __call__(self, source: Source) -> Awaitable[Found[T]]:
        return self.ask(source)

    def is_ended_by(self, error: MirrorError) -> bool:
        """Whether a failure ends a walk at once. That a home names a version without a record is that home's word alone."""
        if isinstance(error, NotRecorded) and not self.fixed:
            return False
        return isinstance(error, NO_HOMES_FAILURE)


class Reach(Protocol):
    """What is known of hosts (`name` or `name:port`), as `transport.Hosts` knows it."""

    def resting(self, host: str) -> bool:
        """Whether the host is asked last: it did not answer a moment ago, or fails again and again."""
        ...

    def silent(self, host: str) -> bool:
        """Whether it did not answer a moment ago, so that asking it would be of no use."""
        ...

    def rest(self, host: str) -> None: ...

    def answered(self, host: str) -> None: ...

    def forgive(self, host: str) -> None:
        """Let the host be asked again at once."""
        ...

    def asked(self, host: str) -> None:
        """The host is about to be asked by somebody who has a choice."""
        ...

    def overtaken(self, host: str, seconds: float) -> None:
        """The host kept silent for so long, and one that was asked after it has answered."""
        ...

    def patience(self, host: str) -> float:
        """Seconds after which the host is late."""
        ...

    def may_hedge(self, host: str) -> bool:
        """Whether one more request may be made elsewhere because this host is late."""
        ...

    def ranked(self, items: Iterable[K], host: Callable[[K], str | None]) -> list[K]:
        """The same items in the order in which they should be asked; the given order is preference."""
        ...


class Walking(ABC):
    """`ports.Source` by a walk over other sources."""

    @abstractmethod
    async def _walk(self, path: ModulePath, ask: Question[T]) -> Found[T]:
        """The first answer to `ask`, or the error that follows from all failures."""

    async def versions(self, path: ModulePath) -> Found[tuple[Version, ...]]:
        return await self._walk(path, Question(lambda source: source.versions(path), join=_union))

    async def latest(self, path: ModulePath) -> Found[Info]:
        return await self._walk(path, Question(lambda source: source.latest(path), join=_newest))

    async def resolve(self, path: ModulePath, query: Query) -> Found[Info]:
        return await self._walk(path, Question(lambda source: source.resolve(path, query)))

    async def info(self, mv: ModuleVersion) -> Found[Info]:
        return await self._walk(mv.path, Question(lambda source: source.info(mv), fixed=True))

    async def go_mod(self, mv: ModuleVersion) -> Found[bytes]:
        return await self._walk(mv.path, Question(lambda source: source.go_mod(mv), fixed=True))

    async def zip(self, mv: ModuleVersion, into: Path) -> Found[None]:
        def onto(file: Path) -> Ask[None]:
            return lambda source: source.zip(mv, file)

        return await self._walk(mv.path, Question(onto(into), fixed=True, into=into, onto=onto))


def _union(said: Sequence[Found[tuple[Version, ...]]]) -> Found[tuple[Version, ...]]:
    """Every version that somebody lists."""
    return replace(said[0], value=tuple(dict.fromkeys(version for found in said for version in found.value)))


def _newest(said: Sequence[Found[Info]]) -> Found[Info]:
    """The latest of several, as the go command chooses: a release, else a pre-release, else the youngest commit
    (https://go.dev/ref/mod#version-queries)."""
    return reduce(lambda one, other: other if _is_newer(other.value, one.value) else one, said)


def _is_newer(one: Info, other: Info) -> bool:
    mine, its = one.version, other.version
    if _rank(mine) != _rank(its):
        return _rank(mine) > _rank(its)
    # Whether versions before modules count follows from what the newest has: only time tells which that is.
    if (mine.is_pseudo or mine.is_incompatible != its.is_incompatible) and one.time and other.time:
        return one.time > other.time
    return mine > its


def _rank(version: Version) -> int:
    return 0 if version.is_pseudo else 1 if version.is_prerelease else 2


def is_out_of_reach(error: MirrorError) -> bool:
    """Whether nobody was there, as opposed to somebody who failed."""
    return isinstance(error, Unreachable | Undiscovered)


def joined(errors: Iterable[MirrorError]) -> MirrorError:
    """One error that says all of them, a line each and none twice; as grave as the gravest."""
    failures = list(errors)
    if len(failures) == 1:
        return failures[0]
    text = "\n".join(dict.fromkeys(error.message for error in failures))
    source = failures[-1].source
    if any(isinstance(error, SecurityError) for error in failures):
        return SecurityError(text, source=source)
    unproven = [error for error in failures if isinstance(error, Unproven)]
    if unproven:
        kind = NotRecorded if all(isinstance(error, NotRecorded) for error in unproven) else Unproven
        return kind(text, source=source)
    if all(isinstance(error, Blocked) for error in failures):
        return Blocked(text, source=source)
    if all(is_out_of_reach(error) or isinstance(error, Blocked) for error in failures):
        return Undiscovered(text, source=source)
    return SourceUnavailable(text, source=source)
