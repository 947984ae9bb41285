"""One git repository: `ports.Repository` on the copies of `gitstore`."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial, wraps
from pathlib import PurePosixPath
from typing import Any, Concatenate, ParamSpec, TypeVar

from goproxy_mirror.errors import NotFound, StorageError, Unbuildable
from goproxy_mirror.ports import Commit, Refs, TreeEntry
from goproxy_mirror.vcs import archive, gitcontents, objects, packtrees
from goproxy_mirror.vcs.gitcmd import Git
from goproxy_mirror.vcs.gitcontents import Contents
from goproxy_mirror.vcs.gitfetch import Damaged, Moved
from goproxy_mirror.vcs.gitrefs import Advertised
from goproxy_mirror.vcs.gitremote import Endpoint
from goproxy_mirror.vcs.gitremoterefs import RemoteRefs
from goproxy_mirror.vcs.gitstore import LARGEST_FILE, LocalCopy
from goproxy_mirror.vcs.packedfiles import Kept
from goproxy_mirror.vcs.shared import Shared

USED_SECONDS = 900.0
"""A copy that was used no longer ago than this is not removed."""

LARGEST_ARCHIVE = 500 << 20
"""Bytes of the go command's archive of a module's folder, compressed, with all that a module zip would leave out."""

_TREE_LIMIT = 256 << 20
_MARK_SECONDS = 60.0
_KEPT = 1024
_HEX = re.compile(r"[0-9a-f]{7,64}")
_FULL = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")

P = ParamSpec("P")
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class _Listed:
    """What is known of a folder that was listed: the .gitattributes that count for it, and how large its files are."""

    attributes: tuple[str, ...]
    total: int


def _once_more(
    method: Callable[Concatenate[GitRepository, P], Awaitable[V]],
) -> Callable[Concatenate[GitRepository, P], Coroutine[Any, Any, V]]:
    """Ask again, once, where the copy turned out to be damaged: it is made anew."""

    @wraps(method)
    async def asking(repository: GitRepository, /, *args: P.args, **kwargs: P.kwargs) -> V:
        try:
            return await method(repository, *args, **kwargs)
        except Damaged:
            return await method(repository, *args, **kwargs)

    return asking


class GitRepository:
    """One repository: what its remote advertises, and what its copy holds."""

    def __init__(
        self, git: Git, endpoint: Endpoint, remote_refs: RemoteRefs, copy: LocalCopy, kept: Kept
    ) -> None:
        self._git = git
        self._endpoint = endpoint
        self._copy = copy
        self._remote_refs = remote_refs
        self._fetching: Shared[None] = Shared()
        self._commits: dict[str, Commit] = {}
        self._listed: dict[tuple[str, str], _Listed] = {}
        self._refused: dict[str, str | None] = {}
        self._kept = kept
        self._marked = 0.0

    @property
    def url(self) -> str:
        """Without credentials."""
        return self._endpoint.url

    @property
    def local(self) -> bool:
        """On a path of this machine, so an authority."""
        return self._endpoint.local is not None

    async def refs(self) -> Refs:
        """All advertised heads and tags, no older than the time to live."""
        return (await self._remote_refs.current()).refs

    @_once_more
    async def commit(self, ref_or_id: str) -> Commit:
        """The commit that a full ref name, `HEAD` or an advertised id leads to."""
        try:
            return await self._commit(ref_or_id)
        except Moved:
            # Refs are believed for a while; meanwhile a branch may have moved, or a tag.
            await self._remote_refs.forget()
            return await self._commit(ref_or_id)

    @_once_more
    async def find(self, prefix: str) -> Commit:
        """The only commit whose id begins with `prefix` among those reachable from heads and tags.

        As for the go command, a tip that is advertised goes before all others, and the id of an annotated tag
        stands for its commit.
        """
        if not _HEX.fullmatch(prefix):
            raise self._unknown(prefix)
        advertised = await self._remote_refs.current()
        ends = {oid: name for name, oid in advertised.names()}
        tips = [oid for oid in ends if oid.startswith(prefix)]
        if len(tips) > 1 or not ends:
            raise self._unknown(prefix)
        if tips:
            return await self.commit(tips[0])
        try:
            await self._fetch_history(ends, advertised)
        except Moved:
            await self._remote_refs.forget()
            advertised = await self._remote_refs.current()
            ends = {oid: name for name, oid in advertised.names()}
            await self._fetch_history(ends, advertised)
        candidates = await self._read_history("rev-parse", f"--disambiguate={prefix}")
        checked = await self._read_history("cat-file", "--batch-check", stdin=candidates)
        found = [line.split() for line in checked.splitlines()]
        commits = [words[0].decode("ascii") for words in found if words[1] == b"commit"]
        refs = advertised.refs
        tags = [tag for tag in refs.peeled if refs.tags.get(tag, "").startswith(prefix)]
        if len(commits) + len({refs.tags[tag] for tag in tags}) != 1:
            raise self._unknown(prefix)
        if tags:
            return await self.commit(f"refs/tags/{tags[0]}")
        commit = await self._read_commit(commits[0], history=True)
        asked = f"{commit.id}\n" + "".join(f"^{oid}\n" for oid in ends)
        # What is left when all that heads and tags reach is taken away was reachable in former times only.
        if await self._read_history("rev-list", "--max-count=1", "--stdin", stdin=asked.encode("ascii")):
            raise self._unknown(prefix)
        return commit

    @_once_more
    async def merged_tags(self, commit: Commit) -> Sequence[str]:
        """Names of the tags that are ancestors of the commit, or the commit itself."""
        advertised = await self._remote_refs.current()
        tags: dict[bytes, list[str]] = {}
        for tag, oid in advertised.refs.tags.items():
            tags.setdefault(advertised.refs.peeled.get(tag, oid).encode("ascii"), []).append(tag)
        if not tags:
            return []
        await self._fetch_history_of(commit, advertised)
        merged: list[str] = []
        arguments = ("rev-list", "--end-of-options", commit.id, "--")
        async with self._git.stream(self._copy.history, arguments) as running:
            running.stdin.close()
            left = b""
            while chunk := await running.stdout.read(objects.CHUNK):
                *ids, left = (left + chunk).split(b"\n")
                for tagged in tags.keys() & set(ids):
                    merged += tags[tagged]
            if await running.wait() != 0:
                raise self._copy.damaged()
        return merged

    @_once_more
    async def is_ancestor(self, tag: str, commit: Commit) -> bool:
        """Whether the commit of `refs/tags/<tag>` is an ancestor of the commit, or the commit itself."""
        advertised = await self._remote_refs.current()
        oid = advertised.id_of(f"refs/tags/{tag}")
        if oid is None or oid == commit.id:
            return oid is not None
        await self._fetch_history_of(commit, advertised)
        if not await self._copy.knows(oid):
            return False
        arguments = ("merge-base", "--is-ancestor", "--end-of-options", oid, commit.id)
        done = await self._git.run(self._copy.history, arguments)
        if done.returncode not in {0, 1}:
            raise self._copy.damaged()
        return done.returncode == 0

    @_once_more
    async def blob(self, commit: Commit, path: str, limit: int) -> bytes | None:
        """The raw blob at a path; a symlink yields its target text; None where no blob is."""
        if not path or "\n" in path or "\0" in path or path.startswith(("./", "../")):
            return None
        key = (self._copy.folder.name, commit.id, path)
        if key in self._kept.blobs and len(self._kept.blobs[key] or b"") <= limit:
            return self._kept.blobs[key]
        await self._ensure(commit)
        read = partial(
            gitcontents.read_blob, self._git, self._copy.objects, commit, path, limit, source=self.url
        )
        found = await read()
        if isinstance(found, str):
            # In the tree, but not here yet.
            await self._fetch_blobs([found], commit)
            found = await read()
        if isinstance(found, str):
            raise Unbuildable(
                f"{path} is larger than {LARGEST_FILE} bytes, or cannot be had", source=self.url
            )
        self._kept.blobs.keep(key, found)
        return found

    @_once_more
    async def tree(self, commit: Commit, subdir: str) -> Sequence[TreeEntry]:
        """Every entry below a folder that is no folder itself, recursively, in git's order.

        A file so large that it was not even fetched is said to have one byte more than the largest that is. Raises
        `Unbuildable` for a tree that `git archive` refuses.
        """
        await self._ensure(commit)
        listed = await self._list(commit, subdir)
        unread = [entry.id for entry in listed if entry.size is None and objects.is_blob(entry)]
        above = await self._attributes_above(commit, subdir)
        if unread:
            most = not subdir and 2 * len(unread) > len(listed)
            await self._fetch_blobs([*unread, *above], commit, most=most)
            listed = await self._list(commit, subdir)
            listed = [
                replace(entry, size=LARGEST_FILE + 1)
                if entry.size is None and objects.is_blob(entry)
                else entry
                for entry in listed
            ]
        elif above and (missing := await self._copy.missing(above)):
            await self._fetch_blobs(missing, commit)
        below = [entry.id for entry in listed if objects.is_named(entry, b".gitattributes")]
        total = sum(entry.size or 0 for entry in listed)
        _keep(self._listed, (commit.id, subdir), _Listed((*above, *below), total))
        return listed

    @asynccontextmanager
    async def contents(
        self, commit: Commit, subdir: str, entries: Sequence[TreeEntry]
    ) -> AsyncIterator[Contents]:
        """The chosen regular files of `tree`'s answer, in its order, as `git archive` converts them."""
        if (commit.id, subdir) not in self._listed:
            await self.tree(commit, subdir)
        listed = self._listed[commit.id, subdir]
        revision = (commit.id, subdir) if subdir else (commit.id,)
        if listed.total > LARGEST_ARCHIVE and await archive.is_too_large(
            self._git, self._copy.objects, revision, LARGEST_ARCHIVE
        ):
            raise Unbuildable("downloaded zip file too large", source=self.url)
        if await archive.converts(self._git, self._copy.objects, listed.attributes):
            arguments = (*archive.ARCHIVE, *revision)
            async with self._git.stream(self._copy.objects, arguments) as running:
                running.stdin.close()
                yield archive.archived(running, subdir, entries)
        else:
            async with gitcontents.raw(
                self._git, self._copy, entries, self._kept.files, source=self.url
            ) as files:
                yield files

    async def _commit(self, ref_or_id: str) -> Commit:
        advertised = await self._remote_refs.current()
        if _FULL.fullmatch(ref_or_id):
            oid, name = ref_or_id, advertised.name_of(ref_or_id)
        else:
            oid, name = advertised.id_of(ref_or_id) or "", ref_or_id
        if not oid or name is None:
            raise self._unknown(ref_or_id)
        await self._fetch(oid, name, advertised)
        return await self._read_commit(oid)

    async def _ensure(self, commit: Commit) -> None:
        """See to it that the commit and its folders are here."""
        self._mark_used()
        if await self._copy.holds(commit.id):
            return
        advertised = await self._remote_refs.current()
        try:
            await self._fetch(commit.id, advertised.name_of(commit.id), advertised)
        except Moved:
            await self._fetch(commit.id, None, advertised)

    async def _fetch(self, oid: str, ref: str | None, advertised: Advertised) -> None:
        self._mark_used()
        tip = advertised.tip_of(ref) if ref is not None else None
        fetch = partial(self._copy.fetch_revision, oid, tip, sha256=advertised.sha256)
        await self._fetching.do((oid, ref), fetch)

    async def _fetch_blobs(self, oids: Sequence[str], commit: Commit, *, most: bool = False) -> None:
        advertised = await self._remote_refs.current()
        name = advertised.name_of(commit.id)
        tip = advertised.tip_of(name) if name is not None else None
        await self._copy.fetch_blobs(oids, commit.id, tip, most=most, sha256=len(commit.id) == 64)

    async def _fetch_history(self, wanted: Mapping[str, str], advertised: Advertised) -> None:
        self._mark_used()
        fetch = partial(self._copy.fetch_history, wanted, sha256=advertised.sha256)
        await self._fetching.do(frozenset(wanted), fetch)

    async def _fetch_history_of(self, commit: Commit, advertised: Advertised) -> None:
        name = advertised.name_of(commit.id)
        try:
            await self._fetch_history({commit.id: name or commit.id}, advertised)
        except Moved:
            await self._fetch_history({commit.id: commit.id}, advertised)

    async def _attributes_above(self, commit: Commit, subdir: str) -> list[str]:
        """The ids of the .gitattributes of all folders above one."""
        if not subdir:
            return []
        folders = PurePosixPath(subdir).parents
        paths = [str(folder / ".gitattributes") for folder in folders]
        listing = ("ls-tree", "-z", "--full-tree", "--end-of-options", commit.id, *paths)
        done = await self._git.run(self._copy.objects, listing)
        return [entry.id for entry in objects.parse_tree(done.stdout) if objects.is_blob(entry)]

    async def _list(self, commit: Commit, subdir: str) -> list[TreeEntry]:
        top = f"{commit.id}:{subdir}" if subdir else commit.id
        arguments = ("ls-tree", "-r", "-z", "-l", "--full-tree", "--end-of-options", top)
        done = await self._git.run(self._copy.objects, arguments, output_limit=_TREE_LIMIT)
        if done.returncode != 0:
            if not subdir or await self._list(commit, "") is None:
                raise self._copy.damaged()
            raise NotFound(
                f"there is no folder {subdir} in the repository {self._endpoint.name}", source=self.url
            )
        refused = await self._refusal(commit) if subdir else objects.refused_path(done.stdout)
        if refused is not None:
            raise Unbuildable(f"git archive: invalid path {refused!a}", source=self.url)
        return list(objects.parse_tree(done.stdout))

    async def _refusal(self, commit: Commit) -> str | None:
        """A path anywhere in the commit because of which git archives none of its folders."""
        if commit.id not in self._refused:
            found = await archive.refuses(self._git, self._copy.objects, commit.id, _TREE_LIMIT)
            _keep(self._refused, commit.id, found)
        return self._refused[commit.id]

    async def _read_commit(self, oid: str, *, history: bool = False) -> Commit:
        known = self._commits.get(oid)
        if known is not None:
            return known
        repository = self._copy.history if history else self._copy.objects
        body = await asyncio.to_thread(packtrees.commit_in, repository, oid)
        if body is not None:
            commit = objects.parse_commit(oid, body)
            _keep(self._commits, oid, commit)
            return commit
        asked = f"{oid}^{{commit}}\n".encode("ascii")
        done = await self._git.run(repository, ("cat-file", "--batch"), stdin=asked, output_limit=_TREE_LIMIT)
        head, _, body = done.stdout.partition(b"\n")
        words = head.split()
        if done.returncode != 0:
            raise self._copy.damaged()
        if len(words) != 3 or words[1] != b"commit":
            # It is here, or it would not be asked for.
            checked = await self._git.run(
                repository, ("cat-file", "--batch-check"), stdin=f"{oid}\n".encode("ascii")
            )
            if not checked.stdout.startswith(f"{oid} ".encode("ascii")) or b" missing" in checked.stdout:
                raise self._copy.damaged()
            raise NotFound(f"{oid} is no commit in the repository {self._endpoint.name}", source=self.url)
        commit = objects.parse_commit(words[0].decode("ascii"), body)
        _keep(self._commits, oid, commit)
        return commit

    async def _read_history(self, *arguments: str, stdin: bytes = b"") -> bytes:
        done = await self._git.run(self._copy.history, arguments, stdin=stdin, output_limit=_TREE_LIMIT)
        if done.returncode != 0:
            raise self._copy.damaged()
        return done.stdout

    def _mark_used(self) -> None:
        """Note that the copy is in use, once a minute, for `prune` in whichever process."""
        now = time.time()
        if abs(now - self._marked) < _MARK_SECONDS:
            return
        self._marked = now
        try:
            self._copy.folder.mkdir(parents=True, exist_ok=True)
            (self._copy.folder / "used").touch()
        except OSError as error:
            raise StorageError("a repository's folder in the state folder cannot be written") from error

    def _unknown(self, name: str) -> NotFound:
        return NotFound(f"there is no {name} in the repository {self._endpoint.name}", source=self.url)


def _keep(kept: dict[K, V], key: K, value: V) -> None:
    """Keep a value, and let the oldest go where there are too many."""
    kept.pop(key, None)
    kept[key] = value
    if len(kept) > _KEPT:
        del kept[next(iter(kept))]
