"""The gate: what a program that goes through it can reach, and what it cannot."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from goproxy_mirror.errors import Blocked, Unreachable
from goproxy_mirror.transport import Gate, Proxies, Transport
from tests.fakes.origin import Origin
from tests.transport.conftest import Names
from tests.world.connect_proxy import ConnectProxy

PAGE = b"<!DOCTYPE html><title>the page</title>"


async def ask(gate: Gate, request: str, user: str, secret: str | None = None) -> bytes:
    """What the gate answers to a request head, up to the end of the connection."""
    token = base64.b64encode(f"{user}:{secret or gate.secret}".encode()).decode()
    reader, writer = await asyncio.open_connection(gate.host, gate.port)
    writer.write(f"{request} HTTP/1.1\r\nProxy-Authorization: Basic {token}\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer


async def through(gate: Gate, authority: str, ca_file: Path) -> bytes:
    """The body of `https://AUTHORITY/` for a program that uses the gate as its proxy."""
    token = base64.b64encode(f"tunnel:{gate.secret}".encode()).decode()
    reader, writer = await asyncio.open_connection(gate.host, gate.port)
    writer.write(f"CONNECT {authority} HTTP/1.1\r\nProxy-Authorization: Basic {token}\r\n\r\n".encode())
    assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
    context = ssl.create_default_context(cafile=str(ca_file))
    await writer.start_tls(context, server_hostname=authority.split(":", maxsplit=1)[0])
    writer.write(f"GET / HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    body = await reader.readexactly(5)
    writer.close()
    return body


async def test_a_connection_goes_to_the_vetted_address(
    transport: Transport, names: Names, server_tls: ssl.SSLContext, ca_file: Path
) -> None:
    """TLS is passed on to the host, by the address that our own resolver gave."""
    names.table["x.test"] = ["127.0.0.1"]
    async with Origin(tls=server_tls) as origin, transport.gate(PAGE) as gate:
        assert await through(gate, f"x.test:{origin.port}", ca_file) == b"hello"
        assert gate.failure is None


@pytest.mark.parametrize("host", ["metadata.test", "169.254.169.254", "127.0.0.1", "[::1]"])
async def test_a_forbidden_address_is_not_connected_to(
    make_transport: Callable[..., Transport], names: Names, host: str
) -> None:
    """Whatever name leads there; the failure says which setting would permit it."""
    names.table["metadata.test"] = ["169.254.169.254"]
    async with make_transport(allow=()).gate(PAGE) as gate:
        assert b" 403 " in await ask(gate, f"CONNECT {host}:443", "tunnel")
        assert isinstance(gate.failure, Blocked)
        assert "--allow-address" in gate.failure.message


async def test_a_host_that_is_not_there_is_unreachable(transport: Transport) -> None:
    """The first failure is kept, since a program's own message says less."""
    async with transport.gate(PAGE) as gate:
        assert b" 403 " in await ask(gate, "CONNECT nowhere.test:443", "tunnel")
        assert b" 403 " in await ask(gate, "CONNECT elsewhere.test:443", "tunnel")
        assert isinstance(gate.failure, Unreachable)
        assert gate.failure.host == "nowhere.test"


async def test_plain_http_and_other_ports_are_refused(transport: Transport, names: Names) -> None:
    """Only TLS goes through, to where web servers are."""
    names.table["x.test"] = ["127.0.0.1"]
    async with transport.gate(PAGE) as gate:
        assert b" 403 " in await ask(gate, "GET http://x.test/", "tunnel")
        assert isinstance(gate.failure, Blocked)
    async with transport.gate(PAGE) as gate:
        assert b" 403 " in await ask(gate, "CONNECT x.test:22", "tunnel")
        assert isinstance(gate.failure, Blocked)


async def test_the_page_is_all_that_its_reader_gets(transport: Transport) -> None:
    """Every plain request is answered with the page; no connection is opened, and that is no failure."""
    async with transport.gate(PAGE) as gate:
        assert (await ask(gate, "GET http://x.test/?go-get=1", "page")).endswith(PAGE)
        assert b" 403 " in await ask(gate, "CONNECT x.test:443", "page")
        assert gate.failure is None


async def test_strangers_get_nothing(transport: Transport) -> None:
    """Who does not know the secret is told to say who they are; what is no request is hung up on."""
    async with transport.gate(PAGE) as gate:
        assert b" 407 " in await ask(gate, "CONNECT x.test:443", "tunnel", "guessed")
        assert b" 407 " in await ask(gate, "GET http://x.test/", "nobody")
        reader, writer = await asyncio.open_connection(gate.host, gate.port)
        writer.write(b"\x16\x03\x01" + b"x" * 70_000)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()


async def test_the_operators_proxy_is_used(
    make_transport: Callable[..., Transport], names: Names, server_tls: ssl.SSLContext, ca_file: Path
) -> None:
    """Where there is a forward proxy, the gate goes through it."""
    names.table["x.test"] = ["127.0.0.1"]
    proxy = ConnectProxy()
    try:
        async with Origin(tls=server_tls) as origin:
            proxy.routes["x.test"] = origin.port
            transport = make_transport(proxies=Proxies(https=proxy.url))
            async with transport.gate(PAGE) as gate:
                assert await through(gate, f"x.test:{origin.port}", ca_file) == b"hello"
        assert proxy.asked == [f"x.test:{origin.port}"]
    finally:
        await asyncio.to_thread(proxy.stop)


async def test_socks_proxies_cannot_be_used(make_transport: Callable[..., Transport], names: Names) -> None:
    """A SOCKS proxy is said to be none that programs can go through."""
    names.table["x.test"] = ["127.0.0.1"]
    async with make_transport(proxies=Proxies(https="socks5://127.0.0.1:1")).gate(PAGE) as gate:
        assert b" 403 " in await ask(gate, "CONNECT x.test:443", "tunnel")
        assert isinstance(gate.failure, Unreachable)


async def test_closing_ends_open_connections(
    transport: Transport, names: Names, server_tls: ssl.SSLContext
) -> None:
    """A program that was killed leaves nothing behind."""
    names.table["x.test"] = ["127.0.0.1"]
    async with Origin(tls=server_tls) as origin:
        async with transport.gate(PAGE) as gate:
            token = base64.b64encode(f"tunnel:{gate.secret}".encode()).decode()
            reader, writer = await asyncio.open_connection(gate.host, gate.port)
            head = f"CONNECT x.test:{origin.port} HTTP/1.1\r\nProxy-Authorization: Basic {token}\r\n\r\n"
            writer.write(head.encode())
            await reader.readuntil(b"\r\n\r\n")
        assert await reader.read() == b""
        writer.close()
