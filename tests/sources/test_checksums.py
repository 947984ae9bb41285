"""Checksum databases at several places."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from goproxy_mirror.errors import (
    Blocked,
    NotFound,
    OutageDisguised,
    SettingError,
    SourceUnavailable,
    Unreachable,
)
from goproxy_mirror.observe import hops
from goproxy_mirror.sources.checksums import ChecksumUpstreams
from goproxy_mirror.transport import AddressPolicy, Transport
from tests.fakes.origin import Answer, Origin, Request, always, reply

VECTORS = Path(__file__).parents[1] / "conformance" / "sumdb_vectors"
LOOKUP = "lookup/x.test/metasub@v1.1.0"
TILE = "tile/8/0/002.p/188"


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    """A transport that gives up soon."""
    transport = Transport(policy=AddressPolicy(), user_agent="test", answer_timeout=0.5)
    yield transport
    await transport.aclose()


def database(request: Request) -> Answer:
    """The recorded database, at the root and below /sumdb/sum.test."""
    path = VECTORS / request.path.removeprefix("/sumdb/sum.test").lstrip("/").replace("%21", "!")
    return reply(200, path.read_bytes()) if path.is_file() else reply(404, b"not found")


async def test_each_question_is_passed_on(transport: Transport) -> None:
    """The body comes as the database gave it, with its home; paths are escaped as the go command escapes them."""
    async with Origin(database) as origin:
        databases = ChecksumUpstreams({"sum.test": [origin.url]}, transport)
        assert databases.known("sum.test")
        for path in (
            "latest",
            LOOKUP,
            TILE,
            "tile/8/0/000",
            "tile/8/data/000",
            "lookup/github.com/x/!up!per@v1.0.0-!r!c1",
        ):
            found = await databases.get("sum.test", path)
            assert found.value == (VECTORS / path).read_bytes()
            assert found.home.name == origin.url
        assert origin.paths[-1] == "/lookup/github.com/x/%21up%21per@v1.0.0-%21r%21c1"


async def test_unknown_and_closed_databases(transport: Transport) -> None:
    """S14: a database without a place is not known."""
    databases = ChecksumUpstreams({"closed.test": []}, transport)
    for name in ("closed.test", "other.test"):
        assert not databases.known(name)
        with pytest.raises(NotFound):
            await databases.get(name, "latest")


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (LOOKUP, reply(500, b"broken")),
        (LOOKUP, reply(403, b"no")),
        (LOOKUP, reply(429, b"slow down")),
        (LOOKUP, reply(404, b"not found: fetch timed out")),
        (LOOKUP, reply(404, b"not found", {"Cache-Control": "no-store"})),
        (LOOKUP, reply(200, b"")),
        (LOOKUP, reply(200, b"<html>log in</html>")),
        (LOOKUP, reply(200, b"1\n" + b"x" * (1 << 20))),
        ("latest", reply(200, b"<html>log in</html>")),
        (TILE, reply(200, b"x" * (187 * 32))),
        ("tile/8/0/000", reply(200, b"x" * 8191)),
        ("tile/8/data/000", reply(200, b"")),
        ("tile/8/data/000", reply(200, b"x" * ((8 << 20) + 1))),
        (LOOKUP, b"junk\r\n\r\n"),
    ],
)
async def test_the_next_place_is_asked_after_a_failure(
    transport: Transport, path: str, answer: bytes
) -> None:
    """S03, S09, S13, S15: what is no answer counts as none; alone it is an outage."""
    async with Origin(always(answer)) as broken, Origin(database) as whole:
        both = ChecksumUpstreams({"sum.test": [broken.url, whole.url]}, transport)
        assert (await both.get("sum.test", path)).home.name == whole.url
        alone = ChecksumUpstreams({"sum.test": [broken.url]}, transport)
        with pytest.raises(SourceUnavailable) as failure:
            await alone.get("sum.test", path)
        assert failure.value.source == broken.url


async def test_the_databases_own_no_counts(transport: Transport) -> None:
    """What the database's own host does not have is not there; nobody else is asked."""
    async with Origin(always(reply(410, b"gone"))) as own, Origin(database) as proxy:
        places = {"sum.test": [own.url, f"{proxy.url}/sumdb/sum.test"]}
        with pytest.raises(NotFound):
            await ChecksumUpstreams(places, transport).get("sum.test", LOOKUP)
        assert proxy.requests == []


async def test_a_proxys_no_counts_only_where_nobody_failed(transport: Transport) -> None:
    """A proxy that does not pass a database on says 404 as well, which must not hide the database's outage."""
    async with Origin(always(reply(404, b"not found"))) as proxy, Origin(always(reply(503))) as own:
        passed_on = f"{proxy.url}/sumdb/sum.test"
        with pytest.raises(SourceUnavailable):
            await ChecksumUpstreams({"sum.test": [own.url, passed_on]}, transport).get("sum.test", LOOKUP)
        with pytest.raises(SourceUnavailable):
            await ChecksumUpstreams({"sum.test": [passed_on, own.url]}, transport).get("sum.test", LOOKUP)
        with pytest.raises(NotFound):
            await ChecksumUpstreams({"sum.test": [passed_on]}, transport).get("sum.test", LOOKUP)


async def test_places_that_lied_are_left_out(transport: Transport) -> None:
    """The home of an answer can be left out of the next question; who was left out has not said no, nor has a proxy then."""
    async with Origin(database) as own, Origin(database) as proxy, Origin(always(reply(404))) as unknowing:
        passed_on = [f"{each.url}/sumdb/sum.test" for each in (proxy, unknowing)]
        databases = ChecksumUpstreams({"sum.test": [own.url, *passed_on]}, transport)
        first = await databases.get("sum.test", LOOKUP)
        second = await databases.get("sum.test", LOOKUP, [first.home])
        assert (first.home.name, second.home.name) == (own.url, passed_on[0])
        with pytest.raises(SourceUnavailable):
            await databases.get("sum.test", LOOKUP, [first.home, second.home])
        with pytest.raises(SourceUnavailable):
            await ChecksumUpstreams({"sum.test": [own.url]}, transport).get("sum.test", LOOKUP, [first.home])
        with pytest.raises(NotFound):
            await databases.get("sum.test", "lookup/x.test/no@v1.0.0", [second.home])


async def test_a_host_that_did_not_answer_is_asked_last(transport: Transport) -> None:
    """After one failure to connect, the next minute begins with the others; the dead one is not forgotten."""
    async with Origin(database) as whole:
        databases = ChecksumUpstreams({"sum.test": ["http://127.0.0.1:1", whole.url]}, transport)
        await databases.get("sum.test", "latest")
        assert transport.hosts.resting("127.0.0.1:1")
        await databases.get("sum.test", "latest")
    with pytest.raises(SourceUnavailable) as failure:
        await databases.get("sum.test", "latest")
    assert "127.0.0.1:1:" in failure.value.message
    with pytest.raises(Unreachable):
        await ChecksumUpstreams({"sum.test": ["http://127.0.0.1:1"]}, transport).get("sum.test", "latest")


async def test_a_redirect_inwards_is_refused(transport: Transport) -> None:
    """A place may not lead to an address that is not public."""
    async with Origin(database, host="127.0.0.2") as inside:
        async with Origin(always(reply(302, headers={"Location": inside.url}))) as origin:
            databases = ChecksumUpstreams({"sum.test": [origin.url]}, transport)
            with pytest.raises(Blocked):
                await databases.get("sum.test", "latest")
        assert inside.connections == 0


async def test_the_hop_header(transport: Transport) -> None:
    """A proxy that passes the database on learns where the request has been."""
    async with Origin(database) as origin:
        hops.set(("1.1 first",))
        await ChecksumUpstreams({"sum.test": [origin.url]}, transport, instance="us").get(
            "sum.test", "latest"
        )
    assert origin.requests[0].headers["via"] == "1.1 first, 1.1 us"


@pytest.mark.parametrize("url", ["ftp://sum.test", "sum.test", "https://user:secret@sum test"])
def test_a_place_that_is_none(url: str) -> None:
    """A wrong place names the database and shows no secret."""
    places: Mapping[str, list[str]] = {"sum.test": [url]}
    with pytest.raises(SettingError, match=r"sum\.test") as failure:
        ChecksumUpstreams(places, Transport(policy=AddressPolicy(), user_agent="test"))
    assert "secret" not in str(failure.value)


async def test_a_disguised_outage_is_said_as_one(transport: Transport) -> None:
    """The class of a single failure is kept."""
    async with Origin(always(reply(404, b"not found: bad upstream"))) as origin:
        with pytest.raises(OutageDisguised):
            await ChecksumUpstreams({"sum.test": [origin.url]}, transport).get("sum.test", LOOKUP)
