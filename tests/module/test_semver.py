"""The cases are golang.org/x/mod/semver's (BSD-3-Clause, The Go Authors), and properties of any order."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goproxy_mirror.module import semver

# Ascending; what stands in one line is equal in precedence.
ORDERED = [
    [
        "bad",
        "",
        "v1-alpha.beta.gamma",
        "v1-pre",
        "v1+meta",
        "v1-pre+meta",
        "v1.2-pre",
        "v01.2.3",
        "v1.02.3",
        "1.2.3",
        "v1.2.3.4",
    ],
    ["v1.0.0-alpha"],
    ["v1.0.0-alpha.1"],
    ["v1.0.0-alpha.beta"],
    ["v1.0.0-beta"],
    ["v1.0.0-beta.2"],
    ["v1.0.0-beta.11"],
    ["v1.0.0-rc.1"],
    ["v1", "v1.0", "v1.0.0", "v1.0.0+incompatible"],
    ["v1.2", "v1.2.0"],
    ["v1.2.3-456"],
    ["v1.2.3-456.789"],
    ["v1.2.3-456-789"],
    ["v1.2.3-456a"],
    ["v1.2.3-pre", "v1.2.3-pre+meta"],
    ["v1.2.3-pre.1"],
    ["v1.2.3-zzz"],
    ["v1.2.3", "v1.2.3+meta", "v1.2.3+meta.1-pre.sha.256a"],
    ["v1.2.10"],
    ["v1.10.0"],
    ["v10.0.0"],
    ["v99999999999999999999.0.0"],
]
RANKED = [(text, rank) for rank, line in enumerate(ORDERED) for text in line]

CANONICAL = [
    ("v1", "v1.0.0"),
    ("v1.2", "v1.2.0"),
    ("v1.2.3", "v1.2.3"),
    ("v1.2.3-pre", "v1.2.3-pre"),
    ("v1.2.3+meta", "v1.2.3"),
    ("v1.2.3-pre.1+meta.x", "v1.2.3-pre.1"),
    ("v1-pre", ""),
    ("v1.2.3-", ""),
    ("v1.2.3+", ""),
    ("v1.2.3-01", ""),
    ("v1.2.3-0a", "v1.2.3-0a"),
    ("v1.2.3-a..b", ""),
    ("v1.2.3+a..b", ""),
    ("v1.2.3+01", "v1.2.3"),
    ("v1.2.3\n", ""),
    ("v１.2.3", ""),
]  # fmt: skip

digits = st.integers(0, 30).map(str) | st.just("9" * 30)
identifiers = st.from_regex(r"\A(?:0|[1-9][0-9]{0,3}|[0-9]{0,2}[a-zA-Z-][0-9a-zA-Z-]{0,3})\Z")
prereleases = st.lists(identifiers, max_size=3).map(lambda found: "-" + ".".join(found) if found else "")
versions = st.builds("v{}.{}.{}{}".format, digits, digits, digits, prereleases)


@pytest.mark.parametrize(("text", "expected"), CANONICAL)
def test_canonical(text: str, expected: str) -> None:
    """A canonical version has three numbers and no build metadata; what is no version has none."""
    assert semver.canonical(text) == expected
    assert semver.is_valid(text) == bool(expected)


def test_parts() -> None:
    """Each part of a version can be had by itself, with its sign."""
    assert semver.major("v2.1.0-pre+meta") == "v2"
    assert semver.major_minor("v2") == "v2.0"
    assert semver.major_minor("v2.1.0-pre") == "v2.1"
    assert semver.prerelease("v2.1.0-pre+meta") == "-pre"
    assert semver.build("v2.1.0-pre+meta") == "+meta"
    assert not semver.major("x") + semver.major_minor("x") + semver.prerelease("x") + semver.build("x")


def test_compare() -> None:
    """Versions compare by precedence, and below them all texts that are none compare equal."""
    for left, left_rank in RANKED:
        for right, right_rank in RANKED:
            expected = (left_rank > right_rank) - (left_rank < right_rank)
            assert semver.compare(left, right) == expected, (left, right)


@given(st.lists(versions, min_size=3, max_size=3))
def test_the_sorting_key_agrees_with_compare(found: list[str]) -> None:
    """Sorted by their keys, versions stand in the order that compare gives, which is antisymmetric."""

    def key(text: str) -> semver.Order:
        parts = semver.split(text)
        assert parts is not None
        return semver.order(parts)

    for left, right in pairwise(sorted(found, key=key)):
        assert semver.compare(left, right) <= 0
        assert semver.compare(right, left) == -semver.compare(left, right)


def test_hostile_text_is_refused_in_linear_time() -> None:
    """Texts that make a backtracking expression explode are answered like any other."""
    for text in ("v1.0.0-" + "0a." * 50_000, "v1.0.0-" + "1" * 200_000 + "!", "v1.0.0-a+" + "b." * 100_000):
        assert not semver.is_valid(text)
