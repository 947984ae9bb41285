"""The local copies of one repository: what is fetched, how, and into which of two bare repositories.

`objects.git` holds single revisions, each fetched at depth 1: from a local path with all its files, from elsewhere
with its folders and go.mod files only; other files follow when a module is to be made of them, all in one fetch.
`history.git` holds commits without files, and only those that ancestry was asked about. So nothing is ever
deepened, and neither waits for the other's shape. A server that cannot leave files out sends them all, and one
that gives no single revisions gives everything, as to the go command.

Both are written under one lock and read without. git is told of the remote as one that promised the files it left
out while it fetches, and of no remote while it reads: so it never fetches one file by one, behind our back.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from goproxy_mirror.errors import SourceTimeout, SourceUnavailable, Unreachable
from goproxy_mirror.process import Completed, Limits
from goproxy_mirror.vcs import gitbare, giterrors, objects
from goproxy_mirror.vcs.gitcmd import Git, Remote
from goproxy_mirror.vcs.gitlock import FolderLock
from goproxy_mirror.vcs.gitremote import Endpoint

_FETCH = ("fetch", "--quiet", "--no-progress", "--no-write-fetch-head", "--no-auto-maintenance", "--force")
_LISTING = ("ls-tree", "-r", "-z", "--full-tree", "--end-of-options")
_LISTING_LIMIT = 256 << 20
_MOST_AT_ONCE = 64
_MOST_GO_MODS = 2000
_FEW_FILES = 60
_MARKS = 32
_PACKS = 32

LARGEST_FILE = 500 << 20
"""Bytes; no module may be larger. Larger files are not even fetched, where the server can leave them out."""

_ONE_REVISION = ("--depth=1", "--update-shallow")
_BUT_THE_LARGEST = f"blob:limit={LARGEST_FILE}"


class Moved(SourceUnavailable):
    """The remote no longer has what it advertised; its refs must be read again."""


class Damaged(SourceUnavailable):
    """Our copy is not what it was; it will be made anew."""


class LocalCopy:
    """The folder of one repository. `fetch_timeout` in seconds and `limits` bound each fetch."""

    def __init__(
        self, git: Git, folder: Path, endpoint: Endpoint, *, fetch_timeout: float, limits: Limits
    ) -> None:
        self._git = git
        self._endpoint = endpoint
        self._fetch_timeout = fetch_timeout
        self._limits = limits
        self._whole = endpoint.local is not None
        self.folder = folder
        self.objects = folder / "objects.git"
        self.history = folder / "history.git"
        self._lock = FolderLock(folder / "lock", wait=fetch_timeout + 60.0)
        self._wanted: dict[str, str] = {}
        self._held: set[str] = set()

    async def fetch_revision(self, oid: str, ref: str | None, *, sha256: bool) -> None:
        """See to it that `objects.git` holds a commit and its folders.

        `ref` is the name under which the remote advertises it, or None. Revisions that are asked for while another
        fetch runs are fetched together. Raises `Moved`.
        """

        async def work(lock: int) -> None:
            if not await self.holds(oid):
                await self._fetch_wanted(oid, lock)

        if await self.holds(oid):
            return
        self._wanted[oid] = ref or oid
        try:
            await self._write(self.objects, work, sha256=sha256)
        finally:
            self._wanted.pop(oid, None)

    async def fetch_blobs(self, oids: Iterable[str], revision: str, ref: str | None, *, sha256: bool) -> None:
        """See to it that `objects.git` holds these files of a revision that it holds, by one fetch at most."""

        async def work(lock: int) -> None:
            missing = await self.missing(oids)
            if missing:
                await self._fetch_blobs(missing, revision, ref, lock)

        await self._write(self.objects, work, sha256=sha256)

    async def fetch_history(self, wanted: Mapping[str, str], *, sha256: bool) -> None:
        """See to it that `history.git` holds these commits (id to ref name, or to the id) and all before them.

        Raises `Moved`.
        """

        async def work(lock: int) -> None:
            # Most tags lie on branches: then they come with those, and need not be named one by one.
            branches = [oid for oid, name in wanted.items() if not name.startswith("refs/tags/")]
            for some in (branches, wanted):
                missing = await self._missing(self.history, some)
                if missing:
                    names = [f"{wanted[oid]}:refs/at/{oid}" for oid in missing]
                    await self._fetch(self.history, "tree:0", (), names, lock)
            if await self._missing(self.history, wanted):
                raise self._moved()

        if await self._missing(self.history, wanted):
            await self._write(self.history, work, sha256=sha256)

    async def missing(self, oids: Iterable[str]) -> list[str]:
        """Which of these objects `objects.git` does not have."""
        return await self._missing(self.objects, oids)

    async def knows(self, oid: str) -> bool:
        """Whether `history.git` holds a commit."""
        return not await self._missing(self.history, (oid,))

    async def holds(self, oid: str) -> bool:
        """Whether `objects.git` holds a revision."""
        if not self._is_usable(self.objects):
            self._held.clear()
        elif oid in self._held:
            return True
        elif not await self._missing(self.objects, (oid,)):
            self._held.add(oid)
            return True
        return False

    def distrust(self) -> None:
        """A copy could not be read: it counts as absent, and is made anew by the next fetch."""
        self._held.clear()
        with contextlib.suppress(OSError):
            (self.folder / "damaged").touch()

    async def _fetch_wanted(self, oid: str, lock: int) -> None:
        others = [other for other in self._wanted if other != oid and other not in self._held]
        together = [oid, *others[: _MOST_AT_ONCE - 1]]
        try:
            await self._fetch_revisions(together, lock)
        except (Unreachable, SourceTimeout, Damaged):
            raise
        except SourceUnavailable:
            if len(together) == 1:
                raise
            # One that is wrong must not fail the others.
            together = [oid]
            await self._fetch_revisions(together, lock)
        self._held.update(together)

    async def _fetch_revisions(self, oids: Sequence[str], lock: int) -> None:
        """Fetch revisions by their names, and where that is refused, everything that is advertised."""
        names = [f"{self._wanted[oid]}:refs/at/{oid}" for oid in oids]
        what = _BUT_THE_LARGEST if self._whole else "blob:none"
        try:
            await self._fetch(self.objects, what, _ONE_REVISION, names, lock)
        except (Unreachable, SourceTimeout, Damaged, Moved):
            raise
        except SourceUnavailable:
            await self._fetch_everything(lock)
        if await self.missing(oids):
            raise self._moved()
        gitbare.trim_marks(self.objects, _MARKS)
        if not self._whole:
            await self._fetch_first_files(oids, lock)

    async def _fetch_everything(self, lock: int) -> None:
        """What the go command does when a server gives no single revision: all heads and tags with all files."""
        # A server takes a revision whose files were left out for one that is here whole.
        again = () if self._whole else ("--refetch",)
        names = ("refs/heads/*:refs/all/heads/*", "refs/tags/*:refs/all/tags/*")
        await self._fetch(self.objects, None, ("--update-shallow", "--prune", *again), names, lock)
        if (self.objects / "shallow").exists():
            await self._fetch(self.objects, None, ("--unshallow",), (), lock)
        self._whole = True

    async def _fetch_first_files(self, revisions: Sequence[str], lock: int) -> None:
        """The files that every version is judged by, and all of a small revision: a fetch costs more than they do.

        Failing here fails nothing, since they will be asked for again.
        """
        wanted: list[str] = []
        for revision in revisions:
            listing = await self._git.run(self.objects, (*_LISTING, revision), output_limit=_LISTING_LIMIT)
            files = [entry for entry in objects.parse_tree(listing.stdout) if objects.is_blob(entry)]
            if len(files) > _FEW_FILES:
                files = [entry for entry in files if objects.is_named(entry, b"go.mod")][:_MOST_GO_MODS]
            wanted += (entry.id for entry in files)
        missing = await self.missing(dict.fromkeys(wanted))
        if missing:
            with contextlib.suppress(SourceUnavailable):
                await self._fetch_blobs(missing, revisions[0], self._wanted.get(revisions[0]), lock)

    async def _fetch_blobs(self, oids: Sequence[str], revision: str, ref: str | None, lock: int) -> None:
        try:
            # They are wanted one by one: what may be left out is none of them.
            await self._fetch(self.objects, "blob:none", (), oids, lock, negotiate=False)
        except (Unreachable, SourceTimeout, Damaged):
            raise
        except SourceUnavailable:
            # Not every server gives files by themselves. The whole revision it will give, now that it is asked to.
            names = (f"{ref or revision}:refs/at/{revision}",)
            try:
                await self._fetch(self.objects, _BUT_THE_LARGEST, (*_ONE_REVISION, "--refetch"), names, lock)
                self._whole = True
            except (Unreachable, SourceTimeout, Damaged):
                raise
            except SourceUnavailable:
                await self._fetch_everything(lock)

    async def _fetch(
        self,
        repository: Path,
        leaving_out: str | None,
        options: Sequence[str],
        names: Sequence[str],
        lock: int,
        *,
        negotiate: bool = True,
    ) -> None:
        """One fetch. `leaving_out` is a filter of rev-list(1); to negotiate is to say what is here already."""
        said = () if negotiate else ("-c", "fetch.negotiationAlgorithm=noop")
        filtered = "--no-filter" if leaving_out is None else f"--filter={leaving_out}"
        arguments = (*said, *_FETCH, *options, filtered, "--stdin", "--end-of-options", "origin")
        stdin = "".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape")

        async def attempt(remote: Remote) -> Completed:
            return await self._git.run(
                repository,
                arguments,
                remote=remote,
                stdin=stdin,
                timeout=self._fetch_timeout,
                limits=self._limits,
                inherit=(lock,),
            )

        done = await self._endpoint.talk(attempt)
        if done.returncode != 0:
            if giterrors.is_gone(done.stderr):
                raise self._moved()
            if giterrors.is_damage(done.stderr):
                self.distrust()
                raise Damaged(
                    f"the copy of the repository {self._endpoint.name} is damaged", source=self._endpoint.url
                )
            raise self._endpoint.failure(done)
        await self._index_packs(repository)

    async def _index_packs(self, repository: Path) -> None:
        """One index over all packs, now and then: each fetch leaves one, and each would be looked through."""
        packs = sum(name.endswith(".pack") for name in os.listdir(repository / "objects" / "pack"))  # noqa: PTH208
        if packs % _PACKS == 0 and packs > 0:
            await self._git.run(repository, ("multi-pack-index", "write"))

    async def _write(self, repository: Path, work: Callable[[int], Awaitable[None]], *, sha256: bool) -> None:
        """Do some work under the lock, and once more on a new repository if that turned out to be damaged."""
        try:
            async with self._writing(repository, sha256=sha256) as lock:
                return await work(lock)
        except Damaged:
            async with self._writing(repository, sha256=sha256) as lock:
                return await work(lock)

    @asynccontextmanager
    async def _writing(self, repository: Path, *, sha256: bool) -> AsyncIterator[int]:
        """The lock, with a repository in good order; gives the lock's descriptor."""
        async with self._lock.hold() as descriptor:
            busy, damaged = self.folder / "busy", self.folder / "damaged"
            if damaged.exists():
                self._held.clear()
                await asyncio.to_thread(gitbare.remove, self.objects)
                await asyncio.to_thread(gitbare.remove, self.history)
                damaged.unlink(missing_ok=True)
            if busy.exists():
                await asyncio.to_thread(gitbare.heal, self.folder, (self.objects, self.history))
            busy.touch()
            if not gitbare.is_made(repository):
                await gitbare.make(self._git, repository, sha256=sha256)
            yield descriptor
            # Left alone where the block fails: what was killed may have left something behind.
            busy.unlink(missing_ok=True)

    def _is_usable(self, repository: Path) -> bool:
        return gitbare.is_made(repository) and not (self.folder / "damaged").exists()

    async def _missing(self, repository: Path, oids: Iterable[str]) -> list[str]:
        """Which of these objects a copy does not have."""
        oids = list(oids)
        if not self._is_usable(repository):
            return oids
        stdin = "".join(f"{oid}\n" for oid in oids).encode("ascii")
        check = ("cat-file", "--batch-check", "--buffer")
        done = await self._git.run(repository, check, stdin=stdin, output_limit=128 * len(oids) + 4096)
        answers = done.stdout.splitlines()
        if done.returncode != 0 or len(answers) != len(oids):
            return oids
        return [oid for oid, answer in zip(oids, answers, strict=True) if answer.endswith(b" missing")]

    def _moved(self) -> Moved:
        message = f"the repository {self._endpoint.name} no longer has the revision that it advertised"
        return Moved(message, source=self._endpoint.url)
