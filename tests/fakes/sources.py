"""Sources, repositories and reach that say what a test tells them to, and remember that they were asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from goproxy_mirror.errors import MirrorError
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Query, Version
from goproxy_mirror.ports import Found, Home, Info

T = TypeVar("T")

TIME = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


def info_of(version: str) -> Info:
    """A `.info` as a source would make it."""
    body = json.dumps({"Version": version, "Time": "2024-01-02T03:04:05Z"}).encode()
    return Info(Version.parse(version), TIME, body)


@dataclass
class FakeSource:
    """Answers everything with `says`: a list of versions, or an error to raise. `asked` holds the questions."""

    name: str
    says: Sequence[str] | MirrorError = ("v1.0.0",)
    asked: list[str] = field(default_factory=list)

    def _answer(self, question: str) -> Sequence[str]:
        self.asked.append(question)
        if isinstance(self.says, MirrorError):
            raise self.says
        return self.says

    def _home(self) -> Home:
        return Home("upstream", self.name)

    async def versions(self, path: ModulePath) -> Found[tuple[Version, ...]]:
        said = self._answer(f"{path}/@v/list")
        return Found(tuple(Version.parse(text) for text in said), self._home())

    async def latest(self, path: ModulePath) -> Found[Info]:
        return Found(info_of(self._answer(f"{path}/@latest")[-1]), self._home())

    async def resolve(self, path: ModulePath, query: Query) -> Found[Info]:
        return Found(info_of(self._answer(f"{path}@{query}")[-1]), self._home())

    async def info(self, mv: ModuleVersion) -> Found[Info]:
        self._answer(f"{mv}.info")
        return Found(info_of(str(mv.version)), self._home())

    async def go_mod(self, mv: ModuleVersion) -> Found[bytes]:
        self._answer(f"{mv}.mod")
        return Found(f"module {mv.path}\n".encode(), self._home())

    async def zip(self, mv: ModuleVersion, into: Path) -> Found[None]:
        self._answer(f"{mv}.zip")
        into.write_bytes(f"zip of {mv}".encode())
        return Found(None, self._home())


@dataclass
class FakeReach:
    """`sources.walk.Reach` as a set of those who rest; nobody is ever late, unless the test says so.

    `failing` has those of them who are there and fail, `patient` has seconds by host, `order` the hosts that go before the others, `late` who was overtaken.
    """

    down: set[str] = field(default_factory=set)
    patient: dict[str, float] = field(default_factory=dict)
    extra: int = 100
    order: Sequence[str] = ()
    late: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)

    def resting(self, host: str) -> bool:
        return host in self.down

    def silent(self, host: str) -> bool:
        return host in self.down and host not in self.failing

    def rest(self, host: str) -> None:
        self.down.add(host)

    def answered(self, host: str) -> None:
        self.down.discard(host)

    def forgive(self, host: str) -> None:
        self.down.discard(host)

    def asked(self, host: str) -> None:
        self.questions.append(host)

    def overtaken(self, host: str, seconds: float) -> None:
        self.late.append(host)

    def patience(self, host: str) -> float:
        return self.patient.get(host, 3600.0)

    def may_hedge(self, host: str) -> bool:
        self.extra -= 1
        return self.extra >= 0

    def ranked(self, items: Iterable[T], host: Callable[[T], str | None]) -> list[T]:
        first = list(self.order)
        return sorted(
            items, key=lambda item: first.index(host(item) or "") if host(item) in first else len(first)
        )
