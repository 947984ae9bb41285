"""Repositories of Mercurial, Subversion and Fossil: by the go command, where it and the system are on the server.

The go command downloads a repository for each question. So it works in a folder that is kept for a short time, and what
it has made of a version is kept there as long: `.info`, `.mod` and `.zip` of a version are one run. Then the folder goes.

The go command takes much that went wrong in a version control system for an absence: it lists no versions where the
list could not be fetched, and knows no revision of a repository that does not answer. So its no is believed only where
it named a commit of the repository, there or for the newest revision.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path

from goproxy_mirror.errors import (
    InvalidVersion,
    MirrorError,
    NeedsTool,
    NoRepository,
    NotFound,
    SourceUnavailable,
    StorageError,
    disk_failures,
)
from goproxy_mirror.module.gojson import go_json
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import INCOMPATIBLE, ModuleVersion, Query, Version
from goproxy_mirror.ports import Info, RepoRoot
from goproxy_mirror.process import Runner
from goproxy_mirror.transport import Transport
from goproxy_mirror.vcs.gitlock import try_lock
from goproxy_mirror.vcs.gocommand import GoAnswer, GoCommand, cached
from goproxy_mirror.vcs.shared import Shared

_NAMES = {"hg": "Mercurial", "svn": "Subversion", "fossil": "Fossil"}
_MOST_AT_ONCE = 4
_MOST_OPENED = 256

# hg reads revisions as expressions, some of which ask other repositories; these are names and nothing else.
_PLAIN = re.compile(r"[0-9A-Za-z_][0-9A-Za-z_.+-]*")
# Words that the go command takes for itself.
_RELATIVE = frozenset({"latest", "upgrade", "patch", "none"})

_TOOL_FAILED = re.compile(r" in \S+: (?:exit status|signal)|fork/exec |executable file not found")
_GONE = re.compile(r"HTTP Error (?:404|410)\b")
_PRIVATE = re.compile(r"HTTP Error 40[13]\b|(?i:authorization (?:failed|required))")
_TOO_NEW = re.compile(r"requires go >= ?(\S+)")


class FallbackRepositories:
    """Opens repositories; the folders of the go command are made in `folder`.

    `keep`: seconds for which such a folder serves further questions. `timeout`: seconds for one run.
    """

    def __init__(
        self,
        folder: Path,
        runner: Runner,
        transport: Transport,
        *,
        keep: float = 60.0,
        timeout: float = 600.0,
    ) -> None:
        self._folder = folder
        self._runner = runner
        self._transport = transport
        self._keep = keep
        self._timeout = timeout
        self._turns = asyncio.Semaphore(_MOST_AT_ONCE)
        self._opened: dict[RepoRoot, FallbackRepository] = {}
        self._places: set[_Place] = set()

    def open(self, root: RepoRoot) -> FallbackRepository:
        """The repository; nothing is asked yet."""
        repository = self._opened.pop(root, None) or FallbackRepository(self, root)
        self._opened[root] = repository
        if len(self._opened) > _MOST_OPENED:
            del self._opened[next(iter(self._opened))]
        return repository

    async def aclose(self) -> None:
        """Remove all folders."""
        for place in list(self._places):
            await place.retire()

    async def check(self, root: RepoRoot) -> None:
        """Raise `NeedsTool` where a program is missing; `Blocked` or `Unreachable` where the host may not or cannot be asked."""
        if not (self._runner.finds("go") and self._runner.finds(root.vcs)):
            raise NeedsTool(
                f"{root.root}: its repository {root.url} is kept in {_NAMES[root.vcs]}; that needs {root.vcs} and go on the "
                "server",
                source=root.url,
            )
        await self._transport.connectable(root.url)

    async def place(self, root: RepoRoot) -> _Place:
        """A new folder for a repository, which goes when its time is up."""
        folder, lock = await asyncio.to_thread(_make_folder, self._folder)
        place = _Place(GoCommand(folder, self._runner, self._transport, root), lock, self._places.discard)
        self._places.add(place)
        asyncio.get_running_loop().call_later(self._keep, place.expire)
        return place

    async def ask(self, place: _Place, *arguments: str) -> GoAnswer:
        """Ask the go command, when it is this question's turn."""
        async with self._turns:
            return await place.go.ask(*arguments, timeout=self._timeout)


class FallbackRepository:
    """The modules of one repository. Each method raises as those of `ports.Source`, and `NeedsTool`."""

    def __init__(self, repositories: FallbackRepositories, root: RepoRoot) -> None:
        self._repositories = repositories
        self._root = root
        self._place: _Place | None = None
        self._making = asyncio.Lock()
        self._infos: Shared[Info] = Shared()
        self._lists: Shared[tuple[Version, ...]] = Shared()
        self._downloads: Shared[GoAnswer] = Shared()

    async def versions(self, path: ModulePath) -> tuple[Version, ...]:
        """What the tags say."""
        return await self._lists.do(path, lambda: self._versions(path))

    async def latest(self, path: ModulePath) -> Info:
        """What `go list -m PATH@latest` names."""
        return await self._infos.do((path, "latest"), lambda: self._named(path, "latest"))

    async def resolve(self, path: ModulePath, query: Query) -> Info:
        """The version that a branch, a tag, a revision, `v1` or `v1.2` names."""
        text = query.value
        if text in _RELATIVE or not _PLAIN.fullmatch(text):
            raise NotFound(
                f"{path}: {text} names no revision in {_NAMES[self._root.vcs]}", source=self._root.url
            )
        return await self._infos.do((path, text), lambda: self._named(path, text))

    async def info(self, mv: ModuleVersion) -> Info:
        """The `.info` of exactly that version."""
        async with self._using() as place:
            answer = await self._download(place, mv)
            return await asyncio.to_thread(self._read_info, _made(answer, "Info", mv), mv.version)

    async def go_mod(self, mv: ModuleVersion) -> bytes:
        """The `.mod` of exactly that version."""
        async with self._using() as place:
            answer = await self._download(place, mv)
            return await asyncio.to_thread(_made(answer, "GoMod", mv).read_bytes)

    async def zip(self, mv: ModuleVersion, into: Path) -> None:
        """Write the zip to `into`."""
        async with self._using() as place:
            made = _made(await self._download(place, mv), "Zip", mv)
            with disk_failures("write the zip"):
                await asyncio.to_thread(shutil.copyfile, made, into)

    async def _versions(self, path: ModulePath) -> tuple[Version, ...]:
        async with self._using() as place:
            arguments = ("list", "-m", "-e", "-json", "-versions", "-retracted", path.value)
            answer = await self._repositories.ask(place, *arguments)
            if answer.error:
                raise await self._refusal(place, path, answer)
            found = []
            for text in answer.value.get("Versions") or ():
                with suppress(InvalidVersion):
                    found.append(Version.parse_for(path, str(text)))
            if not found and not await self._is_read(place, path):
                raise answer.blocked or self._unread(path)
            return tuple(found)

    async def _named(self, path: ModulePath, query: str) -> Info:
        async with self._using() as place:
            answer = await self._repositories.ask(place, "list", "-m", "-e", "-json", f"{path}@{query}")
            if answer.error:
                raise await self._refusal(place, path, answer)
            if set(answer.commit) == {"0"}:
                # The go command makes a version of the null revision, where a repository of hg is empty.
                raise NotFound(f"{path}: there are no commits", source=self._root.url)
            version = Version.parse(answer.version)
            file = cached(place.go.folder, (path.escaped, version.escaped), ".info")
            return await asyncio.to_thread(self._read_info, file, version)

    async def _download(self, place: _Place, mv: ModuleVersion) -> GoAnswer:
        """What `go mod download` made; at least the `.info`."""

        async def download() -> GoAnswer:
            answer = await self._repositories.ask(place, "mod", "download", "-json", str(mv))
            if answer.file("Info") is None:
                raise await self._refusal(place, mv.path, answer)
            place.made[mv] = answer
            return answer

        return place.made.get(mv) or await self._downloads.do((place, mv), download)

    @asynccontextmanager
    async def _using(self) -> AsyncIterator[_Place]:
        """The folder, kept for the block."""
        await self._repositories.check(self._root)
        async with self._making:
            if self._place is None or self._place.expired:
                self._place = await self._repositories.place(self._root)
            place = self._place
            place.users += 1
        try:
            yield place
        finally:
            place.users -= 1
            if place.expired:
                await place.retire()

    async def _refusal(self, place: _Place, path: ModulePath, answer: GoAnswer) -> MirrorError:
        """What an error of the go command means."""
        if answer.blocked is not None:
            return answer.blocked
        if _TOOL_FAILED.search(answer.error):
            return self._tool_failure(path, answer.error)
        if _TOO_NEW.search(answer.error):
            return _needs_newer(answer.error, path, self._root)
        if answer.commit or await self._is_read(place, path):
            said = answer.error.replace(str(place.go.folder), "…")
            return NotFound(_first_line(said), source=self._root.url)
        return self._unread(path)

    async def _is_read(self, place: _Place, path: ModulePath) -> bool:
        """Whether the repository can be read now: its newest revision is known, be it of any use or not.

        Raises what is known to be in the way.
        """
        answer = await self._repositories.ask(place, "list", "-m", "-e", "-json", f"{path}@latest")
        if answer.commit or not answer.error:
            return True
        if answer.blocked is not None:
            raise answer.blocked
        if _TOOL_FAILED.search(answer.error):
            raise self._tool_failure(path, answer.error)
        return False

    def _tool_failure(self, path: ModulePath, said: str) -> MirrorError:
        url = self._root.url
        if _GONE.search(said):
            return NoRepository(f"{path}: there is no repository at {url}", source=url)
        if _PRIVATE.search(said):
            return NoRepository(f"{path}: there is no public repository at {url}", source=url)
        return self._unread(path)

    def _unread(self, path: ModulePath) -> SourceUnavailable:
        message = f"{path}: {self._root.vcs} could not read the repository {self._root.url}"
        return SourceUnavailable(message, source=self._root.url)

    def _read_info(self, file: Path, version: Version) -> Info:
        """The `.info` that the go command wrote, without what depends on how the version was asked for first."""
        try:
            body = file.read_bytes()
            value = json.loads(body)
            moment = datetime.fromisoformat(value["Time"])
            origin = value.get("Origin") or {}
            if origin.get("Ref") not in {None, version.value.removesuffix(INCOMPATIBLE)}:
                del origin["Ref"]
                body = go_json(value)
            if value["Version"] != version.value:
                raise ValueError("another version")
        except (OSError, ValueError, KeyError, TypeError) as error:
            message = f"the go command left no .info of {version} that can be read"
            raise SourceUnavailable(message, source=self._root.url) from error
        return Info(version, moment, body)


class _Place:
    """A folder of the go command, and what was made there; identity is all that two of them are compared by."""

    def __init__(self, go: GoCommand, lock: ExitStack, forget: Callable[[_Place], None]) -> None:
        self.go = go
        self.made: dict[ModuleVersion, GoAnswer] = {}
        self.users = 0
        self.expired = False
        self._lock = lock
        self._forget = forget
        self._removing: asyncio.Task[None] | None = None

    def expire(self) -> None:
        """From now on it serves only those who are there."""
        self.expired = True
        if self.users == 0:
            self._remove()

    async def retire(self) -> None:
        """Remove the folder, unless somebody still uses it."""
        self.expired = True
        if self.users == 0:
            await self._remove()

    def _remove(self) -> Awaitable[None]:
        if self._removing is None:
            self._removing = asyncio.create_task(asyncio.to_thread(self._remove_folder))
            self._forget(self)
        return asyncio.shield(self._removing)

    def _remove_folder(self) -> None:
        with self._lock:
            shutil.rmtree(self.go.folder, ignore_errors=True)


def _make_folder(base: Path) -> tuple[Path, ExitStack]:
    """A folder that is locked for as long as the stack is open. What killed processes have left is removed."""
    try:
        base.mkdir(parents=True, exist_ok=True)
        for folder in base.iterdir():
            with try_lock(folder / "lock") as left:
                if left:
                    shutil.rmtree(folder, ignore_errors=True)
        while True:
            made, stack = Path(tempfile.mkdtemp(prefix="go-", dir=base)), ExitStack()
            if stack.enter_context(try_lock(made / "lock")):
                return made, stack
            stack.close()
    except OSError as error:
        raise StorageError("a folder for the go command could not be made in the state folder") from error


def _made(answer: GoAnswer, kind: str, mv: ModuleVersion) -> Path:
    """A file that the go command made, or its reason why not."""
    file = answer.file(kind)
    if file is not None:
        return file
    if answer.blocked is not None:
        raise answer.blocked
    if _TOO_NEW.search(answer.error):
        raise NeedsTool(f"{mv}: {_first_line(answer.error)}: that needs a newer go on the server")
    if _TOOL_FAILED.search(answer.error):
        raise SourceUnavailable(f"{mv}: its repository could not be read to the end")
    raise NotFound(f"{mv}: {_first_line(answer.error)}")


def _needs_newer(said: str, path: ModulePath, root: RepoRoot) -> NeedsTool:
    return NeedsTool(f"{path}: {_first_line(said)}: that needs a newer go on the server", source=root.url)


def _first_line(said: str) -> str:
    return said.strip().partition("\n")[0][:300]
