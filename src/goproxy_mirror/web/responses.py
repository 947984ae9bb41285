"""Answers as HTTP has them: length, type, validators, caching; and the one way out to the server.

Header values and status numbers are made here and in `failures.py` alone, from checked values: the server below cuts a
connection, or worse, on what is none.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from goproxy_mirror.errors import StorageError
from goproxy_mirror.mirror.answers import FileAnswer, Lasting, TextAnswer
from goproxy_mirror.ports import FileKind, RemoteFile, StoredFile
from goproxy_mirror.web.conditions import Conditions, Outcome, Validators
from goproxy_mirror.web.incoming import Incoming
from goproxy_mirror.web.wire import Wire

Headers = list[tuple[str, str]]

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
ZIP = "application/zip"
HTML = "text/html; charset=utf-8"
NO_STORE = "no-store"
FOR_EVER = "public, max-age=31536000, immutable"
_TYPES = {FileKind.INFO: JSON, FileKind.MOD: TEXT, FileKind.ZIP: ZIP}
_CONTENT_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]+(; ?[a-z]+=[A-Za-z0-9._-]+)*")
_COMMON: Headers = [("server", "goproxy-mirror"), ("x-content-type-options", "nosniff")]
"""The server below names itself where nobody else does, and offers no way to say nothing."""
_READ_WHOLE = 512 * 1024
"""Bytes: below, reading a file whole costs less than handing it to the server; above, memory would suffer."""
_LONGEST_NAME = 512


@dataclass(slots=True)
class Response:
    """What is sent: a body, or the bytes from `start` up to `end` of the file `path` (all of it where `end` is None).

    `length` is the body's length in bytes, which HEAD announces and does not send; `source` is for the log. `file` is the file
    whose whole content this is, with what lets the same be answered again while it is there; `same_for` are the seconds for which
    the same may be answered again where there is none.
    """

    status: int
    headers: Headers
    length: int
    body: bytes = b""
    path: str | None = None
    start: int = 0
    end: int | None = None
    source: str | None = None
    file: tuple[StoredFile, Lasting] | None = None
    same_for: float = 0.0

    def send(self, wire: Wire, method: str) -> None:
        """Give it to the server, which sends it after this returns."""
        if method == "HEAD" or not self.length:
            wire.response_empty(self.status, self.headers)
        elif self.path is None:
            wire.response_bytes(self.status, self.headers, self.body)
        elif self.end is None:
            wire.response_file(self.status, self.headers, self.path)
        else:
            wire.response_file_range(self.status, self.headers, self.path, self.start, self.end)


def body_response(
    status: int, body: bytes, content_type: str, cache_control: str, headers: Headers | None = None
) -> Response:
    """An answer that is made on the spot."""
    own: Headers = [
        ("content-type", content_type),
        ("content-length", str(len(body))),
        ("cache-control", cache_control),
    ]
    return Response(status, [*_COMMON, *own, *(headers or ())], len(body), body)


def empty_response(status: int, cache_control: str) -> Response:
    """An answer that has no body by its status (204)."""
    return Response(status, [*_COMMON, ("cache-control", cache_control)], 0)


def text_response(answer: TextAnswer, incoming: Incoming) -> Response:
    """A list, `@latest`, a query, a page of a checksum database, or a file of a vulnerability database."""
    body = answer.body
    date = formatdate(answer.modified, usegmt=True) if answer.modified is not None else None
    validators = Validators(f'"{blake2b(body, digest_size=12).hexdigest()}"', date)
    kept: Headers = [
        *_COMMON,
        ("etag", validators.etag),
        ("cache-control", f"public, max-age={max(0, int(answer.max_age))}"),
    ]
    if date is not None:
        kept.append(("last-modified", date))
    if answer.stale:
        kept.append(("age", str(max(0, int(time.time() - answer.fetched)))))
        kept.append(("warning", '110 goproxy-mirror "Response is Stale"'))
        kept.append(("x-goproxy-mirror-stale", "true"))
    if answer.home is not None:
        kept.append(("x-goproxy-mirror-source", header_text(answer.home)))
    outcome = Conditions(incoming.headers).outcome(validators)
    if outcome is Outcome.FAILED:
        return _not_meant()
    if outcome is Outcome.NOT_MODIFIED:
        return Response(304, kept, 0, source=answer.home)
    content_type = (
        answer.content_type if _CONTENT_TYPE.fullmatch(answer.content_type) else "application/octet-stream"
    )
    kept.append(("content-type", content_type))
    kept.append(("content-length", str(len(body))))
    return Response(200, kept, len(body), body, source=answer.home, same_for=answer.same_for)


def file_response(answer: FileAnswer, incoming: Incoming) -> Response:
    """A published file: whole, in part, or not at all where the client has it.

    Raises `StorageError` where it cannot be read, or is not as long as it was said to be.
    """
    stored = answer.file
    said = _said(answer.kind, stored.size, stored.modified, answer.home)
    start, end, headers = 0, stored.size, said.whole
    conditions = Conditions(incoming.headers)
    if conditions.any:
        outcome = conditions.outcome(said.validators)
        if outcome is Outcome.NOT_MODIFIED:
            return Response(304, said.always, 0, source=answer.home)
        if outcome is Outcome.FAILED:
            return _not_meant()
        wanted = conditions.range(said.validators, end) if incoming.method == "GET" else None
        if wanted is Outcome.UNSATISFIABLE:
            size: Headers = [("content-range", f"bytes */{end}"), ("accept-ranges", "bytes")]
            return body_response(416, b"no such range in this file\n", TEXT, NO_STORE, size)
        if isinstance(wanted, tuple):
            start, end = wanted
            headers = [
                *said.always,
                ("content-type", _TYPES[answer.kind]),
                ("content-length", str(end - start)),
                ("content-range", f"bytes {start}-{end - 1}/{stored.size}"),
            ]
    partial = headers is not said.whole
    response = Response(206 if partial else 200, headers, end - start, source=answer.home)
    if incoming.method == "HEAD":
        return response
    if isinstance(stored, RemoteFile):
        return _redirect(stored.url, answer.home)
    if stored.size < _READ_WHOLE:
        body = _read(stored)
        response.body = body[start:end] if partial else body
        if answer.lasting is not None and not partial and answer.home is None:
            response.file = stored, answer.lasting
        return response
    _check(stored)
    response.path = str(stored.path)
    if partial:
        response.start, response.end = start, end
    return response


def _not_meant() -> Response:
    return body_response(412, b"the file is not the one that was meant\n", TEXT, NO_STORE)


def _redirect(url: str, home: str | None) -> Response:
    """To where the client gets the file itself. The URL opens it to whoever has it, so nobody keeps it."""
    headers: Headers = [*_COMMON, ("location", url), ("cache-control", NO_STORE)]
    return Response(302, [*headers, ("content-length", "0")], 0, source=home)


class _Said(NamedTuple):
    """What is said about a file: in every answer, and beside the whole file. The lists are shared: never changed."""

    validators: Validators
    always: Headers
    whole: Headers


@lru_cache(maxsize=8192)
def _said(kind: FileKind, size: int, modified: float, home: str | None) -> _Said:
    """The headers of a file, which are the same for every request."""
    date = formatdate(modified, usegmt=True)
    # As nginx has it, which may have sent the whole file of which we are asked for the rest.
    validators = Validators(f'"{int(modified):x}-{size:x}"', date)
    always: Headers = [
        *_COMMON,
        ("etag", validators.etag),
        ("last-modified", date),
        ("cache-control", FOR_EVER),
        ("accept-ranges", "bytes"),
    ]
    if home is not None:
        always.append(("x-goproxy-mirror-source", header_text(home)))
    return _Said(validators, always, [*always, ("content-type", _TYPES[kind]), ("content-length", str(size))])


def _read(stored: StoredFile) -> bytes:
    """A small file, whole. Costs a third of what `Path.read_bytes` costs, on the way of every warm hit."""
    try:
        descriptor = os.open(str(stored.path), os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            body = os.read(descriptor, stored.size + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _unreadable(error.strerror) from error
    if len(body) != stored.size:
        raise _unreadable("its length changed")
    return body


def _check(stored: StoredFile) -> None:
    """Make sure that a large file can be sent: the server cuts the connection, or says 404, where it cannot."""
    try:
        descriptor = os.open(str(stored.path), os.O_RDONLY)
        try:
            size = os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _unreadable(error.strerror) from error
    if size != stored.size:
        raise _unreadable("its length changed")


def _unreadable(reason: str | None) -> StorageError:
    return StorageError(
        f"a stored file could not be read ({reason}); this is for the server's operator to look at"
    )


@lru_cache(maxsize=1024)
def header_text(text: str) -> str:
    """The text as a header value: printable ASCII, everything else as `?`, 512 characters at most."""
    return "".join(c if " " <= c <= "~" else "?" for c in text[:_LONGEST_NAME]).strip()


def printable(text: str) -> str:
    """One line that is safe for a terminal and a log: what is no graphic character is written as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
