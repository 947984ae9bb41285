"""What makes a file believed: signed records, pins, and the memory of who lied."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion
from goproxy_mirror.ports.files import FileKind
from goproxy_mirror.ports.modules import Found, Home, Proof


@dataclass(frozen=True, slots=True)
class Witness:
    """Who brings something. `named`: the origin, or a source that the operator named, so that what no database can prove may
    be pinned from it. `authority`: its word about what there is counts by itself (an upstream, the origin, a local path)."""

    home: Home
    named: bool
    authority: bool = True


class Verifier(Protocol):
    """Holds files against the signed record of the checksum database, or against the pin of an earlier sight.

    Raises `SecurityError` where they differ, `Unproven` and `NotRecorded` where nobody can say, `StorageError` where a pin
    could not be read or written. The witness is who brought the file, whose lie is recorded; None for what is stored here.
    """

    def outside(self, path: ModulePath) -> bool:
        """Whether no database is asked about the module: private, GONOSUMDB, or the database is off."""
        ...

    def distrusted(self, home: Home, path: ModulePath) -> str | None:
        """Why a mirror is not asked about a module any more: it lied about it. None where it did not."""
        ...

    async def go_mod(self, mv: ModuleVersion, body: bytes, witness: Witness | None) -> Proof: ...

    async def zip(self, mv: ModuleVersion, file: Path, witness: Witness | None) -> Proof:
        """Also raises `SecurityError` for what is no zip that every program reads in the same way."""
        ...

    async def recorded(self, mv: ModuleVersion) -> bool:
        """Whether the database has a record of the version; False for what is outside every database.

        Raises `Unproven`, but never `NotRecorded`.
        """
        ...

    async def vouched(self, mv: ModuleVersion) -> None:
        """Raise `NotRecorded` or `Unproven` unless there is a record of the version, or none is needed."""
        ...


@dataclass(frozen=True, slots=True)
class Pin:
    """A hash that was seen first for a file outside every database; `at` in seconds since the epoch."""

    hash: str
    home: str
    at: float


class Pins(Protocol):
    """Hashes of files outside every database, for ever. Raises `StorageError`."""

    async def pin(self, mv: ModuleVersion, kind: FileKind, hash_: str, home: Home) -> Pin:
        """Pin the hash unless the file has a pin; durable before it returns. The pin that holds."""
        ...

    async def get(self, mv: ModuleVersion, kind: FileKind) -> Pin | None: ...


@dataclass(frozen=True, slots=True)
class Lie:
    """A home brought something that contradicts what is known: which, when (seconds since the epoch) and with what.

    `kind` is the file's ending; `known` and `brought` are `h1:` hashes, or a sentence where there is none to compare.
    """

    home: Home
    mv: ModuleVersion
    kind: str
    known: str
    brought: str
    at: float


class Lies(Protocol):
    """Who lied. Raises `StorageError`."""

    async def record(self, lie: Lie) -> None: ...

    async def since(self, at: float) -> Sequence[Lie]:
        """The lies from that time on, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a checksum database at one time: its newest signed note, and the evidence of a fork, as in `TreeHeads`."""

    note: bytes
    evidence: bytes | None


class TreeHeads(Protocol):
    """The newest verified signed tree head of each checksum database, and the evidence of forks. Raises `StorageError`."""

    async def standing(self, name: str) -> Standing:
        """`head` and `fork` in one look."""
        ...

    async def head(self, name: str) -> bytes:
        """The signed note, or nothing where there is none yet."""
        ...

    async def advance(self, name: str, old: bytes, new: bytes) -> bool:
        """Put `new` where `old` is still the head; durable before it returns. False where another was quicker."""
        ...

    async def fork(self, name: str) -> bytes | None:
        """The evidence that the database has shown two histories; None while it has not."""
        ...

    async def forked(self, name: str, evidence: bytes) -> None:
        """Keep the evidence; the first that was found stays."""
        ...


@dataclass(frozen=True, slots=True)
class Record:
    """What a checksum database's signed tree says of a module version.

    `number` is the record's place in the log; the hashes are `h1:…`, or None where the record has no such line; `tree` is the
    number of records in the verified tree that has it.
    """

    number: int
    go_mod: str | None
    zip: str | None
    tree: int


class Records(Protocol):
    """One checksum database, of which nothing is believed that its signed tree does not prove."""

    @property
    def name(self) -> str: ...

    async def lookup(self, mv: ModuleVersion) -> Record:
        """Raises `NotRecorded`, `Unproven` (it could not be asked), `SecurityError` (its answer is forged, or it has shown two
        histories)."""
        ...


class ChecksumDatabases(Protocol):
    """The outside of the checksum databases, by name (`sum.golang.org`)."""

    def known(self, name: str) -> bool: ...

    async def get(self, name: str, path: str, without: Collection[Home] = ()) -> Found[bytes]:
        """The body of `latest`, `lookup/…` or `tile/…`, from the best place whose home is not in `without` (those who lied).

        Raises `NotFound` where the database has no such thing, and any other `MirrorError` where nobody (else) could say.
        """
        ...
