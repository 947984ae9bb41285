"""An upstream module proxy: a client of the GOPROXY protocol (https://go.dev/ref/mod#goproxy-protocol)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from goproxy_mirror.errors import (
    Blocked,
    MirrorError,
    NotFound,
    SettingError,
    SourceUnavailable,
)
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Query, Version
from goproxy_mirror.ports import Found, Home, Info
from goproxy_mirror.sources.reading import (
    MOST_INFO,
    MOST_LIST,
    MOST_MOD,
    MOST_ZIP,
    Listed,
    Unreadable,
    check_list,
    check_mod,
    check_zip,
    newest,
    read_info,
    read_list,
    tagged,
)
from goproxy_mirror.sources.refusals import refusal, via
from goproxy_mirror.transport import Target, Transport, UrlError, shown


class UpstreamSource:
    """`ports.Source` over HTTP. 404 and 410 are the upstream's word that there is no such thing, unless they
    are disguised outages; every other status is an outage.
    """

    def __init__(
        self,
        url: str,
        transport: Transport,
        *,
        instance: str = "",
        led: bool = False,
        credentials: bool | None = None,
    ) -> None:
        """`url` may have a path, and credentials, which go to that host alone. `instance` is our name in
        `Via`.

        `led`: a module's page named the URL, so it may lead to public addresses only. `credentials`: what is set for the
        URL may be used; None: unless it is led. Raises `SettingError` for what is no such URL, `Blocked` where it is a
        page's.
        """
        self._base = url.rstrip("/")
        self._transport = transport
        self._instance = instance
        self._led = led
        self._credentials = not led if credentials is None else credentials
        self.home = Home("upstream", shown(self._base))
        try:
            self.host = Target.parse(url).authority
            """Whom it asks, as `Unreachable.host` names it."""
        except UrlError as error:
            kind = Blocked if led else SettingError
            raise kind(f"{self.home.name} cannot be an upstream: {error}") from None

    async def is_back(self) -> bool:
        """Whether the host, which did not answer a moment ago, can be connected to again. Takes a second at most."""
        return await self._transport.is_back(self._base, led=self._led)

    async def versions(self, path: ModulePath) -> Found[tuple[Version, ...]]:
        return Found(tagged(await self._list(path)), self.home)

    async def latest(self, path: ModulePath) -> Found[Info]:
        asked = f"{path}@latest"
        try:
            body = await self._get(f"{path.escaped}/@latest", asked, MOST_INFO)
        except NotFound as absence:
            # Trees of files have no @latest; the go command falls back on the list then, and so do we.
            version = newest(await self._list_or_nothing(path))
            if version is None:
                raise absence from None
            return await self.info(ModuleVersion(path, version))
        return Found(self._read(asked, path, body), self.home)

    async def resolve(self, path: ModulePath, query: Query) -> Found[Info]:
        asked = f"{path}@{query}"
        body = await self._get(f"{path.escaped}/@v/{query.escaped}.info", asked, MOST_INFO)
        return Found(self._read(asked, path, body), self.home)

    async def info(self, mv: ModuleVersion) -> Found[Info]:
        body = await self._get(_file(mv, ".info"), f"{mv}", MOST_INFO)
        return Found(self._read(f"{mv}", mv.path, body, mv.version), self.home)

    async def go_mod(self, mv: ModuleVersion) -> Found[bytes]:
        body = await self._get(_file(mv, ".mod"), f"{mv}.mod", MOST_MOD)
        try:
            check_mod(body)
        except Unreadable as error:
            raise self._unreadable(f"{mv}.mod", error) from None
        return Found(body, self.home)

    async def zip(self, mv: ModuleVersion, into: Path) -> Found[None]:
        asked = f"{mv}.zip"
        try:
            saved = await self._transport.save(
                self._url(_file(mv, ".zip")),
                into,
                limit=MOST_ZIP,
                led=self._led,
                credentials=self._credentials,
                headers=self._headers(),
            )
            if saved.status != HTTPStatus.OK:
                raise refusal(asked, self.home.name, saved)
            await asyncio.to_thread(check_zip, into)
        except Unreadable as error:
            raise self._unreadable(asked, error) from None
        except MirrorError as error:
            error.source = self.home.name
            raise
        return Found(None, self.home)

    async def _list(self, path: ModulePath) -> list[Listed]:
        body = await self._get(f"{path.escaped}/@v/list", f"{path}@v/list", MOST_LIST)
        try:
            check_list(body)
        except Unreadable as error:
            raise self._unreadable(f"{path}@v/list", error) from None
        return await asyncio.to_thread(read_list, path, body)

    async def _list_or_nothing(self, path: ModulePath) -> list[Listed]:
        try:
            return await self._list(path)
        except NotFound:
            return []

    async def _get(self, path: str, asked: str, limit: int) -> bytes:
        try:
            reply = await self._transport.get(
                self._url(path),
                limit=limit,
                led=self._led,
                credentials=self._credentials,
                headers=self._headers(),
            )
        except MirrorError as error:
            error.source = self.home.name
            raise
        if reply.status != HTTPStatus.OK:
            raise refusal(asked, self.home.name, reply)
        return reply.body

    def _url(self, path: str) -> str:
        # As the go command escapes it, `!` included, so that every cache in between sees one URL for one
        # file.
        return f"{self._base}/{quote(path, safe='/$&+=:@~')}"

    def _headers(self) -> Mapping[str, str]:
        return via(self._instance)

    def _read(self, asked: str, path: ModulePath, body: bytes, version: Version | None = None) -> Info:
        try:
            return read_info(path, body, version)
        except Unreadable as error:
            raise self._unreadable(asked, error) from None

    def _unreadable(self, asked: str, error: Unreadable) -> SourceUnavailable:
        return SourceUnavailable(f"{asked}: {self.home.name} {error.message}", source=self.home.name)


def _file(mv: ModuleVersion, ending: str) -> str:
    return f"{mv.path.escaped}/@v/{mv.version.escaped}{ending}"
