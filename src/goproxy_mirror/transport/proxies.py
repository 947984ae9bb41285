"""Forward proxies: which of them, if any, a URL is asked through.

The values are those of HTTP_PROXY, HTTPS_PROXY and NO_PROXY, and mean what they mean to the go command: an
entry of NO_PROXY is `*`, an address, a CIDR range (compared with hosts that are written as addresses; names
are not resolved for it), a domain (with all below it), `.domain` or `*.domain` (only what is below it); a
`:port` may follow. `localhost` and loopback addresses never go through a proxy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network

from pyreqwest.http import Url

from goproxy_mirror.errors import SettingError
from goproxy_mirror.transport.urls import Target, shown

_SCHEMES = ("http", "https", "socks5", "socks5h")
_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


@dataclass(frozen=True, slots=True)
class _Exempt:
    """One entry of NO_PROXY. `suffix` begins with a dot; `itself` says that the domain without the dot counts
    too."""

    port: int | None = None
    network: IPv4Network | IPv6Network | None = None
    suffix: str = ""
    itself: bool = False

    def covers(self, target: Target) -> bool:
        if self.port is not None and self.port != target.port:
            return False
        literal = target.literal
        if self.network is not None:
            return literal is not None and literal in self.network
        if literal is not None:
            return False
        return target.host.endswith(self.suffix) or (self.itself and target.host == self.suffix[1:])


def _exempt(entry: str) -> _Exempt | None:
    """Parse one entry; None where it says nothing."""
    if "/" in entry:
        try:
            return _Exempt(network=ip_network(entry, strict=False))
        except ValueError:
            return None
    host, port = entry, None
    if entry.count(":") == 1 or entry.startswith("["):
        name, _, number = entry.rpartition(":")
        if number.isascii() and number.isdigit():
            host, port = name, int(number)
    host = host.removeprefix("[").removesuffix("]")
    try:
        return _Exempt(port=port, network=ip_network(host))
    except ValueError:
        pass
    host = host.removeprefix("*") if host.startswith("*.") else host
    if not host.strip("."):
        return None
    if host.startswith("."):
        return _Exempt(port=port, suffix=host)
    return _Exempt(port=port, suffix="." + host, itself=True)


def _proxy(name: str, text: str) -> str:
    """The proxy's URL, with `http://` where no scheme is given. Raises `SettingError`."""
    text = text.strip()
    if not text:
        return ""
    whole = text if "://" in text else "http://" + text
    scheme = whole.partition("://")[0].lower()
    try:
        host = Url(whole).host_str
    except ValueError:
        host = None
    if scheme not in _SCHEMES or not host:
        allowed = "http://, https://, socks5://, socks5h://"
        raise SettingError(f"{name}: {shown(text)!r} is no proxy; allowed are host:port and {allowed} URLs")
    # To the go command both mean that the proxy resolves names. To others the first means that they do so themselves, and
    # a name that was vetted would be looked up a second time.
    return "socks5h" + whole[len(scheme) :] if scheme == "socks5" else whole


@dataclass(frozen=True, slots=True)
class Proxies:
    """The three values as they were set; empty means none. May hold credentials: never print one."""

    http: str = field(default="", repr=False)
    https: str = field(default="", repr=False)
    no_proxy: str = ""
    _exempt: tuple[_Exempt, ...] = field(default=(), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raises `SettingError`."""
        object.__setattr__(self, "http", _proxy("HTTP_PROXY", self.http))
        object.__setattr__(self, "https", _proxy("HTTPS_PROXY", self.https))
        entries = (entry.strip().lower() for entry in self.no_proxy.split(","))
        parsed = (_exempt(entry) for entry in entries if entry and entry != "*")
        object.__setattr__(self, "_exempt", tuple(entry for entry in parsed if entry is not None))

    def of(self, target: Target) -> str | None:
        """The URL (with credentials) of the proxy that the target is asked through; None for a direct
        connection."""
        proxy = self.https if target.scheme == "https" else self.http
        if not proxy or target.host == "localhost":
            return None
        if any(entry.strip() == "*" for entry in self.no_proxy.split(",")):
            return None
        literal = target.literal
        if literal is not None and literal.is_loopback:
            return None
        return None if any(entry.covers(target) for entry in self._exempt) else proxy


def proxy_address(proxy: str) -> tuple[str, int]:
    """The host and port of a proxy's URL, for a check whether it is there."""
    url = Url(proxy)
    port = url.port or _PORTS[url.scheme]
    return (url.host_str or "").strip("[]"), port
