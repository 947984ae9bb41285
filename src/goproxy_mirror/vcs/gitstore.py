"""The local copies of one repository: what is fetched, how, and into which of two bare repositories.

`objects.git` holds single revisions, each fetched at depth 1 with all its files, since to ask twice takes longer than
what a usual repository weighs. Where the first one is too heavy for that, they come with their folders, go.mod files
and some small files; others follow when a module is to be made of them, all in one fetch. `history.git` holds commits
without files, and only those that ancestry was asked about. So nothing is ever deepened, and neither waits for the
other's shape. A server that cannot leave files out sends them all. One that gives no file or no revision by itself is
asked for whole revisions, or for everything, as the go command does.

Both are written under one lock and read without. git is told of the remote as one that promised the files it left
out while it fetches, and of no remote while it reads; it never fetches one file by one, behind our back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from functools import partial
from pathlib import Path

from goproxy_mirror.errors import SourceTimeout, SourceUnavailable, Unreachable
from goproxy_mirror.vcs import gitbare, objects
from goproxy_mirror.vcs.gitcmd import Git
from goproxy_mirror.vcs.gitfetch import Broken, Damaged, Fetcher, Moved, TooMuch, UnknownId
from goproxy_mirror.vcs.gitlock import FolderLock

_LISTING = ("ls-tree", "-r", "-z", "-l", "--full-tree", "--end-of-options")
_LISTING_LIMIT = 256 << 20
_MOST_AT_ONCE = 64
_MOST_GO_MODS = 2000
_MARKS = 32

LARGEST_FILE = 500 << 20
"""Bytes; no module may be larger. Larger files are not even fetched, where the server can leave them out."""

_MOST_OF_A_MODULE = LARGEST_FILE + (16 << 20)
"""Bytes that the files of one module may come to, were they not compressed at all."""

_ONE_REVISION = ("--depth=1", "--update-shallow")
_BUT_THE_LARGEST = f"blob:limit={LARGEST_FILE}"

# Most go.mod files are smaller, and all that is smaller is less than a tenth of a usual repository: cheaper than
# asking for the go.mod files by themselves. Later revisions are told apart from the first, so that only what changed
# comes; as changes to files that are not here would be of no use, these then come by themselves.
_SMALL_FILES = "blob:limit=4k"
_NO_FILES = "blob:none"

_NO_ANSWER = (Unreachable, SourceTimeout, Broken, Damaged)
_NO_REFUSAL = (*_NO_ANSWER, TooMuch)
"""Failures that say nothing about what the server can do."""


class Form(Enum):
    """What `objects.git` holds of its revisions. The value is written there."""

    PARTS = "parts"
    WHOLE = "whole"
    ALL = "all"
    """Everything that heads and tags reach, with its history."""


class LocalCopy:
    """The folder of one repository. `whole_up_to`: bytes of a first fetch with all files, None for any; `wait` in seconds."""

    def __init__(
        self, git: Git, folder: Path, fetcher: Fetcher, *, whole_up_to: int | None, wait: float
    ) -> None:
        self._git = git
        self._fetcher = fetcher
        self._whole_up_to = whole_up_to
        self._first_form = Form.PARTS if whole_up_to == 0 else Form.WHOLE
        self.folder = folder
        self.objects = folder / "objects.git"
        self._commits = folder / "history.git"
        self._lock = FolderLock(folder / "lock", wait=wait)
        self._wanted: dict[str, str | None] = {}
        self._held: set[str] = set()
        self._not_held: dict[str, int] = {}

    @property
    def history(self) -> Path:
        """The repository that ancestry is read from."""
        return self.objects if self._form() is Form.ALL else self._commits

    async def fetch_revision(self, oid: str, tip: str | None, *, sha256: bool) -> None:
        """See to it that `objects.git` holds a commit and its folders.

        `tip` is the id by which the remote advertises it (that of the tag, for an annotated one), or None. Revisions
        that are asked for while another fetch runs are fetched together. Raises `Moved`.
        """

        async def work(lock: int) -> None:
            await self._make(self.objects, sha256=sha256)
            if not await self.holds(oid):
                await self._fetch_wanted(oid, tip, lock, sha256=sha256)

        if await self.holds(oid):
            return
        self._wanted[oid] = tip
        try:
            await self._write(work)
        finally:
            self._wanted.pop(oid, None)

    async def fetch_blobs(
        self, oids: Sequence[str], revision: str, tip: str | None, *, most: bool, sha256: bool
    ) -> None:
        """See to it that `objects.git` holds these files of a revision that it holds, by one fetch at most.

        Where they are `most` of its files the whole revision is fetched again: a server packs that better, knows
        what it has packed before, and can leave out the largest. What is missing from a whole revision is one of
        those, and is not fetched by itself either.
        """

        async def work(lock: int) -> None:
            missing = await self.missing(oids)
            if not missing or self._form() is not Form.PARTS or gitbare.is_whole(self.objects, revision):
                return
            fetch = partial(self._fetcher.fetch, self.objects, lock=lock)
            try:
                if most:
                    names = (f"{revision}:{gitbare.WHOLE}/{revision}",)
                    await fetch(names, *_ONE_REVISION, "--refetch", leaving_out=_BUT_THE_LARGEST)
                else:
                    await fetch(missing, leaving_out=_NO_FILES, telling=False, at_most=_MOST_OF_A_MODULE)
            except _NO_REFUSAL:
                raise
            except SourceUnavailable:
                await self._start_anew(Form.WHOLE, sha256=sha256)
                await self._fetch_revisions({revision: tip}, lock, sha256=sha256)

        await self._write(work)

    async def fetch_history(self, wanted: Mapping[str, str], *, sha256: bool) -> None:
        """See to it that `history` holds these commits (id to ref name, or to the id) and all before them.

        Raises `Moved`.
        """

        async def work(lock: int) -> None:
            if self._form() is not Form.ALL:
                try:
                    await self._make(self._commits, sha256=sha256)
                    await self._fetch_commits(wanted, lock)
                except (*_NO_REFUSAL, Moved):
                    raise
                except SourceUnavailable:
                    await self._start_anew(Form.ALL, sha256=sha256)
            if await self._fetcher.missing(self.history, wanted) and self._form() is Form.ALL:
                await self._fetch_everything(lock)
            if await self._fetcher.missing(self.history, wanted):
                raise self._fetcher.moved()

        if self._is_damaged() or await self._fetcher.missing(self.history, wanted):
            await self._write(work)

    async def holds(self, oid: str) -> bool:
        """Whether `objects.git` holds a revision."""
        if self._is_damaged() or not gitbare.is_made(self.objects):
            self._held.clear()
            return False
        if oid in self._held:
            return True
        packed = gitbare.packed_at(self.objects)
        if self._not_held.get(oid) == packed:
            return False
        if await self.missing((oid,)):
            # Asked again at once, under the lock: nothing can have come as long as no pack has.
            self._not_held = {oid: packed}
            return False
        self._held.add(oid)
        return True

    async def missing(self, oids: Iterable[str]) -> list[str]:
        """Which of these objects `objects.git` does not have."""
        return await self._fetcher.missing(self.objects, oids)

    async def knows(self, oid: str) -> bool:
        """Whether `history` holds a commit."""
        return not await self._fetcher.missing(self.history, (oid,))

    def damaged(self) -> Damaged:
        """A copy could not be read: from now on it counts as absent, and the next fetch makes it anew."""
        self._held.clear()
        with contextlib.suppress(OSError):
            (self.folder / "damaged").touch()
        return self._fetcher.damaged()

    async def _fetch_wanted(self, oid: str, tip: str | None, lock: int, *, sha256: bool) -> None:
        others = [wanted for wanted in self._wanted.items() if wanted[0] not in self._held]
        together = {**dict(others[: _MOST_AT_ONCE - 1]), oid: tip}
        try:
            await self._fetch_revisions(together, lock, sha256=sha256)
        except _NO_ANSWER:
            raise
        except SourceUnavailable:
            if len(together) == 1:
                raise
            # One that is wrong must not fail the others.
            together = {oid: tip}
            await self._fetch_revisions(together, lock, sha256=sha256)
        self._held.update(together)

    async def _fetch_revisions(self, wanted: Mapping[str, str | None], lock: int, *, sha256: bool) -> None:
        """Fetch revisions (id to tip) by their ids, and where that is refused, everything that is advertised."""
        if self._form() is not Form.ALL:
            try:
                await self._fetch_by_id(wanted, lock, sha256=sha256)
            except (*_NO_REFUSAL, Moved):
                raise
            except UnknownId:
                if None not in wanted.values():
                    raise self._fetcher.moved() from None
                await self._start_anew(Form.ALL, sha256=sha256)
            except SourceUnavailable:
                await self._start_anew(Form.ALL, sha256=sha256)
        if self._form() is Form.ALL:
            await self._fetch_everything(lock)
        unmarked = [oid for oid in wanted if not gitbare.is_marked(self.objects, oid)]
        if unmarked and await self.missing(unmarked):
            raise self._fetcher.moved()
        gitbare.trim_marks(self.objects, _MARKS)
        if self._form() is Form.PARTS:
            await self._fetch_go_mods(wanted, lock)

    async def _fetch_by_id(self, wanted: Mapping[str, str | None], lock: int, *, sha256: bool) -> None:
        """Fetch revisions, each by itself: the first with all its files, unless they are too much.

        By id, since for a name git would have the refs listed once more. Every server gives what it advertises.
        """
        names = [f"{tip or oid}:refs/at/{oid}" for oid, tip in wanted.items()]
        fetch = partial(self._fetcher.fetch, self.objects, names, *_ONE_REVISION, lock=lock)
        first = not gitbare.marks(self.objects)
        if self._form() is Form.WHOLE:
            try:
                await fetch(leaving_out=_BUT_THE_LARGEST, at_most=self._whole_up_to if first else None)
            except TooMuch:
                if not first or self._whole_up_to is None:
                    raise
            else:
                return
            await self._start_anew(Form.PARTS, sha256=sha256)
        await fetch(leaving_out=_SMALL_FILES if first else _NO_FILES)

    async def _fetch_everything(self, lock: int) -> None:
        names = ("refs/heads/*:refs/all/heads/*", "refs/tags/*:refs/all/tags/*")
        await self._fetcher.fetch(
            self.objects, names, "--update-shallow", "--prune", leaving_out=None, lock=lock
        )

    async def _fetch_commits(self, wanted: Mapping[str, str], lock: int) -> None:
        # Most tags lie on branches: then they come with those, and need not be named one by one.
        branches = [oid for oid, name in wanted.items() if not name.startswith("refs/tags/")]
        for some in (branches, wanted):
            missing = await self._fetcher.missing(self._commits, some)
            if missing:
                names = [f"{wanted[oid]}:refs/at/{oid}" for oid in missing]
                await self._fetcher.fetch(self._commits, names, leaving_out="tree:0", lock=lock)

    async def _fetch_go_mods(self, revisions: Iterable[str], lock: int) -> None:
        """The files that every version is judged by, where they have not come with the folders.

        Failing here fails nothing, since they will be asked for again.
        """
        wanted: dict[str, None] = {}
        for revision in revisions:
            listing = await self._git.run(self.objects, (*_LISTING, revision), output_limit=_LISTING_LIMIT)
            entries = objects.parse_tree(listing.stdout)
            absent = (entry for entry in entries if entry.size is None and objects.is_named(entry, b"go.mod"))
            wanted |= dict.fromkeys(entry.id for entry in absent)
        if 0 < len(wanted) <= _MOST_GO_MODS:
            with contextlib.suppress(SourceUnavailable):
                await self._fetcher.fetch(
                    self.objects, [*wanted], leaving_out=_NO_FILES, lock=lock, telling=False
                )

    async def _write(self, work: Callable[[int], Awaitable[None]]) -> None:
        """Do some work under the lock, and once more if a copy turned out to be damaged."""
        try:
            async with self._writing() as lock:
                return await work(lock)
        except Damaged:
            self.damaged()
            async with self._writing() as lock:
                return await work(lock)

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[int]:
        """The lock, with copies in good order; gives the lock's descriptor."""
        async with self._lock.hold() as descriptor:
            busy, damaged = self.folder / "busy", self.folder / "damaged"
            if damaged.exists():
                self._held.clear()
                await asyncio.to_thread(gitbare.remove, self.objects)
                await asyncio.to_thread(gitbare.remove, self._commits)
                damaged.unlink(missing_ok=True)
            if busy.exists():
                await asyncio.to_thread(gitbare.heal, self.folder, (self.objects, self._commits))
            busy.touch()
            yield descriptor
            # Left alone where the block fails: what was killed may have left something behind.
            busy.unlink(missing_ok=True)

    async def _make(self, repository: Path, *, sha256: bool, form: Form | None = None) -> None:
        if not gitbare.is_made(repository):
            form = form or self._first_form
            await gitbare.make(repository, form=form.value, sha256=sha256)

    async def _start_anew(self, form: Form, *, sha256: bool) -> None:
        """Throw away what is here in another form: a server takes a revision for here, however little of it is."""
        self._held.clear()
        await asyncio.to_thread(gitbare.remove, self.objects)
        await self._make(self.objects, sha256=sha256, form=form)

    def _form(self) -> Form:
        return Form(gitbare.form_of(self.objects) or self._first_form.value)

    def _is_damaged(self) -> bool:
        return (self.folder / "damaged").exists()
