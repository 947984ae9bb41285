"""Which files the go command needs for what a go.mod requires: the module graph as it loads it, and the build list.

The rules are those of https://go.dev/ref/mod#graph-pruning (cmd/go/internal/modload, readModGraph): of a module at go 1.17 or
later that a pruned graph has, what it requires is seen and not followed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from goproxy_mirror.errors import MirrorError
from goproxy_mirror.mirror.together import together
from goproxy_mirror.module.modfile import GoMod
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version

_PRUNES = (1, 17)

Load = Callable[[ModuleVersion], Awaitable[GoMod]]
Replaced = Callable[[ModuleVersion], ModuleVersion | None]
"""What stands in a version's place: itself, another one, or None for a folder of the developer's machine."""


@dataclass(slots=True)
class Closure:
    """`mods` are all whose go.mod is needed, `zips` those of them that are in the build list; `failed` says what could not be
    loaded, and why."""

    mods: set[ModuleVersion] = field(default_factory=set)
    zips: set[ModuleVersion] = field(default_factory=set)
    failed: dict[ModuleVersion, MirrorError] = field(default_factory=dict)


async def closure_of(
    roots: Sequence[ModuleVersion], load: Load, *, prunes: bool, replaced: Replaced, parallel: int = 16
) -> Closure:
    """The closure of what a main module requires. `prunes`: its own go.mod is at go 1.17 or later."""
    walk = _Walk(load, replaced, parallel)
    await walk.follow(roots, prunes=prunes)
    paths = {root.path for root in roots}
    # A root that something else wants newer is what the go command loads next.
    while newer := [mv for mv in walk.selected(paths) if mv not in walk.seen]:
        await walk.follow(newer, prunes=prunes)
    found = walk.found
    chosen = walk.selected({mv.path for mv in walk.seen})
    found.zips = {each for mv in chosen if (each := replaced(mv)) is not None and each in found.mods}
    return found


class _Walk:
    def __init__(self, load: Load, replaced: Replaced, parallel: int) -> None:
        self._load = load
        self._replaced = replaced
        self._places = asyncio.Semaphore(parallel)
        self._newest: dict[ModulePath, Version] = {}
        self._followed: set[tuple[ModuleVersion, bool]] = set()
        self.seen: set[ModuleVersion] = set()
        self.found = Closure()
        self._loaded: dict[ModuleVersion, GoMod] = {}

    def selected(self, paths: set[ModulePath]) -> list[ModuleVersion]:
        """The versions of these modules that minimal version selection takes."""
        return [
            ModuleVersion(path, self._newest[path]) for path in sorted(paths, key=str) if path in self._newest
        ]

    async def follow(self, mvs: Sequence[ModuleVersion], *, prunes: bool) -> None:
        """Load these and whatever has to be loaded because of them, a generation at a time."""
        generation = [(mv, prunes) for mv in mvs]
        for mv in mvs:
            self._see(mv)
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
        real = self._replaced(mv)
        if real is None:
            return
        go_mod = self._loaded.get(real)
        if go_mod is None:
            try:
                async with self._places:
                    go_mod = await self._load(real)
            except MirrorError as error:
                self.found.failed[real] = error
                return
            self._loaded[real] = go_mod
            self.found.mods.add(real)
        itself_prunes = go_mod.language_at_least(*_PRUNES)
        for required in go_mod.requires:
            self._see(required)
            if not (pruned and itself_prunes):
                next_ones.append((required, pruned and itself_prunes))

    def _see(self, mv: ModuleVersion) -> None:
        known = self._newest.get(mv.path)
        if known is None or known < mv.version:
            self._newest[mv.path] = mv.version
