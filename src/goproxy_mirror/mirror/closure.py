"""Which files the go command needs for what a go.mod requires: the module graph as it loads it, and the build list.

The rules are those of https://go.dev/ref/mod#graph-pruning (cmd/go/internal/modload, readModGraph): of a module at go 1.17 or
later that a pruned graph has, what it requires is seen and not followed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from goproxy_mirror.errors import MirrorError
from goproxy_mirror.mirror.together import together
from goproxy_mirror.module.modfile import GoMod
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version

_PRUNES = (1, 17)

Load = Callable[[ModuleVersion], Awaitable[GoMod]]
Replaced = Callable[[ModuleVersion], ModuleVersion | GoMod | None]
"""What stands in a version's place: itself, another one, the go.mod of a folder of the developer's machine, or None where that
is not known."""


@dataclass(frozen=True, slots=True)
class Main:
    """What a main module requires. `prunes`: its own go.mod is at go 1.17 or later."""

    requires: tuple[ModuleVersion, ...]
    prunes: bool


@dataclass(slots=True)
class Closure:
    """`mods` are all whose go.mod is needed, `zips` those of them that are in the build list; `failed` says what could not be
    loaded, and why.

    `leaves` are the versions of the build list that are seen and not followed. No package of the main modules comes from there;
    tests of what they import may, which is why `go mod tidy` and `go test` of a dependency ask for them.
    """

    mods: set[ModuleVersion] = field(default_factory=set)
    zips: set[ModuleVersion] = field(default_factory=set)
    leaves: set[ModuleVersion] = field(default_factory=set)
    failed: dict[ModuleVersion, MirrorError] = field(default_factory=dict)


async def closure_of(
    mains: Sequence[Main],
    load: Load,
    *,
    replaced: Replaced = lambda mv: mv,
    excluded: Collection[ModuleVersion] = (),
    own: Collection[ModulePath] = (),
    parallel: int = 16,
) -> Closure:
    """The closure of main modules that are built together. `own` are their paths: earlier versions of those are looked at, and
    never built."""
    walk = _Walk(load, replaced, excluded, own, parallel)
    wanted = [(root, main.prunes) for main in mains for root in main.requires]
    await walk.follow(wanted)
    # A root that something else wants newer is what the go command loads next.
    while newer := [(mv, prunes) for mv, prunes in walk.newest(wanted) if mv not in walk.seen]:
        await walk.follow(newer)
    found = walk.found
    for mv in walk.selected():
        real = replaced(mv)
        if isinstance(real, ModuleVersion) and mv.path not in own:
            if mv not in walk.seen:
                found.leaves.add(real)
            elif real in found.mods:
                found.zips.add(real)
    return found


class _Walk:
    def __init__(
        self,
        load: Load,
        replaced: Replaced,
        excluded: Collection[ModuleVersion],
        own: Collection[ModulePath],
        parallel: int,
    ) -> None:
        self._load = load
        self._replaced = replaced
        self._excluded = excluded
        self._own = own
        self._places = asyncio.Semaphore(parallel)
        self._newest: dict[ModulePath, Version] = {}
        self._followed: set[tuple[ModuleVersion, bool]] = set()
        self.seen: set[ModuleVersion] = set()
        self.found = Closure()
        self._loaded: dict[ModuleVersion, GoMod] = {}

    def selected(self) -> list[ModuleVersion]:
        """The versions that minimal version selection takes."""
        return [ModuleVersion(path, version) for path, version in self._newest.items()]

    def newest(self, roots: Iterable[tuple[ModuleVersion, bool]]) -> list[tuple[ModuleVersion, bool]]:
        """The same of these modules."""
        return [
            (ModuleVersion(mv.path, self._newest[mv.path]), prunes)
            for mv, prunes in roots
            if mv.path in self._newest
        ]

    async def follow(self, mvs: Sequence[tuple[ModuleVersion, bool]]) -> None:
        """Load these and whatever has to be loaded because of them, a generation at a time."""
        generation = [(mv, prunes) for mv, prunes in mvs if self._see(mv)]
        while generation:
            fresh = [each for each in dict.fromkeys(generation) if each not in self._followed]
            self._followed.update(fresh)
            next_ones: list[tuple[ModuleVersion, bool]] = []
            await together(self._one(mv, pruned, next_ones) for mv, pruned in fresh)
            generation = next_ones

    async def _one(
        self, mv: ModuleVersion, pruned: bool, next_ones: list[tuple[ModuleVersion, bool]]
    ) -> None:
        self.seen.add(mv)
        go_mod = await self._read(mv)
        if go_mod is None:
            return
        itself_prunes = go_mod.language_at_least(*_PRUNES)
        counting = [required for required in go_mod.requires if self._see(required)]
        if not (pruned and itself_prunes):
            next_ones += [(required, pruned and itself_prunes) for required in counting]

    async def _read(self, mv: ModuleVersion) -> GoMod | None:
        real = self._replaced(mv)
        if not isinstance(real, ModuleVersion):
            return real
        go_mod = self._loaded.get(real)
        if go_mod is not None:
            return go_mod
        try:
            async with self._places:
                go_mod = await self._load(real)
        except MirrorError as error:
            if mv.path not in self._own:
                self.found.failed[real] = error
            return None
        self._loaded[real] = go_mod
        self.found.mods.add(real)
        return go_mod

    def _see(self, mv: ModuleVersion) -> bool:
        """Whether it counts."""
        if mv in self._excluded:
            return False
        known = self._newest.get(mv.path)
        if known is None or known < mv.version:
            self._newest[mv.path] = mv.version
        return True
