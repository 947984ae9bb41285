"""A transport whose names the test resolves."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import trustme

from goproxy_mirror.transport import AddressPolicy, Transport


class Names:
    """A name server: `table` maps a host to its addresses; every question is counted."""

    def __init__(self) -> None:
        self.table: dict[str, Sequence[str]] = {}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if host not in self.table:
            raise OSError("Name or service not known")
        return self.table[host]


@pytest.fixture
def names() -> Names:
    """The name server of the test's transports."""
    return Names()


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The test authority's certificate, in a file."""
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """What a TLS server for the tests' hosts needs."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("x.test", "y.test", "127.0.0.1", "127.0.0.2").configure_cert(context)
    return context


@pytest.fixture
async def make_transport(names: Names, ca_file: Path) -> AsyncIterator[Callable[..., Transport]]:
    """Make transports; loopback addresses may be connected to unless `allow` says otherwise."""
    made: list[Transport] = []

    def make(*, allow: Sequence[str] = ("127.0.0.0/8",), **settings: Any) -> Transport:
        settings = {"connect_timeout": 1.0, "resolver": names, "ca_files": [ca_file], **settings}
        made.append(Transport(policy=AddressPolicy(allow), user_agent="test", **settings))
        return made[-1]

    yield make
    for transport in made:
        await transport.aclose()


@pytest.fixture
def transport(make_transport: Callable[..., Transport]) -> Transport:
    """A transport that may connect to loopback addresses."""
    return make_transport()
