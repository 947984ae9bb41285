"""Finding out whether a host can be connected to, for git."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from goproxy_mirror.errors import Blocked, SettingError, SourceUnavailable, Unreachable
from goproxy_mirror.transport import Proxies, Transport, VettedAddress
from goproxy_mirror.transport.connect import SystemResolver
from tests.fakes.origin import Origin, always, reply
from tests.transport.conftest import Names


async def test_a_host_that_answers_comes_with_its_address(
    transport: Transport, names: Names, server_tls: ssl.SSLContext
) -> None:
    """The vetted address is handed out after a connection and a handshake; for a minute without another."""
    names.table["x.test"] = ["127.0.0.1"]
    async with Origin(tls=server_tls) as origin:
        for _ in range(2):
            address = await transport.connectable(f"https://x.test:{origin.port}/repo")
            assert address == VettedAddress("x.test", origin.port, "127.0.0.1")
        assert origin.connections == 1


async def test_those_who_ask_at_once_share_one_trial(
    transport: Transport, names: Names, server_tls: ssl.SSLContext
) -> None:
    """Twenty repositories of one host are one connection."""
    names.table["x.test"] = ["127.0.0.1"]
    async with Origin(tls=server_tls) as origin:
        urls = [f"https://x.test:{origin.port}/{number}" for number in range(20)]
        await asyncio.gather(*[transport.connectable(url) for url in urls])
        assert origin.connections == 1


async def test_the_first_address_that_connects_is_taken(
    transport: Transport, names: Names, server_tls: ssl.SSLContext
) -> None:
    """Addresses at which nobody answers are passed over."""
    async with Origin(tls=server_tls) as origin:
        names.table["x.test"] = ["127.0.0.3", "127.0.0.4", "127.0.0.1"]
        address = await transport.connectable(f"https://x.test:{origin.port}/")
        assert address.ip == "127.0.0.1"
        names.table["y.test"] = ["127.0.0.3", "127.0.0.1"]
        got = await transport.get(f"https://y.test:{origin.port}/", limit=100, led=True)
        assert got.body == b"hello"


async def test_a_slow_address_does_not_hold_up_the_next(
    make_transport: Callable[..., Transport], names: Names, server_tls: ssl.SSLContext
) -> None:
    """An address that takes the connection and never shakes hands loses to the one after it."""
    async with Origin(tls=server_tls) as origin:

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.2", origin.port)
        names.table["x.test"] = ["127.0.0.2", "127.0.0.1"]
        transport = make_transport(connect_timeout=20)
        async with asyncio.timeout(10):
            address = await transport.connectable(f"https://x.test:{origin.port}/")
        assert address.ip == "127.0.0.1"
        server.close()


@pytest.mark.parametrize("listens", [True, False], ids=["no handshake", "refused"])
async def test_no_connection_is_unreachable_and_rests(
    make_transport: Callable[..., Transport], names: Names, listens: bool
) -> None:
    """A host that does not shake hands, or refuses, is unreachable at once for the next minute."""
    names.table["x.test"] = ["127.0.0.1"]
    transport = make_transport(connect_timeout=0.2)
    async with AsyncExitStack() as stack:
        origin = await stack.enter_async_context(Origin())
        if not listens:
            await stack.aclose()
        url = f"https://x.test:{origin.port}/"
        with pytest.raises(Unreachable, match=r"could not connect to x\.test") as failure:
            await transport.connectable(url)
        assert failure.value.host == f"x.test:{origin.port}"
        with pytest.raises(Unreachable, match="left alone"):
            await transport.connectable(url)
        with pytest.raises(Unreachable, match="left alone"):
            await transport.get(url, limit=100, led=True)
        assert origin.connections == int(listens)


async def test_a_certificate_for_another_host_is_unreachable(
    transport: Transport, names: Names, server_tls: ssl.SSLContext
) -> None:
    """Who cannot prove to be the host is not the host."""
    names.table["z.test"] = ["127.0.0.1"]
    async with Origin(tls=server_tls) as origin:
        with pytest.raises(Unreachable, match="certificate"):
            await transport.connectable(f"https://z.test:{origin.port}/")


async def test_what_a_page_may_not_lead_to(make_transport: Callable[..., Transport], names: Names) -> None:
    """Forbidden addresses, ports, schemes and ambiguous URLs are blocked; the operator may name any address."""
    transport = make_transport(allow=["127.0.0.1"])
    names.table["x.test"] = ["127.0.0.2"]
    for url in ("https://x.test/", "https://127.0.0.2/", "https://[::1]/", "https://127.0.0.1:22/"):
        with pytest.raises(Blocked):
            await transport.connectable(url)
    for url in (
        "ssh://x.test/r",
        "file:///srv",
        "https://x.test\\@y.test/",
        "-oProxyCommand=x",
        "ext::sh -c id",
    ):
        with pytest.raises(Blocked):
            await transport.connectable(url)
        with pytest.raises(SourceUnavailable):
            await transport.connectable(url, led=False)
    async with Origin(host="127.0.0.2") as origin:
        address = await transport.connectable(f"http://x.test:{origin.port}/", led=False)
        assert address.ip == "127.0.0.2"


class ForwardProxy(Origin):
    """Answers `CONNECT` and absolute URLs by itself, as the host that was asked for."""

    def __init__(self, status: int = 200) -> None:
        super().__init__(always(reply(status, b"by proxy")))


async def test_through_a_forward_proxy_names_are_the_proxys_to_resolve(
    make_transport: Callable[..., Transport], names: Names
) -> None:
    """A host that only the proxy can resolve is asked through it; no address is pinned."""
    async with ForwardProxy() as proxy:
        transport = make_transport(proxies=Proxies(http=proxy.url.replace("://", "://u:p@"), https=proxy.url))
        got = await transport.get("http://x.test/page", limit=100, led=True)
        assert got.body == b"by proxy"
        assert proxy.paths == ["http://x.test/page"]
        assert proxy.requests[0].headers["proxy-authorization"] == "Basic dTpw"
        address = await transport.connectable("https://x.test/repo")
        assert address == VettedAddress("x.test", 443, None, proxy.url)
    assert set(names.asked) == {"x.test"}


@pytest.mark.parametrize(
    "host", ["127.0.0.2.", "10.0.0.1", "[fd00::1]", "169.254.169.254", "intranet", "metadata.google.internal"]
)
async def test_a_forward_proxy_is_not_led_inwards(
    make_transport: Callable[..., Transport], host: str
) -> None:
    """Literal addresses that are not public, and names of local networks, are not asked for through a proxy."""
    async with ForwardProxy() as proxy:
        transport = make_transport(allow=(), proxies=Proxies(http=proxy.url, https=proxy.url))
        with pytest.raises(Blocked):
            await transport.get(f"http://{host}/", limit=100, led=True)
        with pytest.raises(Blocked):
            await transport.connectable(f"https://{host}/")
        assert proxy.connections == 0


async def test_what_the_local_name_server_says_counts_for_a_proxy_too(
    make_transport: Callable[..., Transport], names: Names
) -> None:
    """A name that resolves to a forbidden address here is not asked for through the proxy."""
    names.table["x.test"] = ["10.0.0.1"]
    async with ForwardProxy() as proxy:
        proxies = Proxies(http=proxy.url)
        with pytest.raises(Blocked, match=r"--allow-address 10\.0\.0\.0/8"):
            await make_transport(proxies=proxies).get("http://x.test/", limit=100, led=True)
        opened = make_transport(proxies=proxies, allow=["10.0.0.0/8"])
        assert (await opened.get("http://x.test/", limit=100, led=True)).body == b"by proxy"


@pytest.mark.parametrize("public", [1, 8, 20])
async def test_a_proxy_is_not_asked_for_a_name_that_could_lead_inwards(
    make_transport: Callable[..., Transport], names: Names, public: int
) -> None:
    """Which of a name's addresses the proxy takes is not ours to say: one that is forbidden is enough, be it the last."""
    addresses = [f"8.8.8.{number}" for number in range(public)]
    names.table["x.test"] = [*addresses, "10.0.0.1"]
    names.table["y.test"] = addresses
    async with ForwardProxy() as proxy:
        transport = make_transport(proxies=Proxies(http=proxy.url))
        with pytest.raises(Blocked, match=r"--allow-address 10\.0\.0\.0/8"):
            await transport.get("http://x.test/", limit=100, led=True)
        assert (await transport.get("http://y.test/", limit=100, led=True)).body == b"by proxy"


async def test_a_dead_forward_proxy_is_unreachable_by_name(make_transport: Callable[..., Transport]) -> None:
    """The message names the proxy, without its password."""
    async with ForwardProxy() as proxy:
        url = proxy.url.replace("://", "://u:secret@")
    transport = make_transport(proxies=Proxies(https=url))
    with pytest.raises(Unreachable, match="forward proxy http://127") as failure:
        await transport.connectable("https://x.test/")
    assert "secret" not in str(failure.value)


async def test_a_proxy_that_refuses_the_tunnel_is_unreachable(
    make_transport: Callable[..., Transport],
) -> None:
    """What the proxy cannot connect to cannot be connected to."""
    async with ForwardProxy(502) as proxy:
        transport = make_transport(proxies=Proxies(https=proxy.url))
        with pytest.raises(Unreachable, match=r"could not connect to x\.test") as failure:
            await transport.get("https://x.test/", limit=100, led=True)
        assert failure.value.host == "x.test"
        with pytest.raises(Unreachable, match=r"could not connect to y\.test: it answered 502"):
            await transport.connectable("https://y.test/repo")


async def test_a_proxy_that_waits_for_the_host_is_not_waited_for(
    make_transport: Callable[..., Transport],
) -> None:
    """A proxy that is there, and cannot reach the host, counts as the host that cannot be reached: git is never begun."""

    async def silence(_: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with Origin(always(silence)) as proxy:
        transport = make_transport(proxies=Proxies(https=proxy.url), connect_timeout=0.2)
        with pytest.raises(Unreachable, match=r"could not connect to x\.test") as failure:
            await transport.connectable("https://x.test/repo")
        assert proxy.paths == ["x.test:443"]
    assert failure.value.host == "x.test"


async def test_no_proxy_goes_by_itself_and_is_vetted(
    make_transport: Callable[..., Transport], names: Names
) -> None:
    """A host that NO_PROXY exempts is resolved, vetted and pinned as without a proxy."""
    names.table["x.test"] = ["127.0.0.1"]
    async with ForwardProxy() as proxy, Origin() as origin:
        transport = make_transport(proxies=Proxies(http=proxy.url, no_proxy="x.test"))
        got = await transport.get(f"http://x.test:{origin.port}/", limit=100, led=True)
        assert got.body == b"hello"
        assert proxy.connections == 0


async def test_the_system_resolver_answers_and_fails_in_time() -> None:
    """Names of this machine resolve; what is no name, or takes too long, is an OSError."""
    resolver = SystemResolver(timeout=5)
    assert "127.0.0.1" in await resolver("localhost", 80) or "::1" in await resolver("localhost", 80)
    for host in ("a" * 300, "x..test"):
        with pytest.raises(OSError):
            await resolver(host, 80)
    with pytest.raises(OSError, match="no answer from the name server within 0 s"):
        await SystemResolver(timeout=0)("localhost", 80)
    resolver.close()


async def test_a_ca_file_that_holds_no_certificate_is_refused(
    make_transport: Callable[..., Transport], tmp_path: Path
) -> None:
    """A wrong --ca-file is found at the start, with the flag and the file in the message."""
    junk = tmp_path / "ca.pem"
    junk.write_text("junk")
    for path in (junk, tmp_path / "missing.pem"):
        with pytest.raises(SettingError, match=rf"--ca-file.*{path.name}"):
            make_transport(ca_files=[path])


async def test_a_host_that_is_back_is_known_at_once(transport: Transport, names: Names) -> None:
    """A host that rests is found to be back by a connection, and rests no more; one that is gone rests on."""
    names.table["x.test"] = ["127.0.0.1"]
    async with Origin() as origin:
        here, gone = f"x.test:{origin.port}", "x.test:1"
        for host in (here, gone):
            transport.hosts.rest(host)
        assert await transport.is_back(f"http://{here}")
        assert not await transport.is_back(f"http://{gone}")
        assert [transport.hosts.resting(host) for host in (here, gone)] == [False, True]


async def test_who_rests_is_not_looked_for_by_everybody(transport: Transport, names: Names) -> None:
    """One look at a host that rests serves all who ask within the next seconds."""
    names.table["x.test"] = ["127.0.0.1"]
    transport.hosts.rest("x.test:1")
    for _ in range(5):
        assert not await transport.is_back("http://x.test:1")
    assert names.asked == ["x.test"]
