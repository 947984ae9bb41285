"""Conditional requests and ranges, by the letter of RFC 9110."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goproxy_mirror.web.conditions import Conditions, Outcome, Validators

ETAG = '"abc"'
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
BEFORE = "Tue, 14 Nov 2023 22:13:19 GMT"
AFTER = "Tue, 14 Nov 2023 22:13:21 GMT"
OLD_FORM = "Tuesday, 14-Nov-23 22:13:20 GMT"
FILE = Validators(ETAG, DATE)

SEND, SAME, FAILED = Outcome.SEND, Outcome.NOT_MODIFIED, Outcome.FAILED


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, SEND),
        ({"if-none-match": ETAG}, SAME),
        ({"if-none-match": f"W/{ETAG}"}, SAME),
        ({"if-none-match": f'"x", {ETAG}'}, SAME),
        ({"if-none-match": f'"x",{ETAG},"y"'}, SAME),
        ({"if-none-match": "*"}, SAME),
        ({"if-none-match": '"x"'}, SEND),
        ({"if-none-match": "abc"}, SEND),
        ({"if-none-match": ""}, SEND),
        ({"if-none-match": '"'}, SEND),
        ({"if-modified-since": DATE}, SAME),
        ({"if-modified-since": AFTER}, SAME),
        ({"if-modified-since": OLD_FORM}, SAME),
        ({"if-modified-since": BEFORE}, SEND),
        ({"if-modified-since": "yesterday"}, SEND),
        ({"if-modified-since": "Tue, 99 Nov 2023 22:13:20 GMT"}, SEND),
        ({"if-modified-since": "1" * 10_000}, SEND),
        ({"if-none-match": '"x"', "if-modified-since": DATE}, SEND),
        ({"if-none-match": ETAG, "if-modified-since": BEFORE}, SAME),
        ({"if-match": ETAG}, SEND),
        ({"if-match": "*"}, SEND),
        ({"if-match": '"x"'}, FAILED),
        ({"if-match": f"W/{ETAG}"}, FAILED),
        ({"if-match": '"x"', "if-none-match": ETAG}, FAILED),
        ({"if-unmodified-since": DATE}, SEND),
        ({"if-unmodified-since": BEFORE}, FAILED),
        ({"if-unmodified-since": "never"}, SEND),
        ({"if-match": ETAG, "if-unmodified-since": BEFORE}, SEND),
        ({"range": "bytes=0-1"}, SEND),
    ],
)
def test_preconditions(headers: dict[str, str], expected: Outcome) -> None:
    """Preconditions are evaluated in their order; what is malformed counts as not there."""
    assert Conditions(headers).outcome(FILE) is expected


def test_preconditions_without_a_date() -> None:
    """What has no date is never unchanged by date."""
    assert Conditions({"if-modified-since": AFTER}).outcome(Validators(ETAG)) is SEND


@pytest.mark.parametrize(
    ("text", "size", "expected"),
    [
        ("bytes=0-0", 10, (0, 1)),
        ("bytes=0-9", 10, (0, 10)),
        ("bytes=3-5", 10, (3, 6)),
        ("bytes=3-", 10, (3, 10)),
        ("bytes=3-99", 10, (3, 10)),
        ("bytes=-3", 10, (7, 10)),
        ("bytes=-99", 10, (0, 10)),
        ("bytes= 1-2 ", 10, (1, 3)),
        ("Bytes=1-2", 10, (1, 3)),
        ("bytes=10-", 10, Outcome.UNSATISFIABLE),
        ("bytes=10-20", 10, Outcome.UNSATISFIABLE),
        ("bytes=99999999999999999-", 10, Outcome.UNSATISFIABLE),
        ("bytes=-0", 10, Outcome.UNSATISFIABLE),
        ("bytes=0-", 0, Outcome.UNSATISFIABLE),
        ("bytes=-1", 0, Outcome.UNSATISFIABLE),
        ("bytes=5-3", 10, None),
        ("bytes=-", 10, None),
        ("bytes=a-b", 10, None),
        ("bytes=1", 10, None),
        ("bytes", 10, None),
        ("bytes=", 10, None),
        ("bytes=--1", 10, None),
        ("bytes=٣-5", 10, None),
        ("lines=0-1", 10, None),
        ("bytes=" + "9" * 5000 + "-", 10, None),
        ("bytes=0-1,3-4", 10, None),
        ("bytes=" + ",".join(["0-0"] * 16), 10, None),
        ("bytes=" + ",".join(["0-0"] * 17), 10, Outcome.UNSATISFIABLE),
        ("bytes=" + "," * 10_000, 10, Outcome.UNSATISFIABLE),
    ],
)
def test_ranges(text: str, size: int, expected: object) -> None:
    """One range is cut to the file; several mean the whole file; what is malformed counts as not there."""
    assert Conditions({"range": text}).range(FILE, size) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (ETAG, (0, 1)),
        (DATE, (0, 1)),
        ('"x"', None),
        (f"W/{ETAG}", None),
        (BEFORE, None),
        (AFTER, None),
        ("", None),
    ],
)
def test_if_range(condition: str, expected: object) -> None:
    """A range of another content than the client has means the whole file."""
    assert Conditions({"range": "bytes=0-0", "if-range": condition}).range(FILE, 10) == expected


@given(st.text(alphabet='0123456789-, bytes="W/*', max_size=60), st.integers(0, 100))
def test_ranges_never_leave_the_file(text: str, size: int) -> None:
    """Whatever a Range header says, what comes of it is within the file and not empty."""
    wanted = Conditions({"range": f"bytes={text}"}).range(FILE, size)
    if isinstance(wanted, tuple):
        start, end = wanted
        assert 0 <= start < end <= size


@given(
    st.sampled_from(["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"]),
    st.text(max_size=80),
)
def test_conditions_never_fail(name: str, text: str) -> None:
    """Whatever a conditional header says, it has an outcome."""
    assert isinstance(Conditions({name: text, "range": "bytes=0-0"}).outcome(FILE), Outcome)
    Conditions({name: text, "range": "bytes=0-0"}).range(FILE, 10)
