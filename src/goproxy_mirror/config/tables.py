"""Settings that are tables of lists: upstreams by pattern, checksum databases by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from goproxy_mirror.config.rules import as_pairs, grouped
from goproxy_mirror.config.upstreams import Upstreams, parse_upstreams
from goproxy_mirror.config.values import check_glob, redact

# The go command knows one database under two names, since the first cannot be reached from everywhere; both
# names mean the same tree (cmd/go/internal/modfetch.dbDial).
SUM_GOLANG_ORG = "sum.golang.org"
SUM_GOLANG_NAMES = (SUM_GOLANG_ORG, "sum.golang.google.cn")

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
