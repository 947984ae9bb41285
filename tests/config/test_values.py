"""Single values of settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goproxy_mirror.config.values import (
    Listen,
    parse_bytes,
    parse_globs,
    parse_listen,
    parse_mode,
    parse_networks,
    parse_outgoing_proxy,
    parse_path_prefix,
    parse_public_url,
    parse_readable_file,
    parse_switch,
    redact,
    seconds,
    shown_seconds,
    whole_number,
    without_userinfo,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("60s", 60),
        ("10m", 600),
        ("1h30m", 5400),
        ("500ms", 0.5),
        ("1d", 86400),
        (60, 60),
        ("60", 60),
        (1.5, 1.5),
    ],
)
def test_duration(text: object, expected: float) -> None:
    """A duration is a number of seconds, or numbers with units."""
    assert seconds(0, 10**6)(text) == expected


@pytest.mark.parametrize("text", ["", "60x", "s", "-1s", "1 h", "1h 30m", True, None, "٣s", "61m", [60]])
def test_no_duration(text: object) -> None:
    """Anything else, and what is out of bounds, is refused with the bounds."""
    with pytest.raises(ValueError, match="allowed is a time from 0s to 1h"):
        seconds(0, 3600)(text)


@given(st.integers(min_value=0, max_value=10**7))
def test_shown_duration_is_the_same(milliseconds: int) -> None:
    """A duration is shown as text that means the same."""
    duration = milliseconds / 1000
    assert seconds(0, 10**5)(shown_seconds(duration)) == pytest.approx(duration)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10GB", 10**10), ("10 GiB", 10 * 2**30), ("1.5kb", 1500), (4096, 4096), ("4096", 4096), ("0", 0)],
)
def test_size(text: object, expected: int) -> None:
    """A size is a number of bytes, or a number with a decimal or binary unit."""
    assert parse_bytes(text) == expected


@pytest.mark.parametrize("text", ["", "GB", "10 parsecs", "-1", -1, True, None])
def test_no_size(text: object) -> None:
    """Anything else is refused with examples."""
    with pytest.raises(ValueError, match="10GiB"):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("text", "host", "port", "loopback"),
    [
        ("127.0.0.1:8081", "127.0.0.1", 8081, True),
        ("127.8.8.8:1", "127.8.8.8", 1, True),
        ("[::1]:8081", "::1", 8081, True),
        ("localhost:65535", "localhost", 65535, True),
        (":8081", "", 8081, False),
        ("0.0.0.0:80", "0.0.0.0", 80, False),
        ("[::]:80", "::", 80, False),
        ("proxy.example:80", "proxy.example", 80, False),
    ],
)
def test_listen(text: str, host: str, port: int, loopback: bool) -> None:
    """An address is host:port; which ones are loopback decides who can connect."""
    found = parse_listen(text)
    assert found == Listen(host, port)
    assert found.loopback == loopback
    assert parse_listen(str(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        "8081",
        "127.0.0.1",
        "127.0.0.1:",
        "h:65536",
        "h:-1",
        "http://h:1",
        "::1:80",
        "[h]:1",
        "a b:1",
        "h:٣",
        8081,
    ],
)
def test_no_listen(text: object) -> None:
    """Anything else is refused with examples; an IPv6 address needs its brackets."""
    with pytest.raises(ValueError, match=re.escape('"[::1]:8081"')):
        parse_listen(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("/goproxy", "/goproxy"), ("a/b/", "/a/b"), ("", ""), ("/", "")]
)
def test_path_prefix(text: str, expected: str) -> None:
    """A path prefix begins with a slash and does not end with one."""
    assert parse_path_prefix(text) == expected


@pytest.mark.parametrize("text", ["/a/../b", "/a//b", "/a?b", "/a b", "/é", "/a%2f", "/./a", None])
def test_no_path_prefix(text: object) -> None:
    """What clients could not ask for, or would ask for in another way, is refused."""
    with pytest.raises(ValueError, match="allowed is a URL path"):
        parse_path_prefix(text)


def test_networks() -> None:
    """Ranges come as a list or as one text; a single address is a range of one."""
    assert parse_networks("198.18.0.0/15, fd00::/8") == parse_networks(["198.18.0.0/15", "fd00::/8"])
    assert str(parse_networks("10.0.0.1")[0]) == "10.0.0.1/32"


def test_network_with_host_bits() -> None:
    """A range with bits outside its mask is refused, with the range that was probably meant."""
    with pytest.raises(ValueError, match=re.escape("10.0.0.0/8")):
        parse_networks("10.0.0.1/8")


@pytest.mark.parametrize("text", ["10.0.0.0/33", "example.org", 5.5])
def test_no_network(text: object) -> None:
    """A name is no range of addresses."""
    with pytest.raises(ValueError, match="allowed"):
        parse_networks(text)


def test_mode() -> None:
    """Permissions are octal digits, in which the owner keeps the right to read and write."""
    assert parse_mode("660") == parse_mode("0660") == parse_mode(660) == 0o660


@pytest.mark.parametrize("text", ["", "999", "60", "060", "rw-rw----", True, 0o660])
def test_no_mode(text: object) -> None:
    """Anything else is refused; a number in TOML is read by its digits."""
    with pytest.raises(ValueError, match="octal"):
        parse_mode(text)


@pytest.mark.parametrize("text", ["http://h", "https://goproxy.corp.example:8443/", "https://[::1]:80/a/b"])
def test_public_url(text: str) -> None:
    """The URL under which clients reach the server has no slash at its end."""
    assert parse_public_url(text) == text.rstrip("/")


@pytest.mark.parametrize(
    "text", ["", "h.example", "https://u:p@h", "https://h/?x", "https://h/$(id)", "ftp://h", 5]
)
def test_no_public_url(text: object) -> None:
    """What could not be copied into a shell as it is, or has more than scheme, host and path, is refused."""
    with pytest.raises(ValueError, match=r"goproxy\.corp\.example"):
        parse_public_url(text)


def test_globs() -> None:
    """Globs come as Go writes them or as a list; empty ones do not count."""
    assert parse_globs("corp.example/*, ,github.com/us") == ("corp.example/*", "github.com/us")
    assert parse_globs(["a.example/[a-c]*", "b.example,c.example"]) == (
        "a.example/[a-c]*",
        "b.example",
        "c.example",
    )


@pytest.mark.parametrize("glob", ["corp.example/[", "corp.example/[]", "a[b-]", "a\\"])
def test_malformed_glob(glob: str) -> None:
    """A malformed glob, which Go passes over in silence, is refused: a private one would leak."""
    with pytest.raises(ValueError, match="is no path glob"):
        parse_globs(glob)


@pytest.mark.parametrize("text", ["true", "Yes", "on", "1", True])
def test_switch_on(text: object) -> None:
    """The usual words for yes."""
    assert parse_switch(text) is True


@pytest.mark.parametrize("text", ["false", "No", "off", "0", False])
def test_switch_off(text: object) -> None:
    """The usual words for no."""
    assert parse_switch(text) is False


@pytest.mark.parametrize("text", ["0", "257", "1.5", "x", "", True, "1" * 40])
def test_no_whole_number(text: object) -> None:
    """A number out of bounds is refused with the bounds."""
    with pytest.raises(ValueError, match="from 1 to 256"):
        whole_number(1, 256)(text)


def test_outgoing_proxy() -> None:
    """As Go has it, a proxy without a scheme is an http one."""
    assert parse_outgoing_proxy("proxy.example:3128") == "http://proxy.example:3128"
    assert parse_outgoing_proxy("socks5://127.0.0.1:1080") == "socks5://127.0.0.1:1080"


@pytest.mark.parametrize("text", ["", "ftp://h", "http://", "http://h:port", None])
def test_no_outgoing_proxy(text: object) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match="URL of a proxy"):
        parse_outgoing_proxy(text)


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A file is tried when the settings are read, not when the first client comes."""
    with pytest.raises(ValueError, match="No such file"):
        parse_readable_file("a file")(str(tmp_path / "missing.pem"))


@given(st.text(alphabet="abc:/@,|.", max_size=40), st.text(alphabet="abc:/@,|.", max_size=40))
def test_redaction_leaves_no_password(before: str, after: str) -> None:
    """Whatever stands around it, nothing between the scheme and the last at sign is shown."""
    assert "hunter2" not in redact(f"{before}https://user:hunter2@{after}")


def test_without_userinfo() -> None:
    """A URL is shown without its credentials; an at sign in a path is none."""
    assert without_userinfo("https://u:p@h.example:1/a/@b") == "https://h.example:1/a/@b"
    assert without_userinfo("https://h.example/@b") == "https://h.example/@b"
    assert without_userinfo("https://u:p@h.example/", "***") == "https://***@h.example/"
