"""Pages that are made to hurt, or to lead where nobody should go (threats V)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from goproxy_mirror.errors import Blocked, NotFound, SourceTimeout, SourceUnavailable, Unreachable
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.sources.upstream import UpstreamSource
from goproxy_mirror.transport import AddressPolicy, Proxies, Transport
from goproxy_mirror.vcs.discovery import Discovery
from tests.fakes.origin import Answer, reply
from tests.transport.test_addresses import FORBIDDEN
from tests.vcs.pagekit import Site, html
from tests.world.connect_proxy import ConnectProxy


@pytest.mark.parametrize(
    "url",
    [
        "-oProxyCommand=id",
        "--upload-pack=id",
        "ext::sh%20-c%20id",
        "ssh://-oProxyCommand=id/r",
        "ssh://y.test/r",
        "git://y.test/r",
        "svn+ssh://y.test/r",
        "http://y.test/r",
        "https://user:secret@y.test/r",
        "https://user@y.test/r",
        "https://y.test\\@127.0.0.1/r",
        "https://y.test/r%0a-x",
        "https://y.test/r?x=y",
        "https://y.test/r|id",
        "https://",
        "https://y.test:99999/",
        "javascript:alert(1)",
    ],
)
async def test_what_is_not_given_to_git(site: Site, discovery: Discovery, url: str) -> None:
    """V30, V31, V33 to V37: URLs that run programs, are not secure, carry credentials, or can be read in two ways."""
    site.pages["/m"] = [f"x.test/m git {url}"]
    with pytest.raises(Blocked) as failure:
        await discovery.find("x.test/m")
    assert "secret" not in failure.value.message


async def test_v37_a_newline_is_a_blank(site: Site, discovery: Discovery) -> None:
    """V37: an encoded newline ends a field, as any blank does."""
    site.pages["/m"] = ["x.test/m git https://y.test/r&#10;-x"]
    with pytest.raises(NotFound, match="subdirectory '-x'"):
        await discovery.find("x.test/m")


@pytest.mark.parametrize("subdir", ["../x", "a/../../b", "a\\b", "a/.."])
async def test_v39_a_subdirectory_stays_inside(site: Site, discovery: Discovery, subdir: str) -> None:
    """V39: no way leads out of the repository."""
    site.pages["/m"] = [f"x.test/m git https://y.test/r {subdir}"]
    with pytest.raises(Blocked):
        await discovery.find("x.test/m")


async def test_v38_a_proxy_inside_is_not_asked(
    site: Site, new_discovery: Callable[..., Discovery], proxy: ConnectProxy
) -> None:
    """V38: a page's `mod` entry that leads to an inner address is blocked when it is asked."""
    site.pages["/m"] = ["x.test/m mod https://127.0.0.1:8081/go"]
    root = await new_discovery().find("x.test/m")
    transport = Transport(policy=AddressPolicy(), user_agent="test")
    with pytest.raises(Blocked, match="--allow-address"):
        await UpstreamSource(root.url, transport, led=True).versions(ModulePath.parse("x.test/m"))
    await transport.aclose()


async def test_v23_an_endless_page(site: Site, discovery: Discovery) -> None:
    """V23: only the beginning of a huge page is read; entries there count, their lack says nothing."""

    def endless(head: bytes) -> Answer:
        async def write(writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + head)
            while True:
                writer.write(b"<p>" * 100_000)
                await writer.drain()
                await asyncio.sleep(0)  # drain alone never lets others run while the buffer has room

        return write

    site.pages["/m"] = endless(b"")
    with pytest.raises(SourceUnavailable, match="end of its head"):
        await discovery.find("x.test/m")
    site.pages["/n"] = endless(html("x.test/n git https://y.test/r").replace(b"</head>", b""))
    assert (await discovery.find("x.test/n")).url == "https://y.test/r"


async def test_v24_a_page_that_drips(site: Site, new_discovery: Callable[..., Discovery]) -> None:
    """V24: a page that stalls is a timeout."""

    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n<html>")
        await writer.drain()
        await asyncio.sleep(30)

    site.pages["/m"] = drip
    with pytest.raises(SourceTimeout):
        await new_discovery(stall_timeout=0.3).find("x.test/m")


async def test_v25_v26_pages_made_to_hurt(site: Site, discovery: Discovery) -> None:
    """V25: 100,000 entries; V26: markup that never ends: neither is a page that says anything."""
    site.pages["/a"] = reply(200, b"<meta name=go-import content='x.test/a git https://y.test/r'>" * 60_000)
    site.pages["/b"] = reply(200, b"<a b=" * 800_000)
    for path in ("x.test/a", "x.test/b"):
        with pytest.raises(SourceUnavailable):
            await discovery.find(path)


async def test_redirects_of_pages(site: Site, discovery: Discovery) -> None:
    """Pages may lead on over https; not to http, other schemes, or inner addresses (V17 to V21)."""
    site.pages["/there"] = ["x.test/m git https://y.test/r"]
    for location, outcome in (
        ("https://y.test/there?go-get=1", None),
        ("http://y.test/there?go-get=1", Blocked),
        ("https://169.254.169.254/latest", Blocked),
        ("file:///etc/passwd", Blocked),
        ("/m?go-get=1", SourceUnavailable),
    ):
        site.pages["/m"] = reply(302, headers={"Location": location})
        if outcome is None:
            assert (await Discovery(discovery._transport).find("x.test/m")).url == "https://y.test/r"
        else:
            with pytest.raises(outcome):
                await Discovery(discovery._transport).find("x.test/m")


@pytest.mark.parametrize("address", FORBIDDEN.values(), ids=FORBIDDEN.keys())
async def test_hosts_at_forbidden_addresses_are_not_asked(
    site: Site, new_discovery: Callable[..., Discovery], address: str
) -> None:
    """V01 to V15: a module path whose host has such an address leads nowhere."""

    async def resolver(host: str, port: int) -> Sequence[str]:
        return [address]

    with pytest.raises(Blocked, match="--allow-address"):
        await new_discovery(proxies=Proxies(), resolver=resolver).find("x.test/m")
    with pytest.raises(Blocked):
        await new_discovery(resolver=resolver).find("x.test/m")
    assert site.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0177.0.0.1", "169.254.169.254", "100.64.0.1"])
async def test_hosts_that_are_addresses_are_not_asked(
    new_discovery: Callable[..., Discovery], host: str
) -> None:
    """V01, V02, V05, V10, V12: addresses written as hosts; with the range opened they would be asked."""
    with pytest.raises(Blocked):
        await new_discovery(proxies=Proxies()).find(f"{host}/m")
    if "127" in host or "0177" in host:
        opened = new_discovery(proxies=Proxies(), policy=AddressPolicy(["127.0.0.0/8"]))
        with pytest.raises(Unreachable):
            await opened.find(f"{host}/m")
