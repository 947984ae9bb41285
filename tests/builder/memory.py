"""A repository in memory, for tests of what the builder makes of one."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from goproxy_mirror.builder.resolve import ModuleBuilder
from goproxy_mirror.errors import NotFound, Unbuildable
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.ports import Commit, Refs, RepoRoot, TreeEntry

FILE, SCRIPT, LINK, GITLINK = 0o100644, 0o100755, 0o120000, 0o160000
START = datetime(2024, 1, 1, tzinfo=UTC)
PATH = "example.com/m"

Content = bytes | tuple[int, bytes]


class MemoryRepository:
    """`ports.Repository`. Commit ids are made of the commit's number, and a day lies between two commits."""

    def __init__(self, url: str = "https://mirror.test/m", *, id_length: int = 40) -> None:
        self.url = url
        self.local = False
        self.converted: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.head: str | None = None
        self._length = id_length
        self._commits: dict[str, Commit] = {}
        self._trees: dict[str, dict[str, Content]] = {}
        self._parents: dict[str, Sequence[str]] = {}
        self._heads: dict[str, str] = {}
        self._tags: dict[str, str] = {}
        self._peeled: dict[str, str] = {}

    def add(
        self,
        files: Mapping[str, Content],
        *tags: str,
        parents: Iterable[Commit] | None = None,
        branch: str | None = "main",
        commit_id: str = "",
    ) -> Commit:
        """A commit upon the branch's last one (or other parents); `main` is the default branch."""
        number = len(self._commits)
        made = commit_id or f"{number:02d}" + hashlib.sha256(str(number).encode()).hexdigest()
        commit = Commit(made[: self._length].ljust(self._length, "0"), START + timedelta(days=number))
        before = [self._heads[branch]] if branch in self._heads else []
        self._commits[commit.id] = commit
        self._trees[commit.id] = dict(files)
        self._parents[commit.id] = before if parents is None else [parent.id for parent in parents]
        if branch is not None:
            self._heads[branch] = commit.id
        if branch == "main":
            self.head = commit.id
        for tag in tags:
            self._tags[tag] = commit.id
        return commit

    def branch(self, name: str, commit: Commit) -> None:
        self._heads[name] = commit.id

    def annotate(self, tag: str, commit: Commit) -> str:
        """An annotated tag; the id of its tag object."""
        tag_id = hashlib.sha256(tag.encode()).hexdigest()[: self._length]
        self._tags[tag], self._peeled[tag] = tag_id, commit.id
        return tag_id

    def tag_blob(self, tag: str) -> None:
        """A tag that leads to no commit."""
        self._tags[tag] = "b10b" * (self._length // 4)

    def builder(self, path: str = PATH, *, root: str = PATH, subdir: str = "") -> ModuleBuilder:
        """A builder for a module path; the origin is https://origin.test/m."""
        return ModuleBuilder(
            self, RepoRoot(root, "git", "https://origin.test/m", subdir), ModulePath.parse(path)
        )

    async def refs(self) -> Refs:
        return Refs(self.head, dict(self._heads), dict(self._tags), dict(self._peeled))

    async def commit(self, ref_or_id: str) -> Commit:
        kind, _, name = ref_or_id.removeprefix("refs/").partition("/")
        found = {"tags": self._tags, "heads": self._heads}.get(kind, {}).get(name, ref_or_id)
        found = self.head or "" if ref_or_id == "HEAD" else found
        found = self._peeled.get(name, found) if kind == "tags" else found
        if found not in self._commits:
            raise NotFound(f"{ref_or_id} leads to no commit")
        return self._commits[found]

    async def find(self, prefix: str) -> Commit:
        self.asked.append("find")
        found = [commit for id_, commit in self._commits.items() if id_.startswith(prefix)]
        if len(found) != 1:
            raise NotFound(f"no {prefix}")
        return found[0]

    async def merged_tags(self, commit: Commit) -> Sequence[str]:
        self.asked.append("merged_tags")
        return [tag for tag in self._tags if await self._merged(tag, commit)]

    async def is_ancestor(self, tag: str, commit: Commit) -> bool:
        self.asked.append("is_ancestor")
        await self.commit(f"refs/tags/{tag}")
        return await self._merged(tag, commit)

    async def blob(self, commit: Commit, path: str, limit: int) -> bytes | None:
        content = self._trees[commit.id].get(path)
        if content is None:
            return None
        data = content if isinstance(content, bytes) else content[1]
        if len(data) > limit:
            raise Unbuildable(f"{path} has {len(data)} bytes")
        return data

    async def tree(self, commit: Commit, subdir: str) -> Sequence[TreeEntry]:
        prefix = f"{subdir}/" if subdir else ""
        entries = []
        for path, content in self._trees[commit.id].items():
            if path.startswith(prefix):
                mode, data = (FILE, content) if isinstance(content, bytes) else content
                name = path[len(prefix) :].encode(errors="surrogateescape")
                entries.append(TreeEntry(name, mode, f"{commit.id}:{path}", len(data)))
        return entries

    @asynccontextmanager
    async def contents(
        self, commit: Commit, subdir: str, entries: Sequence[TreeEntry]
    ) -> AsyncIterator[AsyncIterator[tuple[TreeEntry, AsyncIterator[bytes]]]]:
        async def body(data: bytes) -> AsyncIterator[bytes]:
            for start in range(0, len(data), 1 << 16):
                yield data[start : start + (1 << 16)]

        async def files() -> AsyncIterator[tuple[TreeEntry, AsyncIterator[bytes]]]:
            for entry in entries:
                path = entry.id.partition(":")[2]
                content = self._trees[commit.id][path]
                data = content if isinstance(content, bytes) else content[1]
                yield entry, body(self.converted.get(path, data))

        yield files()

    async def _merged(self, tag: str, commit: Commit) -> bool:
        wanted = self._peeled.get(tag, self._tags[tag])
        seen, left = set(), [commit.id]
        while left:
            id_ = left.pop()
            if id_ not in seen:
                seen.add(id_)
                left.extend(self._parents.get(id_, ()))
        return wanted in seen


def go_mod(path: str = PATH, rest: str = "") -> bytes:
    """A go.mod file for a module path."""
    return f"module {path}\n{rest}".encode()
