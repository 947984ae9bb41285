"""The protocols between rooms, and the values that they pass.

Rooms know these, never each other: `mirror` asks a `Source`, a `Storage` and an `Answers` without knowing which; `app.py`
decides. Every protocol's docstring lists what may be raised.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
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
class Found(Generic[T_co]):
    """An answer, and the home that gave it.

    `info` is the `.info` of the revision that a `.mod` or a `.zip` was made of, where it was made of one here.
    """

    value: T_co
    home: Home
    info: Info | None = None


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


class FileKind(Enum):
    """The three files of a module version; the value is the file name's ending."""

    INFO = ".info"
    MOD = ".mod"
    ZIP = ".zip"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A whole, durable file of the store: `size` in bytes, `modified` in seconds since the epoch."""

    path: Path
    size: int
    modified: float


class Storage(Protocol):
    """Published files by key; a key is the protocol's escaped path (`golang.org/x/text/@v/v0.3.0.zip`).

    Raises `StorageError`, or `StorageFull` where there is no room.
    """

    def look(self, key: str) -> StoredFile | None:
        """The file, if it is published. One `stat`: quick enough to be called on the event loop."""
        ...

    def stage(self) -> AbstractAsyncContextManager[Path]:
        """An empty private file to write to, removed at the end unless `create` took it."""
        ...

    async def create(self, key: str, staged: Path) -> StoredFile:
        """Publish a staged file unless the key is there already; durable before it returns.

        Returns what is published under the key, which is another's file where that one was first.
        """
        ...

    async def replace(self, key: str, body: bytes) -> None:
        """Replace a derived file (`@v/list`) atomically."""
        ...

    def list(self, prefix: str) -> AsyncIterator[str]:
        """The keys of published files below a prefix, in no order."""
        ...

    async def delete(self, key: str) -> None:
        """Remove a published file; no error where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer without a fixed content (a list, `@latest`, a query), as it was when it was fetched.

    `fetched` is in seconds since the epoch; `home` is None where it was not recorded.
    """

    body: bytes
    fetched: float
    home: Home | None


class Answers(Protocol):
    """Answers that have a time to live, by key (`golang.org/x/text/@v/list`); shared by the worker processes.

    Losing one costs a fetch and nothing else.
    """

    async def get(self, key: str) -> Kept | None: ...

    async def put(self, key: str, kept: Kept) -> None: ...


class Provenance(Protocol):
    """Where each published file came from, and whether it was proven."""

    async def record(self, key: str, home: Home, *, size: int, proven: bool) -> None: ...


class Turns(Protocol):
    """One holder per key among all processes that share a store."""

    def hold(self, key: str) -> AbstractAsyncContextManager[None]:
        """Wait for the key's turn, for a bounded time; leaving gives it up. Saves work and decides nothing."""
        ...


class ChecksumDatabases(Protocol):
    """The outside of the checksum databases, by name (`sum.golang.org`)."""

    def known(self, name: str) -> bool: ...

    async def get(self, name: str, path: str) -> Found[bytes]:
        """The body of `latest`, `lookup/…` or `tile/…`. Raises `NotFound` or `SourceUnavailable`."""
        ...


class Credential(Protocol):
    """What opens one place over HTTPS. `name` is the URL prefix or the host that it is set for, fit for a message."""

    @property
    def name(self) -> str: ...

    async def authorization(self) -> str:
        """The value of the Authorization header. Never to be logged, nor put into an argument list or a file.

        Raises `CredentialsRefused`, or `SourceUnavailable` where it cannot be had.
        """
        ...

    def refused(self) -> bool:
        """The place did not take it. Whether another one is made when it is asked for again."""
        ...


@dataclass(frozen=True, slots=True)
class SSHWay:
    """A repository reached by SSH: `url` as git takes it, `command` for GIT_SSH_COMMAND (holds no secret).

    `host` is `name:port`; `shown` is the URL as messages have it.
    """

    url: str
    command: str
    host: str
    shown: str


class Credentials(Protocol):
    """Everything that the operator has set to open private places."""

    def find(self, url: str) -> Credential | None:
        """What is set for the URL, of which the longest prefix counts; None where nothing is, and for all but https."""
        ...

    def by_ssh(self, url: str) -> SSHWay | None:
        """How a repository is reached by SSH: for an SSH address, and for an https URL that is set to be; else None.

        Raises `Blocked` for an SSH address that is none, or without known host keys.
        """
        ...


@dataclass(frozen=True, slots=True)
class RepoRoot:
    """Where a module's repository is: what discovery finds out.

    `root` is the module path (prefix) that the repository's root stands for, `url` the repository without credentials (empty
    where only a copy on this machine is known), `subdir` the fourth field of a go-import entry (or empty). `vcs` may be
    `mod`: then `url` is a module proxy.
    """

    root: str
    vcs: str
    url: str
    subdir: str = ""


@dataclass(frozen=True, slots=True)
class Refs:
    """What a remote advertises. Ids are full object ids; `tags` are as advertised (annotated tags unpeeled).

    `peeled` says for each annotated tag which object it leads to at last (git advertises that as `NAME^{}`), so that
    the tags of a commit are known without fetching any of them.
    """

    head: str | None
    heads: Mapping[str, str]
    tags: Mapping[str, str]
    peeled: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit: full object id, and the committer's time in UTC, whole seconds."""

    id: str
    time: datetime


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One entry of a tree, path relative to the listed folder, as bytes since git promises no encoding.

    `mode` is git's octal mode (0o100644, 0o100755, 0o120000 symlink, 0o160000 gitlink); `size` None for gitlinks.
    """

    path: bytes
    mode: int
    id: str
    size: int | None


class Repository(Protocol):
    """One git repository, read without ever being checked out. Fetches only what each call needs.

    Raises `NotFound` (no such revision, or the remote says that there is no such repository), `Unreachable`,
    `SourceUnavailable`, `SourceTimeout`, `Blocked` (a forbidden address or protocol).
    """

    @property
    def url(self) -> str:
        """Without credentials."""
        ...

    @property
    def local(self) -> bool:
        """On a path of this machine, so an authority."""
        ...

    async def refs(self) -> Refs:
        """All advertised heads and tags, no older than the time to live."""
        ...

    async def commit(self, ref_or_id: str) -> Commit:
        """The commit of `refs/tags/…`, `refs/heads/…`, `HEAD` or a full id among the advertised ones; depth 1.

        A tag that leads to no commit (a blob, a tree) is `NotFound`.
        """
        ...

    async def find(self, prefix: str) -> Commit:
        """The only commit whose id begins with `prefix` among those reachable from heads and tags.

        `NotFound` where there is none or more than one.
        """
        ...

    async def merged_tags(self, commit: Commit) -> Sequence[str]:
        """Names of the tags that are ancestors of the commit, or the commit itself. Deepens the history."""
        ...

    async def is_ancestor(self, tag: str, commit: Commit) -> bool:
        """Whether the commit of `refs/tags/<tag>` is an ancestor of the commit, or the commit itself."""
        ...

    async def blob(self, commit: Commit, path: str, limit: int) -> bytes | None:
        """The raw blob at a path; a symlink yields its target text; None where no blob is. `Unbuildable` over the limit."""
        ...

    async def tree(self, commit: Commit, subdir: str) -> Sequence[TreeEntry]:
        """Every entry below a folder that is no folder itself, recursively, in git's order (as `git archive` has it).

        `NotFound` where the folder is not there.
        """
        ...

    def contents(
        self, commit: Commit, subdir: str, entries: Sequence[TreeEntry]
    ) -> AbstractAsyncContextManager[AsyncIterator[tuple[TreeEntry, AsyncIterator[bytes]]]]:
        """The chosen regular files of `tree`'s answer, in its order, converted as `git archive` converts them
        (with `* -export-subst -export-ignore`). Each body must be read to its end before the next entry."""
        ...
