"""The base of the tests' own servers: threads, loopback, everything asked is written down, everything ends."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit


class Exchange:
    """One request, and the means to answer it in any manner, broken ones included."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self._handler = handler
        split = urlsplit(handler.path)
        self.method = handler.command
        self.target = handler.path
        self.host = (handler.headers.get("Host") or "").split(":")[0]
        self.raw_path = split.path
        self.path = unquote(split.path)
        self.query_text = split.query
        self.query = parse_qs(split.query, keep_blank_values=True)
        self.headers = {name.lower(): value for name, value in handler.headers.items()}

    def body(self) -> bytes:
        """The request's body, by length or in chunks."""
        stream = self._handler.rfile
        if "chunked" in self.headers.get("transfer-encoding", ""):
            parts = []
            while size := int(stream.readline().split(b";")[0], 16):
                parts.append(stream.read(size))
                stream.readline()
            stream.readline()
            return b"".join(parts)
        return stream.read(int(self.headers.get("content-length", "0")))

    def reply(
        self,
        status: int,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        length: int | None = None,
    ) -> None:
        """Answer; `length` says a Content-Length other than the body's."""
        handler = self._handler
        handler.send_response(status)
        said = {"Content-Length": str(len(body) if length is None else length), "Content-Type": "text/plain"}
        for name, value in (said | dict(headers or {})).items():
            handler.send_header(name, value)
        handler.end_headers()
        if self.method != "HEAD":
            handler.wfile.write(body)
        handler.wfile.flush()

    def write(self, data: bytes) -> None:
        """Send raw bytes at once."""
        self._handler.wfile.write(data)
        self._handler.wfile.flush()

    def reset(self) -> None:
        """End the connection as a machine does that has just lost it, without an answer."""
        connection = self._handler.connection
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._handler.close_connection = True
        connection.close()

    def cut(self) -> None:
        """End the connection after this answer, whatever was promised."""
        self._handler.close_connection = True


class LocalServer:
    """A server on a free port of 127.0.0.1, until `stop`.

    `asked` counts the GET requests by path, `requests` lists every request as `METHOD path`.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.asked: Counter[str] = Counter()
        self.requests: list[str] = []
        self.closing = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            timeout = 60

            def log_message(self, *args: object) -> None:
                """Say nothing: what was asked is kept in `requests`."""

            def answer(self) -> None:
                exchange = Exchange(self)
                server.requests.append(f"{exchange.method} {exchange.path}")
                if exchange.method == "GET":
                    server.asked[exchange.path] += 1
                server.handle(exchange)

            def do_GET(self) -> None:
                self.answer()

            def do_HEAD(self) -> None:
                self.answer()

            def do_POST(self) -> None:
                self.answer()

            def do_PUT(self) -> None:
                self.answer()

            def do_DELETE(self) -> None:
                self.answer()

            def do_OPTIONS(self) -> None:
                self.answer()

            def do_PROPFIND(self) -> None:
                self.answer()

            def do_REPORT(self) -> None:
                self.answer()

        self._http = _Quiet(("127.0.0.1", 0), Handler, context)
        self.port: int = self._http.server_address[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def handle(self, exchange: Exchange) -> None:
        """Answer one request; called on a thread of its own."""
        raise AssertionError(f"{type(self).__name__} answers nothing")

    def stop(self) -> None:
        """End the server, and whatever answer still hangs."""
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Quiet(ThreadingHTTPServer):
    """Serves with or without TLS, and takes a client that goes away for what it is."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(
        self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None
    ) -> None:
        self._context = context
        super().__init__(address, handler)

    def finish_request(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        assert isinstance(request, socket.socket)
        if self._context is None:
            super().finish_request(request, client_address)
            return
        # The handshake belongs on the connection's own thread: a client that never begins it must not stop the rest.
        with self._context.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up, and handshakes that fail, are part of the tests."""
