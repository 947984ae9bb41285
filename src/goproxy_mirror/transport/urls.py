"""URLs as this program uses them: parsed once, compared by where they lead, shown without secrets."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Self
from urllib.parse import unquote_to_bytes

from pyreqwest.http import Url

_PARTS = re.compile(r"((?:[A-Za-z][A-Za-z0-9+.\-]*:/+)?)([^/?#]*)([^?#]*)")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]*\]|[^:\[\]]*)(:[0-9]*)?")

# By RFC 3986 §4.2 no relative reference begins so; what does was meant for a reader that takes it for a scheme.
_NO_SCHEME = re.compile(r"(?![A-Za-z][A-Za-z0-9+.\-]*:)[^/?#:]*:")

# Where two parsers of URLs differ, a check of one says nothing about what the other connects to. Git parses
# the URL again, so whatever is not plain is refused before it comes that far.
_PLAIN = re.compile(r"[!-\[\]-~]+")


def shown(url: str) -> str:
    """A URL fit for a log, a header and an error: without credentials, query (may be signed) and fragment."""
    match = _PARTS.match(url)
    assert match is not None
    scheme, authority, path = match.groups()
    host = authority.rpartition("@")[2]
    # `https://user:pass/word@host`: what looks like the host and its port is a part of the credentials.
    return scheme + host + path if _HOST.fullmatch(host) else scheme + "***"


class UrlError(ValueError):
    """The text is no http or https URL. `scheme` is its scheme, where it has one."""

    def __init__(self, message: str, scheme: str = "") -> None:
        super().__init__(message)
        self.scheme = scheme


@dataclass(frozen=True, slots=True)
class Target:
    """An http or https URL, normalised.

    `url` has no userinfo and no fragment; `host` is lower case, ASCII, without brackets and without a final
    dot; `authorization` is the header value that the userinfo stands for, or None.
    """

    url: str
    scheme: str
    host: str
    port: int
    authorization: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a whole URL. Raises `UrlError`; also for a backslash, a blank, a control or a non-ASCII
        character."""
        if not _PLAIN.fullmatch(text):
            raise UrlError("it is empty, or holds blanks, backslashes or characters outside ASCII")
        if "://" not in text:
            raise UrlError("it has no scheme, such as https://")
        try:
            return cls._of(Url(text))
        except ValueError as error:
            raise error if isinstance(error, UrlError) else UrlError(str(error)) from None

    def follow(self, location: str) -> Self:
        """Where a redirect's Location leads from here; without the userinfo of either. Raises `UrlError`."""
        if _NO_SCHEME.match(location):
            raise UrlError("its scheme is none")
        try:
            there = self._of(Url(self.url).join(location))
        except ValueError as error:
            raise error if isinstance(error, UrlError) else UrlError(str(error)) from None
        return type(self)(there.url, there.scheme, there.host, there.port)

    @classmethod
    def _of(cls, url: Url) -> Self:
        host, port = url.host_str, url.port_or_known_default
        if url.scheme not in {"http", "https"}:
            raise UrlError(f"its scheme is {url.scheme}:, neither https: nor http:", url.scheme)
        if not host or port is None or port == 0 or not host.strip("."):
            raise UrlError("it names no host", url.scheme)
        authorization = None
        if url.username or url.password:
            secret = unquote_to_bytes(url.username) + b":" + unquote_to_bytes(url.password or "")
            authorization = "Basic " + base64.b64encode(secret).decode("ascii")
        if host.endswith("."):
            # An address may come to light behind the dots, so the host is what is read now.
            url = url.with_host(host.rstrip("."))
            host = url.host_str or ""
        bare = url.with_username("").with_password(None).with_fragment(None)
        return cls(str(bare), url.scheme, host.strip("[]").lower(), port, authorization)

    @property
    def literal(self) -> IPv4Address | IPv6Address | None:
        """The address, where the host is one."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None

    @property
    def authority(self) -> str:
        """`host`, or `host:port` where the port is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == {"http": 80, "https": 443}[self.scheme] else f"{host}:{self.port}"

    @property
    def shown(self) -> str:
        """The URL without query, fit for a message."""
        return shown(self.url)

    def same_home(self, other: Target) -> bool:
        """Whether the other URL is at the same server: equal host and port, or http's own port raised to
        https's."""
        if self.host != other.host:
            return False
        raised = (self.scheme, self.port, other.scheme, other.port) == ("http", 80, "https", 443)
        return raised or (self.scheme, self.port) == (other.scheme, other.port)
