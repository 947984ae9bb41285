"""SOCKS proxies (RFC 1928): names are theirs to resolve, for us and for git, however the setting is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest
import trustme

from goproxy_mirror.errors import Blocked
from goproxy_mirror.process import Runner
from goproxy_mirror.transport import AddressPolicy, Proxies, Transport
from goproxy_mirror.vcs.git import GitRepositories
from tests.fakes.origin import Origin
from tests.transport.conftest import Names
from tests.vcs.gitkit import Repo, serve

_BY_NAME = 3


class SocksProxy:
    """Connects everybody to 127.0.0.1, whatever was asked for. `asked`: (kind of address, address, port) of each request."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, str, int]] = []

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readexactly((await reader.readexactly(2))[1])
            writer.write(b"\5\0")
            kind = (await reader.readexactly(4))[3]
            size = (await reader.readexactly(1))[0] if kind == _BY_NAME else {1: 4, 4: 16}[kind]
            address = await reader.readexactly(size)
            port = int.from_bytes(await reader.readexactly(2), "big")
            self.asked.append((kind, address.decode("latin-1"), port))
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"\5\0\0\1\0\0\0\0\0\0")
            await asyncio.gather(_pass_on(reader, there_writer), _pass_on(there_reader, writer))
        writer.close()

    def stop(self) -> None:
        self._server.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
        writer.close()


@pytest.fixture
async def socks() -> AsyncIterator[SocksProxy]:
    """The proxy."""
    proxy = SocksProxy()
    await proxy.start()
    yield proxy
    proxy.stop()


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
async def test_v16_a_name_is_not_looked_up_a_second_time(
    make_transport: Callable[..., Transport], names: Names, socks: SocksProxy, scheme: str
) -> None:
    """A name that only the proxy knows reaches it as a name; one that is forbidden here does not reach it."""
    names.table["inner.test"] = ["10.0.0.1"]
    transport = make_transport(proxies=Proxies(http=f"{scheme}://{socks.address}"), allow=())
    async with Origin() as origin:
        url = f"http://public.test:{origin.port}/"
        assert (await transport.get(url, limit=100, led=True)).body == b"hello"
        with pytest.raises(Blocked):
            await transport.get(url.replace("public", "inner"), limit=100, led=True)
    assert socks.asked == [(_BY_NAME, "public.test", origin.port)]


async def test_v16_git_neither(
    names: Names, socks: SocksProxy, authority: trustme.CA, tmp_path: Path
) -> None:
    """The same for git, to which `socks5:` would mean that it looks the name up by itself."""
    Repo(tmp_path / "remotes" / "m.git").commit({"go.mod": "module m\n"}, tags=("v1.0.0",))
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    proxy = f"socks5://{socks.address}"
    transport = Transport(
        policy=AddressPolicy(), user_agent="t", ca_files=[ca], resolver=names, proxies=Proxies(https=proxy)
    )
    runner = Runner(tmp_path / "state", ca_file=ca, proxy_env={"HTTPS_PROXY": proxy})
    with serve(tmp_path / "remotes", authority, "repo.test") as served:
        repository = GitRepositories(tmp_path / "copies", runner, transport).open(
            f"{served.base}/m.git", trusted=False
        )
        assert (await repository.refs()).tags
    await transport.aclose()
    assert {asked[:2] for asked in socks.asked} == {(_BY_NAME, "repo.test")}
