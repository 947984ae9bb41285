"""Answers that were just sent, ready to be sent again: the shortest way from a request to its answer.

A published file never changes, so its whole answer is kept as it went out, and one `stat` a second sees a file that was
taken out of the store; who takes one out in this process ends the answer at once. A list and the like are kept for the part of
a second during which not even their `max-age` changes. Whatever is not the plainest of requests goes the long way.

One thread keeps answers, and another may find them: `find` changes nothing but what an answer says about itself.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from functools import lru_cache
from time import monotonic

from goproxy_mirror.mirror.answers import Lasting
from goproxy_mirror.ports import StoredFile
from goproxy_mirror.web.incoming import is_host
from goproxy_mirror.web.wire import Scope

Headers = list[tuple[str, str]]

_PLAIN = frozenset({"host", "user-agent", "accept", "accept-encoding", "connection"})
"""Headers that change nothing about the answer: what the go command sends, and what else everybody does."""

_SECOND = 1.0
"""For how long a file is believed to be there."""
_LARGEST = 512 * 1024
_ROOM = 24 * 1024 * 1024
_OF_AN_ANSWER = 2048
"""What an answer takes beside its body, in bytes."""


class Warm:
    """An answer: `headers` and `body` as they are sent, and until when that may be done without a look.

    What rests on a file has its `key`, and is good for another second where a look finds the file as it was.
    """

    __slots__ = ("_lasting", "_modified", "_path", "_size", "_until", "body", "headers", "key", "used")

    def __init__(self, headers: Headers, body: bytes, until: float) -> None:
        self.headers = headers
        self.body = body
        self.key: str | None = None
        self.used = False
        self._until = until
        self._path: str | None = None
        self._size = 0
        self._modified = 0.0
        self._lasting: Lasting | None = None

    def rest_on(self, key: str, stored: StoredFile, lasting: Lasting) -> None:
        """The answer is the content of a file, for as long as `lasting` is not over."""
        self.key = key
        self._path = str(stored.path)
        self._size = stored.size
        self._modified = stored.modified
        self._lasting = lasting

    def good(self) -> bool:
        """Whether it may be sent now; may cost one `stat`."""
        lasting = self._lasting
        if lasting is not None and lasting.over:
            return False
        now = monotonic()
        if now < self._until:
            return True
        if self._path is None:
            return False
        try:
            status = os.stat(self._path)  # noqa: PTH116 - the hot path of every hit
        except OSError:
            return False
        if status.st_mtime != self._modified or status.st_size != self._size:
            return False
        self._until = now + _SECOND
        return True


class WarmAnswers:
    """The answers that were sent last, by the request's path; `room` bounds their bytes, `largest` those of one body."""

    def __init__(self, *, room: int = _ROOM, largest: int = _LARGEST) -> None:
        self._room = room
        self._largest = largest
        self._held = 0
        self._answers: OrderedDict[str, Warm] = OrderedDict()

    def find(self, scope: Scope) -> Warm | None:
        """The answer to a request, where it is a plain GET of what is still so."""
        answer = self._answers.get(scope.path)
        if answer is None or scope.method != "GET":
            return None
        if not _is_plain(tuple(scope.headers.items()), scope.authority) or not answer.good():
            return None
        answer.used = True
        return answer

    def keep_file(
        self, path: str, key: str, headers: Headers, body: bytes, stored: StoredFile, lasting: Lasting
    ) -> None:
        """Have the whole of a file ready. `headers` are kept as they are, and must not be changed any more."""
        answer = Warm(headers, body, monotonic() + _SECOND)
        answer.rest_on(key, stored, lasting)
        self._keep(path, answer)

    def keep_text(self, path: str, headers: Headers, body: bytes, seconds: float) -> None:
        """Have an answer ready that is good for so long."""
        self._keep(path, Warm(headers, body, monotonic() + seconds))

    def _keep(self, path: str, answer: Warm) -> None:
        before = self._answers.pop(path, None)
        if before is not None:
            self._held -= _weight(before)
        if len(answer.body) > self._largest:
            return
        self._answers[path] = answer
        self._held += _weight(answer)
        while self._held > self._room:
            oldest, found = self._answers.popitem(last=False)
            if found.used:
                found.used = False  # it gets another round
                self._answers[oldest] = found
            else:
                self._held -= _weight(found)


def _weight(answer: Warm) -> int:
    return len(answer.body) + _OF_AN_ANSWER


def _is_plain(pairs: tuple[tuple[str, str], ...], authority: str | None) -> bool:
    """Whether nothing in these headers asks for another answer. Clients differ little: most were seen before."""
    return len(pairs) <= len(_PLAIN) and _looked_at(pairs, authority)


@lru_cache(maxsize=256)
def _looked_at(pairs: tuple[tuple[str, str], ...], authority: str | None) -> bool:
    names = {name for name, _ in pairs}
    if len(names) != len(pairs) or not names <= _PLAIN:
        return False
    host = dict(pairs).get("host")
    return host is not None and is_host(host) and (authority is None or authority == host)
