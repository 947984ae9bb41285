"""Git repositories, read without ever being checked out: `ports.Repository` on a bare copy per URL."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from goproxy_mirror.errors import NotFound, SourceUnavailable, Unbuildable
from goproxy_mirror.ports import Commit, Refs, TreeEntry
from goproxy_mirror.process import Completed, Limits, Runner, Running
from goproxy_mirror.transport import Transport
from goproxy_mirror.vcs import gitrefs, objects
from goproxy_mirror.vcs.archive import archived, needs_archive
from goproxy_mirror.vcs.gitcmd import Git, Remote
from goproxy_mirror.vcs.gitrefs import Advertised
from goproxy_mirror.vcs.gitremote import Endpoint, folder_name
from goproxy_mirror.vcs.gitstore import LocalCopy
from goproxy_mirror.vcs.shared import Shared

_REFS_LIMIT = 64 << 20
_TREE_LIMIT = 256 << 20
_HEX = re.compile(r"[0-9a-f]{7,64}")
_FULL = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")

Contents = AsyncIterator[tuple[TreeEntry, AsyncIterator[bytes]]]


class GitRepositories:
    """The copies of all repositories, in subfolders of `folder`.

    Times in seconds: `refs_ttl` for which a remote's list of refs is used again, `refs_timeout` and
    `fetch_timeout` for one exchange with a remote. `limits` hold for each fetch.
    """

    def __init__(
        self,
        folder: Path,
        runner: Runner,
        transport: Transport | None = None,
        *,
        refs_ttl: float = 60.0,
        refs_timeout: float = 60.0,
        fetch_timeout: float = 900.0,
        limits: Limits | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._git = Git(runner, folder)
        self._transport = transport
        self._refs_ttl = refs_ttl
        self._refs_timeout = refs_timeout
        self._fetch_timeout = fetch_timeout
        self._limits = limits or Limits(memory=4 << 30, file_size=8 << 30)
        self._opened: dict[tuple[str, bool], GitRepository] = {}

    def open(self, url: str, *, trusted: bool) -> GitRepository:
        """The repository at a URL; nothing is asked yet.

        `trusted`: the operator named this URL, so `file://`, absolute paths and plain http are allowed and no
        address is vetted. Otherwise https only. Raises `Blocked`.
        """
        key = (url, trusted)
        repository = self._opened.get(key)
        if repository is None:
            endpoint = Endpoint(url, trusted=trusted, transport=self._transport)
            folder = self._folder / folder_name(url)
            copy = LocalCopy(
                self._git, folder, endpoint, fetch_timeout=self._fetch_timeout, limits=self._limits
            )
            repository = GitRepository(
                self._git, endpoint, copy, refs_ttl=self._refs_ttl, refs_timeout=self._refs_timeout
            )
            self._opened[key] = repository
        return repository


class GitRepository:
    """One repository: `ports.Repository`."""

    def __init__(
        self, git: Git, endpoint: Endpoint, copy: LocalCopy, *, refs_ttl: float, refs_timeout: float
    ) -> None:
        self._git = git
        self._endpoint = endpoint
        self._copy = copy
        self._refs_ttl = refs_ttl
        self._refs_timeout = refs_timeout
        self._advertised: Advertised | None = None
        self._asking: Shared[Advertised] = Shared()
        self._fetching: Shared[None] = Shared()
        self._commits: dict[str, Commit] = {}

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
        return (await self._advertisement()).refs

    async def commit(self, ref_or_id: str) -> Commit:
        """The commit that a full ref name, `HEAD` or an advertised id leads to, fetched with its files."""
        advertised = await self._advertisement()
        if _FULL.fullmatch(ref_or_id):
            named = next((name for name in advertised.names() if name[1] == ref_or_id), None)
        else:
            oid = advertised.id_of(ref_or_id)
            named = None if oid is None else (ref_or_id, oid)
        if named is None:
            raise NotFound(
                f"there is no {ref_or_id} in the repository {self._endpoint.name}", source=self.url
            )
        await self._fetch(named[1], named[0], advertised)
        return await self._read_commit(self._copy.objects, named[1])

    async def find(self, prefix: str) -> Commit:
        """The only commit whose id begins with `prefix` among those reachable from heads and tags."""
        unknown = NotFound(
            f"there is no revision {prefix} in the repository {self._endpoint.name}", source=self.url
        )
        if not _HEX.fullmatch(prefix):
            raise unknown
        advertised = await self._advertisement()
        tips = {oid: name for name, oid in advertised.names() if oid.startswith(prefix)}
        if len(tips) > 1:
            raise NotFound(f"the revision {prefix} is ambiguous in {self._endpoint.name}", source=self.url)
        for oid in tips:
            return await self.commit(oid)
        ends = {oid: name for name, oid in advertised.names()}
        await self._copy.fetch_history(ends, sha256=advertised.sha256)
        history = self._copy.history
        done = await self._read(history, ("rev-parse", f"--disambiguate={prefix}"))
        found = []
        for oid in done.stdout.decode("ascii").split():
            kind = await self._read(history, ("cat-file", "-t", "--end-of-options", oid))
            if kind.stdout.strip() in {b"commit", b"tag"}:
                found.append(oid)
        if len(found) != 1:
            raise unknown
        commit = await self._read_commit(history, found[0])
        negative = "".join(f"^{oid}\n" for oid in ends)
        listing = ("rev-list", "--max-count=1", "--ignore-missing", "--stdin")
        left = await self._read(history, listing, stdin=f"{commit.id}\n{negative}".encode("ascii"))
        if left.stdout:
            raise unknown
        return commit

    async def merged_tags(self, commit: Commit) -> Sequence[str]:
        """Names of the tags that are ancestors of the commit, or the commit itself."""
        advertised = await self._advertisement()
        await self._fetch_history(commit, advertised)
        by_id: dict[str, list[str]] = {}
        for tag, oid in advertised.refs.tags.items():
            by_id.setdefault(advertised.peeled.get(tag, oid), []).append(tag)
        merged: list[str] = []
        arguments = ("rev-list", "--end-of-options", commit.id, "--")
        async with self._git.stream(self._copy.history, arguments) as running:
            running.stdin.close()
            while line := await running.stdout.readline():
                merged += by_id.get(line.strip().decode("ascii"), ())
            if await running.wait() != 0:
                raise self._unreadable()
        return merged

    async def is_ancestor(self, tag: str, commit: Commit) -> bool:
        """Whether the commit of `refs/tags/<tag>` is an ancestor of the commit, or the commit itself."""
        advertised = await self._advertisement()
        oid = advertised.id_of(f"refs/tags/{tag}")
        if oid is None or oid == commit.id:
            return oid is not None
        await self._fetch_history(commit, advertised)
        arguments = ("merge-base", "--is-ancestor", "--end-of-options", oid, commit.id)
        done = await self._git.run(self._copy.history, arguments)
        return done.returncode == 0

    async def blob(self, commit: Commit, path: str, limit: int) -> bytes | None:
        """The raw blob at a path; a symlink yields its target text; None where no blob is."""
        if "\n" in path or "\0" in path or path.startswith("./"):
            return None
        await self._ensure(commit)
        async with self._git.stream(self._copy.objects, ("cat-file", "--batch")) as running:
            running.feed(f"{commit.id}:{path}\n".encode("utf-8", "surrogateescape"))
            batch = objects.Batch(running)
            answer = await batch.next()
            if answer is None or answer[1] != "blob":
                return None
            if answer[2] > limit:
                raise Unbuildable(
                    f"{path} has {answer[2]} bytes, more than {limit} are not read", source=self.url
                )
            return b"".join([chunk async for chunk in batch.body()])

    async def tree(self, commit: Commit, subdir: str) -> Sequence[TreeEntry]:
        """Every entry below a folder that is no folder itself, recursively, in git's order."""
        await self._ensure(commit)
        top = f"{commit.id}:{subdir}" if subdir else commit.id
        arguments = ("ls-tree", "-r", "-z", "-l", "--full-tree", "--end-of-options", top)
        done = await self._git.run(self._copy.objects, arguments, output_limit=_TREE_LIMIT)
        if done.returncode != 0:
            raise NotFound(
                f"there is no folder {subdir} in the repository {self._endpoint.name}", source=self.url
            )
        return list(objects.parse_tree(done.stdout))

    @asynccontextmanager
    async def contents(
        self, commit: Commit, subdir: str, entries: Sequence[TreeEntry]
    ) -> AsyncIterator[Contents]:
        """The chosen regular files of `tree`'s answer, in its order, as `git archive` converts them."""
        await self._ensure(commit)
        if await needs_archive(self._git, self._copy.objects, commit, subdir):
            arguments = ["-c", "core.autocrlf=input", "-c", "core.eol=lf", "archive", "--format=tar"]
            arguments += ["--end-of-options", commit.id, *([subdir] if subdir else [])]
            async with self._git.stream(self._copy.objects, arguments) as running:
                running.stdin.close()
                yield archived(running, subdir, entries)
        else:
            async with self._git.stream(self._copy.objects, ("cat-file", "--batch", "--buffer")) as running:
                running.feed("".join(f"{entry.id}\n" for entry in entries).encode("ascii"))
                yield self._raw(running, entries)

    async def _raw(self, running: Running, entries: Sequence[TreeEntry]) -> Contents:
        batch = objects.Batch(running)
        for entry in entries:
            answer = await batch.next()
            if answer is None or answer[0] != entry.id or answer[1] != "blob":
                raise self._unreadable()
            yield entry, batch.body()

    async def _advertisement(self) -> Advertised:
        known = self._advertised
        if known is not None and time.time() - self._refs_ttl <= known.fetched <= time.time():
            return known
        return await self._asking.do("refs", self._ask)

    async def _ask(self) -> Advertised:
        now = time.time()
        kept = self._copy.folder / "refs"
        found = gitrefs.load(kept, now - self._refs_ttl, now)
        if found is None:
            lines: list[bytes] = []

            async def attempt(remote: Remote) -> Completed:
                lines.clear()
                arguments = ("ls-remote", "--quiet", "--end-of-options", "origin")
                async with self._git.stream(
                    None, arguments, remote=remote, timeout=self._refs_timeout
                ) as running:
                    running.stdin.close()
                    size = 0
                    while line := await running.stdout.readline():
                        line = line.rstrip(b"\n")
                        if gitrefs.is_wanted(line):
                            size += len(line)
                            lines.append(line)
                        if size > _REFS_LIMIT:
                            raise self._endpoint.refused(f"advertises more than {_REFS_LIMIT} bytes of refs")
                    return Completed(await running.wait(), b"", running.stderr)

            await self._endpoint.talk(attempt)
            self._copy.folder.mkdir(parents=True, exist_ok=True)
            gitrefs.save(kept, lines, now)
            found = gitrefs.parse(lines, now)
        self._advertised = found
        return found

    async def _ensure(self, commit: Commit) -> None:
        """See to it that the commit's files are here."""
        advertised = await self._advertisement()
        named = next((name for name, oid in advertised.names() if oid == commit.id), None)
        await self._fetch(commit.id, named, advertised)

    async def _fetch(self, oid: str, ref: str | None, advertised: Advertised) -> None:
        sha256 = advertised.sha256
        await self._fetching.do(oid, lambda: self._copy.fetch_revision(oid, ref, sha256=sha256))

    async def _fetch_history(self, commit: Commit, advertised: Advertised) -> None:
        named = next((name for name, oid in advertised.names() if oid == commit.id), commit.id)
        await self._copy.fetch_history({commit.id: named}, sha256=advertised.sha256)

    async def _read_commit(self, repository: Path, oid: str) -> Commit:
        known = self._commits.get(oid)
        if known is not None:
            return known
        done = await self._read(
            repository, ("cat-file", "--batch"), stdin=f"{oid}^{{commit}}\n".encode("ascii")
        )
        head, _, body = done.stdout.partition(b"\n")
        words = head.split()
        if len(words) != 3 or words[1] != b"commit":
            raise NotFound(
                f"{oid} leads to no commit in the repository {self._endpoint.name}", source=self.url
            )
        commit = objects.parse_commit(words[0].decode("ascii"), body)
        self._commits[oid] = commit
        return commit

    async def _read(self, repository: Path, arguments: Sequence[str], *, stdin: bytes = b"") -> Completed:
        done = await self._git.run(repository, arguments, stdin=stdin, output_limit=_TREE_LIMIT)
        if done.returncode != 0:
            raise self._unreadable()
        return done

    def _unreadable(self) -> SourceUnavailable:
        return SourceUnavailable(
            f"the copy of the repository {self._endpoint.name} could not be read", source=self.url
        )
