"""The HTTP clients underneath: one for what the operator named, one for each address that a host was pinned
to."""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.proxy import ProxyBuilder

from goproxy_mirror.transport.connect import VettedAddress
from goproxy_mirror.transport.trust import Trust

_MOST_PINNED = 64
_IDLE = timedelta(seconds=60)


class Clients:
    """Clients by what they connect to. Each keeps its connections, does not follow redirects, and decodes
    nothing."""

    def __init__(self, *, trust: Trust, user_agent: str, connect_timeout: float) -> None:
        """`connect_timeout` in seconds covers name, connection and handshake."""
        self._trust = trust
        self._user_agent = user_agent
        self._connect_timeout = timedelta(seconds=connect_timeout)
        self._by_proxy: dict[str | None, Client] = {}
        self._pinned: OrderedDict[VettedAddress, Client] = OrderedDict()

    def by_proxy(self, proxy: str | None) -> Client:
        """The client that connects to what it is asked for, through the forward proxy if one is given."""
        client = self._by_proxy.get(proxy)
        if client is None:
            builder = self._builder()
            if proxy is not None:
                builder = builder.proxy(ProxyBuilder.all(proxy))
            client = self._by_proxy[proxy] = builder.build()
        return client

    def pinned(self, address: VettedAddress) -> Client:
        """The client that reaches this host at this address and nowhere else; ask it for no other host."""
        assert address.ip is not None
        client = self._pinned.get(address)
        if client is None:
            client = self._builder().resolve(address.host, address.ip, address.port).build()
            self._pinned[address] = client
            if len(self._pinned) > _MOST_PINNED:
                self._pinned.popitem(last=False)
        self._pinned.move_to_end(address)
        return client

    async def aclose(self) -> None:
        for client in [*self._by_proxy.values(), *self._pinned.values()]:
            await client.close()
        self._by_proxy.clear()
        self._pinned.clear()

    def _builder(self) -> ClientBuilder:
        builder = (
            ClientBuilder()
            .no_proxy()
            .follow_redirects(False)
            .referer(False)
            .gzip(False)
            .brotli(False)
            .zstd(False)
            .deflate(False)
            .user_agent(self._user_agent)
            .connect_timeout(self._connect_timeout)
            .pool_idle_timeout(_IDLE)
            .http2(True)
            # The protocol's own 64 KiB would limit a stream to 320 kB/s where an answer takes 0.2 s to come
            # back.
            .http2_initial_stream_window_size(4 << 20)
            .http2_initial_connection_window_size(16 << 20)
            # All requests to a host share one connection then, so a dead one must be found out.
            .http2_keep_alive_interval(timedelta(seconds=20))
            .http2_keep_alive_timeout(timedelta(seconds=10))
        )
        for pem in self._trust.pems:
            builder = builder.add_root_certificate_pem(pem)
        return builder
