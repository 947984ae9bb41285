"""What is read of the state by those who show it and by those who check the store against it."""

from __future__ import annotations

from dataclasses import dataclass

from goproxy_mirror.module.version import ModuleVersion
from goproxy_mirror.ports.files import FileKind
from goproxy_mirror.ports.modules import Home, Proof
from goproxy_mirror.ports.proof import Pin


@dataclass(frozen=True, slots=True)
class Pinned:
    """A pin, and the file that it is of."""

    mv: ModuleVersion
    kind: FileKind
    pin: Pin


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """What is known of a checksum database: its newest signed note (empty where there is none), and the evidence of a fork.

    `advanced` and `forked` say since when, in seconds since the epoch.
    """

    name: str
    note: bytes
    advanced: float | None
    evidence: bytes | None
    forked: float | None


@dataclass(frozen=True, slots=True)
class FileRecord:
    """What is known of a published file. `home` and `size` are None where only its proof was recorded.

    `proof` is None where the file was never hashed; one that nobody vouched for has an empty `by`. `first_seen` and `verified`
    (when the file was last held against its proof) are in seconds since the epoch.
    """

    key: str
    home: Home | None
    size: int | None
    proof: Proof | None
    first_seen: float
    verified: float | None


@dataclass(frozen=True, slots=True)
class FileCounts:
    """How many published files are recorded; an `.info` is neither proven nor unproven.

    `pinned` of the proven ones stand outside every database, and are what they were when they were first seen.
    """

    infos: int
    proven: int
    unproven: int
    pinned: int = 0
