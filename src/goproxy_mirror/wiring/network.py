"""The ways out of a process: the HTTP client, git, and the environment of programs."""

from __future__ import annotations

import ssl
from contextlib import AsyncExitStack
from pathlib import Path

from goproxy_mirror import __version__
from goproxy_mirror.config import Settings
from goproxy_mirror.errors import disk_failures
from goproxy_mirror.ports import Credentials
from goproxy_mirror.process import Runner
from goproxy_mirror.state.files import write_whole
from goproxy_mirror.transport import AddressPolicy, Hosts, Proxies, Transport
from goproxy_mirror.vcs.git import GitRepositories
from goproxy_mirror.wiring.credentials import buys_tokens, keyring


def outside(
    stack: AsyncExitStack, settings: Settings, hosts: Hosts
) -> tuple[Transport, GitRepositories, Credentials]:
    """The ways out of this process, and what opens private places on them."""
    seller: Transport | None = None
    if buys_tokens(settings):
        seller = transport_of(settings, Hosts())
        stack.push_async_callback(seller.aclose)
    credentials = keyring(settings, seller.post if seller else None)
    transport = transport_of(settings, hosts, credentials)
    stack.push_async_callback(transport.aclose)
    repositories = GitRepositories(
        settings.state / "git",
        runner_of(settings),
        transport,
        fetch_timeout=settings.fetch_timeout,
        credentials=credentials,
    )
    return transport, repositories, credentials


def transport_of(settings: Settings, hosts: Hosts, credentials: Credentials | None = None) -> Transport:
    return Transport(
        policy=AddressPolicy(allow=map(str, settings.allow_address)),
        user_agent=f"goproxy-mirror/{__version__}",
        proxies=Proxies(
            https=settings.https_proxy or "", http=settings.http_proxy or "", no_proxy=settings.no_proxy
        ),
        ca_files=[settings.ca_file] if settings.ca_file else [],
        hosts=hosts,
        connect_timeout=settings.connect_timeout,
        answer_timeout=settings.answer_timeout,
        credentials=credentials,
    )


def runner_of(settings: Settings) -> Runner:
    proxies = {
        "https_proxy": settings.https_proxy,
        "http_proxy": settings.http_proxy,
        "no_proxy": settings.no_proxy,
    }
    return Runner(
        settings.state / "programs",
        proxy_env={name: value for name, value in proxies.items() if value},
        ca_file=_certificates(settings),
    )


def _certificates(settings: Settings) -> Path | None:
    """One bundle of the usual CA certificates and those of `ca_file`: git takes a single file instead of the usual ones.

    Raises `StorageError`.
    """
    if settings.ca_file is None:
        return None
    usual = ssl.get_default_verify_paths().cafile
    parts = [settings.ca_file.read_bytes()]
    if usual is not None and not Path(usual).samefile(settings.ca_file):
        parts.append(Path(usual).read_bytes())
    bundle = settings.state / "certificates.pem"
    body = b"\n".join(parts)
    if not bundle.is_file() or bundle.read_bytes() != body:
        with disk_failures("write the certificates into the state folder"):
            write_whole(bundle, body)
    return bundle
