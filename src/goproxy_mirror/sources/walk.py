"""What every source made of sources has in common: the same question, put to one after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Protocol, TypeVar

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

T = TypeVar("T")
Ask = Callable[[Source], Awaitable[Found[T]]]

NO_HOMES_FAILURE = (StorageError, Unproven)
"""Failures that no other home cures, so that they end a walk at once: our own disk's, and the checksum database's."""


class Reach(Protocol):
    """A short memory of hosts (`name` or `name:port`) that did not answer; they are asked last."""

    def resting(self, host: str) -> bool: ...

    def rest(self, host: str) -> None: ...

    def answered(self, host: str) -> None: ...

    def forgive(self, host: str) -> None:
        """Let the host be asked again at once."""
        ...


class Walking(ABC):
    """`ports.Source` by a walk over other sources."""

    @abstractmethod
    async def _walk(self, path: ModulePath, ask: Ask[T]) -> Found[T]:
        """The first answer to `ask`, or the error that follows from all failures."""

    async def versions(self, path: ModulePath) -> Found[tuple[Version, ...]]:
        return await self._walk(path, lambda source: source.versions(path))

    async def latest(self, path: ModulePath) -> Found[Info]:
        return await self._walk(path, lambda source: source.latest(path))

    async def resolve(self, path: ModulePath, query: Query) -> Found[Info]:
        return await self._walk(path, lambda source: source.resolve(path, query))

    async def info(self, mv: ModuleVersion) -> Found[Info]:
        return await self._walk(mv.path, lambda source: source.info(mv))

    async def go_mod(self, mv: ModuleVersion) -> Found[bytes]:
        return await self._walk(mv.path, lambda source: source.go_mod(mv))

    async def zip(self, mv: ModuleVersion, into: Path) -> Found[None]:
        return await self._walk(mv.path, lambda source: source.zip(mv, into))


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
