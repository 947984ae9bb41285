"""Many clients at once, in a process of their own.

    python -m bench.clients PORT CLIENTS SLOW PATH…     prints JSON: what each client saw

Every client opens its connection first; then all send at the same moment. The paths are given out in turn. With SLOW, a client
reads at most that many megabytes per second, as one far away does.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from bench.processes import pinned, python
from tests.world.go import clean_environment


class Client(asyncio.Protocol):
    """One request on one connection; `done` is its status, or 0 where the answer was not whole."""

    def __init__(self, path: str, slow: float) -> None:
        loop = asyncio.get_running_loop()
        self.done: asyncio.Future[int] = loop.create_future()
        self.received = 0
        self.ended = 0.0
        self._loop = loop
        self._path = path
        self._slow = slow * 1e6
        self._head = b""
        self._left: int | None = None
        self._status = 0
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def ask(self) -> None:
        """Send the request."""
        text = f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Go-http-client/1.1\r\n\r\n"
        self._transport.write(text.encode())

    def data_received(self, data: bytes) -> None:
        if self._left is None:
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            self._status = int(head.split(b" ", 2)[1])
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            self._left = int(lengths[0].split(b":")[1]) if lengths else 0
        self.received += len(data)
        self._left -= len(data)
        if self._left <= 0:
            self._finish(self._status)
        elif self._slow:
            self._transport.pause_reading()
            self._loop.call_later(len(data) / self._slow, self._resume)

    def _resume(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(0)

    def _finish(self, status: int) -> None:
        if not self.done.done():
            self.ended = time.perf_counter()
            self.done.set_result(status)
            self._transport.close()


async def _herd(port: int, clients: int, slow: float, paths: list[str]) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    protocols = []
    for number in range(clients):
        path = paths[number % len(paths)]
        _, protocol = await loop.create_connection(partial(Client, path, slow), "127.0.0.1", port)
        protocols.append(protocol)
    began = time.perf_counter()
    for each in protocols:
        each.ask()
    statuses = await asyncio.gather(*(each.done for each in protocols))
    ends = sorted(each.ended - began for each in protocols)
    return {
        "first": ends[0],
        "median": ends[len(ends) // 2],
        "last": ends[-1],
        "statuses": Counter(str(each) for each in statuses),
        "bytes": sum(each.received for each in protocols),
    }


def herd(
    port: int, clients: int, paths: list[str], folder: Path, *, core: int | None, slow: float = 0.0
) -> dict[str, Any]:
    """What a herd saw: seconds until the `first`, the `median` and the `last` were done, `statuses`, `bytes`."""
    command = pinned(python("bench.clients", str(port), str(clients), str(slow), *paths), core)
    env = clean_environment(folder) | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, env=env, capture_output=True, check=True, text=True, timeout=600)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    port, clients, slow, *paths = sys.argv[1:]
    print(json.dumps(uvloop.run(_herd(int(port), int(clients), float(slow), paths))))


if __name__ == "__main__":
    main()
