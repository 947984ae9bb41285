"""A forward proxy on the loopback, for programs that cannot be told which address to connect to.

A program that is started for a repository may be led from host to host: by a page, a redirect, a second answer of the
name server. Here each connection of it is vetted and pinned as our own are, whatever name it was asked for, and goes on
by the operator's forward proxy where there is one. It passes on TLS alone (CONNECT, RFC 9110 §9.3.6), so nothing is read
or changed.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import secrets
from types import TracebackType
from typing import Self

from goproxy_mirror.errors import Blocked, MirrorError
from goproxy_mirror.transport.connect import Connector
from goproxy_mirror.transport.urls import Target, UrlError, shown

_MOST_HEAD = 1 << 16
_HEAD_SECONDS = 30.0
_PIECE = 1 << 16
_TUNNEL, _PAGE = "tunnel", "page"


class Gate:
    """Open while it is used as a context manager. `failure` is what first kept a connection from being made.

    Two users know its secret: with `tunnel_url` a program may open connections; with `page_url` it gets the same page for
    every plain request, and nothing else.
    """

    def __init__(self, connector: Connector, page: bytes) -> None:
        self._connector = connector
        self._page = page
        self.failure: MirrorError | None = None
        self.secret = secrets.token_urlsafe(24)
        self._running: set[asyncio.Task[None]] = set()

    @property
    def tunnel_url(self) -> str:
        """The proxy's URL for the program that speaks with the repository."""
        return f"http://{_TUNNEL}:{self.secret}@{self.host}:{self.port}"

    @property
    def page_url(self) -> str:
        """The proxy's URL for who is to get the page."""
        return f"http://{_PAGE}:{self.secret}@{self.host}:{self.port}"

    @property
    def user(self) -> str:
        """The user name in `tunnel_url`, for programs that want it apart."""
        return _TUNNEL

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_MOST_HEAD)
        self.host, self.port = self._server.sockets[0].getsockname()[:2]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_HEAD_SECONDS):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            await self._answer(head, reader, writer)
        except (OSError, EOFError, asyncio.LimitOverrunError):
            pass  # the program has gone, or is no client of a proxy
        finally:
            writer.transport.abort()

    async def _answer(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, *rest = head.split("\r\n")
        method, _, target = line.rpartition(" ")[0].partition(" ")
        headers = {name.strip().lower(): value.strip() for name, _, value in (x.partition(":") for x in rest)}
        user = self._user(headers.get("proxy-authorization", ""))
        if user is None:
            await _reply(
                writer, "407 Proxy Authentication Required", 'Proxy-Authenticate: Basic realm="gate"'
            )
        elif user == _PAGE and method in {"GET", "HEAD"}:
            await _reply(writer, "200 OK", "Content-Type: text/html; charset=utf-8", body=self._page)
        elif user == _TUNNEL and method == "CONNECT":
            await self._tunnel(target, reader, writer)
        else:
            if user == _TUNNEL:
                self._failed(
                    Blocked(f"{shown(target)!a:.200} is not asked: only https is, for what a page led to")
                )
            await _reply(writer, "403 Forbidden")

    def _user(self, given: str) -> str | None:
        for user in (_TUNNEL, _PAGE):
            expected = base64.b64encode(f"{user}:{self.secret}".encode()).decode("ascii")
            if hmac.compare_digest(given.encode(), f"Basic {expected}".encode()):
                return user
        return None

    async def _tunnel(
        self, authority: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            target = Target.parse(f"https://{authority}/")
            there_reader, there_writer = await self._connector.open(target)
        except UrlError as error:
            self._failed(Blocked(f"{authority!a:.200} cannot be connected to: {error}"))
        except MirrorError as error:
            self._failed(error)
        else:
            try:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(_pass_on(reader, there_writer))
                    tasks.create_task(_pass_on(there_reader, writer))
            finally:
                there_writer.transport.abort()
            return
        await _reply(writer, "403 Forbidden")

    def _failed(self, error: MirrorError) -> None:
        if self.failure is None:
            self.failure = error


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until one side has no more."""
    with contextlib.suppress(OSError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def _reply(writer: asyncio.StreamWriter, status: str, *headers: str, body: bytes = b"") -> None:
    lines = (f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "Connection: close", "", "")
    writer.write("\r\n".join(lines).encode("ascii") + body)
    await writer.drain()
    writer.close()
    await writer.wait_closed()
