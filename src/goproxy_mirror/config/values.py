"""Values of settings: durations, sizes, addresses, URLs, globs. Each `ValueError` tells what is allowed."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from goproxy_mirror.module.patterns import is_glob
from goproxy_mirror.module.sshaddress import is_plain_file

VEIL = "***"
PLAIN_FILE = "ssh would read this path in its own way; allowed is one without quotes, $, %, ~ and backslashes"

_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_SIZE_UNITS |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.ASCII)
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_PUBLIC_URL = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?")
_MODE = re.compile(r"0?[67][0-7][0-7]", re.ASCII)
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


def redact(text: str) -> str:
    """A text that may be no URL at all, without what may be a credential: all between `://` and the last `@`."""
    before, at, after = text.rpartition("@")
    if not at:
        return text
    scheme, separator, _ = before.partition("://")
    return f"{scheme}{separator}{VEIL}@{after}" if separator else f"{VEIL}@{after}"


def without_userinfo(url: str, instead: str = "") -> str:
    """A well-formed URL without its credentials, or with `instead` in their place."""
    parts = urlsplit(url)
    _, at, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{instead}@{host}" if instead else host).geturl() if at else url


def seconds(low: float, high: float) -> Callable[[object], float]:
    """A reader of durations in seconds: a number of seconds, or text such as `500ms`, `60s`, `1h30m`."""

    def read(value: object) -> float:
        found = _seconds(value)
        if found is None or not low <= found <= high:
            raise ValueError(
                f"allowed is a time from {shown_seconds(low)} to {shown_seconds(high)}, as a number of seconds "
                'or text such as "500ms", "60s", "1h30m"'
            )
        return found

    return read


def shown_seconds(duration: float) -> str:
    """A duration as people write it, in the largest unit that leaves no fraction: `1h`, `90s`, `500ms`."""
    for unit in ("d", "h", "m", "s"):
        count = duration / _DURATION_UNITS[unit]
        if count == int(count) and (count or unit == "s"):
            return f"{int(count)}{unit}"
    return f"{duration * 1000:.3f}".rstrip("0").rstrip(".") + "ms"


def _seconds(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    text = value.strip().lower() if isinstance(value, str) else ""
    if re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII):
        return float(text)
    parts = _DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _DURATION_UNITS[unit] for number, unit in parts)


def whole_number(low: int, high: int) -> Callable[[object], int]:
    """A reader of whole numbers."""

    def read(value: object) -> int:
        text = str(value).strip()
        if not re.fullmatch(r"-?[0-9]{1,18}", text) or not low <= int(text) <= high:
            raise ValueError(f"allowed is a whole number from {low} to {high}")
        return int(text)

    return read


def one_of(*words: str) -> Callable[[object], str]:
    """A reader of one word among several."""

    def read(value: object) -> str:
        if value not in words:
            raise ValueError(f"allowed is one of {', '.join(words)}")
        return str(value)

    return read


def parse_switch(value: object) -> bool:
    """Yes or no: TOML's true and false, and the words that people write into an environment."""
    word = str(value).strip().lower()
    if word in {"true", "yes", "on", "1"}:
        return True
    if word in {"false", "no", "off", "0"}:
        return False
    raise ValueError("allowed are true and false")


def parse_bytes(value: object) -> int:
    """A size in bytes, from a number of bytes or from text such as `500MB` (10⁶) or `10GiB` (2³⁰)."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = _SIZE.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if found is None or found[2] not in _SIZE_UNITS:
        raise ValueError('allowed is a number of bytes, or text such as "500MB", "10GB", "10GiB"')
    return int(float(found[1]) * _SIZE_UNITS[found[2]])


def shown_bytes(size: int) -> str:
    """A size as people write it, in the largest unit that leaves no fraction."""
    for name, unit in sorted(_SIZE_UNITS.items(), key=lambda item: -item[1]):
        if size and size % unit == 0:
            return f"{size // unit}{name.upper().replace('I', 'i')}"
    return str(size)


@dataclass(frozen=True, slots=True)
class Listen:
    """A TCP address to listen on. An empty `host` means every interface, IPv4 and IPv6."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only programs on this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_listen(value: object) -> Listen:
    """`host:port`, `[::1]:port` or `:port` (every interface); port 0 is any free one."""
    allowed = 'allowed is host:port such as "127.0.0.1:8081", "[::1]:8081", or ":8081" for every interface'
    if isinstance(value, Listen):
        return value
    if not isinstance(value, str):
        raise ValueError(allowed)
    host, colon, port = value.strip().rpartition(":")
    # The ASCII test keeps out other scripts' digits, which isdigit() takes.
    if not colon or not (port.isascii() and port.isdigit()) or not 0 <= int(port) < 65536:
        raise ValueError(allowed)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        try:
            return Listen(str(ipaddress.IPv6Address(host)), int(port))
        except ValueError:
            raise ValueError(allowed) from None
    if host and not _HOST_NAME.fullmatch(host):
        raise ValueError(allowed)
    return Listen(host, int(port))


def parse_path_prefix(value: object) -> str:
    """A URL path before every route, normalised to begin with `/` and not to end with one; empty for none."""
    text = value.strip() if isinstance(value, str) else None
    if text is not None:
        prefix = "/" + text.strip("/") if text.strip("/") else ""
        elements = prefix.split("/")[1:]
        if _PREFIX.fullmatch(prefix) and not {".", ".."} & set(elements):
            return prefix
    raise ValueError(
        'allowed is a URL path such as "/goproxy", of letters, digits, "-", "_", ".", "~" and "/"'
    )


def parse_networks(value: object) -> tuple[IPNetwork, ...]:
    """CIDR ranges, as a list or in one text with commas between."""
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        raise ValueError("allowed is a list of CIDR ranges such as 198.18.0.0/15")
    return tuple(parse_network(item) for item in items if str(item).strip())


def parse_public_url(value: object) -> str:
    """The http(s) URL under which clients reach the server, without a slash at its end."""
    text = value.strip() if isinstance(value, str) else ""
    if not _PUBLIC_URL.fullmatch(text):
        raise ValueError("allowed is an http:// or https:// URL such as https://goproxy.corp.example")
    return text.rstrip("/")


def parse_mode(value: object) -> int:
    """Permissions of a file in octal digits, `660`; read and write for the owner at least."""
    text = str(value).strip()
    if not _MODE.fullmatch(text) or isinstance(value, bool):
        raise ValueError('allowed are octal permissions such as "660" or "666", with 6 for the owner')
    return int(text, 8)


def parse_network(value: object) -> IPNetwork:
    """One CIDR range, or a single address."""
    if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return value
    try:
        loose = ipaddress.ip_network(str(value).strip(), strict=False)
    except ValueError:
        raise ValueError(
            f'"{value}" is no address range; allowed are CIDR ranges such as 198.18.0.0/15, fd00::/8'
        ) from None
    try:
        return ipaddress.ip_network(str(value).strip())
    except ValueError:
        raise ValueError(
            f'"{value}" has bits set outside its mask; allowed are CIDR ranges such as {loose}'
        ) from None


def parse_readable_file(allowed: str) -> Callable[[object], Path]:
    """A reader of names of files that this process can read; `allowed` says what they are to be."""

    def read(value: object) -> Path:
        path = parse_path(value)
        try:
            with path.open("rb"):
                return path
        except OSError as error:
            raise ValueError(f"the file cannot be read ({error.strerror}); allowed is {allowed}") from None

    return read


def parse_ssh_file(value: object) -> Path:
    """A file for ssh: readable, and with a path that ssh does not read in its own way."""
    return parse_ssh_path(parse_readable_file("a file that this user can read")(value))


def parse_ssh_path(value: object) -> Path:
    """The same for what need not be there yet, such as a socket."""
    path = parse_path(value)
    if not is_plain_file(str(path)):
        raise ValueError(PLAIN_FILE)
    return path


def parse_path(value: object) -> Path:
    """A path, absolute from now on; `~` is the home folder."""
    if isinstance(value, Path):
        return value.absolute()
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError("allowed is a path")
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError:
        raise ValueError("no home folder is known here; allowed is an absolute path") from None


def file_path(path: str) -> Path:
    """The path of a file:// URL, as a path of this system."""
    if os.name == "nt":
        from urllib.request import url2pathname  # noqa: PLC0415 (brings all of http.client, for Windows alone)

        return Path(url2pathname(path))
    return Path(unquote(path))


def parse_outgoing_proxy(value: object) -> str:
    """The URL of an HTTP or SOCKS proxy for outgoing connections; as Go has it, no scheme means `http://`."""
    text = value.strip() if isinstance(value, str) else ""
    url = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https", "socks5", "socks5h"} or not parts.hostname:
        raise ValueError(
            "allowed is the URL of a proxy, http://host:port, https://host:port or socks5://host:port"
        )
    return url


def parse_globs(value: object) -> tuple[str, ...]:
    """Go's comma-separated globs of module path prefixes (GOPRIVATE); also as a list."""
    texts: Iterable[object]
    if isinstance(value, str):
        texts = value.split(",")
    elif isinstance(value, list | tuple):
        texts = [part for item in value for part in str(item).split(",")]
    else:
        raise ValueError(
            'allowed are comma-separated path globs such as "corp.example/*,github.com/our-team"'
        )
    globs = tuple(text for text in (str(item).strip() for item in texts) if text)
    for glob in globs:
        check_glob(glob)
    return globs


def check_glob(glob: str) -> None:
    """Refuse a malformed glob: it would match nothing without a word, which for a private one is a leak."""
    if not is_glob(glob):
        raise ValueError(f'"{glob}" is no path glob; allowed are *, ? and character classes such as [a-z]')
