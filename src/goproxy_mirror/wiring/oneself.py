"""Upstreams that are this very server."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

import structlog

from goproxy_mirror.config import Settings, Upstreams
from goproxy_mirror.config.tables import with_default_sumdb
from goproxy_mirror.config.upstreams import DEFAULT_UPSTREAM, parse_upstreams, same_syntax

log = structlog.get_logger(__name__)


def without_self(settings: Settings) -> Settings:
    """Drop upstreams that lead to the address this server will listen on, with a warning."""

    def kept(upstreams: Upstreams) -> Upstreams:
        others = tuple(step for step in upstreams if step.kind != "url" or not _is_self(settings, step.url))
        if others == upstreams:
            return upstreams
        # Who told the go command to ask this proxy (`go env -w GOPROXY=…`) did not mean that it should ask itself, nor
        # that it should ask nobody.
        if not any(step.kind in {"url", "file", "off"} for step in others):
            others = parse_upstreams(DEFAULT_UPSTREAM)
        log.warning(
            "an upstream is this very server and was dropped",
            given=same_syntax(upstreams),
            used=same_syntax(others),
            listen=str(settings.listen),
        )
        return others

    upstreams: Mapping[str, Upstreams] = {glob: kept(steps) for glob, steps in settings.upstreams.items()}
    upstream = kept(settings.upstream)
    # Where nobody named the places of a checksum database, they follow from the upstreams.
    followed, follow = (with_default_sumdb({}, steps) for steps in (settings.upstream, upstream))
    sumdb = {
        name: follow[name]
        if urls == followed.get(name)
        else tuple(url for url in urls if not _is_self(settings, url))
        for name, urls in settings.sumdb.items()
    }
    return settings.model_copy(update={"upstream": upstream, "upstreams": upstreams, "sumdb": sumdb})


def _is_self(settings: Settings, url: str) -> bool:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if settings.socket is not None or port != settings.listen.port or not parts.hostname:
        return False
    try:
        addresses = {
            str(info[4][0]) for info in socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
        }
    except OSError:
        return False
    listening = settings.listen.host.strip("[]")
    everywhere = listening in {"", "0.0.0.0", "::"}  # noqa: S104 (compared)
    return any(
        _is_local(address) and (everywhere or address == listening or settings.listen.loopback)
        for address in addresses
    )


def _is_local(address: str) -> bool:
    """Whether the address is one of this machine's: only those can be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True
