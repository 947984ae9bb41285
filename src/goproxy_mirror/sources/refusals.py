"""What sources that speak HTTP have in common: the header that they send, and what a status other than 200
means."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from goproxy_mirror.errors import (
    CredentialsRefused,
    Loop,
    MirrorError,
    NotFound,
    OutageDisguised,
    SourceUnavailable,
)
from goproxy_mirror.observe import hops
from goproxy_mirror.transport import Reply, Saved

_DISGUISES = ("bad upstream", "fetch timed out", "temporarily unavailable")

# Athens says this with every list and @latest; what has a max-age as well is what frameworks say with
# everything.
_ATHENS = "no-cache, no-store, must-revalidate"

_MOST_TEXT = 200


def via(instance: str) -> dict[str, str]:
    """The hop header, by which a request that comes back to us is known (RFC 9110 §7.6.3). Empty without a
    name."""
    return {"via": ", ".join((*hops.get(), f"1.1 {instance}"))} if instance else {}


def refusal(asked: str, home: str, reply: Reply | Saved) -> MirrorError:
    """The error to raise. 404 and 410 are absences, unless they are disguised outages; 508 is a loop; all
    else, 403 included, is an outage.
    """
    status, headers, body = reply.status, reply.headers, reply.body
    text = said(body) if not headers.get("content-type", "").startswith("text/html") else ""
    message = f"{asked}: {home} answered {_named(status)}" + (f": {text}" if text else "")
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        kind = OutageDisguised if _is_disguised(headers, text) else NotFound
        return kind(message, source=home)
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN} and reply.credential is not None:
        return CredentialsRefused(f"{message} (with the credentials for {reply.credential})", source=home)
    if status == HTTPStatus.LOOP_DETECTED:
        return Loop(message, source=home)
    return SourceUnavailable(message, source=home)


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _is_disguised(headers: Mapping[str, str], text: str) -> bool:
    """Whether a 404 stands for an outage of the upstream itself: goproxy/goproxy forbids to keep such a one,
    and says why (responseError in its response.go).
    """
    control = headers.get("cache-control", "").lower()
    if "no-store" in control and "max-age" not in control and control != _ATHENS:
        return True
    return any(disguise in text.lower() for disguise in _DISGUISES)


def said(body: bytes) -> str:
    """The first line of an error's text, without what could not be printed, and not too long."""
    lines = body[: 4 * _MOST_TEXT].decode("utf-8", "replace").strip().splitlines()
    if not lines:
        return ""
    line = " ".join("".join(char if char.isprintable() else " " for char in lines[0]).split())
    return line if len(line) <= _MOST_TEXT else line[: _MOST_TEXT - 1] + "…"
