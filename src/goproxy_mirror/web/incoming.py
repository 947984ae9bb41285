"""A request as the server below hands it over, and what is refused before anybody looks at its path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from goproxy_mirror.errors import BadRequest, Loop
from goproxy_mirror.web.wire import Scope

_LARGEST_BODY = 64 * 1024
"""Bytes of a body that nobody asked for: ignored up to here, refused beyond."""
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+;=%-]*)(:[0-9]*)?")
_COMMENT = re.compile(r"\([^()]*\)")
_HOP = re.compile(r"[!-~]{1,64} [!-~]{1,255}")
_MOST_HOPS = 32
_LONGEST_VIA = 8192


class Refused(BadRequest):
    """HTTP's own no (a method, a framing, a size), which has a status of its own.

    `close` ends the connection, since what follows on it cannot be told from the rest of this request.
    """

    def __init__(self, message: str, *, status: int, close: bool = False, allow: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.close = close
        self.allow = allow


@dataclass(slots=True)
class Incoming:
    """One request: `path` is percent-decoded once and begins below the prefix; header names are lower-case.

    `authority` is what the client called this server (`host:port`), or empty; checked to be one, and believed nowhere
    but on the page that tells people how to reach us.
    """

    method: str
    path: str
    query: str
    scheme: str
    authority: str
    headers: Mapping[str, str]


def read(scope: Scope) -> Incoming:
    """The request of an RSGI scope. Raises `Refused` for a framing that can be read in two ways, or a large body."""
    pairs = scope.headers.items()
    headers = dict(pairs)
    if len(headers) != len(pairs):
        headers = _joined(pairs)
    host = headers.get("host")
    authority = scope.authority or host or ""
    if host is None and scope.http_version == "1.1":
        raise _refused("an HTTP/1.1 request without a Host header")
    if not is_host(authority) or (host is not None and not is_host(host)):
        raise _refused("the Host header is no host name")
    if "transfer-encoding" in headers:
        # Content-Length beside it never reaches us, so a smuggled request cannot be told from an honest one.
        raise _refused("a request with Transfer-Encoding; requests to this server have no body")
    if "content-length" in headers:
        _check_length(headers["content-length"])
    return Incoming(scope.method, scope.path, scope.query_string, scope.scheme, authority, headers)


def hops(headers: Mapping[str, str], instance: str) -> tuple[str, ...]:
    """The entries of `Via` (RFC 9110 §7.6.3), oldest first, without comments. `instance` is our own name in it.

    Raises `Loop` where the request has been here before, or came over more proxies than anybody has.
    """
    via = headers.get("via")
    if via is None:
        return ()
    if len(via) > _LONGEST_VIA or via.count(",") >= _MOST_HOPS:
        raise Loop(f"the request came over more than {_MOST_HOPS} proxies: it is going in circles")
    entries = (" ".join(entry.split()) for entry in _COMMENT.sub(" ", via).split(","))
    passed = tuple(entry for entry in entries if _HOP.fullmatch(entry))
    if any(entry.rpartition(" ")[2] == instance for entry in passed):
        raise Loop(
            "this request has passed through this proxy before: one of its upstreams leads back to it; "
            "take that one out of the upstreams"
        )
    return passed


def _joined(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Headers of which some came twice: joined as RFC 9110 §5.3 has it, but there is only one Host."""
    headers: dict[str, str] = {}
    for name, value in pairs:
        if name not in headers:
            headers[name] = value
        elif name == "host":
            raise _refused("two Host headers")
        else:
            headers[name] = f"{headers[name]}, {value}"
    return headers


@lru_cache(maxsize=1024)
def is_host(text: str) -> bool:
    """Whether a Host header can be one."""
    return len(text) <= 300 and _HOST.fullmatch(text) is not None


def _check_length(text: str) -> None:
    if not text.isascii() or not text.isdigit():
        raise _refused("a Content-Length that is no number")
    if len(text) > 18 or int(text) > _LARGEST_BODY:
        raise Refused("a request body; requests to this server have none", status=413, close=True)


def _refused(message: str) -> Refused:
    return Refused(message, status=400, close=True)
