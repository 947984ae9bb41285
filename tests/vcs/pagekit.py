"""A host whose pages the tests write, and a discovery that reaches it and nothing else."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import pytest
import trustme

from goproxy_mirror.transport import AddressPolicy, Hosts, Proxies, Transport
from goproxy_mirror.vcs.discovery import Discovery
from tests.fakes.origin import Answer, Origin, Request, reply
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
async def new_discovery(
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
def discovery(new_discovery: Callable[..., Discovery]) -> Discovery:
    """A discovery in that Internet."""
    return new_discovery()
