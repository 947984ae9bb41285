"""Small files that were just sent, ready to be sent again: the shortest way from a request to its answer.

A published file never changes, so its whole answer is kept as it went out. One `stat` for each request sees a file that was
taken out of the store. Whatever is not the plainest of requests goes the long way.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass

from goproxy_mirror.ports import StoredFile
from goproxy_mirror.web.incoming import is_host
from goproxy_mirror.web.wire import Scope

Headers = list[tuple[str, str]]

_PLAIN = frozenset({"host", "user-agent", "accept", "accept-encoding", "connection"})
"""Headers that change nothing about the answer: what the go command sends, and what else everybody does."""

_LARGEST = 64 * 1024
_ROOM = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class WarmFile:
    """An answer: `headers` and `body` as they are sent, and the file that they came from."""

    headers: Headers
    body: bytes
    path: str
    size: int
    modified: float


class WarmFiles:
    """The files that were sent last, by the request's path; `room` bounds their bytes."""

    def __init__(self, *, room: int = _ROOM, largest: int = _LARGEST) -> None:
        self._room = room
        self._largest = largest
        self._held = 0
        self._files: OrderedDict[str, WarmFile] = OrderedDict()

    def find(self, scope: Scope) -> WarmFile | None:
        """The answer to a request, where it is a plain GET of a file that is still there."""
        path = scope.path
        file = self._files.get(path)
        if file is None or scope.method != "GET" or not _is_plain(scope):
            return None
        try:
            status = os.stat(file.path)  # noqa: PTH116 - the hot path of every hit
        except OSError:
            self._drop(path)
            return None
        if status.st_mtime != file.modified or status.st_size != file.size:
            self._drop(path)
            return None
        self._files.move_to_end(path)
        return file

    def keep(self, path: str, headers: Headers, body: bytes, stored: StoredFile) -> None:
        """Have the answer ready. `headers` are kept as they are, and must not be changed any more."""
        if len(body) > self._largest:
            return
        self._drop(path)
        self._files[path] = WarmFile(headers, body, str(stored.path), stored.size, stored.modified)
        self._held += len(body)
        while self._held > self._room:
            self._drop(next(iter(self._files)))

    def _drop(self, path: str) -> None:
        file = self._files.pop(path, None)
        if file is not None:
            self._held -= len(file.body)


def _is_plain(scope: Scope) -> bool:
    pairs = scope.headers.items()
    host = None
    for name, value in pairs:
        if name not in _PLAIN or (name == "host" and host is not None):
            return False
        if name == "host":
            host = value
    authority = scope.authority
    return host is not None and is_host(host) and (authority is None or authority == host)
