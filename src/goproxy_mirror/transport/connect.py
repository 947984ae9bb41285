"""From a host's name to an address that may be connected to, and that can be.

Names that the operator gave are not vetted. All others are resolved here, once; what is forbidden among the
answers is dropped, and the connection is pinned to what is left, so that a second answer of the name server
changes nothing.

A forward proxy resolves names by itself, so there the name is all that can be vetted: it must not resolve to anything
forbidden here. The proxy is the operator's own choice, and so is whom it lets through.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from goproxy_mirror.errors import Blocked, SourceUnavailable, Unreachable
from goproxy_mirror.transport.addresses import AddressPolicy, port_refused
from goproxy_mirror.transport.hosts import REST, Hosts
from goproxy_mirror.transport.memo import Memo
from goproxy_mirror.transport.proxies import Proxies
from goproxy_mirror.transport.trust import Trust
from goproxy_mirror.transport.tunnel import Streams, knows_tunnels, open_tunnel, try_tunnel
from goproxy_mirror.transport.urls import Target, UrlError, shown

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Addresses of a host as text; raises OSError where it has none."""

_STAGGER = 0.25
"""Seconds after which the next address is tried beside the one that has not answered yet (RFC 8305 §5)."""

_TRIED_AGAIN = 10.0
"""Seconds between two looks at a host that rests."""

_MOST_ADDRESSES = 8
_LOCAL_NAMES = (".localhost", ".local", ".localdomain", ".internal", ".home.arpa")


class SystemResolver:
    """getaddrinfo on threads of its own: a name server that does not answer must not use up everybody's
    threads."""

    def __init__(self, *, timeout: float) -> None:
        self._timeout = timeout
        self._threads = ThreadPoolExecutor(16, thread_name_prefix="names")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        try:
            async with asyncio.timeout(self._timeout):
                found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        except TimeoutError:
            raise OSError(f"no answer from the name server within {self._timeout:g} s") from None
        except UnicodeError:
            raise OSError("no host name") from None
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class VettedAddress:
    """Where to connect for a host: at `ip`, or by way of `proxy`, which resolves the name. One of them is None.

    `proxy` is a URL that may hold credentials.
    """

    host: str
    port: int
    ip: str | None
    proxy: str | None = field(default=None, repr=False)


class Connector:
    """Resolves, vets, chooses among several addresses, and remembers for a minute."""

    def __init__(
        self,
        *,
        policy: AddressPolicy,
        proxies: Proxies,
        hosts: Hosts,
        trust: Trust,
        resolver: Resolver,
        timeout: float,
    ) -> None:
        """`timeout` in seconds bounds each connection with its handshake."""
        self._policy = policy
        self._proxies = proxies
        self._hosts = hosts
        self._trust = trust
        self._resolver = resolver
        self._timeout = timeout
        self._chosen: Memo[tuple[str, int, bool], VettedAddress] = Memo(ttl=REST)
        self._tried: Memo[tuple[str, str, int, bool], VettedAddress] = Memo(ttl=REST)
        self._again: Memo[tuple[str, str, int, bool], VettedAddress] = Memo(
            ttl=0, error_ttl=lambda _: _TRIED_AGAIN
        )

    async def address(self, target: Target) -> VettedAddress:
        """Where a host that nobody vouches for may be connected to. Raises `Blocked` or `Unreachable`."""
        return await self._chosen.get((target.host, target.port, True), lambda: self._choose(target))

    async def connectable(self, target: Target, *, led: bool) -> VettedAddress:
        """The same, after a connection and, for https, a handshake. `led` False: the operator named it, no
        vetting."""
        key = (target.scheme, target.host, target.port, led)
        return await self._tried.get(key, lambda: self._try(target, led=led))

    async def try_again(self, target: Target, *, led: bool) -> None:
        """Connect to a host that rests; one that is still not there is tried every few seconds, not by everybody.

        Raises `Blocked` or `Unreachable`.
        """
        key = (target.scheme, target.host, target.port, led)
        await self._again.get(key, lambda: self._try(target, led=led))

    async def open(self, target: Target) -> Streams:
        """A connection to a host that nobody vouches for, at a vetted address or by way of the forward proxy.

        Raises `Blocked` or `Unreachable`.
        """
        address = await self.address(target)
        proxy = self._proxies.of(target)
        if proxy is not None and knows_tunnels(proxy):
            return await open_tunnel(target, proxy, timeout=self._timeout, trust=lambda: self._trust.probe)
        if address.ip is None:
            message = f"the forward proxy is none that a program could reach {target.authority} through"
            raise Unreachable(f"{message}: only HTTP proxies are", host=target.authority)
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.open_connection(address.ip, target.port)
        except (OSError, TimeoutError):
            raise Unreachable(f"could not connect to {target.authority}", host=target.authority) from None

    async def aclose(self) -> None:
        await self._chosen.aclose()
        await self._tried.aclose()
        await self._again.aclose()

    async def _choose(self, target: Target) -> VettedAddress:
        addresses = await self.vetted(target)
        proxy = self._proxies.of(target)
        if proxy is not None:
            return VettedAddress(target.host, target.port, None, proxy)
        if len(addresses) == 1:
            return VettedAddress(target.host, target.port, addresses[0])
        ip = await self._first(target, addresses, tls=False)
        return VettedAddress(target.host, target.port, ip)

    async def _try(self, target: Target, *, led: bool) -> VettedAddress:
        try:
            proxy = self._proxies.of(target)
            if led:
                addresses = await self.vetted(target)
            elif proxy is None:
                addresses = await self._resolve(target)
            if proxy is not None:
                await try_tunnel(target, proxy, timeout=self._timeout, trust=lambda: self._trust.probe)
                return VettedAddress(target.host, target.port, None, proxy)
            ip = await self._first(target, addresses, tls=target.scheme == "https")
        except Unreachable:
            self._hosts.rest(target.authority)
            raise
        self._hosts.answered(target.authority)
        return VettedAddress(target.host, target.port, ip)

    async def vetted(self, target: Target) -> Sequence[str]:
        """The permitted addresses of the host; empty where the name is a forward proxy's to resolve."""
        if port_refused(target.port):
            message = f"{target.authority}: a module's page may not lead to port {target.port}"
            raise Blocked(f"{message}, where no web server is to be expected")
        literal = target.literal
        if literal is not None:
            self._vet(target, [str(literal)])
            return [str(literal)]
        if self._proxies.of(target) is None:
            return self._vet(target, await self._resolve(target))
        try:
            addresses = await self._resolver(target.host, target.port)
        except OSError:
            addresses = ()
        # The proxy may know more names than we do. A name of its own machine or network it would resolve as well.
        if not addresses and ("." not in target.host or ("." + target.host).endswith(_LOCAL_NAMES)):
            message = f"{target.host} is a name of a local machine or network"
            raise Blocked(f"{message}, where a module's page may not lead")
        for address in addresses:  # which of them the proxy takes is not ours to say
            self._vet(target, [address])
        return []

    def _vet(self, target: Target, addresses: Sequence[str]) -> Sequence[str]:
        """Those that are permitted. Raises `Blocked` where none is."""
        permitted: list[str] = []
        refused: list[str] = []
        for address in addresses[:_MOST_ADDRESSES]:
            refusal = self._policy.refusal(address)
            if refusal is None:
                permitted.append(address)
            else:
                network, what = refusal
                named = "is" if address == target.host else f"has the address {address}, which is"
                refused.append(
                    f"{target.host} {named} in {network} ({what}) and not public, but a module's page or a "
                    f"redirect led there. To permit such addresses: --allow-address {network}"
                )
        if not permitted:
            raise Blocked(refused[0])
        return permitted

    async def _resolve(self, target: Target) -> Sequence[str]:
        try:
            addresses = await self._resolver(target.host, target.port)
        except OSError as error:
            reason = error.strerror or str(error)
            raise Unreachable(f"{target.host} has no address: {reason}", host=target.authority) from None
        if not addresses:
            raise Unreachable(f"{target.host} has no address", host=target.authority)
        return addresses

    async def _first(self, target: Target, addresses: Sequence[str], *, tls: bool) -> str:
        """The first address with which a connection comes about."""
        failures: list[str] = []
        waiting = list(addresses[:_MOST_ADDRESSES])
        running: set[asyncio.Task[str]] = set()
        try:
            while waiting or running:
                if waiting:
                    running.add(asyncio.create_task(self._reach(target, waiting.pop(0), tls=tls)))
                stagger = _STAGGER if waiting else None
                done, running = await asyncio.wait(
                    running, timeout=stagger, return_when=asyncio.FIRST_COMPLETED
                )
                outcomes = [(task.exception(), task) for task in done]
                for error, task in outcomes:
                    if error is None:
                        return task.result()
                    failures.append(str(error))
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        raise Unreachable(f"could not connect to {target.authority}: {failures[0]}", host=target.authority)

    async def _reach(self, target: Target, ip: str, *, tls: bool) -> str:
        """Connect and leave again. Raises OSError with a reason for people."""
        context = self._trust.probe if tls else None
        name = target.host if tls else None
        try:
            async with asyncio.timeout(self._timeout):
                _, writer = await asyncio.open_connection(ip, target.port, ssl=context, server_hostname=name)
        except TimeoutError:
            raise OSError(f"no connection within {self._timeout:g} s") from None
        except ssl.SSLCertVerificationError as error:
            reason = error.verify_message or "not trusted"
            message = f"its certificate: {reason}; if a private authority signed it, name that with --ca-file"
            raise OSError(message) from None
        except ssl.SSLError as error:
            raise OSError(f"TLS handshake: {error.reason or 'failed'}") from None
        except OSError as error:
            raise OSError(os.strerror(error.errno) if error.errno else "no connection") from None
        with contextlib.suppress(OSError):
            writer.transport.abort()
        return ip


def target_of(url: str, *, led: bool) -> Target:
    """Parse a URL to be fetched. Raises `Blocked` where a page led to it, else `SourceUnavailable`."""
    try:
        return Target.parse(url)
    except UrlError as error:
        message = f"{shown(url)!r} cannot be fetched: {error}"
        if led:
            raise Blocked(message) from None
        raise SourceUnavailable(message) from None


def followed(target: Target, location: str, *, led: bool) -> Target:
    """Where the redirect leads. Raises `Blocked` on a way that began at a page, `SourceUnavailable` on the
    operator's."""
    refusal = Blocked if led else SourceUnavailable
    try:
        there = target.follow(location)
    except UrlError as error:
        raise refusal(f"{target.shown} redirects to what cannot be fetched: {error}") from None
    if target.scheme == "https" and there.scheme != "https":
        raise refusal(f"{target.shown} redirects from https to http ({there.shown})")
    return there
