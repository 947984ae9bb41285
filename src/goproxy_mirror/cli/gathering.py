"""What a bundle has to hold: what was named, with all that the go command needs for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from goproxy_mirror.cli.fetching import version_of
from goproxy_mirror.cli.projects import Project
from goproxy_mirror.cli.wanted import Wanted
from goproxy_mirror.errors import MirrorError
from goproxy_mirror.mirror.closure import Closure, Main, closure_of
from goproxy_mirror.mirror.exporting import Exporter
from goproxy_mirror.mirror.holdings import file_of
from goproxy_mirror.mirror.selection import Selection
from goproxy_mirror.module.version import ModuleVersion
from goproxy_mirror.ports import FileKind
from goproxy_mirror.web.services import ModuleJourney

Found = dict[ModuleVersion, set[FileKind]]


class Gathering:
    """Collects the versions and their files; `failed` is told of what could not be read."""

    def __init__(
        self, journey: ModuleJourney, exporter: Exporter, failed: Callable[[str, MirrorError], None]
    ) -> None:
        self._journey = journey
        self._exporter = exporter
        self._failed = failed
        self._found: Found = {}
        self._leaves: set[ModuleVersion] = set()

    async def all(
        self,
        globs: Sequence[str],
        wanted: Sequence[Wanted],
        listed: Sequence[Wanted],
        projects: Sequence[Project],
    ) -> tuple[Found, Found]:
        """What is needed, and what can be left out where it cannot be had.

        Globs stand for what is held, `wanted` for modules with what they require, `listed` for themselves alone.
        """
        for mv, kinds in (await self._exporter.held([Selection.parse(text) for text in globs])).items():
            self._add(mv, kinds)
        for each in listed:
            await self._named(each, alone=True)
        for each in wanted:
            await self._named(each, alone=False)
        for project in projects:
            self._take(
                await closure_of(
                    project.mains,
                    self._exporter.go_mod,
                    replaced=project.replaced,
                    excluded=project.excluded,
                    own=project.own,
                )
            )
        whole = set(FileKind)
        spare = {mv: whole for mv in self._leaves if self._found.get(mv) != whole}
        return self._found, spare

    @staticmethod
    def proven_by(keys: Iterable[str]) -> set[ModuleVersion]:
        """The versions whose records have to be in the bundle."""
        files = (file_of(key) for key in keys)
        return {file.mv for file in files if file is not None and file.kind is not FileKind.INFO}

    async def _named(self, wanted: Wanted, *, alone: bool) -> None:
        try:
            version = await version_of(self._journey, wanted)
        except MirrorError as error:
            self._failed(str(wanted), error)
            return
        mv = ModuleVersion(wanted.path, version)
        self._add(mv, set(wanted.kinds))
        if not alone:
            self._take(await closure_of([Main((mv,), prunes=True)], self._exporter.go_mod))

    def _take(self, closure: Closure) -> None:
        self._leaves |= closure.leaves
        for mv in closure.mods:
            self._add(mv, {FileKind.INFO, FileKind.MOD})
        for mv in closure.zips:
            self._add(mv, set(FileKind))
        for mv, error in closure.failed.items():
            self._failed(f"{mv}.mod", error)

    def _add(self, mv: ModuleVersion, kinds: set[FileKind]) -> None:
        self._found.setdefault(mv, set()).update(kinds)
