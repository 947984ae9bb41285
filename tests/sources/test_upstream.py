"""An upstream proxy over real sockets: what each of its answers means."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from goproxy_mirror.errors import (
    Blocked,
    Loop,
    MirrorError,
    NotFound,
    OutageDisguised,
    SettingError,
    SourceTimeout,
    SourceUnavailable,
    Unreachable,
)
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Query, Version
from goproxy_mirror.observe import hops
from goproxy_mirror.sources.refusals import said
from goproxy_mirror.sources.upstream import UpstreamSource
from goproxy_mirror.transport import AddressPolicy, Transport
from tests.fakes.origin import Answer, Origin, Request, always, reply
from tests.sources.test_reading import WHOLE, zip_of

M = ModulePath.parse("x.test/m")
MV = ModuleVersion(M, Version.parse("v1.0.0"))
INFO = b'{"Version":"v1.0.0","Time":"2024-01-02T03:04:05Z"}'
PSEUDO = "v0.0.0-20240102030405-0123456789ab"


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    """A transport with short deadlines."""
    transport = Transport(policy=AddressPolicy(), user_agent="test", answer_timeout=0.5, stall_timeout=0.5)
    yield transport
    await transport.aclose()


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    """The upstream's server."""
    async with Origin(always(reply(404, b"not found"))) as origin:
        yield origin


@pytest.fixture
def source(origin: Origin, transport: Transport) -> UpstreamSource:
    """The upstream, below a path of its server."""
    return UpstreamSource(f"{origin.url}/go/", transport, instance="us")


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    """An empty file for a zip."""
    path = tmp_path / "staged"
    path.touch()
    return path


def serving(files: Mapping[str, bytes]) -> Callable[[Request], Answer]:
    """A tree of files by path."""
    return lambda request: (
        reply(200, files[request.path]) if request.path in files else reply(404, b"not found")
    )


async def test_the_six_questions(origin: Origin, source: UpstreamSource, staged: Path) -> None:
    """Each question is asked for at its place, escaped as the go command escapes it, and answered with the home."""
    path = ModulePath.parse("x.test/M")
    mv = ModuleVersion(path, Version.parse("v1.0.0-RC1"))
    info = b'{"Version":"v1.0.0-RC1","Time":"2024-01-02T03:04:05Z"}'
    origin.handler = serving(
        {
            "/go/x.test/%21m/@v/list": b"v1.0.0-RC1\nv3.0.0\n" + PSEUDO.encode(),
            "/go/x.test/%21m/@latest": info,
            "/go/x.test/%21m/@v/%21main.info": info,
            "/go/x.test/%21m/@v/v1.0.0-%21r%21c1.info": info,
            "/go/x.test/%21m/@v/v1.0.0-%21r%21c1.mod": b"module x.test/M\n",
            "/go/x.test/%21m/@v/v1.0.0-%21r%21c1.zip": zip_of("x.test/M@v1.0.0-RC1/go.mod"),
        }
    )
    found = await source.versions(path)
    assert (found.value, found.home.kind, found.home.name) == ((mv.version,), "upstream", f"{origin.url}/go")
    assert (await source.latest(path)).value.body == info
    assert (await source.resolve(path, Query("Main"))).value.version == mv.version
    assert (await source.info(mv)).value.body == info
    assert (await source.go_mod(mv)).value == b"module x.test/M\n"
    await source.zip(mv, staged)
    assert len(origin.requests) == 6


async def test_a_plus_is_sent_as_it_is(origin: Origin, source: UpstreamSource) -> None:
    """`+incompatible` is not escaped."""
    with pytest.raises(NotFound):
        await source.info(ModuleVersion(M, Version.parse("v2.0.0+incompatible")))
    assert origin.paths == ["/go/x.test/m/@v/v2.0.0+incompatible.info"]


async def test_a_zip_lands_in_the_file(origin: Origin, source: UpstreamSource, staged: Path) -> None:
    """A whole zip of the version is what stands in the file."""
    origin.handler = always(reply(200, WHOLE))
    await source.zip(MV, staged)
    assert staged.read_bytes() == WHOLE


async def test_an_empty_list_is_an_answer(origin: Origin, source: UpstreamSource) -> None:
    """A module without tags has an empty list, which is no absence."""
    origin.handler = always(reply(200, b"\n"))
    assert (await source.versions(M)).value == ()


@pytest.mark.parametrize("status", [404, 410])
async def test_absence(origin: Origin, source: UpstreamSource, staged: Path, status: int) -> None:
    """404 and 410 are the upstream's word; the message says who said what about what."""
    answer = reply(
        status, b"not found: unknown revision v1.0.0\nmore", {"Cache-Control": "public, max-age=60"}
    )
    origin.handler = always(answer)
    for question in (
        source.info(MV),
        source.go_mod(MV),
        source.zip(MV, staged),
        source.versions(M),
        source.latest(M),
    ):
        with pytest.raises(NotFound, match=r"x\.test/m.*127\.0\.0\.1.*unknown revision v1\.0\.0$") as failure:
            await question
        assert failure.value.source == f"{origin.url}/go"


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        (b"not found: bad upstream", {}),
        (b"not found: fetch timed out", {}),
        (b"not found: temporarily unavailable", {}),
        (b"not found", {"Cache-Control": "no-store"}),
        (b"", {"Cache-Control": "must-revalidate, no-cache, no-store"}),
    ],
)
async def test_a_disguised_outage(
    origin: Origin, source: UpstreamSource, text: bytes, headers: Mapping[str, str]
) -> None:
    """A 404 that stands for the upstream's own outage is none of an absence, and nothing is asked after it."""
    origin.handler = always(reply(404, text, headers))
    for question in (source.info(MV), source.versions(M), source.latest(M)):
        with pytest.raises(OutageDisguised):
            await question
    assert len(origin.requests) == 3


@pytest.mark.parametrize(
    "blanket", ["no-cache, no-store, must-revalidate", "no-cache, no-store, max-age=0, must-revalidate"]
)
async def test_a_blanket_ban_on_caching_is_no_disguise(
    origin: Origin, source: UpstreamSource, blanket: str
) -> None:
    """Athens forbids to keep any list, some frameworks any answer: that alone makes no outage of a 404."""
    origin.handler = always(reply(404, b"not found", {"Cache-Control": blanket}))
    with pytest.raises(NotFound):
        await source.versions(M)


@pytest.mark.parametrize("status", [204, 302, 400, 401, 403, 418, 429, 500, 502, 503, 504, 999])
async def test_every_other_status_is_an_outage(
    origin: Origin, source: UpstreamSource, staged: Path, status: int
) -> None:
    """Only 404 and 410 are absences; U09, U10: nothing is asked twice, whatever Retry-After says."""
    origin.handler = always(reply(status, b"" if status == 204 else b"why", {"Retry-After": "9" * 30}))
    for question in (source.info(MV), source.zip(MV, staged)):
        with pytest.raises(SourceUnavailable, match=str(status)) as failure:
            await question
        assert not isinstance(failure.value, OutageDisguised)
    assert len(origin.requests) == 2


async def test_a_loop_is_a_loop(origin: Origin, source: UpstreamSource) -> None:
    """U25: 508 says that the request came back to where it had been."""
    origin.handler = always(reply(508, b"loop"))
    with pytest.raises(Loop):
        await source.info(MV)


async def test_the_hop_header(origin: Origin, source: UpstreamSource) -> None:
    """U25: our name is added to the hops that the request has made before."""
    with pytest.raises(NotFound):
        await source.info(MV)
    hops.set(("1.1 first", "1.0 second"))
    with pytest.raises(NotFound):
        await source.info(MV)
    assert [request.headers["via"] for request in origin.requests] == [
        "1.1 us",
        "1.1 first, 1.0 second, 1.1 us",
    ]


async def test_latest_from_the_list_where_there_is_no_latest(origin: Origin, source: UpstreamSource) -> None:
    """An upstream that is a tree of files has no @latest; then the newest of its list is taken."""
    info = f'{{"Version":"{PSEUDO}"}}'.encode()
    origin.handler = serving(
        {"/go/x.test/m/@v/list": PSEUDO.encode(), f"/go/x.test/m/@v/{PSEUDO}.info": info}
    )
    assert (await source.latest(M)).value.body == info
    assert origin.paths == ["/go/x.test/m/@latest", "/go/x.test/m/@v/list", f"/go/x.test/m/@v/{PSEUDO}.info"]


@pytest.mark.parametrize(
    "body",
    [
        b"<!doctype html><title>log in</title>",
        b'{"Version":"v1.0.1","Time":"2024-01-02T03:04:05Z"}',
        b'{"Version":"v1.0.0","Time":"never"}',
        b"[" * 500_000,
    ],
    ids=["U13 page", "U16 other version", "U17 bad time", "U18 deep"],
)
async def test_an_answer_that_is_none_is_an_outage(
    origin: Origin, source: UpstreamSource, staged: Path, body: bytes
) -> None:
    """U13, U16, U17, U18: never an absence, and nothing is believed."""
    origin.handler = always(reply(200, body))
    for question in (source.info(MV), source.go_mod(MV), source.zip(MV, staged)):
        with pytest.raises(SourceUnavailable) as failure:
            await question
        assert f"{origin.url}/go answered with" in failure.value.message
        assert failure.value.source == f"{origin.url}/go"


@pytest.mark.parametrize(
    "body", [b"\n<html>log in</html>", b"Please log in", b'{"error": "busy"}', b"[" * 99]
)
async def test_a_page_is_no_empty_list(origin: Origin, source: UpstreamSource, body: bytes) -> None:
    """A login page or an error in place of a list must not hide every version."""
    origin.handler = always(reply(200, body))
    with pytest.raises(SourceUnavailable):
        await source.versions(M)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + WHOLE,
        b"HTTP/1.1 200 OK\r\n\r\n" + WHOLE[:-20],
        b"HTTP/1.1 200 OK\r\nContent-Length: 4611686018427387904\r\n\r\n" + WHOLE,
        b"HTTP/1.1 200 OK\r\n\r\n" + WHOLE + b"surplus",
    ],
    ids=["U02", "U01", "U03", "U24"],
)
async def test_a_zip_that_is_not_whole(
    origin: Origin, source: UpstreamSource, staged: Path, answer: bytes
) -> None:
    """U01, U02, U03, U24: too few bytes, too many, or too many announced."""

    async def cut(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    origin.handler = always(cut)
    with pytest.raises(SourceUnavailable):
        await source.zip(MV, staged)


@pytest.mark.parametrize("question", ["list", "info", "mod"])
async def test_too_large_an_answer(origin: Origin, source: UpstreamSource, question: str) -> None:
    """U14: an endless list, info or go.mod is cut off."""

    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"v1.0.0\n" * 10_000)
            await writer.drain()
            await asyncio.sleep(0)  # drain alone never lets others run while the buffer has room

    origin.handler = always(endless)
    asked = {"list": source.versions(M), "info": source.info(MV), "mod": source.go_mod(MV)}
    for name, coroutine in asked.items():
        if name != question:
            coroutine.close()
    with pytest.raises(SourceUnavailable, match="larger than"):
        await asked[question]


async def test_silence_and_absence_of_a_server(
    origin: Origin, transport: Transport, source: UpstreamSource
) -> None:
    """A server that stays silent is a timeout; one that is not there, unreachable by name."""

    async def silent(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    origin.handler = always(silent)
    with pytest.raises(SourceTimeout):
        await source.info(MV)
    gone = UpstreamSource("http://127.0.0.1:1", transport)
    with pytest.raises(Unreachable) as failure:
        await gone.info(MV)
    assert gone.host == failure.value.host == "127.0.0.1:1"
    assert failure.value.source == "http://127.0.0.1:1"


async def test_credentials_go_to_the_upstream_and_into_no_message(
    origin: Origin, transport: Transport
) -> None:
    """User and password of the URL are sent, and shown nowhere."""
    source = UpstreamSource(origin.url.replace("://", "://user:secret@"), transport)
    with pytest.raises(NotFound) as failure:
        await source.info(MV)
    assert origin.requests[0].headers["authorization"] == "Basic dXNlcjpzZWNyZXQ="
    assert "secret" not in failure.value.message + str(failure.value.source) + source.home.name


async def test_a_url_that_is_none(origin: Origin, transport: Transport) -> None:
    """A setting that cannot be meant is one; a page's URL is blocked, and so is one that leads inwards."""
    for url in ("ftp://x.test", "https://x.test:99999", "no url"):
        with pytest.raises(SettingError, match="cannot be an upstream"):
            UpstreamSource(url, transport)
        with pytest.raises(Blocked):
            UpstreamSource(url, transport, led=True)
    with pytest.raises(Blocked, match="--allow-address"):
        await UpstreamSource(origin.url, transport, led=True).info(MV)
    assert origin.requests == []


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b"", ""),
        (b"\n\n  not found  \nmore", "not found"),
        (b"a\x1b[31m\x00\tb\xff\xe2\x80\xaec", "a [31m b\ufffd c"),
        (b"x" * 10_000, "x" * 199 + "…"),
    ],
)
def test_what_an_upstream_says_is_printable_and_short(body: bytes, line: str) -> None:
    """The first line only, without control characters or direction marks."""
    assert said(body) == line


async def test_html_is_not_quoted(origin: Origin, source: UpstreamSource) -> None:
    """The text of an error page is no message."""
    origin.handler = always(reply(502, b"<html>", {"Content-Type": "text/html; charset=utf-8"}))
    with pytest.raises(SourceUnavailable, match=r"502 Bad Gateway$"):
        await source.info(MV)


async def test_failures_of_the_class_tree_only(origin: Origin, source: UpstreamSource) -> None:
    """Whatever comes, what is raised is one of ours."""
    for answer in (b"\x00" * 100 + b"\r\n\r\n", b"HTTP/1.1 200\r\n\r\n", b"HTTP/1.1 99 x\r\n\r\n"):
        origin.handler = always(answer)
        with pytest.raises(MirrorError):
            await source.info(MV)
