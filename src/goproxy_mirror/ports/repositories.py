"""Git repositories, read without ever being checked out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from goproxy_mirror.module.zipmember import Packed


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


class Held(AsyncIterator[bytes]):
    """A file's body that is at hand as a whole: read as any body, or taken by `load`."""

    @abstractmethod
    def load(self) -> Packed:
        """The body as a zip holds it. Work for a thread. Raises `SourceUnavailable` where it cannot be read."""


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
        (with `* -export-subst -export-ignore`). Each body must be read to its end before the next entry, but for one that is
        `Held`: that can be read until the context ends, or not at all."""
        ...
