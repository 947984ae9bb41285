"""Fetches what is wanted into the store, several modules at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from goproxy_mirror.cli.wanted import EVERY_FILE, Wanted
from goproxy_mirror.errors import InvalidVersion, MirrorError, NotFound, SourceUnavailable
from goproxy_mirror.mirror.answers import FileAnswer, TextAnswer
from goproxy_mirror.module.modfile import GoMod, InvalidModFile, parse_lax
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Query, Version
from goproxy_mirror.ports import FileKind
from goproxy_mirror.protocol import File, Latest, List, Resolve
from goproxy_mirror.web.services import ModuleJourney


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one module: `name` is path@version, `size` in bytes, `homes` where files came from just now.

    `problem` is why it failed, in one line.
    """

    name: str
    size: int = 0
    homes: tuple[str, ...] = ()
    problem: str | None = None


class Fetcher:
    """Asks the same journey that answers the go command. `parallel` bounds the modules in flight."""

    def __init__(self, journey: ModuleJourney, *, parallel: int) -> None:
        self._journey = journey
        self._turn = asyncio.Semaphore(parallel)

    async def fetch(self, wanted: Sequence[Wanted], done: Callable[[Outcome], None]) -> None:
        """Fetch everything; `done` is told of each module as soon as it is finished, in whatever order."""
        async with asyncio.TaskGroup() as tasks:
            for item in wanted:
                tasks.create_task(self._one(item, done))

    async def _one(self, wanted: Wanted, done: Callable[[Outcome], None]) -> None:
        name = str(wanted)
        async with self._turn:
            try:
                version = await self.version(wanted)
                name = f"{wanted.path}@{version}"
                files = [await self._file(wanted.path, version, kind) for kind in wanted.kinds]
            except MirrorError as error:
                done(Outcome(name, problem=error.line.removeprefix(f"{name}: ")))
                return
        homes = dict.fromkeys(file.home for file in files if file.home is not None)
        done(Outcome(name, sum(file.file.size for file in files), tuple(homes)))

    async def _file(self, path: ModulePath, version: Version, kind: FileKind) -> FileAnswer:
        answer = await self._journey.answer(File(ModuleVersion(path, version), kind))
        assert isinstance(answer, FileAnswer)
        return answer

    async def version(self, wanted: Wanted) -> Version:
        """The version that is meant."""
        if wanted.version == "latest":
            return await self._latest(wanted.path)
        try:
            return Version.parse_for(wanted.path, wanted.version)
        except InvalidVersion:
            return await self._named(Resolve(wanted.path, Query(wanted.version)))

    async def _latest(self, path: ModulePath) -> Version:
        """The version that `go get path@latest` takes: no retracted one, a release before any pre-release.

        Versions from before modules (+incompatible) do not count once the newest other one has a go.mod of its own
        (cmd/go/internal/modload, queryMatcher.filterVersions).
        """
        text = await self._text(List(path))
        listed = sorted(found for line in text.split() if (found := _version_or_none(path, line)) is not None)
        modular = [version for version in listed if not version.is_incompatible]
        if len(modular) < len(listed) and modular and (await self._go_mod(path, _preferred(modular))).go:
            listed = modular
        if not listed:
            return await self._named(Latest(path))
        retracting = await self._go_mod(path, _preferred(listed))
        kept = [version for version in listed if not retracting.is_retracted(str(version))]
        return _preferred(kept) if kept else await self._named(Latest(path))

    async def _go_mod(self, path: ModulePath, version: Version) -> GoMod:
        answer = await self._file(path, version, FileKind.MOD)
        body = await asyncio.to_thread(answer.path.read_bytes)
        try:
            return await asyncio.to_thread(parse_lax, body)
        except InvalidModFile:
            return GoMod()

    async def _named(self, request: Latest | Resolve) -> Version:
        """The version that an answer names."""
        body = await self._text(request)
        try:
            return Version.parse(str(json.loads(body)["Version"]))
        except (ValueError, KeyError, TypeError, NotFound):
            raise SourceUnavailable(f"{request}: the answer names no version") from None

    async def _text(self, request: List | Latest | Resolve) -> str:
        answer = await self._journey.answer(request)
        body = answer.body if isinstance(answer, TextAnswer) else answer.path.read_bytes()
        return body.decode("utf-8", "replace")


async def version_of(journey: ModuleJourney, wanted: Wanted) -> Version:
    """The version that is meant. Raises what the journey raises."""
    return await Fetcher(journey, parallel=1).version(wanted)


def _preferred(versions: Sequence[Version]) -> Version:
    """The newest release, or the newest pre-release where there is no release; of versions in ascending order."""
    return next((version for version in reversed(versions) if not version.is_prerelease), versions[-1])


def _version_or_none(path: ModulePath, text: str) -> Version | None:
    try:
        return Version.parse_for(path, text)
    except InvalidVersion:
        return None


__all__ = ["EVERY_FILE", "Fetcher", "Outcome"]
