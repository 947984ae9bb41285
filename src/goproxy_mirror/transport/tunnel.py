"""Trial connections by way of a forward proxy: whether it can reach a host, and not only whether it is there."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from pyreqwest.http import Url

from goproxy_mirror.errors import Unreachable
from goproxy_mirror.transport.proxies import proxy_address
from goproxy_mirror.transport.urls import Target, shown

_MOST_HEAD = 1 << 16


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def try_tunnel(
    target: Target, proxy: str, *, timeout: float, trust: Callable[[], ssl.SSLContext]
) -> None:
    """Let the proxy connect to the host, and leave again. Raises `Unreachable` after `timeout` seconds at most.

    Proxies keep a client waiting for a host that does not answer, some for minutes, so a proxy that is there says
    nothing about the host. Only for https is there a way to ask without asking for a page (CONNECT, RFC 9110 §9.3.6);
    SOCKS proxies and http hosts are tried no further than the proxy.
    """
    asks = target.scheme == "https" and knows_tunnels(proxy)
    _, writer = await _open(target, proxy, timeout, trust, asks=asks)
    writer.transport.abort()


async def open_tunnel(
    target: Target, proxy: str, *, timeout: float, trust: Callable[[], ssl.SSLContext]
) -> Streams:
    """A connection to the host through a proxy that `knows_tunnels`. Raises `Unreachable` after `timeout` seconds."""
    return await _open(target, proxy, timeout, trust, asks=True)


def knows_tunnels(proxy: str) -> bool:
    """Whether the proxy speaks HTTP."""
    return Url(proxy).scheme in {"http", "https"}


async def _open(
    target: Target, proxy: str, timeout: float, trust: Callable[[], ssl.SSLContext], *, asks: bool
) -> Streams:
    """A connection to the proxy, and by way of it to the host if it is asked for that."""
    arrived = False
    try:
        async with asyncio.timeout(timeout):
            host, port = proxy_address(proxy)
            context = trust() if Url(proxy).scheme == "https" else None
            reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=_MOST_HEAD)
            arrived = True
            status = 0
            try:
                status = await _connect(reader, writer, target, proxy) if asks else 200
            finally:
                if not 200 <= status < 300:
                    writer.transport.abort()
    except (OSError, EOFError, asyncio.LimitOverrunError):
        what = (
            f"could not connect to {target.authority}"
            if arrived
            else f"for {target.host} could not be reached"
        )
        raise Unreachable(f"the forward proxy {shown(proxy)} {what}", host=target.authority) from None
    if not 200 <= status < 300:
        message = (
            f"the forward proxy {shown(proxy)} could not connect to {target.authority}: it answered {status}"
        )
        raise Unreachable(message, host=target.authority)
    return reader, writer


async def _connect(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: Target, proxy: str
) -> int:
    """The status that the proxy answers to CONNECT; 0 where that is no HTTP."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    lines = [f"CONNECT {host}:{target.port} HTTP/1.1", f"Host: {host}:{target.port}"]
    url = Url(proxy)
    if url.username or url.password:
        secret = unquote_to_bytes(url.username) + b":" + unquote_to_bytes(url.password or "")
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(secret).decode('ascii')}")
    writer.write("\r\n".join([*lines, "", ""]).encode("ascii"))
    head = await reader.readuntil(b"\r\n\r\n")
    words = head.split(None, 2)
    known = len(words) > 1 and words[0].startswith(b"HTTP/1.") and words[1].isdigit()
    return int(words[1]) if known else 0
