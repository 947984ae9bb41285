"""URL prefixes: `goproxy_mirror.credentials.prefix`."""

from __future__ import annotations

import pytest

from goproxy_mirror.credentials.prefix import Prefix
from goproxy_mirror.transport import Target, UrlError


def rest(prefix: str, url: str) -> str | None:
    return Prefix.parse(prefix).rest(Target.parse(url))


@pytest.mark.parametrize(
    ("prefix", "url", "expected"),
    [
        ("https://x.test", "https://x.test", ""),
        ("https://x.test", "https://x.test/a/b", "a/b"),
        ("https://x.test/", "https://X.TEST:443/a?go-get=1", "a"),
        ("https://x.test:8443/", "https://x.test:8443/a", "a"),
        (
            "https://x.test/corp/",
            "https://x.test/corp/r.git/info/refs?service=git-upload-pack",
            "r.git/info/refs",
        ),
        ("https://x.test/corp", "https://x.test/corp", ""),
        ("https://x.test/corp", "https://x.test/corp/r", "/r"),
        ("https://x.test/corp/r", "https://x.test/corp/r.git", ".git"),
        ("https://x.test/corp/r", "https://x.test/corp/r.git/info/refs", ".git/info/refs"),
        ("https://x.test/corp/", "https://x.test/other/../corp/r", "r"),
    ],
)
def test_rest__of_what_is_below(prefix: str, url: str, expected: str) -> None:
    """A prefix covers its own path and what is below it, however host and port are written."""
    assert rest(prefix, url) == expected


@pytest.mark.parametrize(
    ("prefix", "url"),
    [
        ("https://x.test/", "http://x.test/a"),
        ("https://x.test/", "https://x.test:8443/a"),
        ("https://x.test:8443/", "https://x.test/a"),
        ("https://x.test/", "https://y.test/a"),
        ("https://x.test/", "https://a.x.test/a"),
        ("https://x.test/", "https://x.test.evil.test/a"),
        ("https://x.test/", "https://x.test@evil.test/a"),
        ("https://x.test/corp", "https://x.test/corporate"),
        ("https://x.test/corp/a", "https://x.test/corp/ab"),
        ("https://x.test/corp/a", "https://x.test/corp/a.github"),
        ("https://x.test/corp/", "https://x.test/corp"),
        ("https://x.test/corp/", "https://x.test/CORP/r"),
        ("https://x.test/corp/", "https://x.test/corp/../other"),
        ("https://x.test/corp/", "https://x.test/corp/%2e%2e/other"),
        ("https://x.test/corp/", "https://x.test/?/corp/"),
        ("https://x.test/corp/", "https://x.test/corp%2fr"),
    ],
)
def test_rest__of_what_is_not(prefix: str, url: str) -> None:
    """A04, A05: another scheme, port, host, a longer name, another case, a path that only begins like it."""
    assert rest(prefix, url) is None


@pytest.mark.parametrize(
    "text",
    ["http://x.test/", "https://u:p@x.test/", "ssh://git@x.test/", "x.test", "https://", "https://x y/"],
)
def test_parse__what_is_no_prefix(text: str) -> None:
    """Only https, without credentials."""
    with pytest.raises(UrlError):
        Prefix.parse(text)
