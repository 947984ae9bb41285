"""What the store holds of a module: a version counts as held when its `.info` and its `.mod` are there."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from goproxy_mirror.errors import InvalidVersion
from goproxy_mirror.module.path import ModulePath, unescape
from goproxy_mirror.module.version import Version
from goproxy_mirror.ports import FileKind, Storage, Turns


class Catalog:
    """Reads held versions off the store, and keeps the derived `@v/list` that makes it a `file://` proxy."""

    def __init__(self, storage: Storage, turns: Turns) -> None:
        self._storage = storage
        self._turns = turns
        self._changed: set[str] = set()

    async def held(self, path: ModulePath) -> tuple[Version, ...]:
        """All held versions, pseudo-versions too, in ascending order."""
        infos: set[str] = set()
        mods: set[str] = set()
        folder = f"{path.escaped}/@v/"
        async for key in self._storage.list(folder):
            name = key.removeprefix(folder)
            if name.endswith(FileKind.INFO.value):
                infos.add(name.removesuffix(FileKind.INFO.value))
            elif name.endswith(FileKind.MOD.value):
                mods.add(name.removesuffix(FileKind.MOD.value))
        versions = []
        for name in infos & mods:
            try:
                versions.append(Version.parse(unescape(name)))
            except InvalidVersion:
                continue  # not ours: somebody put it there
        return tuple(sorted(versions))

    def changed(self, path: ModulePath) -> None:
        """Something was published: `derive` has work to do, also where it is running and has read the store already."""
        self._changed.add(path.escaped)

    async def derive(self, path: ModulePath) -> None:
        """Bring `@v/list` up to date with all that is published until it ends.

        Read anew under a turn, so that of two processes' publications none is lost.
        """
        while path.escaped in self._changed:
            self._changed.discard(path.escaped)
            async with self._turns.hold(f"{path.escaped}/@v"):
                await self._derive(path, f"{path.escaped}/@v/list")

    async def withdraw(self, path: ModulePath, versions: Collection[Version]) -> None:
        """Take versions out of `@v/list` that are about to be removed from the store; `derive` is to follow."""
        async with self._turns.hold(f"{path.escaped}/@v"):
            await self._derive(path, f"{path.escaped}/@v/list", without=versions)

    async def _derive(self, path: ModulePath, key: str, without: Collection[Version] = ()) -> None:
        versions = [version for version in await self.held(path) if version not in without]
        body = "".join(f"{version}\n" for version in versions).encode()
        listed = await self._storage.find(key)
        if not versions:
            if listed is not None:
                await self._storage.delete(key)
        elif (
            listed is None
            or listed.size != len(body)
            or await asyncio.to_thread(listed.path.read_bytes) != body
        ):
            await self._storage.replace(key, body)
