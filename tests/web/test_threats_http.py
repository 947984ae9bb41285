"""Requests that are broken or hostile as HTTP, said byte by byte: refused or ignored, and the server goes on.

Ids are those of the list of bad inputs, group H; another 4xx, or a closed connection, is as good as the one it names.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import Iterator

import pytest

from tests.web.edge import Answer, Edge

HOST = b"Host: x\r\n"
NEXT = b"GET /version HTTP/1.1\r\n" + HOST + b"\r\n"
MOD = "x.test/m/@v/v1.0.0.mod"


@pytest.fixture(autouse=True)
def _alive(edge: Edge) -> Iterator[None]:
    """Whatever a test did, the next client is served."""
    edge.world.modules.hold_file(MOD, b"module x.test/m\n")
    yield
    assert edge.get("/healthz").status == 200


def refused(edge: Edge, data: bytes, *statuses: int) -> list[Answer]:
    """Say it, and make sure that it gets one refusal at most and that nothing after it is answered."""
    answers, closed = edge.say(data)
    assert len(answers) <= 1, answers
    assert closed
    for answer in answers:
        assert answer.status in (statuses or (400,))
    return answers


def request(*headers: bytes, method: bytes = b"GET", target: bytes = b"/" + MOD.encode()) -> bytes:
    """The head of a request."""
    lines = b"".join(header + b"\r\n" for header in headers)
    return method + b" " + target + b" HTTP/1.1\r\n" + lines + b"\r\n"


@pytest.mark.parametrize("method", [b"GET", b"POST", b"HEAD"])
def test_h01_length_and_chunks(edge: Edge, method: bytes) -> None:
    """Content-Length beside Transfer-Encoding is refused, and what is smuggled behind it is not answered."""
    head = request(b"Host: x", b"Content-Length: 5", b"Transfer-Encoding: chunked", method=method)
    refused(edge, head + b"0\r\n\r\n" + NEXT)
    assert edge.world.modules.asked == []


def test_h01_chunks_alone(edge: Edge) -> None:
    """A chunked body is refused too: nothing here takes one."""
    refused(edge, request(b"Host: x", b"Transfer-Encoding: chunked") + b"0\r\n\r\n" + NEXT)
    refused(edge, request(b"Host: x", b"Transfer-Encoding: xchunked") + b"0\r\n\r\n" + NEXT)


def test_h02_two_lengths(edge: Edge) -> None:
    """Two lengths that differ are refused."""
    refused(edge, request(b"Host: x", b"Content-Length: 5", b"Content-Length: 6") + b"hello" + NEXT)


@pytest.mark.parametrize("length", [b"-1", b"+5", b"0x5", b"5,6", b"", b"5 5", b"99999999999999999999999"])
def test_h03_bad_length(edge: Edge, length: bytes) -> None:
    """A length that is no number is refused."""
    refused(edge, request(b"Host: x", b"Content-Length: " + length) + b"hello" + NEXT, 400, 413)


@pytest.mark.parametrize(
    "body",
    [b"5\nhello\n0\n\n", b"5;a\nb\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\nHost: y\r\n\r\n", b"zz\r\n"],
)
def test_h04_h05_bad_chunks(edge: Edge, body: bytes) -> None:
    """Bare line feeds, extensions and trailers in chunks never come to be read."""
    refused(edge, request(b"Host: x", b"Transfer-Encoding: chunked") + body + NEXT)


@pytest.mark.parametrize(
    "header", [b"X-A: b\r\n c", b"X-A : b", b" X-A: b", b"X-A: b\rc", b"X-A: \x00", b"nonsense", b": b"]
)
def test_h06_bad_headers(edge: Edge, header: bytes) -> None:
    """Folded lines, spaces before the colon and control characters are refused."""
    refused(edge, request(b"Host: x", header) + NEXT)


@pytest.mark.parametrize(
    "host", [b"x/?", b"x/../y", b"x y", b"a@b", b"x?y", b"x#y", b"[::1", b"x:80:80", b"<script>"]
)
def test_h07_bad_host(edge: Edge, host: bytes) -> None:
    """A Host that is no host is refused."""
    refused(edge, request(b"Host: " + host) + NEXT)


def test_h08_two_hosts(edge: Edge) -> None:
    """Two Hosts, or none in HTTP/1.1, are refused; HTTP/1.0 may come without."""
    refused(edge, request(b"Host: x", b"Host: y") + NEXT)
    refused(edge, request(b"Host: x", b"Host: x") + NEXT)
    refused(edge, request() + NEXT)
    answers, closed = edge.say(b"GET /version HTTP/1.0\r\n\r\n")
    assert ([answer.status for answer in answers], closed) == ([200], True)


def test_h09_absolute_form(edge: Edge) -> None:
    """A target in absolute form is answered by its path alone; one for another purpose is refused."""
    answers, _ = edge.say(request(b"Host: x", target=b"http://other.test/" + MOD.encode()))
    assert [answer.status for answer in answers] == [200]
    for target in (b"http://other.test/../../etc/passwd", b"http://other.test/%2e%2e/etc"):
        assert [answer.status for answer in edge.say(request(b"Host: x", target=target))[0]] == [400]
    answers, _ = edge.say(request(b"Host: x", method=b"CONNECT", target=b"other.test:443"))
    assert [answer.status for answer in answers] == [405]
    answers, _ = edge.say(request(b"Host: x", method=b"OPTIONS", target=b"*"))
    assert [answer.status for answer in answers] == [405]
    for target in (b"*", b"version", b"//x.test/m/@v/list", b"http://x.test"):
        answers, _ = edge.say(request(b"Host: x", target=target))
        assert answers[0].status in ({200} if target == b"http://x.test" else {400, 404}), target


def test_h10_large_header(edge: Edge) -> None:
    """A megabyte of header is refused before it is all there."""
    refused(edge, request(b"Host: x", b"X: " + b"a" * 1_000_000), 431)


def test_h11_many_headers(edge: Edge) -> None:
    """Ten thousand headers are refused."""
    refused(edge, request(b"Host: x", *(b"X%d: a" % number for number in range(10_000))), 431)


def test_h12_other_methods(edge: Edge) -> None:
    """POST is 405, with or without a body, and the body is not taken for a request."""
    answers, _ = edge.say(request(b"Host: x", b"Content-Length: 0", method=b"POST"))
    assert [answer.status for answer in answers] == [405]
    refused(edge, request(b"Host: x", b"Content-Length: %d" % len(NEXT), method=b"POST") + NEXT, 405)


def test_h13_body_of_a_get(edge: Edge) -> None:
    """A small body of a GET is ignored, and is not taken for the next request."""
    head = request(b"Host: x", b"Content-Length: %d" % len(NEXT))
    answers, _ = edge.say(head + NEXT, requests=1)
    assert [answer.status for answer in answers] == [200]
    assert edge.world.modules.asked == [(MOD, True, ())]


def test_h14_many_ranges(edge: Edge) -> None:
    """Ten thousand ranges are 416, whatever they are."""
    text = b",".join(b"%d-%d" % (n, n) for n in range(10_000))
    answers, _ = edge.say(request(b"Host: x", b"Range: bytes=" + text))
    assert [answer.status for answer in answers] == [416] or answers[0].status == 431
    answers, _ = edge.say(request(b"Host: x", b"Range: bytes=" + b",".join([b"0-0"] * 100)))
    assert [answer.status for answer in answers] == [416]


def test_h15_h16_ranges(edge: Edge) -> None:
    """A range past the end is 416; with a stale If-Range the whole file is sent."""
    assert edge.get(f"/{MOD}", {"Range": "bytes=1000-"}).status == 416
    assert edge.get(f"/{MOD}", {"Range": "bytes=0-1", "If-Range": '"old"'}).status == 200


def test_h17_large_body(edge: Edge) -> None:
    """A large body, compressed or not, is 413 after its head; nobody reads or unpacks it."""
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < 64 * 1024
    head = request(b"Host: x", b"Content-Encoding: gzip", b"Content-Length: %d" % len(bomb))
    assert [answer.status for answer in edge.say(head + bomb)[0]] == [200]
    refused(edge, request(b"Host: x", b"Content-Length: 1000000000") + b"a" * 1_000_000, 413)
    refused(edge, request(b"Host: x", b"Expect: 100-continue", b"Content-Length: 1000000000"), 413)


def test_h19_head_of_what_is_not_held(edge: Edge) -> None:
    """HEAD asks the journey as GET does."""
    edge.get("/x.test/cold/@v/v1.0.0.zip", method="HEAD")
    edge.get("/x.test/cold/@v/v1.0.0.zip")
    assert edge.world.modules.asked == [("x.test/cold/@v/v1.0.0.zip", True, ())] * 2


def test_h20_forged_front(edge: Edge) -> None:
    """Headers that a front would set change nothing."""
    forged = {"X-Forwarded-For": "127.0.0.1", "X-Original-URL": "/version", "X-Rewrite-URL": "/version"}
    plain, answered = edge.get(f"/{MOD}"), edge.get(f"/{MOD}", {**forged, "X-HTTP-Method-Override": "DELETE"})
    assert {**plain.headers, "date": ""} == {**answered.headers, "date": ""}
    assert plain.body == answered.body


def test_h21_cold_without_fetch(edge: Edge) -> None:
    """What is not held is 404 where a fetch is forbidden, and the journey is told so."""
    assert edge.get("/x.test/cold/@v/v1.0.0.zip", {"Disable-Module-Fetch": "true"}).status == 404
    assert edge.world.modules.asked == [("x.test/cold/@v/v1.0.0.zip", False, ())]


def test_h22_upgrade(edge: Edge) -> None:
    """An upgrade to HTTP/2 or a WebSocket is not made, and HTTP/2 itself is not spoken without TLS."""
    upgrades = (
        (
            b"Connection: Upgrade, HTTP2-Settings",
            b"Upgrade: h2c",
            b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        ),
        (
            b"Connection: Upgrade",
            b"Upgrade: websocket",
            b"Sec-WebSocket-Version: 13",
            b"Sec-WebSocket-Key: dGVzdHRlc3R0ZXN0dGVzdA==",
        ),
    )
    for headers in upgrades:
        answers, _ = edge.say(request(b"Host: x", *headers))
        assert [answer.status for answer in answers] == [200]
    refused(edge, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")


@pytest.mark.parametrize(
    "data",
    [
        b"\0" * 1000,
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n" * 100 + b"x\r\n\r\n",
    ],
)
def test_no_http_at_all(edge: Edge, data: bytes) -> None:
    """Bytes that are no request end the connection."""
    refused(edge, data, 400, 505)


def test_two_requests_at_once(edge: Edge) -> None:
    """Pipelined requests are answered in their order."""
    answers, closed = edge.say(NEXT + request(b"Host: x") + NEXT)
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert answers[1].body == b"module x.test/m\n"
    assert not closed


def test_clients_that_stall_and_leave(edge: Edge) -> None:
    """Many clients that say half a request, or leave in the middle of an answer, cost the others nothing."""
    edge.world.modules.hold_file("x.test/m/@v/v1.0.0.zip", bytes(20_000_000))

    async def hold() -> None:
        edge.world.modules.waiting["x.test/m/@latest"] = asyncio.Event()

    edge.call(hold())
    for said in (
        b"GET /x",
        request(target=b"/x.test/m/@latest")[:-2],
        request(b"Host: x", target=b"/x.test/m/@latest"),
    ):
        clients = [socket.create_connection(("127.0.0.1", edge.port)) for _ in range(50)]
        for client in clients:
            client.sendall(said)
        assert edge.get(f"/{MOD}").status == 200
        for client in clients:
            client.close()
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", edge.port)) as client:
            client.sendall(request(b"Host: x", target=b"/x.test/m/@v/v1.0.0.zip"))
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
    assert edge.get(f"/{MOD}").status == 200
