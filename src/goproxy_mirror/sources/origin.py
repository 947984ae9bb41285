"""One repository as a source of its modules: what the origin and each of its mirrors have in common."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from typing import Protocol, TypeVar

from goproxy_mirror.builder.resolve import ModuleBuilder
from goproxy_mirror.errors import NotFound, Unbuildable
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Query, Version
from goproxy_mirror.ports import Found, Home, Info, RepoRoot, Repository

T = TypeVar("T")


class RepositorySource:
    """`ports.Source` for the modules of one repository, built under their canonical path.

    `root` says which path the repository's root stands for; the repository may be the origin's or a mirror's. With
    `authority` (the origin, a repository on a local path) what cannot be built is NotFound, as the go command has it.
    """

    def __init__(self, repository: Repository, root: RepoRoot, home: Home, *, authority: bool) -> None:
        self._repository = repository
        self._root = root
        self._home = home
        self.authority = authority

    async def versions(self, path: ModulePath) -> Found[tuple[Version, ...]]:
        return await self._said(self._builder(path).versions())

    async def latest(self, path: ModulePath) -> Found[Info]:
        return await self._said(self._builder(path).latest())

    async def resolve(self, path: ModulePath, query: Query) -> Found[Info]:
        return await self._said(self._builder(path).resolve(query))

    async def info(self, mv: ModuleVersion) -> Found[Info]:
        return await self._said(self._builder(mv.path).info(mv.version))

    async def go_mod(self, mv: ModuleVersion) -> Found[bytes]:
        found = await self._said(self._builder(mv.path).go_mod_and_info(mv.version))
        data, info = found.value
        return Found(data, found.home, info)

    async def zip(self, mv: ModuleVersion, into: Path) -> Found[None]:
        found = await self._said(self._builder(mv.path).zip(mv.version, into))
        return Found(None, found.home, found.value)

    def _builder(self, path: ModulePath) -> ModuleBuilder:
        return ModuleBuilder(self._repository, self._root, path)

    async def _said(self, question: Awaitable[T]) -> Found[T]:
        try:
            return Found(await question, self._home)
        except Unbuildable as error:
            if self.authority:
                raise NotFound(error.message, source=error.source) from error
            raise


class Fallback(Protocol):
    """The modules of a repository that is not kept in git (`vcs.fallback`)."""

    async def versions(self, path: ModulePath) -> tuple[Version, ...]: ...

    async def latest(self, path: ModulePath) -> Info: ...

    async def resolve(self, path: ModulePath, query: Query) -> Info: ...

    async def info(self, mv: ModuleVersion) -> Info: ...

    async def go_mod(self, mv: ModuleVersion) -> bytes: ...

    async def zip(self, mv: ModuleVersion, into: Path) -> None: ...


class FallbackSource:
    """`ports.Source` for the modules of an origin that is not kept in git."""

    def __init__(self, repository: Fallback, home: Home) -> None:
        self._repository = repository
        self._home = home

    async def versions(self, path: ModulePath) -> Found[tuple[Version, ...]]:
        return Found(await self._repository.versions(path), self._home)

    async def latest(self, path: ModulePath) -> Found[Info]:
        return Found(await self._repository.latest(path), self._home)

    async def resolve(self, path: ModulePath, query: Query) -> Found[Info]:
        return Found(await self._repository.resolve(path, query), self._home)

    async def info(self, mv: ModuleVersion) -> Found[Info]:
        return Found(await self._repository.info(mv), self._home)

    async def go_mod(self, mv: ModuleVersion) -> Found[bytes]:
        return Found(await self._repository.go_mod(mv), self._home)

    async def zip(self, mv: ModuleVersion, into: Path) -> Found[None]:
        await self._repository.zip(mv, into)
        return Found(None, self._home)
