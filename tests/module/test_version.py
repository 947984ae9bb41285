from __future__ import annotations

import pickle
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goproxy_mirror.errors import InvalidVersion
from goproxy_mirror.module import semver
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Query, Version, canonical_version

PSEUDO = "v0.0.0-20240209043000-0123456789ab"
NOT_CANONICAL = [
    "",
    "v1",
    "v1.2",
    "1.2.3",
    "v1.2.3+meta",
    "v1.2.3+incompatible.x",
    "v01.0.0",
    "v1.0.0-01",
    "main",
    "v1.0.0/x",
    "v1.0.0\n",
]
NO_QUERY = ["", ".", "..", "a/b", "-x", "a!b", "con", "a:b", "a*", "v1.", "é", "a\\b", "\x00", "nul.txt"]

numbers = st.integers(0, 12)
suffixes = st.sampled_from(
    [
        "",
        "-pre",
        "-pre.2",
        "-pre.11",
        "-0.20240209043000-0123456789ab",
        "-RC1",
        "+incompatible",
        "-a+incompatible",
    ]
)
versions = st.builds("v{}.{}.{}{}".format, numbers, numbers, numbers, suffixes)


@pytest.mark.parametrize("text", NOT_CANONICAL)
def test_only_canonical_versions(text: str) -> None:
    """A version has three numbers, and no build metadata but +incompatible."""
    with pytest.raises(InvalidVersion):
        Version.parse(text)


def test_canonical_version() -> None:
    """The canonical form fills in numbers and drops metadata other than +incompatible."""
    assert canonical_version("v1.2") == "v1.2.0"
    assert canonical_version("v1.2.3+meta") == "v1.2.3"
    assert canonical_version("v2.0.0+incompatible") == "v2.0.0+incompatible"
    assert not canonical_version("main")


def test_what_a_version_says() -> None:
    """A version knows its kind and its major one."""
    assert Version("v12.1.0").major == "v12"
    assert Version(PSEUDO).is_pseudo
    assert Version(PSEUDO).is_prerelease
    assert not Version("v1.0.0-rc.1").is_pseudo
    assert Version("v2.0.0+incompatible").is_incompatible
    assert not Version("v2.0.0+incompatible").is_prerelease


@given(st.lists(versions, min_size=2, max_size=6))
def test_the_order_is_total_and_agrees_with_compare(texts: list[str]) -> None:
    """Versions sort by precedence, then by text; equal versions are those of one text."""
    found = sorted(map(Version, texts))
    for left, right in pairwise(found):
        assert semver.compare(left.value, right.value) <= 0
        assert (left < right) + (left == right) + (left > right) == 1
        assert left <= right
        assert right >= left
    assert found == sorted(found, reverse=True)[::-1]


@given(versions)
def test_escaping_round_trip(text: str) -> None:
    """An escaped version has no capital and leads back."""
    version = Version(text)
    assert version.escaped == version.escaped.lower()
    assert Version.unescape(version.escaped) == version


def test_a_version_must_fit_its_path() -> None:
    """The major version of a path binds its versions."""
    assert Version.parse_for(ModulePath("x.y/z/v2"), "v2.0.0").value == "v2.0.0"
    with pytest.raises(InvalidVersion, match="should be v2, not v1"):
        Version.parse_for(ModulePath("x.y/z/v2"), "v1.0.0")
    with pytest.raises(InvalidVersion, match="should be v0 or v1, not v2"):
        Version.unescape_for(ModulePath("x.y/z"), "v2.0.0-!r!c1")


@pytest.mark.parametrize(
    "text", ["main", "v1", "v1.2", "v1.0.0+meta", "abcdef0", "Feature", "v2.0.0", "#1", "a b", "go1.21"]
)
def test_queries(text: str) -> None:
    """Whatever is one harmless element of a path may be asked for, and is escaped as versions are."""
    assert Query.unescape(Query(text).escaped).value == text


@pytest.mark.parametrize("text", NO_QUERY)
def test_what_cannot_be_asked(text: str) -> None:
    """A query is one element, plain ASCII, and can be taken neither for an option nor for a device."""
    with pytest.raises(InvalidVersion):
        Query(text)


@pytest.mark.parametrize("escaped", ["Main", "v1!", "!", "!!a", "é"])
def test_badly_escaped_queries(escaped: str) -> None:
    """A version that is not escaped is no version."""
    with pytest.raises(InvalidVersion):
        Query.unescape(escaped)


def test_values_behave_as_values() -> None:
    """A module version prints as the go command writes it, is equal by value, and survives pickling."""
    mv = ModuleVersion(ModulePath("golang.org/x/text"), Version("v0.3.0"))
    assert str(mv) == "golang.org/x/text@v0.3.0"
    assert {mv: 1}[ModuleVersion(ModulePath("golang.org/x/text"), Version("v0.3.0"))] == 1
    assert pickle.loads(pickle.dumps(mv)) == mv
    assert mv < ModuleVersion(ModulePath("golang.org/x/text"), Version("v0.10.0"))
