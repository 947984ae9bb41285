"""A vulnerability database at several sites: its own, and copies of it (https://go.dev/security/vuln/database).

Nothing in it is signed. What cannot be one of its files (a login page, another entry, a list that is cut off) is not taken
for one, and what is older than what is known already is not either, so that the next site is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TypeVar

from goproxy_mirror.errors import MirrorError, NotFound, SettingError, SourceUnavailable, Unreachable
from goproxy_mirror.module.vulndb import (
    MOST_DB,
    MOST_ENTRY,
    MOST_INDEX,
    NoVulnDB,
    PackedJSON,
    VulnIndex,
    packed_json,
    read_entry,
    read_index,
    read_modified,
)
from goproxy_mirror.ports import Found, Home
from goproxy_mirror.ports.vulnerabilities import VulnEntry
from goproxy_mirror.sources.refusals import refusal, via
from goproxy_mirror.sources.walk import joined
from goproxy_mirror.transport import Target, Transport, UrlError, shown

T = TypeVar("T")


class _Older(SourceUnavailable):
    """The site has what was true once."""


@dataclass(frozen=True, slots=True)
class _Site:
    base: str
    home: Home
    host: str


class VulnDatabaseSites:
    """`ports.VulnDatabase`. `instance` is our name in `Via`. Raises `SettingError` for what is no http(s) URL."""

    def __init__(self, urls: Sequence[str], transport: Transport, *, instance: str = "") -> None:
        self._sites = tuple(map(_site, urls))
        self._transport = transport
        self._instance = instance

    async def index(self, held: datetime | None) -> Found[VulnIndex] | None:
        partial: list[Found[VulnIndex]] = []

        async def ask(site: _Site) -> Found[VulnIndex] | None:
            found = await self._index(site, held)
            if found is not None and not found.value.whole:
                partial.append(found)
                raise _Older(f"{site.home.name} is being changed: its lists are older than its index/db.json")
            return found

        found: Found[VulnIndex] | None = None
        try:
            found = await self._walk(ask)
        except MirrorError as error:
            # Where all that could be asked are behind, what is held is the newest there is.
            if not partial and not isinstance(error, _Older):
                raise
        return found or (partial[0] if partial else None)

    async def entry(self, name: str, promised: datetime | None) -> Found[VulnEntry]:
        async def ask(site: _Site) -> Found[VulnEntry]:
            try:
                file = await self._get(site, f"ID/{name}", MOST_ENTRY)
            except NotFound as error:
                if promised is None:
                    raise
                raise _Older(f"{error.message} (and yet the index has it)", source=site.home.name) from error
            modified = await asyncio.to_thread(read_entry, file.plain, name)
            if promised is not None and modified < promised:
                raise _Older(f"ID/{name}: {site.home.name} has it as it was at {modified}, before {promised}")
            return Found(VulnEntry(file.packed, modified), site.home)

        return await self._walk(ask)

    async def _walk(self, ask: Callable[[_Site], Awaitable[T]]) -> T:
        """The first answer. `NotFound` where a site says so and nobody has anything else; `_Older` where all are behind."""
        noes: list[NotFound] = []
        failures: list[MirrorError] = []
        hosts = self._transport.hosts
        resting = [hosts.resting(site.host) for site in self._sites]
        for site, rests in sorted(zip(self._sites, resting, strict=True), key=lambda pair: pair[1]):
            if rests and not await self._transport.is_back(site.base):
                message = f"{site.host} did not answer a moment ago and is left alone for a minute"
                failures.append(Unreachable(message, host=site.host, source=site.home.name))
                continue
            try:
                return await ask(site)
            except NotFound as error:
                noes.append(error)
            except NoVulnDB as error:
                failures.append(SourceUnavailable(f"{site.home.name} {error.message}", source=site.home.name))
            except MirrorError as error:
                error.source = site.home.name
                failures.append(error)
        if noes and all(isinstance(error, Unreachable) for error in failures):
            raise noes[0]
        if failures and all(isinstance(error, _Older) for error in failures):
            raise _Older("\n".join(error.message for error in failures), source=failures[0].source)
        raise joined([*failures, *noes])

    async def _index(self, site: _Site, held: datetime | None) -> Found[VulnIndex] | None:
        db = await self._must_have(site, "index/db", MOST_DB)
        modified = read_modified(db.plain, datetime.now(UTC))
        if modified == held:
            return None
        if held is not None and modified < held:
            raise _Older(f"{site.home.name} has the database as it was at {modified}, before {held}")
        modules = await self._must_have(site, "index/modules", MOST_INDEX)
        vulns: PackedJSON | None = None
        with suppress(NotFound):  # no client needs it, so that copies may do without
            vulns = await self._get(site, "index/vulns", MOST_INDEX)
        return Found(await asyncio.to_thread(read_index, modified, db, modules, vulns), site.home)

    async def _must_have(self, site: _Site, name: str, limit: int) -> PackedJSON:
        try:
            return await self._get(site, name, limit)
        except NotFound as error:
            raise SourceUnavailable(f"{error.message}, so it is no vulnerability database") from error

    async def _get(self, site: _Site, name: str, limit: int) -> PackedJSON:
        """A file, as clients ask for it (`.json.gz`), or else plain: a copy may have one of the two."""
        absence: NotFound | None = None
        for path in (f"{name}.json.gz", f"{name}.json"):
            url = f"{site.base}/{path}"
            reply = await self._transport.get(url, limit=limit, headers=via(self._instance))
            if reply.status == HTTPStatus.OK:
                return await asyncio.to_thread(packed_json, reply.body, limit)
            error = refusal(path, site.home.name, reply)
            if not isinstance(error, NotFound):
                raise error
            absence = absence or error
        assert absence is not None
        raise absence


def _site(url: str) -> _Site:
    base = url.rstrip("/")
    try:
        return _Site(base, Home("upstream", shown(base)), Target.parse(base).authority)
    except UrlError as error:
        raise SettingError(f"{shown(base)!r} cannot be a vulnerability database: {error}") from None
