"""From module path to repository, by pages over TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import pytest
import trustme

from goproxy_mirror.errors import Blocked, NotFound, SourceTimeout, SourceUnavailable, Unreachable
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.ports import RepoRoot
from goproxy_mirror.sources.upstream import UpstreamSource
from goproxy_mirror.transport import AddressPolicy, Hosts, Proxies, Transport
from goproxy_mirror.vcs.discovery import Discovery
from tests.fakes.origin import Answer, Origin, Request, reply
from tests.transport.test_addresses import FORBIDDEN
from tests.world.connect_proxy import ConnectProxy


class Site(Origin):
    """The host x.test: its pages by path, each a list of contents of go-import entries, or a raw answer."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__(self.page, tls=tls)
        self.pages: dict[str, Sequence[str] | Answer] = {}

    def page(self, request: Request) -> Answer:
        path, _, query = request.path.partition("?")
        assert query == "go-get=1"
        page = self.pages.get(path, ())
        if isinstance(page, bytes) or callable(page):
            return page
        return reply(200 if page else 404, html(*page))


def html(*contents: str) -> bytes:
    tags = "".join(f"<meta name='go-import' content='{content}'>" for content in contents)
    return f"<html><head>{tags}</head></html>".encode()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """What the host needs to be believed."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("x.test", "y.test").configure_cert(context)
    return context


@pytest.fixture
async def site(tls: ssl.SSLContext) -> AsyncIterator[Site]:
    """The host."""
    async with Site(tls) as site:
        yield site


@pytest.fixture
def proxy(site: Site) -> Iterator[ConnectProxy]:
    """An Internet that has x.test and y.test, and nothing else."""
    proxy = ConnectProxy()
    proxy.routes.update({"x.test": site.port, "y.test": site.port})
    yield proxy
    proxy.stop()


async def nobody(host: str, port: int) -> Sequence[str]:
    raise OSError("Name or service not known")


@pytest.fixture
async def make(
    proxy: ConnectProxy, authority: trustme.CA, tmp_path: Path
) -> AsyncIterator[Callable[..., Discovery]]:
    """Make a discovery in that Internet, with settings of the transport."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    made: list[Transport] = []

    def make(private: str = "", ttl: float = 600, **settings: object) -> Discovery:
        defaults: dict[str, object] = {
            "policy": AddressPolicy(),
            "proxies": Proxies(https=proxy.url),
            "resolver": nobody,
            "connect_timeout": 1.0,
            "hosts": Hosts(rest=0),
        }
        made.append(
            Transport(user_agent="test", ca_files=[tmp_path / "ca.pem"], **{**defaults, **settings})  # type: ignore[arg-type]
        )
        return Discovery(made[-1], private=private, ttl=ttl)

    yield make
    for transport in made:
        await transport.aclose()


@pytest.fixture
def discovery(make: Callable[..., Discovery]) -> Discovery:
    """A discovery in that Internet."""
    return make()


async def test_a_page_names_the_repository(site: Site, discovery: Discovery) -> None:
    """The entry for the path itself, its fourth field included; asked for as the go command asks."""
    site.pages["/m"] = ["x.test/m git https://y.test/r sub/dir"]
    assert await discovery.find("x.test/m") == RepoRoot("x.test/m", "git", "https://y.test/r", "sub/dir")
    assert site.paths == ["/m?go-get=1"]


async def test_a_bare_host(site: Site, discovery: Discovery) -> None:
    """A module path may be nothing but a host."""
    site.pages["/"] = ["x.test git https://y.test/r"]
    assert (await discovery.find(ModulePath.parse("x.test"))).root == "x.test"


async def test_known_hosts_are_not_asked(site: Site, discovery: Discovery) -> None:
    """What the path tells by itself costs no request; nor does what no go command would take."""
    assert (await discovery.find("github.com/a/b/v2")).url == "https://github.com/a/b"
    for path in (
        "github.com/a",
        "github.com/a/b.git",
        "x.test/a.svn",
        "chiselapp.com/user/a/repository/b",
        "nodot/x",
    ):
        with pytest.raises(NotFound):
            await discovery.find(path)
    assert site.connections == 0


async def test_private_modules_may_be_kept_in_any_system(site: Site, make: Callable[..., Discovery]) -> None:
    """GOVCS allows git and hg for public modules, everything for private ones."""
    discovery = make(private="x.test/own")
    site.pages["/own/m"] = ["x.test/own/m svn https://y.test/r"]
    site.pages["/pub/m"] = ["x.test/pub/m svn https://y.test/r"]
    site.pages["/pub/h"] = ["x.test/pub/h hg https://y.test/r"]
    assert (await discovery.find("x.test/own/m")).vcs == "svn"
    assert (await discovery.find("x.test/own/a.fossil")).vcs == "fossil"
    assert (await discovery.find("x.test/pub/h")).vcs == "hg"
    with pytest.raises(NotFound, match="GOVCS"):
        await discovery.find("x.test/pub/m")


async def test_a_proxy_wins(site: Site, discovery: Discovery) -> None:
    """An entry with `mod` beats all others, of a longer prefix too; two of them are one too many."""
    site.pages["/m"] = ["x.test/m git https://y.test/r", "x.test/m mod https://y.test/p"]
    assert await discovery.find("x.test/m") == RepoRoot("x.test/m", "mod", "https://y.test/p")
    site.pages["/n"] = ["x.test/n mod https://y.test/p", "x.test mod https://y.test/q"]
    with pytest.raises(NotFound):
        await discovery.find("x.test/n")


async def test_the_prefixs_own_page_has_to_agree(site: Site, discovery: Discovery) -> None:
    """V28: an entry for a shorter prefix counts only if that prefix's page says the very same."""
    entry = "x.test/m git https://y.test/r"
    site.pages["/m/sub"] = site.pages["/m"] = [entry]
    assert (await discovery.find("x.test/m/sub")).root == "x.test/m"
    assert site.paths == ["/m/sub?go-get=1", "/m?go-get=1"]
    for number, above in enumerate((["x.test/m git https://y.test/s"], [f"{entry} dir"], [], [entry, entry])):
        site.pages[f"/{number}/sub"] = [entry.replace("x.test/m", f"x.test/{number}")]
        site.pages[f"/{number}"] = [each.replace("x.test/m", f"x.test/{number}") for each in above]
        with pytest.raises(NotFound):
            await discovery.find(f"x.test/{number}/sub")


@pytest.mark.parametrize(
    "contents",
    [
        ["y.test/m git https://y.test/r"],
        ["x.test/mm git https://y.test/r"],
        ["x.test/m/sub git https://y.test/r"],
        ["x.test/m git https://y.test/r", "x.test git https://y.test/s"],
        ["x.test/m git https://y.test/r", "x.test/m git https://y.test/r"],
        ["x.test/m bzr https://y.test/r"],
        ["x.test/m cvs https://y.test/r"],
        ["x.test/m git file:///srv/r"],
        ["x.test/m git FILE:///srv/r"],
        ["x.test/m git y.test/r"],
        ["x.test/m git https://y.test/r /abs"],
        ["x.test/m git https://y.test/r -x"],
        ["x.test/m git https://y.test/r a b"],
        [],
    ],
    ids=[
        "V27 other host",
        "V27 longer",
        "below",
        "V29 two prefixes",
        "V29 twice",
        "bzr",
        "cvs",
        "V32 file",
        "FILE",
        "no scheme",
        "absolute",
        "dash",
        "five fields",
        "none",
    ],
)
async def test_what_the_go_command_refuses_is_absent(
    site: Site, discovery: Discovery, contents: list[str]
) -> None:
    """V27, V29, V32: the host was read, and no go command would find a module there."""
    site.pages["/m"] = contents
    with pytest.raises(NotFound, match=r"x\.test/m"):
        await discovery.find("x.test/m")


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


@pytest.mark.parametrize(
    ("url", "given"),
    [
        ("https://y.test", "https://y.test"),
        ("https://y.test/a/~b/c.git", "https://y.test/a/~b/c.git"),
        ("HTTPS://Y.test:443/R", "https://y.test/R"),
        ("https://y.test:8443/r", "https://y.test:8443/r"),
        ("https://y.test./a/../r", "https://y.test/r"),
        ("https://y.test/`id`", "https://y.test/%60id%60"),
        ("https://0x7f.1/r", "https://127.0.0.1/r"),
    ],
)
async def test_git_gets_what_was_understood(site: Site, discovery: Discovery, url: str, given: str) -> None:
    """A URL that is written in an unusual way is handed on in the usual one."""
    site.pages["/m"] = [f"x.test/m git {url}"]
    assert (await discovery.find("x.test/m")).url == given


@pytest.mark.parametrize("subdir", ["../x", "a/../../b", "a\\b", "a/.."])
async def test_v39_a_subdirectory_stays_inside(site: Site, discovery: Discovery, subdir: str) -> None:
    """V39: no way leads out of the repository."""
    site.pages["/m"] = [f"x.test/m git https://y.test/r {subdir}"]
    with pytest.raises(Blocked):
        await discovery.find("x.test/m")


@pytest.mark.parametrize(
    ("subdir", "clean"), [("a//b/", "a/b"), ("./a", "a"), (".", ""), (".hidden/a", ".hidden/a")]
)
async def test_a_subdirectory_is_cleaned(site: Site, discovery: Discovery, subdir: str, clean: str) -> None:
    """Subdirectories are joined as paths, so they are handed on as clean ones."""
    site.pages["/m"] = [f"x.test/m git https://y.test/r {subdir}"]
    assert (await discovery.find("x.test/m")).subdir == clean


async def test_v38_a_proxy_inside_is_not_asked(
    site: Site, make: Callable[..., Discovery], proxy: ConnectProxy
) -> None:
    """V38: a page's `mod` entry that leads to an inner address is blocked when it is asked."""
    site.pages["/m"] = ["x.test/m mod https://127.0.0.1:8081/go"]
    root = await make().find("x.test/m")
    transport = Transport(policy=AddressPolicy(), user_agent="test")
    with pytest.raises(Blocked, match="--allow-address"):
        await UpstreamSource(root.url, transport, led=True).versions(ModulePath.parse("x.test/m"))
    await transport.aclose()


async def test_v40_the_status_of_a_page_does_not_matter(site: Site, discovery: Discovery) -> None:
    """V40: an entry in an error page counts."""
    for status in (404, 403, 500, 503):
        site.pages[f"/{status}"] = reply(status, html(f"x.test/{status} git https://y.test/r"))
        assert (await discovery.find(f"x.test/{status}")).url == "https://y.test/r"


@pytest.mark.parametrize(
    ("answer", "absent"),
    [
        (reply(200, b"<html><head></head><body>hello"), True),
        (reply(200, b"plain text"), True),
        (reply(404, b"not found"), True),
        (reply(410, b""), True),
        (reply(403, b"<Error><Code>AccessDenied</Code></Error>"), True),
        (reply(401, b""), True),
        (reply(429, b""), False),
        (reply(500, b""), False),
        (reply(503, b"<html><head></head>"), False),
        (reply(302, b""), False),
        (reply(200, b"<!-- " + b"x" * 1000), False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<html>", False),
        (b"junk\r\n\r\n", False),
    ],
)
async def test_a_page_without_entries(site: Site, discovery: Discovery, answer: bytes, absent: bool) -> None:
    """A page that was read is the host's no; one that failed, or broke off, says nothing."""
    if answer.startswith(b"HTTP/1.1 200 OK\r\nContent-Length: 1000"):

        async def cut(writer: asyncio.StreamWriter) -> None:
            writer.write(answer)
            await writer.drain()

        site.pages["/m"] = cut
    else:
        site.pages["/m"] = answer
    with pytest.raises(NotFound if absent else SourceUnavailable):
        await discovery.find("x.test/m")


async def test_v23_an_endless_page(site: Site, discovery: Discovery) -> None:
    """V23: only the beginning of a huge page is read; entries there count, their lack says nothing."""

    def endless(head: bytes) -> Answer:
        async def write(writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + head)
            while True:
                writer.write(b"<p>" * 100_000)
                await writer.drain()

        return write

    site.pages["/m"] = endless(b"")
    with pytest.raises(SourceUnavailable, match="end of its head"):
        await discovery.find("x.test/m")
    site.pages["/n"] = endless(html("x.test/n git https://y.test/r").replace(b"</head>", b""))
    assert (await discovery.find("x.test/n")).url == "https://y.test/r"


async def test_v24_a_page_that_drips(site: Site, make: Callable[..., Discovery]) -> None:
    """V24: a page that stalls is a timeout."""

    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n<html>")
        await writer.drain()
        await asyncio.sleep(30)

    site.pages["/m"] = drip
    with pytest.raises(SourceTimeout):
        await make(stall_timeout=0.3).find("x.test/m")


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
    site: Site, make: Callable[..., Discovery], address: str
) -> None:
    """V01 to V15: a module path whose host has such an address leads nowhere."""

    async def resolver(host: str, port: int) -> Sequence[str]:
        return [address]

    with pytest.raises(Blocked, match="--allow-address"):
        await make(proxies=Proxies(), resolver=resolver).find("x.test/m")
    with pytest.raises(Blocked):
        await make(resolver=resolver).find("x.test/m")
    assert site.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0177.0.0.1", "169.254.169.254", "100.64.0.1"])
async def test_hosts_that_are_addresses_are_not_asked(make: Callable[..., Discovery], host: str) -> None:
    """V01, V02, V05, V10, V12: addresses written as hosts; with the range opened they would be asked."""
    with pytest.raises(Blocked):
        await make(proxies=Proxies()).find(f"{host}/m")
    if "127" in host or "0177" in host:
        opened = make(proxies=Proxies(), policy=AddressPolicy(["127.0.0.0/8"]))
        with pytest.raises(Unreachable):
            await opened.find(f"{host}/m")


async def test_a_host_that_is_not_there(site: Site, discovery: Discovery, proxy: ConnectProxy) -> None:
    """No connection to the host is no absence."""
    with pytest.raises(Unreachable) as failure:
        await discovery.find("z.test/m")
    assert failure.value.host == "z.test"
    assert proxy.asked == ["z.test:443"]


async def test_pages_are_kept_and_shared(site: Site, discovery: Discovery) -> None:
    """Those who ask at once share a request; found and absent are remembered."""
    site.pages["/m"] = ["x.test/m git https://y.test/r"]
    roots = await asyncio.gather(*[discovery.find("x.test/m") for _ in range(20)])
    assert len(set(roots)) == 1
    for _ in range(3):
        with pytest.raises(NotFound):
            await discovery.find("x.test/none")
    assert site.paths == ["/m?go-get=1", "/none?go-get=1"]


async def test_an_outage_is_not_kept_and_hides_nothing_that_was_known(
    site: Site, make: Callable[..., Discovery]
) -> None:
    """A failed page is asked again; while it fails, what it said before counts."""
    discovery = make(ttl=0)
    site.pages["/m"] = reply(500)
    with pytest.raises(SourceUnavailable):
        await discovery.find("x.test/m")
    site.pages["/m"] = ["x.test/m git https://y.test/r"]
    known = await discovery.find("x.test/m")
    site.pages["/m"] = reply(500)
    assert await discovery.find("x.test/m") == known
    site.pages["/m"] = ["x.test/m git https://y.test/s"]
    assert (await discovery.find("x.test/m")).url == "https://y.test/s"
    site.pages["/m"] = []
    with pytest.raises(NotFound):
        await discovery.find("x.test/m")
