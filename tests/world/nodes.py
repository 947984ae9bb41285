"""Three nodes over one store and one PostgreSQL, many clients, and what happens to each of them."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.world.objectstore import ObjectServer
from tests.world.polling import eventually
from tests.world.postgres import Postgres
from tests.world.server import Server
from tests.world.upstream import Upstream
from tests.world.zips import write_zip

_ENDINGS = ("info", "mod", "zip")


def write_modules(tree: Path, name: str, count: int) -> list[str]:
    """So many modules of one version each, as a GOPROXY tree; the URL paths of their files."""
    paths = []
    for number in range(count):
        module = f"cold.test/{name}{number}"
        folder = tree / module / "@v"
        folder.mkdir(parents=True)
        (folder / "list").write_text("v1.0.0\n")
        (folder / "v1.0.0.info").write_text('{"Version":"v1.0.0","Time":"2024-01-02T03:04:05Z"}')
        (folder / "v1.0.0.mod").write_text(f"module {module}\n")
        write_zip(
            folder / "v1.0.0.zip",
            f"{module}@v1.0.0",
            {"go.mod": f"module {module}\n".encode(), "a.go": b"package a\n" * (number + 1)},
        )
        paths += [f"/{module}/@v/v1.0.0.{ending}" for ending in _ENDINGS]
    return paths


@dataclass
class Tally:
    """What the clients saw: answers by status, connections that were lost, seconds of each answer, the bodies of each path, and what was
    said instead."""

    statuses: Counter[int] = field(default_factory=Counter)
    lost: int = 0
    times: list[float] = field(default_factory=list)
    bodies: dict[str, set[bytes]] = field(default_factory=dict)
    problems: Counter[str] = field(default_factory=Counter)

    def slowest(self, share: float = 1.0) -> float:
        """Seconds within which that share of the answers came."""
        ordered = sorted(self.times)
        return ordered[max(0, round(len(ordered) * share) - 1)] if ordered else 0.0

    @property
    def different(self) -> int:
        """Paths of which not everybody got the same bytes."""
        return sum(len(bodies) > 1 for bodies in self.bodies.values())


async def ask(port: int, path: str) -> tuple[int, bytes]:
    """Status and body of one request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        return int(head.split()[1]), await reader.read()
    finally:
        writer.close()


class Nodes:
    """The nodes, their database, their store (a folder that all share, or a bucket) and the upstream of all."""

    def __init__(self, folder: Path, upstream: Upstream, bucket: ObjectServer | None, count: int = 3) -> None:
        self.upstream = upstream
        self.postgres = Postgres()
        self._stack = ExitStack()
        self._folder = folder
        self._bucket = bucket
        self._count = count
        self.nodes: list[Server] = []

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise
        return self

    def _open(self) -> None:
        self._stack.enter_context(self.postgres)
        url = self.postgres.database()
        store = self._bucket.arguments("trial") if self._bucket else ("--store", str(self._folder / "store"))
        for number in range(self._count):
            node = Server(
                self._folder / f"node{number}",
                *("--database", url, "--upstream", self.upstream.url, *store),
                env=self._bucket.env() if self._bucket else {},
            )
            self._stack.callback(node.stop)
            self.nodes.append(node.start(wait=False))
        for node in self.nodes:
            eventually(node._ready, what=f"readiness of {node.url}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    async def crowd(
        self, paths: Sequence[str], clients: int, each: int, on: Sequence[int], *, patience: float = 60.0
    ) -> Tally:
        """So many clients ask for so many of the paths each, in an order of their own, each at a node of those in `on`.

        Who loses the connection, or waits for too long, asks the next node from then on, as behind a load balancer.
        """
        tally = Tally()

        async def client(number: int) -> None:
            chance = random.Random(number)
            at = number
            for path in chance.sample(list(paths), min(each, len(paths))):
                for _ in range(2 * len(on)):
                    node = self.nodes[on[at % len(on)]]
                    began = time.monotonic()
                    try:
                        async with asyncio.timeout(patience):
                            status, body = await ask(node.port, path)
                    except (OSError, EOFError, TimeoutError):
                        tally.lost += 1
                        at += 1
                        continue
                    tally.statuses[status] += 1
                    tally.times.append(time.monotonic() - began)
                    if status == 200:
                        tally.bodies.setdefault(path, set()).add(body)
                    else:
                        tally.problems[body.decode(errors="replace")[:300]] += 1
                    break
                else:
                    tally.statuses[0] += 1

        await asyncio.gather(*(client(number) for number in range(clients)))
        return tally

    def stop(self, number: int) -> None:
        """Let every process of a node fall silent."""
        self._signal(number, signal.SIGSTOP)

    def go_on(self, number: int) -> None:
        """Let it go on."""
        self._signal(number, signal.SIGCONT)

    def _signal(self, number: int, which: signal.Signals) -> None:
        process = self.nodes[number]._process
        assert process is not None
        os.killpg(process.pid, which)

    def twice(self, paths: Sequence[str]) -> int:
        """How many of the files the upstream was asked for more than once."""
        return sum(self.upstream.asked[path] > 1 for path in paths)

    def indexed(self, number: int) -> Counter[str]:
        """How often each module stands in a node's index; nothing where it cannot be asked."""
        found: Counter[str] = Counter()
        since = ""
        while True:
            answer = self.nodes[number].get(f"/index?limit=2000&since={since}")
            if answer.status != 200:
                return Counter()
            entries = [json.loads(line) for line in answer.text.splitlines()]
            fresh = [entry for entry in entries if entry["Timestamp"] != since]
            found.update(entry["Path"] for entry in fresh)
            if len(entries) < 2000:
                return found
            since = entries[-1]["Timestamp"]
