"""What the transport learns of hosts from the requests that it makes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from goproxy_mirror import observe
from goproxy_mirror.errors import MirrorError
from goproxy_mirror.ports import HostHealth
from goproxy_mirror.transport import Transport
from tests.fakes.origin import Answer, Origin, always, reply
from tests.transport.conftest import Names


async def silence(writer: asyncio.StreamWriter) -> None:
    """Say nothing until the client is gone."""
    await writer.wait_closed()


async def half(writer: asyncio.StreamWriter) -> None:
    """Begin an answer, and hang up."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    await writer.drain()


async def learnt(transport: Transport, answer: Answer) -> HostHealth:
    """What is known of a host after it has given this answer."""
    async with Origin(always(answer)) as origin:
        with suppress(MirrorError):
            await transport.get(origin.url, limit=1000)
        return next(
            health for health in transport.hosts.snapshot() if health.host == f"{origin.host}:{origin.port}"
        )


@pytest.mark.parametrize("answer", [reply(200), reply(404), reply(410), reply(403), reply(429)])
async def test_an_answer_is_no_failure(transport: Transport, answer: bytes) -> None:
    """Whatever a host says, it is there, and the time until its answer began is known."""
    health = await learnt(transport, answer)
    assert (health.requests, health.failures) == (1, 0)
    assert health.seconds > 0


@pytest.mark.parametrize("answer", [reply(500), reply(503), silence, half, b"junk\r\n\r\n"])
async def test_an_outage_is_a_failure(make_transport: Callable[..., Transport], answer: Answer) -> None:
    """A status of 5xx, silence, and an answer that breaks off are failures."""
    health = await learnt(make_transport(answer_timeout=0.2), answer)
    assert health.requests == 1
    assert health.failures > 0


async def test_no_connection_is_a_failure(transport: Transport) -> None:
    """So is a connection that does not come about, counted once however many ask meanwhile."""
    async with Origin() as origin:
        pass
    for _ in range(3):
        with suppress(MirrorError):
            await transport.get(origin.url, limit=10)
    (health,) = transport.hosts.snapshot()
    assert health.requests == 1
    assert health.failures > 0


async def test_every_hop_is_a_request(transport: Transport) -> None:
    """Whoever redirects has answered, too."""
    async with Origin() as there, Origin(always(reply(302, headers={"Location": there.url}))) as here:
        await transport.get(here.url, limit=1000)
        known = {health.host: health.requests for health in transport.hosts.snapshot()}
        assert known == {f"127.0.0.1:{here.port}": 1, f"127.0.0.1:{there.port}": 1}


async def test_who_fails_again_and_again_is_asked_where_nobody_else_is(
    transport: Transport, names: Names
) -> None:
    """A host whose answers are failures rests, but nothing here refuses to ask it: it is there."""
    names.table["127.0.0.1"] = ["127.0.0.1"]
    async with Origin(always(reply(500))) as origin:
        for _ in range(6):
            assert (await transport.get(origin.url, limit=10)).status == 500
        assert transport.hosts.resting(f"127.0.0.1:{origin.port}")
        assert await transport.is_back(origin.url)
        assert (await transport.get(origin.url, limit=10, led=True)).status == 500
        origin.handler = always(reply(404))
        await transport.get(origin.url, limit=10)
        assert not transport.hosts.resting(f"127.0.0.1:{origin.port}")


async def test_progress_is_told(transport: Transport, tmp_path: Path) -> None:
    """Whoever waits for a download hears of its head and of each piece."""
    told: list[None] = []
    observe.progress.set(lambda: told.append(None))
    into = tmp_path / "zip"
    into.touch()
    pieces: Iterator[int] = iter(range(3))

    async def slowly(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")
        for number in pieces:
            while len(told) <= number:
                await asyncio.sleep(0.001)
            writer.write(b"x")

    async with Origin(always(slowly)) as origin:
        await transport.save(origin.url, into, limit=10)
    assert len(told) >= 4
