"""A Go module proxy on this machine, which can be broken in every way that the real ones are."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.world.local_http import Exchange, LocalServer

Kind = Literal["status", "hang", "truncate", "drip", "long", "short", "html", "outage", "redirect", "call"]

_TYPES = {".info": "application/json", ".zip": "application/zip"}


@dataclass(frozen=True)
class Fault:
    """What goes wrong, on paths in which the regular expression `where` is found.

    `status`: that status, as text. `hang`: no answer at all. `truncate`: half the body, then the end of the connection.
    `drip`: a byte, and never the next. `long`, `short`: a Content-Length above or below the body's. `html`: status 200
    and a login page. `outage`: an outage said as a 404 that must not be stored. `redirect`: to `to` + path. `call`: whatever
    `answer` does with the request and the true body.
    """

    kind: Kind
    where: str = ""
    status: int = 500
    text: str = "the upstream is broken on purpose"
    to: str = ""
    answer: Callable[[Exchange, bytes], None] | None = None


class Upstream(LocalServer):
    """Serves a GOPROXY tree.

    `faults` are looked through in order, the first that fits wins. Between `hold(where)` and its end, answers on
    matching paths wait, so that a test decides how long a fetch takes.
    """

    def __init__(self, tree: Path, context: ssl.SSLContext | None = None) -> None:
        self.tree = tree
        self.faults: list[Fault] = []
        self._held: list[tuple[str, threading.Event]] = []
        super().__init__(context)

    def break_with(self, *faults: Fault) -> None:
        """Behave so from now on."""
        self.faults = list(faults)

    def mend(self) -> None:
        """Behave well from now on."""
        self.faults = []

    @contextmanager
    def hold(self, where: str = "") -> Iterator[None]:
        """Keep answers waiting on paths in which `where` is found, until the end of the block."""
        gate = (where, threading.Event())
        self._held.append(gate)
        try:
            yield
        finally:
            self._held.remove(gate)
            gate[1].set()

    def handle(self, exchange: Exchange) -> None:
        for where, opened in list(self._held):
            if re.search(where, exchange.path):
                while not (opened.wait(0.05) or self.closing.is_set()):
                    pass
        for fault in self.faults:
            if re.search(fault.where, exchange.path):
                self._fail(exchange, fault)
                return
        found = self.look(exchange.path)
        if found is None:
            exchange.reply(404, b"not found: this upstream has no such file\n")
        else:
            exchange.reply(
                200, found, {"Content-Type": _TYPES.get(exchange.path[-5:].lstrip("0"), "text/plain")}
            )

    def look(self, path: str) -> bytes | None:
        """The file at a request's path, or None."""
        file = (self.tree / path.lstrip("/")).resolve()
        return file.read_bytes() if file.is_relative_to(self.tree.resolve()) and file.is_file() else None

    def _fail(self, exchange: Exchange, fault: Fault) -> None:
        body = self.look(exchange.path) or b"0123456789"
        match fault.kind:
            case "status":
                exchange.reply(fault.status, fault.text.encode() + b"\n")
            case "outage":
                headers = {"Cache-Control": "must-revalidate, no-cache, no-store"}
                exchange.reply(404, b"not found: bad upstream\n", headers)
            case "html":
                exchange.reply(200, b"<html><body>Please log in</body></html>", {"Content-Type": "text/html"})
            case "redirect":
                exchange.reply(302, b"", {"Location": fault.to + exchange.raw_path})
            case "call":
                assert fault.answer is not None
                fault.answer(exchange, body)
            case "hang":
                exchange.cut()
                self.closing.wait()
            case "truncate":
                exchange.reply(200, body[: len(body) // 2], length=len(body))
                exchange.cut()
            case "long":
                exchange.reply(200, body, length=len(body) + 100)
                exchange.cut()
            case "short":
                exchange.reply(200, body, length=len(body) - 1)
                exchange.cut()
            case "drip":
                exchange.reply(200, body[:1], length=len(body))
                exchange.cut()
                self.closing.wait()


def saying(
    body: bytes, headers: Mapping[str, str] | None = None, *, where: str = "", status: int = 200
) -> Fault:
    """Another body than the true one, said in good order."""
    return Fault("call", where, answer=lambda exchange, _: exchange.reply(status, body, headers))


@contextmanager
def closed_port() -> Iterator[str]:
    """A URL whose port refuses every connection: it is taken, and nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@contextmanager
def black_hole() -> Iterator[str]:
    """A URL that answers nothing, not even the connection: a listener whose queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        try:
            for each in fillers:
                each.setblocking(False)
                each.connect_ex(address)
            yield f"http://127.0.0.1:{address[1]}"
        finally:
            for each in fillers:
                each.close()
