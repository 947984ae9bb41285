"""What may happen between a client and a server over HTTP: a proxy that passes everything on, but for what it is told."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from tests.world.local_http import Exchange, LocalServer

Fault = Literal[
    "503", "501", "409", "403", "html404", "refused", "lost", "truncated", "flipped", "hang", "slow"
]
"""`refused` cuts the connection before the server hears of the request, `lost` before the client hears of the answer."""
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


@dataclass
class Call:
    """One request on its way: its number from 0, and what it asks for."""

    number: int
    method: str
    target: str
    headers: Mapping[str, str]


@dataclass
class Plan:
    """What goes wrong: the fault of a call, or None; `before` is done before the server hears of a call."""

    fault: Callable[[Call], Fault | None] = field(default=lambda _call: None)
    before: Callable[[Call], None] = field(default=lambda _call: None)


class FaultyWay(LocalServer):
    """A way to the server at `port`; `plan` says what goes wrong, `calls` what was asked, `hits` how often it went wrong."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.plan = Plan()
        self.calls: list[Call] = []
        self.hits = 0
        super().__init__()

    def clear(self, fault: Callable[[Call], Fault | None] = lambda _call: None) -> None:
        """Count from 0 again, with another fault or none."""
        self.plan = Plan(fault, self.plan.before)
        self.calls, self.hits = [], 0

    def handle(self, exchange: Exchange) -> None:
        """Pass one request on, unless it is to go wrong before."""
        call = Call(len(self.calls), exchange.method, exchange.target, exchange.headers)
        self.calls.append(call)
        fault = self.plan.fault(call)
        self.hits += fault is not None
        body = exchange.body()
        match fault:
            case "503":
                return exchange.reply(503, b"<Error><Code>SlowDown</Code></Error>")
            case "501":
                return exchange.reply(501, b"<Error><Code>NotImplemented</Code></Error>")
            case "409":
                return exchange.reply(409, b"<Error><Code>ConditionalRequestConflict</Code></Error>")
            case "403":
                return exchange.reply(403, b"<Error><Code>AccessDenied</Code></Error>")
            case "html404":
                return exchange.reply(404, b"<html>no such page</html>")
            case "refused":
                return exchange.reset()
            case "hang":
                self.closing.wait()
                return exchange.reset()
        self.plan.before(call)
        status, headers, answer = self._ask(exchange, body)
        length = len(answer)
        if fault == "lost":
            return exchange.reset()
        if fault == "flipped" and answer:
            answer = answer[:-1] + bytes([answer[-1] ^ 1])
        if fault == "truncated" and answer:
            exchange.reply(status, answer[: length // 2], headers, length=length)
            return exchange.cut()
        if fault == "slow":
            exchange.reply(status, answer[:1], headers, length=length)
            for n in range(1, length):
                if self.closing.wait(0.05):
                    break
                exchange.write(answer[n : n + 1])
            return exchange.cut()
        return exchange.reply(status, answer, headers, length=int(headers.pop("content-length", length)))

    def _ask(self, exchange: Exchange, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.putrequest(exchange.method, exchange.target, skip_host=True, skip_accept_encoding=True)
            for name, value in exchange.headers.items():
                if name not in {"connection", "transfer-encoding"}:
                    connection.putheader(name, value)
            connection.endheaders(body or None)
            answer = connection.getresponse()
            said = {name.lower(): value for name, value in answer.getheaders()}
            headers = {name: value for name, value in said.items() if name not in _HOP_BY_HOP}
            if exchange.method == "HEAD" and "content-length" in said:
                headers["content-length"] = said["content-length"]
            return answer.status, headers, answer.read()
        finally:
            connection.close()
