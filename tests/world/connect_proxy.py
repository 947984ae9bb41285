"""A CONNECT proxy that decides which part of the Internet can be reached, and from where it is answered."""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
import threading
from types import TracebackType
from typing import Self


class ConnectProxy:
    """Set HTTPS_PROXY to `url`: host names lead to `routes`, and to nowhere else.

    A host in `black_holes` gets no answer; any other that has no route is refused. `asked` lists `host:port` of every
    CONNECT in order, so a test can tell that something never left the house.
    """

    def __init__(self) -> None:
        self.routes: dict[str, int] = {}
        self.black_holes: set[str] = set()
        self.asked: list[str] = []
        self.closing = threading.Event()
        proxy = self

        class Handler(socketserver.StreamRequestHandler):
            timeout = 60

            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    proxy._serve(self)

        self._server = _Threads(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def hosts_asked(self) -> set[str]:
        """The names of every host that was asked for."""
        return {each.rsplit(":", 1)[0] for each in self.asked}

    def stop(self) -> None:
        """End the proxy and every tunnel."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _serve(self, client: socketserver.StreamRequestHandler) -> None:
        words = client.rfile.readline(4096).decode("latin-1").split()
        while client.rfile.readline(65536).strip():
            pass
        if len(words) < 2:
            return
        target = words[1]
        self.asked.append(target)
        host = target.rsplit(":", 1)[0]
        if words[:1] != ["CONNECT"]:
            client.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        elif host in self.black_holes:
            self.closing.wait()
        elif host not in self.routes:
            client.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        else:
            with socket.create_connection(("127.0.0.1", self.routes[host])) as there:
                client.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                pump(client.connection, there, self.closing)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def pump(one: socket.socket, other: socket.socket, closing: threading.Event) -> None:
    """Pass on what each side says to the other, until both have no more or `closing` is set."""
    pairs = {one: other, other: one}
    while pairs and not closing.is_set():
        for source in select.select(list(pairs), [], [], 0.5)[0]:
            data = source.recv(65536)
            if data:
                pairs[source].sendall(data)
                continue
            with contextlib.suppress(OSError):
                pairs[source].shutdown(socket.SHUT_WR)
            del pairs[source]


class _Threads(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 256
