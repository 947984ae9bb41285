"""Which addresses may be connected to, when a page or an answer (not the operator) named the host.

The table is explicit because `ipaddress.is_global` answers True for NAT64 and 6to4 forms of loopback
addresses. An IPv6 address that carries an IPv4 address is judged by both. Sources: IANA's special-purpose
address registries (RFC 6890 and its updates), RFC 4291, RFC 6052, RFC 4380, RFC 3056; and one public address at which a cloud
answers each of its machines alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from goproxy_mirror.errors import SettingError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_DENIED_V4: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "this host"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "shared by carriers"),
    ("127.0.0.0/8", "loopback"),
    ("168.63.129.16/32", "Azure's host services"),
    ("169.254.0.0/16", "link-local, cloud metadata"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "protocol assignments"),
    ("192.0.2.0/24", "documentation"),
    ("192.88.99.0/24", "6to4 relays"),
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "benchmarks; used by fake-IP resolvers"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
)

# 2000::/3 is all that is given out for global unicast; what lies outside is refused by the last three lines
# of this table, but for the prefixes that only wrap an IPv4 address.
_DENIED_V6: tuple[tuple[str, str], ...] = (
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("64:ff9b:1::/48", "NAT64 of a local network"),
    ("2001::/23", "protocol assignments"),
    ("2001:db8::/32", "documentation"),
    ("3fff::/20", "documentation"),
    ("fc00::/7", "private"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local"),
    ("ff00::/8", "multicast"),
    ("::/3", "not global unicast"),
    ("4000::/2", "not global unicast"),
    ("8000::/1", "not global unicast"),
)

_TEREDO = ip_network("2001::/32")
_NAT64 = ip_network("64:ff9b::/96")
_MAPPED = ip_network("::ffff:0:0/96")

_DENIED: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(text), what) for text, what in (*_DENIED_V4, *_DENIED_V6)
)


def _unwrapped(address: Address) -> Iterator[Address]:
    """The address itself (unless it is nothing but a wrapping), and each IPv4 address inside it."""
    if isinstance(address, IPv4Address):
        yield address
        return
    low = IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _MAPPED or address in _NAT64:
        yield low
    elif address in _TEREDO:
        server, client = address.teredo or (low, low)
        yield server
        yield client
    else:
        yield address
        if address.sixtofour is not None:
            yield address.sixtofour


class AddressPolicy:
    """The table, and the ranges that the operator opened with `--allow-address`."""

    def __init__(self, allow: Iterable[str] = ()) -> None:
        """Open ranges, each `ADDRESS` or `ADDRESS/BITS`. Raises `SettingError`."""
        opened: list[Network] = []
        for text in allow:
            try:
                opened.append(ip_network(text.strip(), strict=False))
            except ValueError:
                message = f"--allow-address: {text!r} is no address range such as 198.18.0.0/15 or fd00::/8"
                raise SettingError(message) from None
        self._opened = tuple(opened)

    def refusal(self, address: str | Address) -> tuple[Network, str] | None:
        """None where the address may be connected to; else the range that forbids it, and what that range
        is."""
        whole = ip_address(address.partition("%")[0]) if isinstance(address, str) else address
        if self._open(whole):
            return None
        for part in _unwrapped(whole):
            if self._open(part):
                continue
            for network, what in _DENIED:
                if part in network:
                    return network, what
        return None

    def _open(self, address: Address) -> bool:
        return any(address in network for network in self._opened)


# A TLS handshake sent to another kind of service is noise in its log at best. Web servers sit on the ports of
# http and https, or on high ports that no well-known service of an inner network has.
_SERVICES = frozenset(
    {
        1433,
        1521,
        2049,
        2181,
        2375,
        2376,
        2379,
        2380,
        3306,
        3389,
        4369,
        5432,
        5672,
        5900,
        5984,
        5985,
        5986,
        6379,
    }
    | {6443, 6667, 9042, 9092, 9200, 9300, 10250, 11211, 27017}
)


def port_refused(port: int) -> bool:
    """Whether no web server is to be expected on the port: below 1024 but for 80 and 443, or a known other
    service."""
    return port in _SERVICES or (port < 1024 and port not in {80, 443})
