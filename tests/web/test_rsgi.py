"""The place where a request ends: the log, and requests that end in no answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from goproxy_mirror.errors import SourceUnavailable, StorageError
from goproxy_mirror.web.routes import Site
from goproxy_mirror.web.rsgi import App
from goproxy_mirror.web.services import Services
from tests.fakes.services import FakeWorld
from tests.web.edge import Edge, running_edge
from tests.world.polling import eventually


def test_request_log(world: FakeWorld) -> None:
    """Where it is asked for, each request is one event, with nothing in it that could break a line."""
    world.modules.hold_file("x.test/m/@v/v1.0.0.mod", b"module x.test/m\n", home="https://proxy.test")
    with capture_logs() as events, running_edge(world, log_requests=True) as edge:
        edge.get("/x.test/m/@v/v1.0.0.mod?token=secret")
        edge.get("/x%0a%1b[31mfake")
        edge.get("/" + "a" * 5000)
    requests = [event for event in events if event["event"] == "request"]
    first, second, third = requests
    assert isinstance(first.pop("ms"), float)
    assert first == {
        "event": "request",
        "log_level": "info",
        "method": "GET",
        "path": "/x.test/m/@v/v1.0.0.mod",
        "status": 200,
        "bytes": 16,
        "source": "https://proxy.test",
    }
    assert (second["path"], second["status"], second["source"]) == ("/x\\n\\x1b[31mfake", 400, None)
    assert len(third["path"]) == 512


def test_quiet_log(world: FakeWorld) -> None:
    """Otherwise an answered request is not logged; a failure of ours is."""
    world.modules.failures["x.test/m/@latest"] = SourceUnavailable("proxy.test: nobody there")
    world.modules.failures["x.test/m/@v/list"] = ValueError("boom")
    with capture_logs() as events, running_edge(world) as edge:
        edge.get("/healthz")
        edge.get("/x.test/none/@latest")
        assert events == []
        edge.get("/x.test/m/@latest")
        number = edge.get("/x.test/m/@v/list").text.split()[-1]
    failed, unforeseen = events
    assert (failed["kind"], failed["reason"]) == ("SourceUnavailable", "proxy.test: nobody there")
    assert (unforeseen["log_level"], unforeseen["number"]) == ("error", number)
    assert unforeseen["exc_info"]


def test_log_of_a_client_that_left(world: FakeWorld) -> None:
    """A client that left before it had an answer is logged as 499."""

    async def hold() -> None:
        world.modules.waiting["x.test/m/@latest"] = asyncio.Event()

    with capture_logs() as events, running_edge(world, log_requests=True) as edge:
        edge.call(hold())
        with socket.create_connection(("127.0.0.1", edge.port)) as client:
            client.sendall(b"GET /x.test/m/@latest HTTP/1.1\r\nHost: x\r\n\r\n")
            eventually(lambda: world.modules.asked)
        eventually(lambda: [event for event in events if event.get("status") == 499])


async def test_services_that_do_not_open() -> None:
    """A worker whose services do not open says why, and never serves."""

    def broken() -> object:
        raise StorageError("the store is not there")

    app = App(broken, Site("x"))  # type: ignore[arg-type]
    with pytest.raises(StorageError, match="the store is not there"):
        await app.start()
    await app.stop()


async def test_interrupt_while_services_close(world: FakeWorld) -> None:
    """An interrupt is no failure of the services: nothing is in the log. What they raise themselves is."""

    @asynccontextmanager
    async def opened(failure: Exception | None) -> AsyncIterator[Services]:
        async with world.open() as services:
            yield services
        if failure is not None:
            raise failure

    for failure, said in ((None, []), (StorageError("lost"), ["the services of this worker have failed"])):
        with capture_logs() as events:
            app = App(lambda failure=failure: opened(failure), Site("x"))  # type: ignore[misc]
            await app.start()
            assert app.life is not None
            if failure is None:
                app.life.cancel()
            await app.stop()
        assert [event["event"] for event in events] == said


def test_answers_in_parallel(edge: Edge) -> None:
    """A request that waits does not hold up another, not even on the same journey."""

    async def hold() -> None:
        edge.world.modules.waiting["x.test/slow/@latest"] = asyncio.Event()

    edge.call(hold())
    edge.world.modules.hold_text("x.test/slow/@latest", b"{}")
    edge.world.modules.hold_text("x.test/fast/@latest", b"{}")
    with socket.create_connection(("127.0.0.1", edge.port), timeout=20) as client:
        client.sendall(b"GET /x.test/slow/@latest HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: edge.world.modules.asked)
        assert edge.get("/x.test/fast/@latest").status == 200
        edge.soon(edge.world.modules.waiting["x.test/slow/@latest"].set)
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
