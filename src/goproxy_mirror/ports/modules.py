"""What is asked of a home of modules, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Generic, Literal, Protocol, TypeVar

from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Query, Version

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Home:
    """Where an answer came from: `name` is the URL without credentials, fit for a log, a header and an error."""

    kind: Literal["upstream", "origin", "mirror"]
    name: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What a file was held against: `hash` is its `h1:`; `by` names the checksum database, or is `pin` for a module
    outside every database, or empty where the operator accepts that nobody could be asked (`verify = "prefer"`).

    `tree` is the number of records in the signed tree that has the record.
    """

    hash: str
    by: str
    tree: int | None = None


@dataclass(frozen=True, slots=True)
class Found(Generic[T_co]):
    """An answer, and the home that gave it.

    `info` is the `.info` of the revision that a `.mod` or a `.zip` was made of, where it was made of one here. `proof` is
    why a `.mod` or a `.zip` may be believed; None where nobody has looked yet.
    """

    value: T_co
    home: Home
    info: Info | None = None
    proof: Proof | None = None


@dataclass(frozen=True, slots=True)
class Info:
    """A revision's `.info`: `body` is the JSON as it is published, and has been checked to say `version` and `time`."""

    version: Version
    time: datetime | None
    body: bytes


class Source(Protocol):
    """One or several homes of modules.

    Every method raises `NotFound` (an authority says no), `SourceUnavailable` (nobody could say),
    `SecurityError`, `Loop`, or `Blocked`.
    """

    async def versions(self, path: ModulePath) -> Found[tuple[Version, ...]]:
        """The versions that `@v/list` names: no pseudo-versions, majors fit the path; unsorted; may be empty."""
        ...

    async def latest(self, path: ModulePath) -> Found[Info]:
        """What `@latest` says."""
        ...

    async def resolve(self, path: ModulePath, query: Query) -> Found[Info]:
        """The revision that a branch, a tag, a commit prefix, `v1` or `v1.2` names."""
        ...

    async def info(self, mv: ModuleVersion) -> Found[Info]:
        """The `.info` of exactly that version."""
        ...

    async def go_mod(self, mv: ModuleVersion) -> Found[bytes]:
        """The `.mod` of exactly that version (at most 16 MiB)."""
        ...

    async def zip(self, mv: ModuleVersion, into: Path) -> Found[None]:
        """Write the module's zip to the existing empty file `into`; on failure what stands there is worthless."""
        ...
