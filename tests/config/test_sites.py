"""Lists of sites."""

from __future__ import annotations

import pytest

from goproxy_mirror.config.show import plain
from goproxy_mirror.config.sites import parse_sites


@pytest.mark.parametrize(
    ("value", "sites"),
    [
        ("https://a.test/mod/, http://b.test:8080", ("https://a.test/mod", "http://b.test:8080")),
        (["https://a.test", "https://a.test/"], ("https://a.test",)),
        ("off", ()),
        (["off"], ()),
        ((), ()),
        (("https://a.test",), ("https://a.test",)),
    ],
)
def test_sites(value: object, sites: tuple[str, ...]) -> None:
    """URLs come as a list or with commas between, lose a slash at the end, and stand there once; off is an empty list."""
    assert parse_sites(value) == sites


@pytest.mark.parametrize(
    "value",
    [
        "",
        [],
        "a.test",
        "ftp://a.test",
        "https://",
        "https://a.test?x=1",
        "https://a.test#x",
        "https://a.test:x",
        1,
        "https://a.test,off",
        "https://a .test",
    ],
)
def test_no_sites(value: object) -> None:
    """What no path can be added to is refused, as is a list of nothing."""
    with pytest.raises(ValueError, match="allowed are https:// and http:// URLs"):
        parse_sites(value)


def test_a_password_is_not_repeated() -> None:
    """The refusal of a URL does not show its credentials."""
    with pytest.raises(ValueError, match=r"https://\*\*\*@a\.test\?") as failure:
        parse_sites("https://me:secret@a.test?x")
    assert "secret" not in str(failure.value)


@pytest.mark.parametrize("name", ["toolchains", "vulndb"])
def test_sites_are_shown_without_secrets(name: str) -> None:
    """The settings are printed with `***` for credentials, and an empty list as the word that makes it."""
    assert plain(name, ("https://me:secret@a.test", "https://b.test")) == [
        "https://***@a.test",
        "https://b.test",
    ]
    assert plain(name, ()) == "off"
