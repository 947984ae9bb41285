"""Many clients at once: the upstream is asked once per file, and everybody gets the same bytes."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from contextlib import ExitStack

from tests.conftest import StartServer
from tests.world.modules import Modules
from tests.world.polling import eventually
from tests.world.server import Server
from tests.world.upstream import Upstream

CLIENTS = 200
BASE = "/golang.org/x/mod/@v/v0.22.0"


async def ask(port: int, path: str) -> tuple[int, bytes]:
    """Status and body of one request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split()[1])
        length = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        )
        return status, await reader.readexactly(length)
    finally:
        writer.close()


def both_workers_serve(server: Server) -> bool:
    """Whether of many connections each of two processes holds some; a worker that is still starting holds none."""
    before = sorted(server.sockets())
    if not before:
        return True  # a system without /proc
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        server.get("/healthz")  # by now the others have been accepted
        after = sorted(server.sockets())
    return (
        len(after) == len(before)
        and sum(now - then > 10 for then, now in zip(before, after, strict=True)) >= 2
    )


async def crowd(server: Server, upstream: Upstream, paths: list[str]) -> list[tuple[int, bytes]]:
    """Ask for all paths at once, and let the upstream answer only after it was asked."""
    with upstream.hold(r"v0\.22\.0"):
        tasks = [asyncio.create_task(ask(server.port, path)) for path in paths]
        await asyncio.to_thread(eventually, lambda: all(upstream.asked[each] for each in set(paths)))
    return await asyncio.gather(*tasks)


async def test_two_hundred_clients_one_fetch(
    start_server: StartServer, upstream: Upstream, modules: Modules
) -> None:
    """200 clients of a cold module, two worker processes: one upstream fetch per file, equal bytes for all."""
    server = start_server("--upstream", upstream.url, "--workers", "2")
    eventually(lambda: both_workers_serve(server), what="connections with both workers")
    kinds = ["zip", "mod", "info"]
    paths = [f"{BASE}.{kinds[number % 3]}" for number in range(CLIENTS)]
    answers = await crowd(server, upstream, paths)
    assert Counter(status for status, _ in answers) == {200: CLIENTS}
    for kind in kinds:
        bodies = {body for (_, body), path in zip(answers, paths, strict=True) if path.endswith(kind)}
        assert len(bodies) == 1
        assert kind == "info" or bodies == {modules.file("golang.org/x/mod", "v0.22.0", kind)}
        assert upstream.asked[f"{BASE}.{kind}"] == 1


async def test_two_stores_are_two_fetches(start_server: StartServer, upstream: Upstream) -> None:
    """Positive control: servers that share nothing fetch twice, and the upstream's count shows it."""
    servers = [start_server("--upstream", upstream.url, name=name) for name in ("one", "two")]
    answers = await asyncio.gather(*(crowd(each, upstream, [f"{BASE}.zip"] * 5) for each in servers))
    assert all(status == 200 for each in answers for status, _ in each)
    assert upstream.asked[f"{BASE}.zip"] == 2


async def test_client_that_goes_away_cancels_nothing(
    start_server: StartServer, upstream: Upstream, modules: Modules
) -> None:
    """The first client hangs up in the middle of the fetch; the second gets the file from that same fetch."""
    server = start_server("--upstream", upstream.url)
    with upstream.hold(r"\.zip$"):
        first = asyncio.create_task(ask(server.port, f"{BASE}.zip"))
        await asyncio.to_thread(eventually, lambda: upstream.asked[f"{BASE}.zip"])
        second = asyncio.create_task(ask(server.port, f"{BASE}.zip"))
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
    assert await second == (200, modules.file("golang.org/x/mod", "v0.22.0", "zip"))
    assert upstream.asked[f"{BASE}.zip"] == 1
