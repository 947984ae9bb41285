"""One table: which status says what an error means, and a body that the go command prints.

The go command looks elsewhere on 404 and 410 alone, so those stand for an authority's no and for nothing else. It shows
a body only if that is text/plain in UTF-8 of graphic characters, up to the first blank line, 8 lines and 648 bytes
(cmd/go/internal/web, formatErrorDetail).
"""

from __future__ import annotations

import secrets

from goproxy_mirror.errors import (
    BadRequest,
    Blocked,
    Loop,
    MirrorError,
    NeedsTool,
    NotFound,
    NotRecorded,
    SecurityError,
    SourceTimeout,
    SourceUnavailable,
    StorageError,
    StorageFull,
    Unproven,
)
from goproxy_mirror.web.incoming import Refused
from goproxy_mirror.web.responses import NO_STORE, TEXT, Headers, Response, body_response, printable

_STATUSES: dict[type, int] = {
    BadRequest: 400,
    NotFound: 404,
    Blocked: 403,
    SourceUnavailable: 502,
    SourceTimeout: 504,
    Unproven: 503,
    NotRecorded: 502,
    NeedsTool: 501,
    Loop: 508,
    SecurityError: 502,
    StorageError: 503,
    StorageFull: 507,
}
_MOST_LINES = 8
_MOST_BYTES = 648
_ABSENCE = "public, max-age=60"
"""A confirmed absence may be kept as long as we keep one ourselves."""


def status_of(failure: BaseException) -> int:
    """The HTTP status of an error: its class's, or the nearest base class's; 500 for what nobody foresaw."""
    if isinstance(failure, Refused):
        return failure.status
    return next((_STATUSES[kind] for kind in type(failure).__mro__ if kind in _STATUSES), 500)


def failure_response(failure: MirrorError, *, keep: bool = True) -> Response:
    """The answer to a request that failed; with `keep` off, not even an absence may be cached."""
    status = status_of(failure)
    message = failure.message
    if status == 404 and not message.startswith("not found: "):
        message = f"not found: {message}"
    headers: Headers = []
    if isinstance(failure, Refused):
        if failure.close:
            headers.append(("connection", "close"))
        if failure.allow is not None:
            headers.append(("allow", failure.allow))
    cache = _ABSENCE if status == 404 and keep else NO_STORE
    return body_response(status, error_body(message), TEXT, cache, headers)


def unforeseen_response(number: str) -> Response:
    """The answer where a failure was not foreseen: it says nothing but where the log has the rest."""
    return body_response(
        500, error_body(f"internal error; the server's log tells more under {number}"), TEXT, NO_STORE
    )


def new_number() -> str:
    """A name for one failure, to find it in the log by."""
    return secrets.token_hex(6)


def error_body(message: str) -> bytes:
    """The message as the go command prints it: no control characters, no blank line, 8 lines, 648 bytes."""
    lines = [line.rstrip() for line in map(printable, message.splitlines()) if line.strip()]
    text = "\n".join(lines[:_MOST_LINES]) or "no reason was given"
    body = text.encode("utf-8", "replace")
    if len(body) >= _MOST_BYTES:
        body = body[: _MOST_BYTES - 4].decode("utf-8", "ignore").encode() + "…".encode()
    return body + b"\n"
