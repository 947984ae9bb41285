"""The protocols between rooms, and the values that they pass.

Rooms know these, never each other: `mirror` asks a `Source`, a `Storage` and an `Answers` without knowing which; `app.py`
decides. Every protocol's docstring lists what may be raised.
"""

from __future__ import annotations

from goproxy_mirror.ports.feed import FeedEntry, FeedRecords
from goproxy_mirror.ports.files import (
    Answers,
    FileKind,
    Kept,
    Provenance,
    RemoteFile,
    Storage,
    StoredFile,
    Turns,
)
from goproxy_mirror.ports.hosts import Credential, Credentials, HealthRecords, HostHealth, SSHWay
from goproxy_mirror.ports.keeping import FoundFile, KeepingRecords, KeptVersion, Settled, StoreSize
from goproxy_mirror.ports.ledger import Ledger
from goproxy_mirror.ports.modules import Found, Home, Info, Proof, Source
from goproxy_mirror.ports.proof import (
    ChecksumDatabases,
    Lie,
    Lies,
    Pin,
    Pins,
    Record,
    Records,
    Standing,
    TreeHeads,
    Verifier,
    Witness,
)
from goproxy_mirror.ports.records import DatabaseState, FileCounts, FileRecord, Pinned
from goproxy_mirror.ports.repositories import Commit, Held, Refs, RepoRoot, Repository, TreeEntry
from goproxy_mirror.ports.uses import UseRecords

__all__ = [
    "Answers",
    "ChecksumDatabases",
    "Commit",
    "Credential",
    "Credentials",
    "DatabaseState",
    "FeedEntry",
    "FeedRecords",
    "FileCounts",
    "FileKind",
    "FileRecord",
    "Found",
    "FoundFile",
    "HealthRecords",
    "Held",
    "Home",
    "HostHealth",
    "Info",
    "KeepingRecords",
    "Kept",
    "KeptVersion",
    "Ledger",
    "Lie",
    "Lies",
    "Pin",
    "Pinned",
    "Pins",
    "Proof",
    "Provenance",
    "Record",
    "Records",
    "Refs",
    "RemoteFile",
    "RepoRoot",
    "Repository",
    "SSHWay",
    "Settled",
    "Source",
    "Standing",
    "Storage",
    "StoreSize",
    "StoredFile",
    "TreeEntry",
    "TreeHeads",
    "Turns",
    "UseRecords",
    "Verifier",
    "Witness",
]
