"""The edge on a port of its own within the test's process, and clients that say exactly what they are told to."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import re
import socket
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from goproxy_mirror.web.routes import Site
from goproxy_mirror.web.rsgi import App
from goproxy_mirror.web.server import embedded
from tests.fakes.services import FakeWorld

T = TypeVar("T")

INSTANCE = "goproxy-mirror-test"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Edge:
    """A running edge: its world of fakes, its port, and the event loop that it runs in."""

    world: FakeWorld
    port: int
    loop: asyncio.AbstractEventLoop

    def get(self, path: str, headers: Mapping[str, str] | None = None, *, method: str = "GET") -> Answer:
        """One request on a connection of its own, with the path exactly as given."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, headers=dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def say(self, data: bytes, *, requests: int | None = None) -> tuple[list[Answer], bool]:
        """Send raw bytes; the answers until the server closes or says nothing for a while, and whether it closed.

        `requests` says how many the bytes are, where they have more that only look like it.
        """
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as client:
            client.settimeout(5)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused before it was all said
                client.sendall(data)
            return _read_all(client, _methods(data)[:requests])

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the edge's event loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def soon(self, act: Any, *arguments: Any) -> None:
        """Call a function in the edge's event loop."""
        self.loop.call_soon_threadsafe(act, *arguments)


@contextmanager
def running_edge(
    world: FakeWorld, *, prefix: str = "", public_url: str | None = None, log_requests: bool = False
) -> Iterator[Edge]:
    """An edge in a thread of its own, until the context ends."""
    up: Future[tuple[Edge, asyncio.Event]] = Future()

    async def run() -> None:
        app = App(world.open, Site(INSTANCE, prefix, public_url), log_requests=log_requests)
        async with embedded(app) as url:
            edge = Edge(world, urlsplit(url).port or 0, asyncio.get_running_loop())
            done = asyncio.Event()
            up.set_result((edge, done))
            await done.wait()

    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(asyncio.run, run())
        running.add_done_callback(lambda ended: None if up.done() else _fail(up, ended.exception()))
        edge, done = up.result(60)
        try:
            yield edge
        finally:
            edge.soon(done.set)
            running.result(60)


def _fail(future: Future[Any], failure: BaseException | None) -> None:
    future.set_exception(failure or RuntimeError("the edge ended before it served"))


_REQUEST = re.compile(rb"(?:^|\r?\n)([A-Z]+) [^\r\n]* HTTP/1\.[01]\r?\n")


def _methods(data: bytes) -> list[str]:
    return [found.decode() for found in _REQUEST.findall(data)] or ["GET"]


def _read_all(client: socket.socket, methods: list[str]) -> tuple[list[Answer], bool]:
    """Answers by their own framing; stops when every request has one, or nothing more comes."""
    buffer = b""
    answers: list[Answer] = []
    closed = False
    while True:
        taken = _take(buffer, methods[min(len(answers), len(methods) - 1)])
        if taken is not None:
            answers.append(taken[0])
            buffer = taken[1]
            continue
        # What was asked is answered: whether the connection stays open shows within a moment.
        client.settimeout(0.3 if len(answers) >= len(methods) else 5)
        try:
            more = client.recv(65536)
        except TimeoutError:
            break
        except ConnectionResetError:
            closed = True
            break
        if not more:
            closed = True
            break
        buffer += more
    assert not buffer, f"not an answer: {buffer[:200]!r}"
    return answers, closed


def _take(buffer: bytes, method: str) -> tuple[Answer, bytes] | None:
    head, separator, rest = buffer.partition(b"\r\n\r\n")
    if not separator:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    status = int(first.split(" ")[1])
    bodiless = method == "HEAD" or status in {204, 304}
    length = 0 if bodiless else int(headers.get("content-length", "0"))
    if len(rest) < length:
        return None
    return Answer(status, headers, rest[:length]), rest[length:]
