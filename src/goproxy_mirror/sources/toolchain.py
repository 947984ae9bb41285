"""Go toolchains (`golang.org/toolchain`) from the sites that Go is downloaded from.

They stand at `direct` for that one module, in the place of a repository, which it has none of: its origin is a module proxy,
and many more sites have the distributions that its versions are made of.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Protocol, TypeVar

from goproxy_mirror.builder.toolchain import GO_MOD, TOOLCHAIN, Distribution, read_info, write_module
from goproxy_mirror.errors import (
    MirrorError,
    NotFound,
    OutageDisguised,
    SecurityError,
    SettingError,
    SourceUnavailable,
    Unbuildable,
    Unreachable,
    disk_failures,
)
from goproxy_mirror.module.modzip import MAX_ZIP
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Query, Version
from goproxy_mirror.ports import Found, Home, Info, Source
from goproxy_mirror.sources.refusals import refusal, via
from goproxy_mirror.sources.walk import NO_HOMES_FAILURE, Ask, Reach, Walking, joined
from goproxy_mirror.transport import Target, Transport, UrlError, shown

T = TypeVar("T")

_BEGINNING = 256 << 10
"""Bytes of an archive in which VERSION stands: it comes behind the licence and a few texts of its size."""

_NO_ABSENCE = (Unbuildable, SecurityError, OutageDisguised)
"""What is an outage in the end, whatever others deny."""


class ArchiveSite:
    """`ports.Source` of `golang.org/toolchain` over a site that has `goVERSION.GOOS-GOARCH.tar.gz` (`.zip` for windows).

    What a site has, nobody lists in a form to be relied on: lists and queries are `SourceUnavailable`. That an archive is not
    there is `NotFound`.
    """

    def __init__(self, url: str, transport: Transport, *, instance: str = "") -> None:
        """`instance` is our name in `Via`. Raises `SettingError` for what is no http(s) URL."""
        self._base = url.rstrip("/")
        self._transport = transport
        self._instance = instance
        self.home = Home("mirror", shown(self._base))
        try:
            self.host = Target.parse(self._base).authority
            """Whom it asks, as `Unreachable.host` names it."""
        except UrlError as error:
            raise SettingError(f"{self.home.name} cannot be a site of Go toolchains: {error}") from None

    async def is_back(self) -> bool:
        """Whether the host, which did not answer a moment ago, can be connected to again. Takes a second at most."""
        return await self._transport.is_back(self._base)

    async def versions(self, path: ModulePath) -> Found[tuple[Version, ...]]:
        raise self._unlisted(f"{path}@v/list")

    async def latest(self, path: ModulePath) -> Found[Info]:
        raise self._unlisted(f"{path}@latest")

    async def resolve(self, path: ModulePath, query: Query) -> Found[Info]:
        raise self._unlisted(f"{path}@{query}")

    async def info(self, mv: ModuleVersion) -> Found[Info]:
        return Found(await self._info(mv), self.home)

    async def go_mod(self, mv: ModuleVersion) -> Found[bytes]:
        # The same for all; but it is said only of what is there.
        return Found(GO_MOD, self.home, await self._info(mv))

    async def zip(self, mv: ModuleVersion, into: Path) -> Found[None]:
        archive = into.with_name(f"{into.name}.archive")
        with disk_failures("write the file"):
            await asyncio.to_thread(archive.touch, 0o600)
        try:
            url, headers = self._url(mv), via(self._instance)
            saved = await self._transport.save(url, archive, limit=MAX_ZIP, headers=headers)
            if saved.status != HTTPStatus.OK:
                raise refusal(f"{mv}.zip", self.home.name, saved)
            info = await self._made(archive, mv, into)
        except MirrorError as error:
            error.source = self.home.name
            raise
        finally:
            with suppress(OSError):
                archive.unlink(missing_ok=True)
        return Found(None, self.home, info)

    async def _made(self, archive: Path, mv: ModuleVersion, into: Path) -> Info:
        stopped = threading.Event()
        with disk_failures("write the zip"):
            work = asyncio.create_task(
                asyncio.to_thread(write_module, archive, mv, into, lambda: not stopped.is_set())
            )
            try:
                return await asyncio.shield(work)
            except SourceUnavailable as error:
                raise self._unusable(mv, error) from error
            except asyncio.CancelledError:
                # A thread cannot be stopped, and what it works on must not be taken away from under it.
                stopped.set()
                await asyncio.wait([work])
                if not work.cancelled():
                    work.exception()
                raise

    async def _info(self, mv: ModuleVersion) -> Info:
        try:
            url, headers = self._url(mv), via(self._instance)
            reply = await self._transport.get(url, limit=_BEGINNING, cut=True, headers=headers)
        except MirrorError as error:
            error.source = self.home.name
            raise
        if reply.status != HTTPStatus.OK:
            raise refusal(f"{mv}", self.home.name, reply)
        try:
            return await asyncio.to_thread(read_info, reply.body, mv)
        except SourceUnavailable as error:
            raise self._unusable(mv, error) from error

    def _url(self, mv: ModuleVersion) -> str:
        return f"{self._base}/{Distribution.of(mv.version).file}"

    def _unusable(self, mv: ModuleVersion, error: MirrorError) -> Unbuildable:
        return Unbuildable(f"{mv}: {self.home.name}: {error.message}", source=self.home.name)

    def _unlisted(self, asked: str) -> SourceUnavailable:
        message = f"{asked}: {self.home.name} has archives, and no list of toolchains"
        return SourceUnavailable(message, source=self.home.name)


@dataclass(frozen=True, slots=True)
class Site:
    """One place of toolchains. `lists`: it can be asked for more than the files of a version (a module proxy can).

    `is_back` finds out, within a second or so, whether a host that did not answer can be connected to again.
    """

    source: Source
    host: str
    lists: bool
    is_back: Callable[[], Awaitable[bool]]


class Homes(Source, Protocol):
    """What stands behind `direct` (`chain.Homes`)."""

    def mirrors_of(self, path: ModulePath, *, builtin: bool) -> Source | None: ...


class ToolchainFallback(Walking):
    """`chain.Homes`: the sites for `golang.org/toolchain`, and the inner homes for all other modules.

    So the sites are asked where an upstream list comes to `direct`, and, like the mirrors of a rule, whatever outage came
    before. With `named`, the operator has named them, and they are asked too where a list has no `direct`; never after `off`.
    """

    def __init__(self, inner: Homes, sites: Sequence[Site], reach: Reach, *, named: bool = False) -> None:
        self._inner = inner
        self._reach = reach
        self._named = named
        self._sites = _Sites(sites, reach)

    def mirrors_of(self, path: ModulePath, *, builtin: bool) -> Source | None:
        if path != TOOLCHAIN:
            return self._inner.mirrors_of(path, builtin=builtin)
        return self._sites if builtin or self._named else None

    async def _walk(self, path: ModulePath, ask: Ask[T]) -> Found[T]:
        return await ask(self._sites if path == TOOLCHAIN else self._inner)


class _Sites(Walking):
    """The sites in the operator's order; who did not answer a moment ago is asked last, and only if it is back."""

    def __init__(self, sites: Sequence[Site], reach: Reach) -> None:
        self._all = tuple(sites)
        self._reach = reach

    async def versions(self, path: ModulePath) -> Found[tuple[Version, ...]]:
        return await self._over(self._listing, path, lambda source: source.versions(path))

    async def latest(self, path: ModulePath) -> Found[Info]:
        return await self._over(self._listing, path, lambda source: source.latest(path))

    async def resolve(self, path: ModulePath, query: Query) -> Found[Info]:
        return await self._over(self._listing, path, lambda source: source.resolve(path, query))

    async def _walk(self, path: ModulePath, ask: Ask[T]) -> Found[T]:
        return await self._over(self._all, path, ask)

    @property
    def _listing(self) -> tuple[Site, ...]:
        """Those that can answer more than files; all of them where none can, so that they say so."""
        return tuple(site for site in self._all if site.lists) or self._all

    async def _over(self, sites: Sequence[Site], path: ModulePath, ask: Ask[T]) -> Found[T]:
        noes: list[NotFound] = []
        failures: list[MirrorError] = []
        resting = [self._reach.resting(site.host) for site in sites]
        for site, rests in sorted(zip(sites, resting, strict=True), key=lambda pair: pair[1]):
            if rests and not await site.is_back():
                failures.append(_not_back(site.host))
                continue
            try:
                found = await ask(site.source)
            except NotFound as error:
                noes.append(error)
            except Unreachable as error:
                self._reach.rest(site.host)
                failures.append(error)
            except NO_HOMES_FAILURE:
                raise
            except MirrorError as error:
                failures.append(error)
            else:
                self._reach.answered(site.host)
                return found
        if noes and not any(isinstance(error, _NO_ABSENCE) for error in failures):
            raise noes[0]
        if not failures:
            raise SourceUnavailable(f"{path}: no site of Go toolchains is set (toolchains)")
        raise joined([*failures, *noes])


def _not_back(host: str) -> Unreachable:
    return Unreachable(f"{host} did not answer a moment ago and is left alone for a minute", host=host)
