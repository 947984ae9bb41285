"""The upstream of the benchmarks, in a process of its own: a GOPROXY tree and a checksum database, with a delay.

    python -m bench.upstream        prints its URL; serves what bench/filled.py keeps

Each answer begins `delay` seconds after its request, whatever else goes on: that is what distance does. Connections are kept,
and small answers are made once, so that the upstream costs little beside what is measured (`bench/run --only upstream` tells).
`/-/set?delay=0.02` changes the delay and begins the counts anew; `/-/counts` tells how many requests of each kind there were,
how many bytes went out, and how many requests waited at once at most.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import uvloop

from bench.filled import SUMDB, Filled, database, filled
from bench.processes import Process, python
from tests.world.sumdb import SumDB

_WHOLE = 1 << 20
"""Bytes: files up to this are kept in memory."""
_PART = 1 << 18
_MISSING = b"not found: this upstream has no such file\n"


class Site:
    """What is served, and what was asked."""

    def __init__(self, kept: Filled, sumdb: SumDB) -> None:
        self.delay = 0.0
        self.counts: Counter[str] = Counter()
        self.sent = 0
        self.waiting = 0
        self.most_waiting = 0
        self._tree = str(kept.tree)
        self._sumdb = sumdb
        self._made: dict[str, tuple[bytes, Path | None]] = {}

    def answer(self, target: str) -> tuple[bytes, Path | None]:
        """The head with a small body, or the head of a large file that follows."""
        if target.startswith("/-/"):
            return _packed(200, self._own(target)), None
        self.counts[_kind(target)] += 1
        made = self._made.get(target)
        if made is None:
            made = self._make(unquote(target))
            self._made[target] = made
        return made

    def _make(self, path: str) -> tuple[bytes, Path | None]:
        below = f"/sumdb/{SUMDB}"
        if path.startswith(below):
            status, body = self._sumdb.handle(path.removeprefix(below))
            return _packed(status, body), None
        file = Path(self._tree + path)
        if ".." in path or not file.is_file():
            return _packed(404, _MISSING), None
        size = file.stat().st_size
        if size <= _WHOLE:
            return _packed(200, file.read_bytes()), None
        return _head(200, size), file

    def _own(self, target: str) -> bytes:
        action, _, query = target.removeprefix("/-/").partition("?")
        told = {"requests": dict(self.counts), "bytes": self.sent, "at once": self.most_waiting}
        if action == "set":
            self.delay = float(parse_qs(query)["delay"][0])
            self.counts.clear()
            self.sent = self.most_waiting = 0
        return json.dumps(told).encode()


def _kind(target: str) -> str:
    if target.startswith("/sumdb/"):
        return "sumdb"
    name = target.rpartition("/")[2]
    return name if name in {"list", "@latest"} else name.rpartition(".")[2]


def _head(status: int, length: int) -> bytes:
    reason = "OK" if status == 200 else "Not Found"
    return f"HTTP/1.1 {status} {reason}\r\nContent-Length: {length}\r\nServer: bench\r\n\r\n".encode()


def _packed(status: int, body: bytes) -> bytes:
    return _head(status, len(body)) + body


class Connection(asyncio.Protocol):
    """One connection: a request, its answer after the delay, the next request."""

    def __init__(self, site: Site, loop: asyncio.AbstractEventLoop) -> None:
        self._site = site
        self._loop = loop
        self._buffer = b""
        self._busy = False
        self._sending: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._sending is not None:
            self._sending.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._busy:
            self._next()

    def _next(self) -> None:
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        self._buffer, self._busy = rest, True
        site = self._site
        target = head.split(b" ", 2)[1].decode("latin-1")
        delay = 0.0 if target.startswith("/-/") else site.delay
        site.waiting += 1
        site.most_waiting = max(site.most_waiting, site.waiting)
        if delay:
            self._loop.call_later(delay, self._answer, target)
        else:
            self._answer(target)

    def _answer(self, target: str) -> None:
        site = self._site
        site.waiting -= 1
        head, file = site.answer(target)
        self._transport.write(head)
        site.sent += len(head)
        if file is None:
            self._done()
        else:
            self._sending = self._loop.create_task(self._stream(file))

    async def _stream(self, file: Path) -> None:
        with file.open("rb") as opened:
            while part := opened.read(_PART):
                await self._writable.wait()
                self._transport.write(part)
                self._site.sent += len(part)
        self._done()

    def _done(self) -> None:
        self._busy = False
        if self._buffer:
            self._loop.call_soon(self._next)


async def _serve() -> None:
    kept = filled()
    site = Site(kept, database(kept.records))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(site, loop), "127.0.0.1", 0, backlog=4096)
    sockets: list[socket.socket] = list(server.sockets)
    print(f"http://127.0.0.1:{sockets[0].getsockname()[1]}", flush=True)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    await ended.wait()


class Upstream:
    """A running upstream, as seen from the process that started it."""

    def __init__(self, url: str, process: Process, kept: Filled) -> None:
        self.url = url
        self.process = process
        self.kept = kept

    def set(self, delay: float) -> None:
        """Answer after that many seconds from now on, and count anew."""
        self._ask(f"/-/set?delay={delay}")

    def counts(self) -> dict[str, Any]:
        """`requests` by kind, `bytes` sent, and the most requests `at once`, since `set`."""
        found: dict[str, Any] = json.loads(self._ask("/-/counts"))
        return found

    def _ask(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return bytes(answer.read())


@contextmanager
def running(folder: Path, core: int | None = None) -> Iterator[Upstream]:
    """An upstream on one core of the machine, until the end of the block."""
    kept = filled()
    process = Process(python("bench.upstream"), folder / "upstream", core=core, output=True)
    with process:
        yield Upstream(process.first_line(), process, kept)


if __name__ == "__main__":
    sys.exit(uvloop.run(_serve()))
