"""A home that dies in the middle of a burst costs no client an error: whoever was asking it is answered by the next one."""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from tests.conftest import StartServer
from tests.world.internet import Internet
from tests.world.local_http import Exchange
from tests.world.repositories import Commit, write_repository
from tests.world.server import Server
from tests.world.upstream import Upstream

REQUESTS = 500
DIES_AFTER = 100
"""Requests that the home answers before it dies."""

VERSIONS = 100
"""Of the module that is kept in git, each asked for five times: what git fetches takes a while."""

Death = Literal["refused", "hangs"]


class Mortal(Upstream):
    """An upstream that dies after some requests: it refuses connections, or takes them and says nothing."""

    def __init__(self, tree: Path, death: Death) -> None:
        self._death = death
        self._lock = threading.Lock()
        self.answered = 0
        self.asked_when_dead = 0
        super().__init__(tree)

    def handle(self, exchange: Exchange) -> None:
        with self._lock:
            self.answered += 1
            alive = self.answered <= DIES_AFTER
            self.asked_when_dead += not alive
            if self.answered == DIES_AFTER and self._death == "refused":
                threading.Thread(target=self._refuse).start()
        if alive:
            super().handle(exchange)
            return
        exchange.cut()
        if self._death == "hangs":
            self.closing.wait()

    def _refuse(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@dataclass(frozen=True)
class Burst:
    """What came of many requests at once: how often each status, what was said, and how long each took, in seconds."""

    statuses: Counter[int]
    bodies: Sequence[bytes]
    seconds: Sequence[float]

    def tell(self, what: str) -> None:
        """Write the figures down; nothing hangs on them, since nobody knows how busy the machine is."""
        times = f"median {statistics.median(self.seconds):.2f} s, slowest {max(self.seconds):.2f} s"
        print(f"{what}: {len(self.seconds)} requests, {dict(self.statuses)}, {times}")


async def burst(server: Server, paths: Sequence[str]) -> Burst:
    """Ask for all paths at once, each on a connection of its own."""

    async def ask(path: str) -> tuple[int, bytes, float]:
        began = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            answer = await reader.read()
        finally:
            writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body, time.monotonic() - began

    answers = await asyncio.gather(*map(ask, paths))
    statuses, bodies, seconds = zip(*answers, strict=True)
    return Burst(Counter(statuses), bodies, seconds)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A module proxy's tree with a `.mod` of each of many modules."""
    folder = tmp_path_factory.mktemp("tree")
    for number in range(REQUESTS):
        versions = folder / f"m{number}.test/m/@v"
        versions.mkdir(parents=True)
        (versions / "v1.0.0.mod").write_bytes(go_mod(number))
    return folder


def go_mod(number: int) -> bytes:
    return f"module m{number}.test/m\n".encode()


PATHS = [f"/m{number}.test/m/@v/v1.0.0.mod" for number in range(REQUESTS)]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("death", ["refused", "hangs"])
async def test_an_upstream_dies(
    start_server: StartServer, tree: Path, stack: ExitStack, death: Death
) -> None:
    """500 cold files while the preferred upstream dies: every client gets its file, and the dead one is left alone."""
    one, two = stack.enter_context(Mortal(tree, death)), stack.enter_context(Upstream(tree))
    server = start_server("--upstream", f"{one.url}|{two.url}")
    got = await burst(server, PATHS)
    got.tell(f"an upstream that {death}")
    assert got.statuses == {200: REQUESTS}
    assert list(got.bodies) == [go_mod(number) for number in range(REQUESTS)]
    assert one.answered >= DIES_AFTER
    assert one.asked_when_dead < REQUESTS // 4


async def test_without_another_upstream_clients_see_it(
    start_server: StartServer, tree: Path, stack: ExitStack
) -> None:
    """Positive control: with the upstream that dies alone, clients do see errors."""
    one = stack.enter_context(Mortal(tree, "refused"))
    got = await burst(start_server("--upstream", one.url), PATHS)
    assert 0 < got.statuses[200] < REQUESTS
    assert set(got.statuses) <= {200, 502, 503, 504}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of a module with many versions."""
    commits = [
        Commit(
            {"go.mod": b"module git.test/m\n", "m.go": f"package m // {number}\n".encode()},
            f"2024-01-01T{number // 60:02}:{number % 60:02}:00Z",
            tags=(f"v1.{number}.0",),
        )
        for number in range(VERSIONS)
    ]
    return write_repository(tmp_path_factory.mktemp("repositories") / "m.git", commits)


def mirror_dies(internet: Internet, death: Death) -> None:
    """Let the host one.test die once it has been asked some times."""
    lock = threading.Lock()
    asked = 0

    def die(exchange: Exchange) -> None:
        exchange.cut()
        if death == "hangs":
            internet.proxy.closing.wait()

    def watch() -> None:
        nonlocal asked
        with lock:
            asked += 1
            if asked == 10:
                others = {
                    name: folder for name, folder in internet.repositories.items() if name != "one.test/m"
                }
                internet.answer("one.test", die)
                internet.repositories = others
                if death == "refused":
                    internet.refuse("one.test")

    internet.watch = watch


def git_paths() -> list[str]:
    return [f"/git.test/m/@v/v1.{number % VERSIONS}.0.mod" for number in range(REQUESTS)]


@pytest.mark.parametrize("death", ["refused", "hangs"])
async def test_a_mirror_dies(
    start_server: StartServer, internet: Internet, repository: Path, death: Death
) -> None:
    """The same with two git mirrors of one module."""
    mirrors = []
    for name in ("one", "two"):
        internet.repository(f"{name}.test/m", repository)
        mirrors += ["--mirror", f"git.test/m=https://{name}.test/m"]
    mirror_dies(internet, death)
    server = start_server("--upstream", "direct", "--order", "mirrors,origin", *mirrors)
    got = await burst(server, git_paths())
    got.tell(f"a mirror that {death}")
    assert got.statuses == {200: REQUESTS}
    assert set(got.bodies) == {b"module git.test/m\n"}
    assert {"one.test", "two.test"} <= internet.hosts_asked


async def test_without_another_mirror_clients_see_it(
    start_server: StartServer, internet: Internet, repository: Path
) -> None:
    """Positive control: with the mirror that dies alone, clients do see errors."""
    internet.repository("one.test/m", repository)
    mirror_dies(internet, "refused")
    mirror = ("--mirror", "git.test/m=https://one.test/m")
    server = start_server("--upstream", "direct", "--order", "mirrors,origin", *mirror)
    got = await burst(server, git_paths()[:VERSIONS])
    assert set(got.statuses) <= {200, 502, 503, 504}
    assert 0 < got.statuses[200] < VERSIONS
