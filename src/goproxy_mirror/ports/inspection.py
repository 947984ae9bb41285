"""What is shown of the places that modules and proofs come from: which they are, and how they answered just now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from goproxy_mirror.ports.hosts import HostHealth
from goproxy_mirror.ports.proof import Lie

RuleKind = Literal["own", "built-in", "rewrite", "upstream", "sumdb", "toolchains", "vulndb"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something may be had: `url` is without credentials, and may be a template; `host` as in `HostHealth`, or None
    on this machine and where the template leaves it open."""

    url: str
    host: str | None


@dataclass(frozen=True, slots=True)
class Rule:
    """What `left` (a pattern, a glob, a URL, a name) stands for, in the order in which it would be asked now.

    `note` says what else is to be known of it.
    """

    kind: RuleKind
    left: str
    places: tuple[Place, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """Every rule in force, and what is known of the hosts that they lead to; the newest lies first.

    `unknown` says why the latter two are empty, where they could not be read.
    """

    rules: Sequence[Rule]
    hosts: Sequence[HostHealth]
    lies: Sequence[Lie]
    unknown: str = ""


class Word(Enum):
    """What is to be thought of a place that was tried."""

    PROVEN = "proven"
    BEHIND = "behind"
    UNTAGGED = "untagged"
    UNPROVEN = "unproven"
    LIED = "lied"
    NO_REPOSITORY = "no such repository"
    NOT_THERE = "not there"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    SLOW = "too slow"
    FAILED = "failed"

    @property
    def is_living(self) -> bool:
        """Whether modules can be had there."""
        return self in {Word.PROVEN, Word.BEHIND, Word.UNTAGGED, Word.UNPROVEN}


@dataclass(frozen=True, slots=True)
class Trial:
    """One place that was tried. `seconds` until it had said what it has, `versions` how many that were; None where it said
    nothing. `reason` explains the word."""

    place: Place
    word: Word
    seconds: float | None = None
    versions: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TriedRule:
    """A rule, the module that it was tried with, and its places; `note` says why none was tried."""

    kind: RuleKind
    left: str
    module: str
    trials: tuple[Trial, ...]
    note: str = ""

    @property
    def is_dead(self) -> bool:
        """Whether it was tried, and no place of it lives."""
        return bool(self.trials) and not any(trial.word.is_living for trial in self.trials)


@dataclass(frozen=True, slots=True)
class PlaceReport:
    """A place of a checksum database. `size` is the number of records in the tree that it shows, `seconds` how long it took.

    `agrees`: the tree is signed, and one history with ours; None where that could not be found out. `reason` says what is
    wrong, `health` what was known before.
    """

    url: str
    host: str | None
    seconds: float | None
    size: int | None
    agrees: bool | None
    reason: str = ""
    health: HostHealth | None = None


@dataclass(frozen=True, slots=True)
class DatabaseReport:
    """A checksum database: `key` is the hash of its key (empty where it is not known), `proves` what it is believed about.

    `size` and `advanced` are our newest verified tree and since when it is that (seconds since the epoch); `evidence` of two
    histories, found at `forked`.
    """

    name: str
    key: str
    proves: str
    places: Sequence[PlaceReport]
    size: int | None
    advanced: float | None
    evidence: bytes | None
    forked: float | None
