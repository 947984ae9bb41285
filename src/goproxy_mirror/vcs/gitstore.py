"""The local copies of one repository: what is fetched, how, and into which of two bare repositories.

`objects.git` holds single revisions with their files, each fetched at depth 1. `history.git` holds commits
without files (where the server can leave them out), and only what ancestry was asked about. So nothing is ever
deepened, and neither waits for the other's shape. Both are written under one lock and read without.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from goproxy_mirror.errors import MirrorError, SourceUnavailable, Unreachable
from goproxy_mirror.process import Completed, Limits
from goproxy_mirror.vcs.gitcmd import Git, Remote
from goproxy_mirror.vcs.gitlock import FolderLock
from goproxy_mirror.vcs.gitremote import Endpoint

_FETCH = ("fetch", "--quiet", "--no-progress", "--no-write-fetch-head", "--no-auto-maintenance", "--force")
_MOST_AT_ONCE = 256

# As the go command sets them for its archives: nothing is left out or substituted.
_ATTRIBUTES = "\n* -export-subst -export-ignore\n"

_COMMITS_ONLY = """
[core]
	repositoryformatversion = 1
[extensions]
	partialClone = origin
[remote "origin"]
	promisor = true
	partialCloneFilter = tree:0
"""


class LocalCopy:
    """The folder of one repository. `fetch_timeout` in seconds and `limits` bound each fetch."""

    def __init__(
        self, git: Git, folder: Path, endpoint: Endpoint, *, fetch_timeout: float, limits: Limits
    ) -> None:
        self._git = git
        self._endpoint = endpoint
        self._fetch_timeout = fetch_timeout
        self._limits = limits
        self.folder = folder
        self.objects = folder / "objects.git"
        self.history = folder / "history.git"
        self._lock = FolderLock(folder / "lock", wait=fetch_timeout + 60.0)
        self._wanted: dict[str, str] = {}
        self._held: set[str] = set()

    async def fetch_revision(self, oid: str, ref: str | None, *, sha256: bool) -> None:
        """See to it that `objects.git` holds a commit with all its files.

        `ref` is the name under which the remote advertises it, or None. Revisions that are asked for while
        another fetch runs are fetched together.
        """
        if oid in self._held or await self._holds(oid):
            self._held.add(oid)
            return
        self._wanted[oid] = ref or oid
        try:
            async with self._lock.hold() as descriptor:
                if oid in self._held:
                    return
                await self._prepare(self.objects, sha256=sha256)
                if not await self._holds(oid):
                    await self._fetch_wanted(oid, descriptor)
                self._held.add(oid)
        finally:
            self._wanted.pop(oid, None)

    async def fetch_history(self, wanted: Mapping[str, str], *, sha256: bool) -> None:
        """See to it that `history.git` holds these commits (id to ref name, or to the id) and all before them."""
        if not await self._missing(self.history, wanted):
            return
        async with self._lock.hold() as descriptor:
            await self._prepare(self.history, sha256=sha256, addition=_COMMITS_ONLY)
            missing = await self._missing(self.history, wanted)
            if missing:
                names = [f"{wanted[oid]}:refs/at/{oid}" for oid in missing]
                await self._fetch(self.history, ("--filter=tree:0",), names, descriptor)

    async def _fetch_wanted(self, oid: str, descriptor: int) -> None:
        others = [other for other in self._wanted if other != oid and other not in self._held]
        together = [oid, *others[: _MOST_AT_ONCE - 1]]
        try:
            await self._fetch_revisions(together, descriptor)
        except Unreachable:
            raise
        except MirrorError:
            if len(together) == 1:
                raise
            # One that is wrong must not fail the others.
            together = [oid]
            await self._fetch_revisions(together, descriptor)
        self._held.update(together)

    async def _fetch_revisions(self, oids: Sequence[str], descriptor: int) -> None:
        names = [f"{self._wanted[oid]}:refs/at/{oid}" for oid in oids]
        options = ("--depth=1", "--update-shallow")
        try:
            await self._fetch(self.objects, options, names, descriptor)
            if not await self._missing(self.objects, oids):
                return
        except Unreachable:
            raise
        except SourceUnavailable:
            # Some servers give no single revisions, and some none that they do not advertise.
            pass
        everything = ("refs/heads/*:refs/all/heads/*", "refs/tags/*:refs/all/tags/*")
        await self._fetch(self.objects, ("--update-shallow",), everything, descriptor)
        if (self.objects / "shallow").exists():
            await self._fetch(self.objects, ("--unshallow",), (), descriptor)
        if await self._missing(self.objects, oids):
            raise self._endpoint.refused("no longer has the revision that it advertised")

    async def _fetch(
        self, repository: Path, options: Sequence[str], names: Sequence[str], descriptor: int
    ) -> None:
        arguments = [*_FETCH, *options, "--stdin", "--end-of-options", "origin"]
        stdin = "".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape")

        async def attempt(remote: Remote) -> Completed:
            return await self._git.run(
                repository,
                arguments,
                remote=remote,
                stdin=stdin,
                timeout=self._fetch_timeout,
                limits=self._limits,
                inherit=(descriptor,),
            )

        busy = self.folder / "busy"
        busy.touch()
        await self._endpoint.talk(attempt)
        busy.unlink(missing_ok=True)

    async def _prepare(self, repository: Path, *, sha256: bool, addition: str = "") -> None:
        """Make the repository if it is not there, and clear away what a killed fetch has left. Under the lock."""
        if (self.folder / "busy").exists():
            await asyncio.to_thread(_heal, (self.objects, self.history))
            (self.folder / "busy").unlink(missing_ok=True)
        if (repository / "HEAD").exists():
            return
        made = Path(tempfile.mkdtemp(prefix="making-", dir=self.folder))
        try:
            form = "sha256" if sha256 else "sha1"
            init = (
                "init",
                "--quiet",
                "--bare",
                "--template=",
                f"--object-format={form}",
                "--end-of-options",
                ".",
            )
            done = await self._git.run(made, init, timeout=60)
            if done.returncode != 0:
                raise SourceUnavailable("git could not make a repository in the state folder")
            _finish(made, repository, addition)
        finally:
            shutil.rmtree(made, ignore_errors=True)

    async def _holds(self, oid: str) -> bool:
        return not await self._missing(self.objects, (oid,))

    async def _missing(self, repository: Path, oids: Iterable[str]) -> list[str]:
        """Which of these objects a copy does not have."""
        oids = list(oids)
        if not (repository / "HEAD").exists():
            return oids
        stdin = "".join(f"{oid}\n" for oid in oids).encode("ascii")
        check = ("cat-file", "--batch-check", "--buffer")
        done = await self._git.run(repository, check, stdin=stdin, output_limit=128 * len(oids) + 4096)
        answers = done.stdout.splitlines()
        if done.returncode != 0 or len(answers) != len(oids):
            return oids
        return [oid for oid, answer in zip(oids, answers, strict=True) if answer.endswith(b" missing")]


def _finish(made: Path, repository: Path, addition: str) -> None:
    """Add our settings to a new repository, and put it in its place."""
    (made / "info").mkdir(exist_ok=True)
    (made / "info" / "attributes").write_text(_ATTRIBUTES)
    with (made / "config").open("a") as config:
        config.write(addition)
    made.replace(repository)


def _heal(repositories: Iterable[Path]) -> None:
    """Remove the lock files and the half-written packs of a fetch that was killed."""
    for repository in repositories:
        stale = [*repository.glob("*.lock"), *repository.glob("shallow_*")]
        stale += (repository / "refs").rglob("*.lock")
        stale += (repository / "objects" / "pack").glob("tmp_*")
        stale += (repository / "objects" / "pack").glob("*.keep")
        for path in stale:
            with contextlib.suppress(OSError):
                path.unlink()
