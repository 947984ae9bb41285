"""What is set for a URL goes to that URL's host and to nobody else."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from goproxy_mirror.errors import SourceUnavailable
from goproxy_mirror.transport import Target, Transport
from tests.fakes.origin import Origin, Request, always, reply
from tests.transport.conftest import Names


class Fixed:
    """A credential, and whether it was said to have been refused."""

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self.value = value
        self.was_refused = 0

    async def authorization(self) -> str:
        if not self.value:
            raise SourceUnavailable("cannot be read")
        return self.value

    def refused(self) -> bool:
        self.was_refused += 1
        return False


class Ring:
    """Credentials by the beginning of a URL's path, for one host."""

    def __init__(self, host: str, **values: str) -> None:
        self.host = host
        self.entries = {f"/{path}": Fixed(path, value) for path, value in values.items()}

    def find(self, url: str) -> Fixed | None:
        target = Target.parse(url)
        if target.scheme != "https" or target.host != self.host:
            return None
        path = "/" + url.split("/", 3)[3]
        return next((found for start, found in self.entries.items() if path.startswith(start)), None)

    def by_ssh(self, url: str) -> None:
        return None


MakeTransport = Callable[..., Transport]


@pytest.fixture(autouse=True)
def hosts(names: Names) -> None:
    """Both hosts of the certificate are on loopback."""
    names.table |= {"x.test": ["127.0.0.1"], "y.test": ["127.0.0.1"]}


def sent(origin: Origin) -> list[tuple[str, str | None]]:
    return [(request.path, request.headers.get("authorization")) for request in origin.requests]


def at(origin: Origin, host: str, path: str) -> str:
    return f"https://{host}:{origin.port}{path}"


async def test_led__only_where_it_is_said(make_transport: MakeTransport, server_tls: ssl.SSLContext) -> None:
    """A URL that a page named gets nothing, unless whoever asks vouches for it; the answer tells what was sent."""
    transport = make_transport(credentials=Ring("x.test", a="Basic one"))
    async with Origin(tls=server_tls) as origin:
        url = at(origin, "x.test", "/a")
        assert (await transport.get(url, limit=9, led=True)).credential is None
        assert (await transport.get(url, limit=9, led=True, credentials=True)).credential == "a"
    assert sent(origin) == [("/a", None), ("/a", "Basic one")]


async def test_operators__by_default(
    make_transport: MakeTransport, server_tls: ssl.SSLContext, tmp_path: Path
) -> None:
    """A URL that the operator named gets what is set for it; its own user name and password go before that."""
    transport = make_transport(credentials=Ring("127.0.0.1", a="Basic one"))
    (tmp_path / "f").touch()
    async with Origin(tls=server_tls) as origin:
        await transport.get(f"{origin.url}/a", limit=9)
        await transport.get(f"{origin.url}/b", limit=9)
        assert (await transport.save(f"{origin.url}/a", tmp_path / "f", limit=9)).status == 200
        await transport.get(f"{origin.url}/a", limit=9, credentials=False)
        await transport.get(f"https://u:p@127.0.0.1:{origin.port}/a", limit=9)
    assert [value for _, value in sent(origin)] == ["Basic one", None, "Basic one", None, "Basic dTpw"]


async def test_http__never(make_transport: MakeTransport) -> None:
    """Over plain http nothing is sent, whatever is set."""
    transport = make_transport(credentials=Ring("127.0.0.1", a="Basic one"))
    async with Origin() as origin:
        await transport.get(f"{origin.url}/a", limit=9)
    assert sent(origin) == [("/a", None)]


async def test_redirect__to_another_host(make_transport: MakeTransport, server_tls: ssl.SSLContext) -> None:
    """Another host gets nothing, neither the first one's credential nor its own: nobody named it."""
    ring = Ring("x.test", a="Basic one")
    transport = make_transport(credentials=ring)
    async with Origin(tls=server_tls) as origin:

        def answer(request: Request) -> bytes:
            there = {"/a": "y.test", "/a/2": "x.test"}.get(request.path)
            return (
                reply(302, b"", {"Location": at(origin, there, request.path + "/2")}) if there else reply(200)
            )

        origin.handler = answer
        got = await transport.get(at(origin, "x.test", "/a"), limit=9, led=True, credentials=True)
        assert got.credential == "a"  # it came home again: x.test -> y.test -> x.test
        back = sent(origin)
        ring.host = "y.test"
        await transport.get(at(origin, "x.test", "/a"), limit=9, led=True, credentials=True)
    assert back == [("/a", "Basic one"), ("/a/2", None), ("/a/2/2", "Basic one")]
    assert sent(origin)[3:] == [("/a", None), ("/a/2", None), ("/a/2/2", None)]


async def test_redirect__to_another_port_or_path(
    make_transport: MakeTransport, server_tls: ssl.SSLContext
) -> None:
    """At another port nothing is sent; on the same server, what is set for the new path."""
    transport = make_transport(credentials=Ring("x.test", a="Basic one", b="Basic two"))
    async with Origin(tls=server_tls) as other, Origin(tls=server_tls) as origin:
        ways = {
            "/a": at(origin, "x.test", "/b"),
            "/b": at(origin, "x.test", "/c"),
            "/c": at(other, "x.test", "/a"),
        }
        origin.handler = lambda request: reply(307, b"", {"Location": ways[request.path]})
        await transport.get(at(origin, "x.test", "/a"), limit=9, led=True, credentials=True)
    assert sent(origin) == [("/a", "Basic one"), ("/b", "Basic two"), ("/c", None)]
    assert sent(other) == [("/a", None)]


async def test_refused__is_told(make_transport: MakeTransport, server_tls: ssl.SSLContext) -> None:
    """401 is told to the credential, so that it can be made anew; nothing else is."""
    ring = Ring("x.test", a="Basic one")
    transport = make_transport(credentials=ring)
    async with Origin(tls=server_tls) as origin:
        for status in (401, 403, 404, 500):
            origin.handler = always(reply(status))
            await transport.get(at(origin, "x.test", "/a"), limit=9, led=True, credentials=True)
    assert ring.entries["/a"].was_refused == 1


async def test_unreadable__nobody_is_asked(make_transport: MakeTransport, server_tls: ssl.SSLContext) -> None:
    """A request that should have had a credential is not sent without."""
    transport = make_transport(credentials=Ring("x.test", a=""))
    async with Origin(tls=server_tls) as origin:
        with pytest.raises(SourceUnavailable, match="cannot be read"):
            await transport.get(at(origin, "x.test", "/a"), limit=9, led=True, credentials=True)
    assert origin.requests == []


async def test_post__goes_to_one_place(make_transport: MakeTransport, server_tls: ssl.SSLContext) -> None:
    """It has the given headers and no credentials of its own, and follows nothing."""
    transport = make_transport(credentials=Ring("127.0.0.1", a="Basic one"))
    async with Origin(always(reply(302, b"", {"Location": "/b"})), tls=server_tls) as origin:
        got = await transport.post(f"{origin.url}/a", b"{}", limit=9, headers={"authorization": "Bearer t"})
    assert got.status == 302
    assert [(each.method, each.headers["authorization"]) for each in origin.requests] == [
        ("POST", "Bearer t")
    ]
    assert origin.requests[0].headers.get("content-length") == "2"
