"""One look at a repository: its refs as they were at one moment, and what was read since, each thing once.

The order in which a name is looked up is the go command's (cmd/go/internal/modfetch/codehost): a tag, a branch,
HEAD, then a prefix of a commit's id of at least seven digits, among what heads and tags reach.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from goproxy_mirror.errors import NotFound
from goproxy_mirror.ports import Commit, Refs, Repository

_ID_PREFIX = re.compile(r"[0-9a-f]{7,}")
_SHORT = 12
# A loop over more tags than this leaves the event loop for a thread.
_MANY_TAGS = 5000

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Revision:
    """A commit, the names of the tags that stand on it (sorted), and the tag by which it was asked for, if any."""

    commit: Commit
    tags: tuple[str, ...]
    asked_tag: str | None

    @property
    def short(self) -> str:
        """The commit's name in pseudo-versions: twelve digits, for SHA-256 too."""
        return self.commit.id[:_SHORT]


class Snapshot:
    """What one answer is made from; a new one for each, so that no answer is older than the repository's refs."""

    def __init__(self, repository: Repository, refs: Refs) -> None:
        self.repository = repository
        self.refs = refs
        self._on: Mapping[str, Sequence[str]] | None = None
        self._commits: dict[str, Commit] = {}
        self._blobs: dict[tuple[str, str], bytes | None] = {}

    async def revision(self, name: str) -> Revision:
        """The commit that a tag, a branch, HEAD or a prefix of an id names. Raises NotFound."""
        refs = self.refs
        if name in refs.tags:
            return await self._revision(await self._commit(f"refs/tags/{name}"), name)
        if name in refs.heads:
            return await self._revision(await self._commit(f"refs/heads/{name}"))
        if name == "HEAD" and refs.head:
            return await self.head()
        if _ID_PREFIX.fullmatch(name):
            return await self._revision(await self._by_id(name))
        raise self._unknown(name)

    async def head(self) -> Revision:
        """The commit of the default branch. Raises NotFound where there is none."""
        if not self.refs.head:
            raise NotFound("no commits", source=self.repository.url)
        return await self._revision(await self._commit("HEAD"))

    async def blob(self, commit: Commit, path: str, limit: int) -> bytes | None:
        """The raw blob at a path, or None. Raises Unbuildable over the limit (bytes)."""
        key = commit.id, path
        if key not in self._blobs:
            self._blobs[key] = await self.repository.blob(commit, path, limit)
        return self._blobs[key]

    async def over_tags(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function that goes through all tags: in a thread, where they are many."""
        if len(self.refs.tags) > _MANY_TAGS:
            return await asyncio.to_thread(function, *args, **kwargs)
        return function(*args, **kwargs)

    async def _by_id(self, prefix: str) -> Commit:
        tips = await self.over_tags(self._tips, prefix)
        if len(tips) > 1:
            raise NotFound(f"ambiguous revision {prefix}", source=self.repository.url)
        for tip in tips:
            return await self._commit(tip)
        # git takes the id of an annotated tag for the commit that it leads to.
        for tag in self.refs.peeled:
            if self.refs.tags.get(tag, "").startswith(prefix):
                return await self._commit(f"refs/tags/{tag}")
        if len(prefix) > len(self.refs.head or prefix):
            raise self._unknown(prefix)
        try:
            return await self.repository.find(prefix)
        except NotFound as error:
            raise self._unknown(prefix) from error

    async def _commit(self, ref_or_id: str) -> Commit:
        if ref_or_id not in self._commits:
            self._commits[ref_or_id] = await self.repository.commit(ref_or_id)
        return self._commits[ref_or_id]

    async def _revision(self, commit: Commit, asked_tag: str | None = None) -> Revision:
        if self._on is None:
            self._on = await self.over_tags(self._index)
        return Revision(commit, tuple(sorted(self._on.get(commit.id, ()))), asked_tag)

    def _tips(self, prefix: str) -> set[str]:
        """The ids beginning so among those that refs lead to."""
        refs = self.refs
        tips = (refs.head or "", *refs.heads.values(), *refs.peeled.values())
        plain = (id_ for tag, id_ in refs.tags.items() if tag not in refs.peeled)
        return {id_ for ids in (tips, plain) for id_ in ids if id_.startswith(prefix)}

    def _index(self) -> Mapping[str, Sequence[str]]:
        """The tags by the object that they lead to at last."""
        index: defaultdict[str, list[str]] = defaultdict(list)
        for tag, id_ in self.refs.tags.items():
            index[self.refs.peeled.get(tag, id_)].append(tag)
        return index

    def _unknown(self, name: str) -> NotFound:
        return NotFound(f"unknown revision {name}", source=self.repository.url)
