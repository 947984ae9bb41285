"""Conditional requests and ranges (RFC 9110 §13, §14); pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Literal

_NAMES = frozenset({"if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "range"})
_TAG = re.compile(r'(?:W/)?"[^"]*"')
_RANGE = re.compile(r"[ \t]*([0-9]*)-([0-9]*)[ \t]*")
_MOST_RANGES = 16
"""More than any client means: refused before anything is computed from them."""
_LONGEST_NUMBER = 20
_LONGEST_DATE = 64


class Outcome(Enum):
    """What the conditions of a request come to."""

    SEND = "send the file"
    NOT_MODIFIED = "the client has it"
    FAILED = "the client meant another file"
    UNSATISFIABLE = "no byte of the file is in the range"


@dataclass(frozen=True, slots=True)
class Validators:
    """What tells one content from another: a strong entity tag, and an HTTP date where there is one."""

    etag: str
    last_modified: str | None = None


class Conditions:
    """The conditions of one request; header names are lower-case."""

    __slots__ = ("_headers", "any")

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers
        self.any = not _NAMES.isdisjoint(headers)

    def outcome(self, validators: Validators) -> Outcome:
        """Evaluate the preconditions in the order of RFC 9110 §13.2.2."""
        if not self.any:
            return Outcome.SEND
        given = self._headers.get
        match = given("if-match")
        if match is not None:
            if not _matches(match, validators.etag, weak=False):
                return Outcome.FAILED
        elif _newer(validators.last_modified, given("if-unmodified-since")) is True:
            return Outcome.FAILED
        none_match = given("if-none-match")
        if none_match is not None:
            return Outcome.NOT_MODIFIED if _matches(none_match, validators.etag, weak=True) else Outcome.SEND
        if _newer(validators.last_modified, given("if-modified-since")) is False:
            return Outcome.NOT_MODIFIED
        return Outcome.SEND

    def range(
        self, validators: Validators, size: int
    ) -> tuple[int, int] | Literal[Outcome.UNSATISFIABLE] | None:
        """The wanted bytes as (first, one past the last), clamped to the size; None where the whole file is meant.

        Several ranges get the whole file, which RFC 9110 §14.2 permits; an absurd number of them gets nothing.
        """
        text = self._headers.get("range")
        if text is None or not self._same(validators):
            return None
        unit, equals, ranges = text.partition("=")
        if not equals or unit.strip().lower() != "bytes":
            return None
        commas = ranges.count(",")
        if commas:
            return Outcome.UNSATISFIABLE if commas >= _MOST_RANGES else None
        found = _RANGE.fullmatch(ranges)
        if found is None or len(ranges) > 2 * _LONGEST_NUMBER:
            return None
        first, last = found[1], found[2]
        if not first:
            return _suffix(last, size)
        start = int(first)
        if last and int(last) < start:
            return None
        if start >= size:
            return Outcome.UNSATISFIABLE
        return start, min(size, int(last) + 1) if last else size

    def _same(self, validators: Validators) -> bool:
        """Whether If-Range, if there is one, names the very content; a weak tag never does."""
        condition = self._headers.get("if-range")
        return condition is None or condition.strip() in {validators.etag, validators.last_modified}


def _suffix(digits: str, size: int) -> tuple[int, int] | Literal[Outcome.UNSATISFIABLE] | None:
    if not digits:
        return None
    wanted = min(int(digits), size)
    return (size - wanted, size) if wanted else Outcome.UNSATISFIABLE


def _matches(condition: str, etag: str, *, weak: bool) -> bool:
    if condition.strip() == "*":
        return True
    for tag in _TAG.finditer(condition):
        text = tag[0]
        if weak:
            text = text.removeprefix("W/")
        if text == etag:
            return True
    return False


def _newer(last_modified: str | None, condition: str | None) -> bool | None:
    """Whether the content changed after the date of a condition; None where one of them says nothing."""
    if last_modified is None or condition is None:
        return None
    if condition == last_modified:
        return False
    since = _date(condition)
    modified = _date(last_modified)
    return None if since is None or modified is None else modified > since


def _date(text: str) -> datetime | None:
    if len(text) > _LONGEST_DATE:
        return None
    try:
        date = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date
