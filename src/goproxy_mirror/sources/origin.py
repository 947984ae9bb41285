"""One repository as a source of one module: what the origin and each of its mirrors have in common."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

from goproxy_mirror.builder.resolve import ModuleBuilder
from goproxy_mirror.errors import NeedsTool, NotFound, Unbuildable
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
        return await self._said(self._builder(mv.path).go_mod(mv.version))

    async def zip(self, mv: ModuleVersion, into: Path) -> Found[None]:
        return await self._said(self._builder(mv.path).zip(mv.version, into))

    def _builder(self, path: ModulePath) -> ModuleBuilder:
        return ModuleBuilder(self._repository, self._root, path)

    async def _said(self, question: Awaitable[T]) -> Found[T]:
        try:
            return Found(await question, self._home)
        except Unbuildable as error:
            if self.authority:
                raise NotFound(error.message, source=error.source) from error
            raise


class UnservedSource:
    """The origin of a module that is not kept in git: every question is answered with what the server would need."""

    def __init__(self, root: RepoRoot) -> None:
        self._root = root

    async def versions(self, path: ModulePath) -> Found[tuple[Version, ...]]:
        raise self._needs(path)

    async def latest(self, path: ModulePath) -> Found[Info]:
        raise self._needs(path)

    async def resolve(self, path: ModulePath, query: Query) -> Found[Info]:
        raise self._needs(path)

    async def info(self, mv: ModuleVersion) -> Found[Info]:
        raise self._needs(mv.path)

    async def go_mod(self, mv: ModuleVersion) -> Found[bytes]:
        raise self._needs(mv.path)

    async def zip(self, mv: ModuleVersion, into: Path) -> Found[None]:
        raise self._needs(mv.path)

    def _needs(self, path: ModulePath) -> NeedsTool:
        vcs = self._root.vcs
        return NeedsTool(
            f"{path}: its repository {self._root.url} is kept in {vcs}, and this server builds from git alone"
        )
