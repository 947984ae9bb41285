"""The server as a process: its workers, its signals, its sockets, its certificate."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

from goproxy_mirror.web.routes import Site
from goproxy_mirror.web.rsgi import App
from goproxy_mirror.web.server import embedded
from tests.fakes.serve import BROKEN, CRASH, GATE, GATED_KEY, LARGE, MOD_KEY, PID_KEY, ZIP_KEY
from tests.fakes.services import FakeWorld
from tests.world.polling import eventually

ROOT = Path(__file__).parents[2]


class Serving:
    """A server process, and the address that it says."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self._errors = folder / "errors"
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.fakes.serve", str(folder), json.dumps({"port": 0, **options})],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().decode().strip()

    @property
    def port(self) -> int:
        return urlsplit(self.address).port or 0

    @property
    def errors(self) -> str:
        """What the server wrote to its standard error."""
        return self._errors.read_text()

    def get(self, path: str) -> bytes:
        """The body of one answer, which must be a good one."""
        return fetch(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60), path)

    def pid(self) -> int:
        """The number of a worker; of which one, is the system's choice."""
        return int(self.get(f"/{PID_KEY}"))

    def workers(self, count: int) -> set[int]:
        """The numbers of that many workers, once all of them have answered."""
        seen: set[int] = set()

        def all_answered() -> bool:
            seen.add(self.pid())
            return len(seen) == count

        eventually(all_answered, what=f"answers of {count} workers")
        return seen

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def refuses(self) -> bool:
        """Whether new connections are refused."""
        try:
            self.connect().close()
        except ConnectionRefusedError:
            return True
        return False

    def end(self) -> None:
        """Kill what is left of it."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()


Start = Callable[..., Serving]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start servers that end with the test."""
    running: list[Serving] = []

    def begin(**options: Any) -> Serving:
        running.append(Serving(tmp_path / f"server{len(running)}", **options))
        return running[-1]

    yield begin
    for each in running:
        each.end()


def fetch(connection: http.client.HTTPConnection, path: str) -> bytes:
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        assert response.status == 200
        return response.read()
    finally:
        connection.close()


def test_announces_what_answers(start: Start) -> None:
    """The address is said once somebody listens there, with the port that was chosen; SIGTERM ends with status 0."""
    server = start()
    assert server.address == f"http://127.0.0.1:{server.port}"
    assert server.get(f"/{MOD_KEY}") == b"module x.test/m\n"
    server.process.terminate()
    assert server.process.wait(60) == 0
    assert server.errors == ""


def test_interrupt(start: Start) -> None:
    """The terminal's Ctrl-C, which reaches the workers too, ends the server with status 0 and without noise."""
    server = start(workers=2)
    server.workers(2)
    os.killpg(server.process.pid, signal.SIGINT)
    assert server.process.wait(60) == 0
    assert server.errors == ""


@pytest.mark.parametrize("to_all", [False, True])
def test_signals_while_workers_start(start: Start, to_all: bool) -> None:
    """Signals that come, more than one and to every process, while a worker still starts, are not lost by it."""
    server = start(workers=2)  # answers as soon as one of them does
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        if to_all:
            os.killpg(server.process.pid, number)
        else:
            server.process.send_signal(number)
    assert server.process.wait(60) == 0


def test_running_answers_are_finished(start: Start) -> None:
    """After SIGTERM new connections are refused, while downloads and handlers that run are brought to their end."""
    server = start()
    with server.connect() as slow, server.connect() as gated, server.connect() as idle:
        idle.sendall(f"GET /{MOD_KEY} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert idle.recv(1000).startswith(b"HTTP/1.1 200")
        gated.sendall(f"GET /{GATED_KEY} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        slow.sendall(f"GET /{ZIP_KEY} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        begun = slow.recv(1000)
        assert begun.startswith(b"HTTP/1.1 200")
        eventually((server.folder / f"{GATE}.waiting").exists)
        server.process.terminate()
        eventually(server.refuses)
        (server.folder / GATE).touch()
        assert gated.recv(1000).startswith(b"HTTP/1.1 200")
        rest = b"".join(iter(lambda: slow.recv(1 << 20), b""))
        head, _, body = (begun + rest).partition(b"\r\n\r\n")
        assert len(body) == LARGE
        assert not body.strip(b"\0")
        assert b"content-length: %d" % LARGE in head
    assert server.process.wait(60) == 0


def test_drain_is_over_in_the_end(start: Start) -> None:
    """A client that never reads on does not keep the server for ever."""
    server = start(drain=1)
    with server.connect() as stalled:
        stalled.sendall(f"GET /{ZIP_KEY} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert stalled.recv(10)
        server.process.terminate()
        assert server.process.wait(60) == 0
    assert server.refuses()


def test_killed_worker_is_replaced(start: Start) -> None:
    """Of two workers one is killed: the other answers, and soon there are two again."""
    server = start(workers=2)
    workers = server.workers(2)
    killed = workers.pop()
    os.kill(killed, signal.SIGKILL)
    survivor = next(iter(workers))
    replaced: set[int] = set()

    def healed() -> bool:
        with suppress(
            ConnectionResetError, http.client.RemoteDisconnected
        ):  # what stood in the dead worker's queue
            replaced.add(server.pid())
        return len(replaced - {killed}) == 2

    eventually(healed, what="answers of two workers again")
    assert survivor in replaced
    assert killed not in replaced
    server.process.terminate()
    assert server.process.wait(60) == 0


def test_workers_do_not_outlive_the_server(start: Start) -> None:
    """Where the main process is killed, its workers end by themselves and leave the port."""
    server = start(workers=2)
    server.process.kill()
    server.process.wait(60)
    eventually(server.refuses, what="the workers' end")


def test_worker_whose_services_fail(start: Start) -> None:
    """A worker whose services fail while it serves makes room for a new one."""
    server = start()
    (failed,) = server.workers(1)
    (server.folder / CRASH).touch()

    def replaced() -> bool:
        try:
            return server.pid() != failed
        except (ConnectionError, http.client.RemoteDisconnected):
            return False

    eventually(replaced, what="another worker's answer")
    assert "the services of this worker have failed" in server.errors


def test_workers_that_cannot_serve(start: Start) -> None:
    """A server whose workers cannot open what they need says why, and ends with status 1 instead of trying for ever."""
    server = start(prefix=BROKEN)
    assert server.process.wait(60) == 1
    assert server.address == ""
    assert "a worker cannot serve: the store is not there" in server.errors
    assert "Traceback" not in server.errors


def test_second_server(start: Start) -> None:
    """A second server at the same port ends with status 2 and one line, and the first goes on."""
    first = start()
    second = start(port=first.port)
    assert second.process.wait(60) == 2
    assert second.errors == (
        f'listen = "127.0.0.1:{first.port}": another program listens there; stop that one, or choose another port\n'
    )
    assert first.get(f"/{MOD_KEY}")


def test_restart_at_once(start: Start) -> None:
    """The port can be had again at once, although old connections linger."""
    first = start()
    with first.connect() as client:
        client.sendall(f"GET /{MOD_KEY} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert client.recv(1000)
        first.process.terminate()
        first.process.wait(60)
        second = start(port=first.port)
        assert second.get(f"/{MOD_KEY}")


def test_slow_headers(start: Start) -> None:
    """H18: a client that drips its header, or says nothing at all, is cut off; others are served meanwhile."""
    server = start(header_timeout=0.5)
    with server.connect() as silent, server.connect() as dripping:
        dripping.sendall(b"GET /healthz HT")
        assert server.get("/healthz") == b"ok\n"
        assert silent.recv(1000) == b""
        assert dripping.recv(1000) == b""


def test_prefix(start: Start) -> None:
    """The prefix reaches the workers."""
    server = start(prefix="/goproxy")
    assert server.get(f"/goproxy/{MOD_KEY}") == b"module x.test/m\n"


def test_unix_socket(start: Start, tmp_path: Path) -> None:
    """A Unix socket is served like a port, with the mode that is asked for, and is gone at the end."""
    path = tmp_path / "s"
    server = start(unix_socket=str(path), unix_socket_mode=0o660)
    assert server.address == f"unix:{path}"
    assert path.stat().st_mode & 0o777 == 0o660

    class Connection(http.client.HTTPConnection):
        def connect(self) -> None:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(str(path))

    assert fetch(Connection("x"), f"/{MOD_KEY}") == b"module x.test/m\n"
    assert len(fetch(Connection("x"), f"/{ZIP_KEY}")) == LARGE
    second = start(unix_socket=str(path))
    assert second.process.wait(60) == 2
    assert "another server listens there" in second.errors
    assert fetch(Connection("x"), f"/{MOD_KEY}")
    server.process.terminate()
    assert server.process.wait(60) == 0
    assert not path.exists()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """The certificate authority of these tests."""
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA, tmp_path: Path) -> list[str]:
    """A certificate for 127.0.0.1 with its chain, and its key."""
    issued = authority.issue_cert("127.0.0.1")
    for name, pem in (("cert.pem", issued.cert_chain_pems[0]), ("key.pem", issued.private_key_pem)):
        pem.write_to_path(tmp_path / name)
    return [str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls(start: Start, authority: trustme.CA, tls: list[str], version: ssl.TLSVersion) -> None:
    """TLS 1.2 and 1.3 are spoken with the certificate of the files, and HTTP/1.1 within."""
    server = start(tls=tls)
    assert server.address == f"https://127.0.0.1:{server.port}"
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=60, context=context)
    connection.connect()
    assert isinstance(connection.sock, ssl.SSLSocket)
    assert connection.sock.selected_alpn_protocol() in {None, "http/1.1"}
    assert len(fetch(connection, f"/{ZIP_KEY}")) == LARGE


def test_http2(start: Start, authority: trustme.CA, tls: list[str]) -> None:
    """Where it is asked for, HTTP/2 is offered to clients that want it."""
    server = start(tls=tls, http2=True)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with server.connect() as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as client:
        assert client.selected_alpn_protocol() == "h2"
        client.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4, 0, 0, b"") + _frame(1, 5, 1, _request())
        )
        frames = _frames(client, until=1)
    head = next(payload for kind, stream, payload in frames if (kind, stream) == (1, 1))
    assert head[0] == 0x88  # :status 200, as the static table of RFC 7541 has it
    assert b"".join(payload for kind, stream, payload in frames if (kind, stream) == (0, 1)) == b"ok\n"


def _request() -> bytes:
    """GET https://x/healthz in HPACK, without Huffman coding."""
    return b"\x82\x87\x04\x08/healthz\x41\x01x"


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _frames(client: ssl.SSLSocket, *, until: int) -> list[tuple[int, int, bytes]]:
    """The frames up to the end of a stream."""
    reader = client.makefile("rb")
    frames: list[tuple[int, int, bytes]] = []
    while True:
        head = reader.read(9)
        assert len(head) == 9, frames
        size, kind, flags, stream = (
            int.from_bytes(head[:3], "big"),
            head[3],
            head[4],
            int.from_bytes(head[5:], "big"),
        )
        frames.append((kind, stream, reader.read(size)))
        if stream == until and flags & 1:
            return frames


def test_unusable_certificate(start: Start, tls: list[str]) -> None:
    """A certificate that cannot be used ends the server with status 2 and one line, before it listens."""
    server = start(tls=[tls[1], tls[0]])
    assert server.process.wait(60) == 2
    assert server.errors.startswith("tls_cert = ")
    assert server.errors.count("\n") == 1


async def test_embedded(world: FakeWorld) -> None:
    """In a running loop the server has a port of its own, and its services end with it."""
    async with embedded(App(world.open, Site("x"))) as url:
        assert url.startswith("http://127.0.0.1:")
        assert (world.opened, world.closed) == (1, 0)
    assert world.closed == 1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=60)
