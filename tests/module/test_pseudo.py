"""The cases are golang.org/x/mod/module's (BSD-3-Clause, The Go Authors), and properties of making and reading."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goproxy_mirror.errors import InvalidVersion
from goproxy_mirror.module import pseudo, semver

TIME = datetime(2006, 1, 2, 15, 4, 5, tzinfo=UTC)
SEGMENT = "20060102150405-hash"

# A major version, the tag before (or none), and the pseudo-version.
MADE = [
    ("", "", "v0.0.0-" + SEGMENT),
    ("v0", "", "v0.0.0-" + SEGMENT),
    ("v1", "", "v1.0.0-" + SEGMENT),
    ("v2", "", "v2.0.0-" + SEGMENT),
    ("unused", "v0.0.0", "v0.0.1-0." + SEGMENT),
    ("unused", "v1.2.3", "v1.2.4-0." + SEGMENT),
    ("unused", "v1.2.9", "v1.2.10-0." + SEGMENT),
    ("unused", "v1.2.99999", "v1.2.100000-0." + SEGMENT),
    ("unused", "v1.2.999999999999999999", "v1.2.1000000000000000000-0." + SEGMENT),
    ("unused", "v1.2.3-pre", "v1.2.3-pre.0." + SEGMENT),
    ("unused", "v1.3.0-pre", "v1.3.0-pre.0." + SEGMENT),
    ("unused", "v1.3.0-pre.0.1", "v1.3.0-pre.0.1.0." + SEGMENT),
    ("unused", "v2.0.0+incompatible", "v2.0.1-0." + SEGMENT + "+incompatible"),
    ("unused", "v2.0.0-rc+incompatible", "v2.0.0-rc.0." + SEGMENT + "+incompatible"),
]  # fmt: skip

# Texts that have the look of a pseudo-version and no base.
BASELESS = [
    "v0.0.0-0.20060102150405-hash",
    "v1.0.0-0.20060102150405-hash",
    "v2.0.0-0.20060102150405-hash+incompatible",
    "v0.0.0-20060102150405-hash+incompatible",
    "v0.0.0-20060102150405-hash+metadata",
]
NO_PSEUDO = [
    "v1.2.3",
    "v1.2.3-pre",
    "v1.2.3-pre.20060102150405-hash",
    "v1.2.3-20060102150405-hash",
    "v1.0.0-2006010215040-hash",
    "v1.0.0-20060102150405-ha.sh",
    "master",
    "",
    "v0.0.0-20060102150405",
]

tags = st.sampled_from(
    ["", "v1.2.3", "v1.9.9", "v1.0.0-rc.1", "v1.2.0-0", "v3.0.0+incompatible", "v3.0.99-x.y+incompatible"]
)
times = st.integers(0, 10**11).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
revs = st.from_regex(r"\A[0-9a-f]{12}\Z")


@pytest.mark.parametrize(("major", "older", "expected"), MADE)
def test_made(major: str, older: str, expected: str) -> None:
    """A pseudo-version lies right above the tag before it."""
    made = pseudo.pseudo_version(major, older, TIME, "hash")
    assert made == expected
    assert pseudo.is_pseudo(made)
    assert pseudo.pseudo_base(made) == older


@given(tags, times, revs)
def test_round_trip(older: str, time: datetime, rev: str) -> None:
    """What was put into a pseudo-version comes out of it, and it sorts above its base and below the next release."""
    made = pseudo.pseudo_version("v1", older, time, rev)
    assert pseudo.pseudo_time(made) == time
    assert pseudo.pseudo_rev(made) == rev
    assert pseudo.pseudo_base(made) == older
    assert semver.compare(older, made) < 0
    assert semver.compare(made, semver.canonical(made).partition("-")[0]) < 0


def test_the_time_is_utc() -> None:
    """A commit's own time zone does not matter."""
    east = TIME.astimezone(timezone(timedelta(hours=8)))
    assert pseudo.pseudo_version("v1", "", east, "hash") == pseudo.pseudo_version("v1", "", TIME, "hash")


@pytest.mark.parametrize("text", BASELESS)
def test_no_base(text: str) -> None:
    """A base below v0.0.0, or metadata without any base, is refused."""
    assert pseudo.is_pseudo(text)
    with pytest.raises(InvalidVersion):
        pseudo.pseudo_base(text)


@pytest.mark.parametrize("text", NO_PSEUDO)
def test_what_is_none(text: str) -> None:
    """Other versions are not taken for pseudo-versions."""
    assert not pseudo.is_pseudo(text)
    for read in (pseudo.pseudo_base, pseudo.pseudo_rev, pseudo.pseudo_time):
        with pytest.raises(InvalidVersion, match="syntax error"):
            read(text)


@pytest.mark.parametrize("time", ["20061302150405", "20060230150405", "20060102250405", "00000102150405"])
def test_malformed_time(time: str) -> None:
    """Fourteen digits need not be a time."""
    with pytest.raises(InvalidVersion, match="malformed time"):
        pseudo.pseudo_time(f"v0.0.0-{time}-hash")


def test_zero() -> None:
    """The placeholder is the lowest of its major version."""
    assert pseudo.zero_pseudo("v2") == "v2.0.0-00010101000000-000000000000"
