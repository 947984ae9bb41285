"""URLs: parsed, compared, shown."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goproxy_mirror.transport.urls import Target, UrlError, shown


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://proxy.test/goproxy/", "https://proxy.test/goproxy/"),
        ("https://user:secret@proxy.test/x", "https://proxy.test/x"),
        ("https://user@proxy.test", "https://proxy.test"),
        ("https://a:b@c@proxy.test/x", "https://proxy.test/x"),
        ("https://cdn.test/x.zip?X-Signature=secret#part", "https://cdn.test/x.zip"),
        ("user:secret@proxy.test:8080", "proxy.test:8080"),
        ("https://user:sec/ret@proxy.test/x", "https://***"),
        ("https://user:sec?ret@proxy.test/x", "https://***"),
        ("https://user:secret@[::1]:8080/x", "https://[::1]:8080/x"),
        ("file:///srv/modules", "file:///srv/modules"),
        ("https://proxy.test/a@v1", "https://proxy.test/a@v1"),
    ],
)
def test_shown_hides_what_is_secret(url: str, expected: str) -> None:
    """Credentials, query and fragment are not shown; an @ of the path is."""
    assert shown(url) == expected


def test_userinfo_becomes_an_authorization() -> None:
    """User and password are taken out of the URL, decoded, and become a basic authorization."""
    target = Target.parse("https://user:p%40ss@proxy.test/x")
    assert (target.url, target.authorization) == ("https://proxy.test/x", "Basic dXNlcjpwQHNz")


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("http://127.1/", "127.0.0.1"),
        ("http://0x7f000001/", "127.0.0.1"),
        ("http://2130706433/", "127.0.0.1"),
        ("http://0177.0.0.1/", "127.0.0.1"),
        ("http://[::ffff:127.0.0.1]/", "::ffff:7f00:1"),
        ("http://127.1./", "127.0.0.1"),
        ("http://0x7f.1../", "127.0.0.1"),
        ("http://%31%32%37.1/", "127.0.0.1"),
    ],
)
def test_an_address_in_disguise_is_seen_as_an_address(text: str, host: str) -> None:
    """V02 to V05, V07: the forms that a connection would take for an address are one here."""
    target = Target.parse(text)
    assert target.host == host
    assert target.literal is not None


def test_a_final_dot_is_dropped() -> None:
    """`localhost.` is `localhost`, in the URL that is asked as well."""
    target = Target.parse("https://LOCALHOST./x")
    assert (target.host, target.url) == ("localhost", "https://localhost/x")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "proxy.test",
        "file:///etc/passwd",
        "ftp://x.test/",
        "https:///",
        "https://x.test\\@y.test/",
        "https://x .test",
        "https://x.test/\n",
        "https://exämple.test/",
        "https://x.test:99999/",
        "https://./",
        "local_file:///etc/passwd",
        "https://[fe80::1%25eth0]/",
        "https://[fe80::1%eth0]/",
        "https://[::1/",
        "https://1.2.3.256/",
        "https://1.2.3.4.5/",
        "https://0x100000000/",
    ],
)
def test_what_is_no_web_url_is_refused(text: str) -> None:
    """Other schemes, no host, and whatever two parsers could read differently."""
    with pytest.raises(UrlError):
        Target.parse(text)


def test_a_redirect_is_followed_relative_to_where_it_was_met() -> None:
    """A Location may be relative, and takes no credentials along."""
    target = Target.parse("https://user:pw@x.test/a/b")
    assert target.follow("../c").url == "https://x.test/c"
    assert target.follow("//y.test:8443/c").authority == "y.test:8443"
    assert target.follow("https://u:p@y.test/").authorization is None


def test_same_home_is_the_same_server() -> None:
    """Host and port decide; http raised to https on the usual ports is the same server."""
    plain, tls = Target.parse("http://x.test/a"), Target.parse("https://x.test/b")
    assert plain.same_home(tls)
    assert not tls.same_home(plain)
    assert not tls.same_home(Target.parse("https://x.test:8443/b"))
    assert not tls.same_home(Target.parse("https://y.test/b"))


PIECES = st.sampled_from(
    [
        "https://",
        "HTTP://",
        "x.test",
        "127.1",
        "0x7f.1",
        "0177.0.0.1",
        "2130706433",
        "xn--bcher-kva.test",
        "[::1]",
        "[::ffff:7f00:1]",
        "@",
        ":",
        ":443",
        ":6379",
        "/",
        "..",
        ".",
        "?",
        "#",
        "user",
        "%31",
        "%40",
        "%2f",
        "%00",
        ";",
        "&",
        "=",
    ]
)


@settings(max_examples=2000, deadline=None)
@given(st.lists(PIECES, max_size=8).map("".join))
def test_another_parser_connects_to_the_same_place(rest: str) -> None:
    """What is handed on (to git, say) leads another parser to the host and port that were vetted."""
    try:
        target = Target.parse(f"https://{rest}")
    except UrlError:
        return
    there = urlsplit(target.url)
    assert (there.scheme, there.hostname, there.port or 443) == ("https", target.host, target.port)
    assert there.username is None
    assert Target.parse(target.url).url == target.url
