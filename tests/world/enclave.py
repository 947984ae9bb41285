"""A network of the test's own, in which every address is this machine's: private ones, a cloud's metadata, public ones.

A helper is started in new user, network and mount namespaces. It makes the addresses, lets the name server be ours, opens
the sockets that are listened on, and hands them out to the test, which stays outside. Programs are started inside with
`command`; they reach nobody but the test.
"""

from __future__ import annotations

import functools
import http.client
import os
import selectors
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import cast

from tests.world.connect_proxy import pump
from tests.world.server import Answer, Server, answered

PORTS = (80, 443, 6379, *range(20_000, 20_080))
ADDRESSES = (
    "8.8.8.8", "8.8.4.4", "2600::1", "10.0.0.1", "100.64.0.1", "169.254.169.254", "fd00:ec2::254", "64:ff9b::7f00:1",
    "2002:7f00:1::",
)  # fmt: skip
"""What is there besides 127.0.0.0/8 and ::1; the first three are public addresses."""

_NAMESPACES = ("--user", "--net", "--mount")


@functools.cache
def refused() -> str:
    """Why there can be no such network here; empty where there can."""
    made = "ip link set lo up && mount --bind /etc/hosts /etc/resolv.conf && command -v nsenter"
    asked = ["unshare", "-rnm", "sh", "-c", made]
    try:
        done = subprocess.run(asked, capture_output=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stderr.decode("utf-8", "replace").strip() or ("refused" if done.returncode else "")


class Enclave:
    """The network. `visits` lists the address and port of every connection that was made in it, in order.

    `names` maps a host to its answers: each question takes the first and drops it, the last one stays. `lookups` lists every
    host that was asked for. Connections go on to `port` of the test's own 127.0.0.1.
    """

    def __init__(self, folder: Path, port: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.names: dict[str, list[Sequence[str]]] = {}
        self.lookups: list[str] = []
        self.visits: list[tuple[str, int]] = []
        self.closing = threading.Event()
        self._port = port
        resolve = folder / "resolv.conf"
        resolve.write_text("nameserver 127.0.0.1\noptions timeout:2 attempts:1\n")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            self._helper = subprocess.Popen(
                ["unshare", "-rnm", sys.executable, "-m", __spec__.name, str(theirs.fileno()), str(resolve)],
                cwd=Path(__file__).parents[2],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.PIPE,
            )
        with ours:
            ours.settimeout(30)
            _, files, _, _ = socket.recv_fds(ours, 1, len(PORTS) + 1)
        assert files, "the helper opened no sockets"
        self._sockets = [socket.socket(fileno=file) for file in files]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        threading.Thread(target=self._answer, args=(self._sockets[-1],), daemon=True).start()

    def command(self, *argv: str) -> tuple[str, ...]:
        """The command line by which a program is started inside."""
        enter = ("nsenter", "--target", str(self._helper.pid), *_NAMESPACES, "--preserve-credentials", "--")
        return (*enter, *argv)

    def close(self) -> None:
        """End it; programs inside are not ended."""
        self.closing.set()
        self._accepting.join(30)
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        assert self._helper.stdin is not None
        self._helper.stdin.close()
        self._helper.wait(30)

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            for listening in self._sockets[:-1]:
                selector.register(listening, selectors.EVENT_READ)
            while not self.closing.is_set():
                for key, _ in selector.select(0.1):
                    with suppress(OSError):
                        client, _ = cast("socket.socket", key.fileobj).accept()
                        threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            client.setblocking(True)
            host, port = client.getsockname()[:2]
            address = IPv6Address(host)
            self.visits.append((str(address.ipv4_mapped or address), port))
            with socket.create_connection(("127.0.0.1", self._port)) as there:
                pump(client, there, self.closing)

    def _answer(self, asked: socket.socket) -> None:
        with suppress(OSError):
            while not self.closing.is_set():
                question, sender = asked.recvfrom(4096)
                if question:
                    asked.sendto(self._answer_to(question), sender)

    def _answer_to(self, question: bytes) -> bytes:
        """The answer of the name server: A and AAAA records that are good for this moment alone."""
        labels, at = [], 12
        while size := question[at]:
            labels.append(question[at + 1 : at + 1 + size].decode("ascii"))
            at += size + 1
        (kind,) = struct.unpack_from(">H", question, at + 1)
        name = ".".join(labels).lower()
        answers = self.names.get(name)
        found: list[bytes] = []
        if answers is not None:
            # A resolver asks for both kinds at once; the question of the second kind is no second look.
            current = answers[0]
            if kind == 1:
                self.lookups.append(name)
                if len(answers) > 1:
                    del answers[0]
            version = {1: 4, 28: 6}.get(kind)
            found = [each.packed for each in map(ip_address, current) if each.version == version]
        status = 0x8180 if answers is not None else 0x8183
        head = question[:2] + struct.pack(">5H", status, 1, len(found), 0, 0)
        records = (b"\xc0\x0c" + struct.pack(">2HLH", kind, 1, 0, len(data)) + data for data in found)
        return head + question[12 : at + 5] + b"".join(records)


class EnclosedServer(Server):
    """The program under test inside; it is asked through a Unix socket."""

    def __init__(self, enclave: Enclave, folder: Path, *arguments: str, env: Mapping[str, str]) -> None:
        super().__init__(folder, *arguments, env=env)
        self._enclave = enclave
        self._socket = folder / "socket"

    def command(self) -> Sequence[str]:
        """How the server is started."""
        started = [each for each in super().command() if each not in {"--listen", f"127.0.0.1:{self.port}"}]
        return self._enclave.command(*started, "--socket", str(self._socket))

    def get(self, path: str, headers: Mapping[str, str] | None = None, *, method: str = "GET") -> Answer:
        """One request with the path exactly as given."""
        return answered(_UnixConnection(self._socket), path, headers, method=method)


class _UnixConnection(http.client.HTTPConnection):
    """A connection to a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=120)
        self._path = path

    def connect(self) -> None:
        """Connect."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _inside(handed: int, resolve: str) -> None:
    """What the helper does."""
    for argv in (
        ["ip", "link", "set", "lo", "up"],
        *(
            ["ip", "address", "add", each, "dev", "lo", *(["nodad"] if ":" in each else [])]
            for each in ADDRESSES
        ),
        ["mount", "--bind", resolve, "/etc/resolv.conf"],
    ):
        subprocess.run(argv, check=True)
    opened = [
        socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
        for port in PORTS
    ]
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind(("127.0.0.1", 53))
    with socket.socket(fileno=handed) as outside:
        socket.send_fds(outside, [b"."], [each.fileno() for each in (*opened, names)])
    for each in (*opened, names):
        each.close()
    while os.read(0, 1):
        pass


if __name__ == "__main__":
    _inside(int(sys.argv[1]), sys.argv[2])
