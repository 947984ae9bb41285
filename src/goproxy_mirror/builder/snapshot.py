"""One look at a repository: its refs as they were at one moment, and what was read since, each thing once.

The order in which a name is looked up is the go command's (cmd/go/internal/modfetch/codehost): a tag, a branch,
HEAD, then a prefix of a commit's id of at least seven digits, among what heads and tags reach.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

from goproxy_mirror.errors import NotFound
from goproxy_mirror.ports import Commit, Refs, Repository

_ID_PREFIX = re.compile(r"[0-9a-f]{7,}")
_SHORT = 12


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
        self._on: dict[str, list[str]] | None = None
        self._commits: dict[str, Commit] = {}
        self._blobs: dict[tuple[str, str], bytes | None] = {}

    async def revision(self, name: str) -> Revision:
        """The commit that a tag, a branch, HEAD or a prefix of an id names. Raises NotFound."""
        refs = self.refs
        if name in refs.tags:
            return self._revision(await self._commit(f"refs/tags/{name}"), name)
        if name in refs.heads:
            return self._revision(await self._commit(f"refs/heads/{name}"))
        if name == "HEAD" and refs.head:
            return await self.head()
        if _ID_PREFIX.fullmatch(name):
            return self._revision(await self._by_id(name))
        raise self._unknown(name)

    async def head(self) -> Revision:
        """The commit of the default branch. Raises NotFound where there is none."""
        if not self.refs.head:
            raise NotFound("no commits", source=self.repository.url)
        return self._revision(await self._commit("HEAD"))

    async def blob(self, commit: Commit, path: str, limit: int) -> bytes | None:
        """The raw blob at a path, or None. Raises Unbuildable over the limit (bytes)."""
        key = commit.id, path
        if key not in self._blobs:
            self._blobs[key] = await self.repository.blob(commit, path, limit)
        return self._blobs[key]

    def leads_to(self, tag: str) -> str:
        """The id of the object that a tag leads to at last."""
        return self.refs.peeled.get(tag) or self.refs.tags[tag]

    async def _by_id(self, prefix: str) -> Commit:
        refs = self.refs
        ids = {id_ for id_ in (refs.head, *refs.heads.values()) if id_}
        ids.update(self.leads_to(tag) for tag in refs.tags)
        found = [id_ for id_ in ids if id_.startswith(prefix)]
        if len(found) > 1:
            raise NotFound(f"ambiguous revision {prefix}", source=self.repository.url)
        if found:
            return await self._commit(found[0])
        # git takes the id of an annotated tag for the commit that it leads to.
        for tag, id_ in refs.tags.items():
            if id_.startswith(prefix):
                return await self._commit(f"refs/tags/{tag}")
        if any(len(prefix) > len(id_) for id_ in ids):
            raise self._unknown(prefix)
        try:
            return await self.repository.find(prefix)
        except NotFound as error:
            raise self._unknown(prefix) from error

    async def _commit(self, ref_or_id: str) -> Commit:
        if ref_or_id not in self._commits:
            self._commits[ref_or_id] = await self.repository.commit(ref_or_id)
        return self._commits[ref_or_id]

    def _revision(self, commit: Commit, asked_tag: str | None = None) -> Revision:
        if self._on is None:
            self._on = defaultdict(list)
            for tag in self.refs.tags:
                self._on[self.leads_to(tag)].append(tag)
        return Revision(commit, tuple(sorted(self._on.get(commit.id, ()))), asked_tag)

    def _unknown(self, name: str) -> NotFound:
        return NotFound(f"unknown revision {name}", source=self.repository.url)
