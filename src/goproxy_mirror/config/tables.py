"""Settings that are tables of lists: upstreams by pattern, checksum databases by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from goproxy_mirror.config.rules import as_pairs, grouped
from goproxy_mirror.config.upstreams import Upstreams, parse_upstreams
from goproxy_mirror.config.values import check_glob, redact

# The go command knows one database under two names, since the first cannot be reached from everywhere; both
# names mean the same tree (cmd/go/internal/modfetch.dbDial).
SUM_GOLANG_ORG = "sum.golang.org"
SUM_GOLANG_NAMES = (SUM_GOLANG_ORG, "sum.golang.google.cn")


@dataclass(frozen=True, slots=True)
class ProvingDatabase:
    """The checksum database that modules are proven by, as GOSUMDB has it: all empty where it is `off`.

    `key` is the verifier key `NAME+HASH+KEY`, or empty for the one that is known; `url` where the database is, if said.
    """

    name: str = ""
    key: str = ""
    url: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.key or self.name, self.url))) or "off"


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(:\d+)?(/[A-Za-z0-9._~-]+)*")


def parse_pattern_upstreams(value: object) -> Mapping[str, Upstreams]:
    """Lists of upstreams by Go path glob, in the order they are to be tried."""
    if isinstance(value, Mapping) and all(isinstance(steps, tuple) for steps in value.values()):
        return dict(value)
    found: dict[str, Upstreams] = {}
    for glob, lists in grouped(as_pairs(value)).items():
        check_glob(glob)
        try:
            found[glob] = parse_upstreams(lists)
        except ValueError as error:
            raise ValueError(f'for "{glob}": {error}') from None
    return found


def parse_sumdb(value: object) -> Mapping[str, tuple[str, ...]]:
    """URLs of checksum databases by name; `off` instead of URLs closes the way to that database."""
    if isinstance(value, Mapping) and all(isinstance(urls, tuple) for urls in value.values()):
        return dict(value)
    found: dict[str, tuple[str, ...]] = {}
    for name, texts in grouped(as_pairs(value)).items():
        if not _NAME.fullmatch(name):
            raise ValueError(
                f'"{name}" is no name of a checksum database; allowed is a name such as sum.golang.org'
            )
        urls = tuple(url.strip() for text in texts for url in text.split(",") if url.strip())
        found[name] = () if urls == ("off",) else tuple(_url(name, url) for url in urls)
    return found


def parse_gosumdb(value: object) -> ProvingDatabase:
    """GOSUMDB's own syntax: `off`, a name, or a name with its key; a URL may follow (cmd/go/internal/modfetch.dbDial)."""
    if isinstance(value, ProvingDatabase):
        return value
    fields = str(value).split()
    if fields == ["off"]:
        return ProvingDatabase()
    allowed = "allowed are off, sum.golang.org, or NAME+HASH+KEY, and behind it the database's URL"
    if len(fields) not in {1, 2}:
        raise ValueError(allowed)
    name, plus, rest = fields[0].partition("+")
    if name == SUM_GOLANG_NAMES[1] and len(fields) == 1 and not plus:
        return ProvingDatabase(SUM_GOLANG_ORG, url=f"https://{name}")
    if not _NAME.fullmatch(name) or (plus and not re.fullmatch(r"[0-9a-f]{8}\+[A-Za-z0-9+/=]+", rest)):
        raise ValueError(allowed)
    if not plus and name not in SUM_GOLANG_NAMES:
        raise ValueError(f'"{name}" has no key; {allowed}')
    url = _url(name, fields[1]) if len(fields) == 2 else ""
    return ProvingDatabase(SUM_GOLANG_ORG if not plus else name, fields[0] if plus else "", url)


def places_of(
    database: ProvingDatabase, sumdb: Mapping[str, tuple[str, ...]], upstream: Upstreams
) -> Mapping[str, tuple[str, ...]]:
    """The databases and their URLs, with the one that modules are proven by among them."""
    if not database.name or (database.name in sumdb and not database.url):
        return sumdb
    passed = [f"{step.url}/sumdb/{database.name}" for step in upstream if step.kind == "url"]
    known = sumdb.get(database.name, passed)
    urls = dict.fromkeys((database.url or f"https://{database.name}", *known))
    return {**sumdb, database.name: tuple(urls)}


def with_default_sumdb(
    given: Mapping[str, tuple[str, ...]], upstream: Upstreams
) -> Mapping[str, tuple[str, ...]]:
    """The given databases, and sum.golang.org with its two hosts and what the upstreams pass through."""
    passed = [f"{step.url}/sumdb/{SUM_GOLANG_ORG}" for step in upstream if step.kind == "url"]
    urls = (f"https://{SUM_GOLANG_ORG}", "https://sum.golang.google.cn", *passed)
    default = given.get(SUM_GOLANG_ORG, urls)
    return {**dict.fromkeys(SUM_GOLANG_NAMES, default), **given}


def _url(name: str, url: str) -> str:
    try:
        parts = urlsplit(url)
        good = (
            parts.scheme in {"https", "http"}
            and bool(parts.hostname)
            and not parts.query
            and not parts.fragment
        )
        _ = parts.port
    except ValueError:
        good = False
    if not good or any(ord(letter) <= 32 for letter in url):
        raise ValueError(f'"{redact(url)}" for {name}: allowed are https:// and http:// URLs, or off')
    return url.rstrip("/")
