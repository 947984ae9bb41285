"""Checksum databases, each at several places: its own hosts, and proxies that pass it through.

The protocol is that of https://go.dev/design/25530-sumdb. What is answered is not verified here; but what
cannot be an answer at all (a login page, a tile of another size) is not taken for one, so that the next place
is asked.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

from goproxy_mirror.errors import MirrorError, NotFound, SettingError, SourceUnavailable
from goproxy_mirror.ports import Found, Home
from goproxy_mirror.sources.refusals import refusal, via
from goproxy_mirror.transport import Target, Transport, UrlError, shown

MOST_TEXT = 1 << 20
"""Bytes of `latest` and of a `lookup/…`, which have some hundred."""

MOST_TILE = 8 << 20
"""Bytes of a `tile/…`: one of hashes has 8 KiB, one of data some 100 KiB."""

_HASH_TILE = re.compile(r"tile/(\d{1,2})/\d{1,2}/[x\d/]+(?:\.p/(\d{1,9}))?")
_LOOKUP = re.compile(rb"\d{1,19}\n[^\n]")
_TREE = b"go.sum database tree\n"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a database can be asked. `passed_on`: by a proxy, which may say 404 because it does not know the
    database."""

    base: str
    name: str
    host: str
    passed_on: bool

    @property
    def home(self) -> Home:
        return Home("upstream", self.name)


class ChecksumUpstreams:
    """`ports.ChecksumDatabases`. `NotFound` where the database's own host says so, or every place does."""

    def __init__(
        self, places: Mapping[str, Sequence[str]], transport: Transport, *, instance: str = ""
    ) -> None:
        """URLs by the database's name, the preferred first; none closes the way to it. Raises
        `SettingError`."""
        self._transport = transport
        self._instance = instance
        self._places = {name: tuple(_place(name, url) for url in urls) for name, urls in places.items()}

    def known(self, name: str) -> bool:
        return bool(self._places.get(name))

    async def get(self, name: str, path: str, without: Collection[Home] = ()) -> Found[bytes]:
        """Also leaves out places that have been found to lie: those that an earlier answer named as its home.

        They have not said no, so a proxy's no is none either then.
        """
        noes: list[NotFound] = []
        outages: list[MirrorError] = []
        places = [place for place in self._places.get(name, ()) if place.home not in without]
        # The preferred first, unless another one is clearly better; who did not answer a moment ago last.
        for place in self._transport.hosts.ranked(places, lambda place: place.host):
            try:
                return await self._ask(place, path)
            except NotFound as error:
                if not place.passed_on:
                    raise
                noes.append(error)
            except MirrorError as error:
                outages.append(error)
        if not outages and without:
            raise SourceUnavailable(f"{path}: {name} has no other place to be asked at")
        if noes and not outages:
            raise noes[0]
        if not outages:
            raise NotFound(f"{name}: this proxy does not serve that checksum database")
        if len(outages) == 1:
            raise outages[0]
        raise SourceUnavailable("\n".join(dict.fromkeys(error.message for error in outages)))

    async def _ask(self, place: _Place, path: str) -> Found[bytes]:
        limit = MOST_TILE if path.startswith("tile/") else MOST_TEXT
        url = f"{place.base}/{quote(path, safe='/$&+=:@~')}"
        try:
            reply = await self._transport.get(url, limit=limit, headers=via(self._instance))
        except MirrorError as error:
            error.source = place.name
            raise
        if reply.status != HTTPStatus.OK:
            raise refusal(path, place.name, reply)
        if not _can_be(path, reply.body):
            message = f"{path}: {place.name} answered with something that is none of a checksum database"
            raise SourceUnavailable(message, source=place.name)
        return Found(reply.body, place.home)


def _place(name: str, url: str) -> _Place:
    base = url.rstrip("/")
    try:
        host = Target.parse(base).authority
    except UrlError as error:
        raise SettingError(
            f"{shown(base)!r} cannot be a place of the checksum database {name}: {error}"
        ) from None
    return _Place(base, shown(base), host, passed_on="/sumdb/" in base)


def _can_be(path: str, body: bytes) -> bool:
    """Whether the body has the form of what was asked for."""
    if path == "latest":
        return body.startswith(_TREE)
    if path.startswith("lookup/"):
        return _LOOKUP.match(body) is not None
    tile = _HASH_TILE.fullmatch(path)
    if tile is None:
        return bool(body)
    height, width = tile.groups()
    return len(body) == 32 * (int(width) if width else 1 << int(height))
