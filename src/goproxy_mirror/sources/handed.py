"""The files that somebody hands over: one version after the other, whatever they were kept in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from goproxy_mirror.errors import NotFound, SourceUnavailable
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Query, Version
from goproxy_mirror.ports import FileKind, Found, Home, Info
from goproxy_mirror.ports.moving import Lot, Offered
from goproxy_mirror.sources.reading import (
    MOST_INFO,
    MOST_MOD,
    MOST_ZIP,
    Unreadable,
    check_mod,
    check_zip,
    read_info,
)


class HandedSource:
    """`ports.Source` over the lots that are in hand. It lists nothing and resolves nothing."""

    def __init__(self, name: str) -> None:
        """`name` is where the files are from, fit for a log: no path of this machine, no credentials."""
        self.home = Home("upstream", name)
        self._lots: dict[ModuleVersion, Lot] = {}
        self._missing: set[tuple[ModuleVersion, FileKind]] = set()

    @contextmanager
    def holding(self, lot: Lot) -> Iterator[None]:
        """Have a version's files in hand."""
        self._lots[lot.mv] = lot
        try:
            yield
        finally:
            del self._lots[lot.mv]
            self._missing -= {(lot.mv, kind) for kind in FileKind}

    def lacks(self, mv: ModuleVersion, kind: FileKind) -> bool:
        """Whether a file in hand turned out not to be there."""
        return (mv, kind) in self._missing

    async def versions(self, path: ModulePath) -> Found[tuple[Version, ...]]:
        raise self._absent(f"{path}@v/list")

    async def latest(self, path: ModulePath) -> Found[Info]:
        raise self._absent(f"{path}@latest")

    async def resolve(self, path: ModulePath, query: Query) -> Found[Info]:
        raise self._absent(f"{path}@{query}")

    async def info(self, mv: ModuleVersion) -> Found[Info]:
        with self._noticing(mv, FileKind.INFO):
            body = await self._offered(mv, FileKind.INFO).read(MOST_INFO)
        with self._unreadable(f"{mv}.info"):
            return Found(await asyncio.to_thread(read_info, mv.path, body, mv.version), self.home)

    async def go_mod(self, mv: ModuleVersion) -> Found[bytes]:
        with self._noticing(mv, FileKind.MOD):
            body = await self._offered(mv, FileKind.MOD).read(MOST_MOD)
        with self._unreadable(f"{mv}.mod"):
            check_mod(body)
        return Found(body, self.home)

    async def zip(self, mv: ModuleVersion, into: Path) -> Found[None]:
        with self._noticing(mv, FileKind.ZIP):
            await self._offered(mv, FileKind.ZIP).copy(into, MOST_ZIP)
        with self._unreadable(f"{mv}.zip"):
            await asyncio.to_thread(check_zip, into)
        return Found(None, self.home)

    def _offered(self, mv: ModuleVersion, kind: FileKind) -> Offered:
        lot = self._lots.get(mv)
        if lot is None or kind not in lot.files:
            raise self._absent(f"{mv}{kind.value}")
        return lot.files[kind]

    def _absent(self, asked: str) -> NotFound:
        return NotFound(f"{asked}: not in {self.home.name}", source=self.home.name)

    @contextmanager
    def _noticing(self, mv: ModuleVersion, kind: FileKind) -> Iterator[None]:
        try:
            yield
        except NotFound:
            self._missing.add((mv, kind))
            raise

    @contextmanager
    def _unreadable(self, asked: str) -> Iterator[None]:
        try:
            yield
        except Unreadable as error:
            reason = error.message.replace("answered with ", "it is ").replace("answered ", "it is ")
            raise SourceUnavailable(f"{asked}: {reason}", source=self.home.name) from None
