"""What is read from a request before its path is looked at."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goproxy_mirror.errors import Loop
from goproxy_mirror.web.incoming import Refused, hops, read

INSTANCE = "goproxy-mirror-7f3a"


@dataclass
class Headers:
    """Headers as the server below hands them over."""

    pairs: list[tuple[str, str]]

    def items(self) -> list[tuple[str, str]]:
        return self.pairs


@dataclass
class Scope:
    """A request as the server below hands it over."""

    pairs: list[tuple[str, str]] = field(default_factory=lambda: [("host", "x.test")])
    http_version: str = "1.1"
    scheme: str = "http"
    method: str = "GET"
    path: str = "/a"
    query_string: str = ""
    authority: str | None = None

    @property
    def headers(self) -> Headers:
        return Headers(self.pairs)


def test_plain() -> None:
    """A request is taken as it came."""
    got = read(Scope([("host", "x.test:80"), ("accept", "*/*")], query_string="q=1"))
    assert (got.method, got.path, got.query, got.scheme) == ("GET", "/a", "q=1", "http")
    assert got.authority == "x.test:80"
    assert got.headers == {"host": "x.test:80", "accept": "*/*"}


def test_repeated_headers() -> None:
    """Headers that come twice are joined in their order."""
    got = read(Scope([("host", "x"), ("via", "1.1 a"), ("accept", "*/*"), ("via", "1.1 b")]))
    assert got.headers["via"] == "1.1 a, 1.1 b"


def test_authority() -> None:
    """The target's own authority (absolute form, HTTP/2) goes before Host; HTTP/1.0 and HTTP/2 need no Host."""
    assert read(Scope([("host", "y")], authority="x:1")).authority == "x:1"
    assert read(Scope([], http_version="2", authority="x")).authority == "x"
    assert read(Scope([], http_version="1")).authority == ""


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [("host", "a"), ("host", "b")],
        [("host", "a"), ("host", "a")],
        [("host", "x/?")],
        [("host", "x y")],
        [("host", "x@y")],
        [("host", "[::1")],
        [("host", "x:y")],
        [("host", "x" * 301)],
        [("host", "x"), ("transfer-encoding", "chunked")],
        [("host", "x"), ("transfer-encoding", "")],
        [("host", "x"), ("content-length", "-1")],
        [("host", "x"), ("content-length", "٣")],
        [("host", "x"), ("content-length", "1"), ("content-length", "2")],
    ],
)
def test_framing(pairs: list[tuple[str, str]]) -> None:
    """What can be read in two ways is 400, and the connection ends."""
    with pytest.raises(Refused) as refused:
        read(Scope(pairs))
    assert (refused.value.status, refused.value.close) == (400, True)


@pytest.mark.parametrize("length", ["65537", "9" * 18, "9" * 400_000])
def test_large_body(length: str) -> None:
    """A large body is 413 before any of it is read, and the connection ends."""
    with pytest.raises(Refused) as refused:
        read(Scope([("host", "x"), ("content-length", length)]))
    assert (refused.value.status, refused.value.close) == (413, True)


def test_small_body() -> None:
    """A small body is nobody's business."""
    assert read(Scope([("host", "x"), ("content-length", "65536")])).path == "/a"


@pytest.mark.parametrize(
    ("via", "expected"),
    [
        (None, ()),
        ("", ()),
        ("1.1 a", ("1.1 a",)),
        ("1.0 a, 1.1  b.test:80 ,HTTP/1.1 c", ("1.0 a", "1.1 b.test:80", "HTTP/1.1 c")),
        ("1.1 a (nginx, really), 1.1 b", ("1.1 a", "1.1 b")),
        (f"1.1 {INSTANCE}x, 1.1 x{INSTANCE}", (f"1.1 {INSTANCE}x", f"1.1 x{INSTANCE}")),
        (f"{INSTANCE}", ()),
        ("1.1 a\x01b, nonsense, 1.1 b c", ()),
    ],
)
def test_hops(via: str | None, expected: tuple[str, ...]) -> None:
    """The proxies before us are known by name; comments and nonsense are not passed on."""
    assert hops({} if via is None else {"via": via}, INSTANCE) == expected


@pytest.mark.parametrize(
    "via",
    [f"1.1 {INSTANCE}", f"1.1 a,1.1 {INSTANCE} (x),1.1 b", ",".join(["1.1 a"] * 33), "1.1 " + "a" * 9000],
)
def test_loop(via: str) -> None:
    """Our own name among them, or too many of them, is a loop."""
    with pytest.raises(Loop):
        hops({"via": via}, INSTANCE)


@given(st.text(max_size=300))
def test_hops_are_safe_to_pass_on(via: str) -> None:
    """Whatever Via says, what is passed on is visible ASCII."""
    for entry in hops({"via": via}, INSTANCE):
        assert entry.isascii()
        assert entry.isprintable()
        assert "," not in entry
