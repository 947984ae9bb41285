"""The way out: the only HTTP client, and the only place that decides which address may be connected to.

`Transport` fetches; `AddressPolicy`, `Proxies` and `Hosts` are what it goes by. Everything that knows
pyreqwest is in here, so that another client could take its place without anybody noticing.
"""

from __future__ import annotations

from goproxy_mirror.transport.addresses import AddressPolicy
from goproxy_mirror.transport.answers import Reply, Saved
from goproxy_mirror.transport.client import Transport
from goproxy_mirror.transport.connect import Resolver, VettedAddress
from goproxy_mirror.transport.gate import Gate
from goproxy_mirror.transport.hosts import Hosts
from goproxy_mirror.transport.memo import Memo
from goproxy_mirror.transport.proxies import Proxies
from goproxy_mirror.transport.trust import Trust
from goproxy_mirror.transport.urls import Target, UrlError, shown

__all__ = [
    "AddressPolicy",
    "Gate",
    "Hosts",
    "Memo",
    "Proxies",
    "Reply",
    "Resolver",
    "Saved",
    "Target",
    "Transport",
    "Trust",
    "UrlError",
    "VettedAddress",
    "shown",
]
