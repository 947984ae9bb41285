"""Fetching: answers, caps, deadlines, broken connections, credentials."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from goproxy_mirror.errors import SourceTimeout, SourceUnavailable, StorageError, Unreachable
from goproxy_mirror.transport import Transport
from tests.fakes.origin import Answer, Origin, always, reply

MIB = 1 << 20


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    """An empty file to save to."""
    path = tmp_path / "staged"
    path.touch()
    return path


def raw(*pieces: bytes, then: float = 0) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    """Write the pieces, wait, and cut the connection."""

    async def write(writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        await asyncio.sleep(then)

    return write


async def test_an_answer_with_its_headers(transport: Transport) -> None:
    """A reply has status, body, final URL, and headers by lower-case name, joined where they repeat."""
    answer = b"HTTP/1.1 404 No\r\nX-One: 1\r\nX-ONE: 2\r\nContent-Length: 4\r\n\r\ngone"
    async with Origin(always(answer)) as origin:
        got = await transport.get(f"{origin.url}/a%21b/@v/list", limit=100)
    assert (got.status, got.body, got.headers["x-one"]) == (404, b"gone", "1, 2")
    assert got.url == f"{origin.url}/a%21b/@v/list"
    assert origin.paths == ["/a%21b/@v/list"]


async def test_what_is_sent(transport: Transport) -> None:
    """Compression is declined, credentials of the URL become an authorization, given headers are sent along."""
    async with Origin() as origin:
        url = origin.url.replace("://", "://user:p%40ss@")
        await transport.get(url, limit=100, headers={"via": "1.1 a, 1.1 b"})
    sent = origin.requests[0].headers
    assert sent["accept-encoding"] == "identity"
    assert sent["authorization"] == "Basic dXNlcjpwQHNz"
    assert sent["via"] == "1.1 a, 1.1 b"
    assert sent["user-agent"] == "test"


async def test_connections_are_kept(transport: Transport) -> None:
    """Requests in a row share a connection."""
    async with Origin() as origin:
        for _ in range(3):
            await transport.get(origin.url, limit=100)
    assert origin.connections == 1


@pytest.mark.parametrize("announced", [True, False])
async def test_too_much_is_refused(transport: Transport, announced: bool, staged: Path) -> None:
    """An answer over the limit is refused, whether it says its length or not; one at the limit is taken."""
    head = b"Content-Length: 1000" if announced else b"X: y"
    async with Origin(always(raw(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + b"x" * 1000))) as origin:
        with pytest.raises(SourceUnavailable, match="larger than 999 bytes"):
            await transport.get(origin.url, limit=999)
        with pytest.raises(SourceUnavailable, match="larger than 999 bytes"):
            await transport.save(origin.url, staged, limit=999)
        assert len((await transport.get(origin.url, limit=1000)).body) == 1000
        assert (await transport.save(origin.url, staged, limit=1000)).size == 1000


async def test_an_absurd_length_is_refused_before_anything_is_read(
    transport: Transport, staged: Path
) -> None:
    """U03: a length of 2^62 bytes reserves nothing."""
    answer = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 4611686018427387904\r\n\r\nx")
    async with Origin(always(answer)) as origin:
        with pytest.raises(SourceUnavailable, match="larger than 1 MiB"):
            await transport.get(origin.url, limit=MIB)
        with pytest.raises(SourceUnavailable, match="larger than 500 MiB"):
            await transport.save(origin.url, staged, limit=500 * MIB)


async def test_an_answer_can_be_cut_instead(transport: Transport) -> None:
    """With `cut` only the beginning is read, and the reply says that there was more."""
    async with Origin(always(reply(200, b"x" * 1000))) as origin:
        got = await transport.get(origin.url, limit=10, cut=True)
        whole = await transport.get(origin.url, limit=1000, cut=True)
    assert (got.body, got.whole) == (b"x" * 10, False)
    assert whole.whole


async def test_of_a_failure_only_the_beginning_is_read(transport: Transport, staged: Path) -> None:
    """An error's text is cut at 64 KiB, and never lands in the file."""
    async with Origin(always(reply(500, b"x" * 200_000))) as origin:
        got = await transport.get(origin.url, limit=MIB)
        saved = await transport.save(origin.url, staged, limit=MIB)
    assert (got.status, len(got.body), got.whole) == (500, 64 << 10, False)
    assert (saved.status, saved.size, len(saved.body)) == (500, 0, 64 << 10)
    assert staged.read_bytes() == b""


async def test_save_writes_all_of_it(transport: Transport, staged: Path) -> None:
    """A large answer lands in the file, byte for byte."""
    body = bytes(range(256)) * 20_000
    async with Origin(always(reply(200, body))) as origin:
        saved = await transport.save(origin.url, staged, limit=500 * MIB)
    assert (saved.status, saved.size) == (200, len(body))
    assert staged.read_bytes() == body


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhalf",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nhalf!",
        b"not HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
    ],
    ids=["U02 short", "U01 cut chunks", "bad chunk", "bad length", "two lengths", "no HTTP", "10k headers"],
)
async def test_a_broken_answer_is_an_outage(transport: Transport, staged: Path, answer: bytes) -> None:
    """U01, U02: what is no whole HTTP answer is an outage, in memory and on disk."""
    async with Origin(always(raw(answer))) as origin:
        with pytest.raises(SourceUnavailable, match="gave no whole answer"):
            await transport.get(origin.url, limit=MIB)
        with pytest.raises(SourceUnavailable, match="gave no whole answer"):
            await transport.save(origin.url, staged, limit=MIB)


async def test_surplus_bytes_belong_to_no_answer(transport: Transport) -> None:
    """U24: what a server sends beyond its Content-Length reaches neither this answer nor the next."""
    surplus = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
    answers = iter([reply(200, b"one") + surplus, reply(200, b"two")])
    async with Origin(lambda _: next(answers)) as origin:
        assert (await transport.get(origin.url, limit=MIB)).body == b"one"
        assert (await transport.get(origin.url, limit=MIB)).body == b"two"


async def test_a_connection_that_breaks_before_the_answer_is_tried_once_more(transport: Transport) -> None:
    """A kept connection may end just when it is used; the second time is the last."""
    broken = raw()
    answers: Iterator[Answer] = iter(
        [reply(200, b"one"), broken, reply(200, b"two"), broken, broken, reply(200, b"five")]
    )
    async with Origin(lambda _: next(answers)) as origin:
        assert (await transport.get(origin.url, limit=MIB)).body == b"one"
        assert (await transport.get(origin.url, limit=MIB)).body == b"two"
        with pytest.raises(SourceUnavailable, match="gave no whole answer"):
            await transport.get(origin.url, limit=MIB)
    assert len(origin.requests) == 5


async def test_a_status_is_never_tried_again(transport: Transport) -> None:
    """U09, U10: 503 and 429 with a Retry-After are answers like others; nobody waits."""
    for status in (503, 429):
        answer = reply(status, b"later", {"Retry-After": "999999999"})
        async with Origin(always(answer)) as origin:
            assert (await transport.get(origin.url, limit=MIB)).status == status
        assert len(origin.requests) == 1


async def test_no_connection_is_unreachable(transport: Transport) -> None:
    """A refused connection names the host, and the host rests."""
    async with Origin() as origin:
        pass
    with pytest.raises(Unreachable, match=r"could not connect to 127.0.0.1:.*refused") as failure:
        await transport.get(origin.url, limit=MIB)
    assert failure.value.host == f"127.0.0.1:{origin.port}"
    assert transport.hosts.resting(failure.value.host)


async def test_no_handshake_is_unreachable(make_transport: Callable[..., Transport]) -> None:
    """A TLS handshake that does not come about within the time to connect is no connection."""
    # Without TLS the server waits for the end of a head that never comes.
    async with Origin() as origin:
        with pytest.raises(Unreachable, match=r"within 0.2 s"):
            await make_transport(connect_timeout=0.2).get(f"https://127.0.0.1:{origin.port}/", limit=MIB)


async def test_an_untrusted_certificate_is_unreachable(
    make_transport: Callable[..., Transport], server_tls: ssl.SSLContext
) -> None:
    """U22: a certificate that nobody vouches for; the message says what to do where it is one's own."""
    async with Origin(tls=server_tls) as origin:
        with pytest.raises(Unreachable, match=r"certificate.*--ca-file"):
            await make_transport(ca_files=[]).get(origin.url, limit=MIB)
        assert (await make_transport().get(origin.url, limit=MIB)).status == 200


async def test_an_answer_that_does_not_begin_is_a_timeout(make_transport: Callable[..., Transport]) -> None:
    """A server that takes the request and stays silent is a timeout, and is not asked again."""
    async with Origin(always(raw(then=30))) as origin:
        with pytest.raises(SourceTimeout, match=r"did not answer within 0.2 s"):
            await make_transport(answer_timeout=0.2).get(origin.url, limit=MIB)
    assert len(origin.requests) == 1


async def test_an_answer_that_stalls_is_a_timeout(
    make_transport: Callable[..., Transport], staged: Path
) -> None:
    """Silence in the middle of an answer is a timeout."""
    async with Origin(always(raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", then=30))) as origin:
        with pytest.raises(SourceTimeout, match=r"sent nothing for 0.2 s"):
            await make_transport(stall_timeout=0.2).save(origin.url, staged, limit=MIB)


async def test_a_drip_ends_with_the_whole_time(transport: Transport) -> None:
    """U06, V24: an answer that comes byte by byte is cut off by the deadline for all of it."""

    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with Origin(always(drip)) as origin:
        with pytest.raises(SourceTimeout, match=r"did not finish within 0.3 s"):
            await transport.get(origin.url, limit=MIB, timeout=0.3)


async def test_compression_that_nobody_asked_for_is_bounded(transport: Transport, staged: Path) -> None:
    """U11, U12: a gzip answer is unpacked up to the limit and no further, in many members too; never to disk."""
    bomb = gzip.compress(bytes(50 * MIB))
    members = gzip.compress(b"") * 10_000 + gzip.compress(b"end")
    packed = {"Content-Encoding": "gzip"}
    for body, fails in ((bomb, "larger than 1 MiB"), (members[:-9], "ends too early"), (b"junk", "broken")):
        async with Origin(always(reply(200, body, packed))) as origin:
            with pytest.raises(SourceUnavailable, match=fails):
                await transport.get(origin.url, limit=MIB)
            with pytest.raises(SourceUnavailable, match="compressed"):
                await transport.save(origin.url, staged, limit=MIB)
    async with Origin(always(reply(200, members, packed))) as origin:
        assert (await transport.get(origin.url, limit=MIB)).body == b"end"
    async with Origin(always(reply(200, bomb, packed))) as origin:
        got = await transport.get(origin.url, limit=1000, cut=True)
        assert (got.body, got.whole) == (bytes(1000), False)
    async with Origin(always(reply(200, b"x", {"Content-Encoding": "br"}))) as origin:
        with pytest.raises(SourceUnavailable, match="compressed"):
            await transport.get(origin.url, limit=MIB)


async def test_a_disk_that_fails_is_not_the_sources_fault(transport: Transport, tmp_path: Path) -> None:
    """Where the file cannot be written the store failed, and no path is shown."""
    async with Origin() as origin:
        with pytest.raises(StorageError) as failure:
            await transport.save(origin.url, tmp_path / "no" / "folder", limit=MIB)
    assert str(tmp_path) not in str(failure.value)


async def test_what_fails_names_no_secret(transport: Transport) -> None:
    """Neither credentials nor a signed query appear in a failure."""
    async with Origin(always(reply(302, headers={"Location": "/x?sig=secret"}))) as origin:
        with pytest.raises(SourceUnavailable) as failure:
            await transport.get(origin.url.replace("://", "://u:secret@"), limit=MIB)
    assert "secret" not in str(failure.value)
    with pytest.raises(SourceUnavailable, match="cannot be fetched") as failure:
        await transport.get("https://u:secret@bad host/", limit=MIB)
    assert "secret" not in str(failure.value)


async def test_one_who_leaves_ends_the_exchange(transport: Transport) -> None:
    """A cancelled fetch closes its connection."""
    closed = asyncio.Event()

    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
                await asyncio.sleep(0)  # drain alone never lets others run while the buffer has room
        finally:
            closed.set()

    async with Origin(always(endless)) as origin:
        task = asyncio.create_task(transport.get(origin.url, limit=1 << 30))
        while not origin.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            await closed.wait()


async def test_a_request_line_cannot_be_broken(transport: Transport) -> None:
    """Control characters in a URL or a header never reach the wire."""
    async with Origin() as origin:
        with pytest.raises(SourceUnavailable):
            await transport.get(f"{origin.url}/a\r\nX: y", limit=MIB)
        with pytest.raises(SourceUnavailable, match="cannot be asked"):
            await transport.get(origin.url, limit=MIB, headers={"via": "a\r\nX: y"})
    assert origin.requests == []
