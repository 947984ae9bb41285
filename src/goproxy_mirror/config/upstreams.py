"""GOPROXY's own syntax: `https://a,https://b|https://c,direct`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from goproxy_mirror.config.values import VEIL, file_path, redact, without_userinfo

DEFAULT_UPSTREAM = "https://goproxy.io|https://goproxy.cn|direct"

_ALLOWED = 'allowed are https://, http:// and file:// URLs, direct and off, separated by "," or "|"'


@dataclass(frozen=True, slots=True)
class UpstreamStep:
    """One element of the list.

    `url` is set for `url` and `file`, without a slash at its end; it may carry credentials, so it is never
    printed: `name` is. `path` is the folder of `file`. `fall_through_on_any` is the `|` after the element:
    the next one is asked after any failure, not only after 404 and 410.
    """

    kind: Literal["url", "file", "direct", "off"]
    url: str = field(default="", repr=False)
    path: Path | None = None
    fall_through_on_any: bool = False

    @property
    def name(self) -> str:
        """The element without credentials, fit for logs and headers."""
        return self.kind if self.kind in {"direct", "off"} else without_userinfo(self.url)


Upstreams = tuple[UpstreamStep, ...]


def parse_upstreams(value: object) -> Upstreams:
    """The steps of a GOPROXY list. Raises `ValueError`.

    As the go command reads it: elements are trimmed, empty ones skipped, nothing after `direct` or `off` is
    looked at, and a host without a scheme means https (cmd/go/internal/modfetch.proxyList).
    """
    if isinstance(value, tuple) and value and all(isinstance(step, UpstreamStep) for step in value):
        return value
    if isinstance(value, list | tuple):
        value = ",".join(str(item) for item in value)
    if not isinstance(value, str):
        raise ValueError(_ALLOWED)
    steps: list[UpstreamStep] = []
    rest = value
    while rest:
        end = min((at for at in (rest.find(","), rest.find("|")) if at >= 0), default=len(rest))
        element, separator, rest = rest[:end].strip(), rest[end : end + 1], rest[end + 1 :]
        if not element:
            continue
        if element == "off":
            steps.append(UpstreamStep("off"))
            break
        if element == "direct":
            steps.append(UpstreamStep("direct"))
            break
        # A password with a comma inside is cut in two, and only the second half has the "@" that tells.
        cut = "@" not in element and "://" in element and "@" in rest
        shown = f"{element.partition('://')[0]}://***" if cut else redact(element)
        steps.append(_step(element, shown, fall_through_on_any=separator == "|"))
    if not steps:
        raise ValueError(f"the list has no entries; {_ALLOWED}")
    return tuple(steps)


def _step(element: str, shown: str, *, fall_through_on_any: bool) -> UpstreamStep:
    if Path(element).is_absolute():
        raise ValueError(f'"{shown}" is a path; allowed is {Path(element).as_uri()}')
    url = element
    # A single word is kept for keywords to come; anything else without a scheme is a host.
    if any(mark in url for mark in ".:/") and ":/" not in url:
        url = f"https://{url}"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError(f'"{shown}" is no URL; {_ALLOWED}') from None
    if any(ord(letter) <= 32 or ord(letter) == 127 for letter in url):
        raise ValueError(f'"{shown}" has a blank or a control character inside; {_ALLOWED}')
    if parts.scheme == "file":
        return UpstreamStep("file", url, _file_path(shown, url, parts), fall_through_on_any)
    if parts.scheme not in {"http", "https"}:
        raise ValueError(f'"{shown}" is no entry of a GOPROXY list; {_ALLOWED}')
    if not parts.hostname:
        raise ValueError(f'"{shown}" names no host; {_ALLOWED}')
    if parts.query or parts.fragment:
        raise ValueError(f'"{shown}" has a query or a fragment, to which no path can be added; {_ALLOWED}')
    return UpstreamStep("url", url.rstrip("/"), fall_through_on_any=fall_through_on_any)


def _file_path(shown: str, url: str, parts: SplitResult) -> Path:
    """The folder of a file:// upstream, which has nothing but a path (as cmd/go's newProxyRepo has it)."""
    path = file_path(parts.path)
    if parts.netloc or parts.query or parts.fragment or "?" in url or "#" in url or not path.is_absolute():
        raise ValueError(f'"{shown}" is no file:// URL of an absolute path; allowed is file:///srv/cache')
    return path


def same_syntax(steps: Upstreams) -> str:
    """The steps in GOPROXY's syntax again, with `***` for credentials."""
    parts = (
        (without_userinfo(step.url, VEIL) if step.url else step.kind)
        + ("|" if step.fall_through_on_any else ",")
        for step in steps
    )
    return "".join(parts).rstrip(",|")
