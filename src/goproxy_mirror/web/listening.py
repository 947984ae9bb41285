"""Whether the server can have its address and its certificate, found out before it starts.

Every `SettingError` names the setting, the value and what to do; the command ends with status 2 on it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from goproxy_mirror.errors import SettingError

_LONGEST_SOCKET_PATH = 103
"""Bytes that fit into a socket address on every system (104 with the final zero on macOS, 108 on Linux)."""


@dataclass(frozen=True, slots=True)
class TLSFiles:
    """A certificate with its chain, and its key, in PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address with a number for a host and a port that is known."""

    host: str
    port: int

    def url(self, scheme: str) -> str:
        """How a client on this machine reaches it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "localhost"}.get(self.host, self.host)  # noqa: S104 (compared, not bound)
        return f"{scheme}://[{host}]:{self.port}" if ":" in host else f"{scheme}://{host}:{self.port}"


@contextmanager
def reserved(host: str, port: int) -> Iterator[Address]:
    """Find out the address to serve at, and keep the port from others until the end.

    An empty host means every interface, IPv6 included where there is any; port 0 any free port. Raises `SettingError`
    where the address cannot be had.
    """
    name = f"{'[' + host + ']' if ':' in host else host}:{port}"
    address, family = _bound(host, port, name)
    with _held(address, family, name) if sys.platform == "linux" else contextlib.nullcontext():
        yield address


@contextmanager
def _held(address: Address, family: socket.AddressFamily, name: str) -> Iterator[None]:
    """Hold the port with a socket that never listens.

    The workers listen side by side with SO_REUSEPORT, which would let a second server in beside them, and leave the
    port to anybody while a worker is replaced.
    """
    with contextlib.ExitStack() as kept:
        # Without SO_REUSEADDR, a second server is refused also before the first one listens; with it, what lingers of
        # another program's connections does not matter.
        for reuse in (0, 1):
            holder = kept.enter_context(socket.socket(family, socket.SOCK_STREAM))
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
            try:
                holder.bind((address.host, address.port))
                break
            except OSError as error:
                if reuse:
                    raise _refused(name, error) from None
        yield


def _bound(host: str, port: int, name: str) -> tuple[Address, socket.AddressFamily]:
    """The first address of the host that nobody else listens at."""
    failure: OSError | None = None
    for family, address in _candidates(host, port, name):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                if os.name == "posix":
                    probe.setsockopt(
                        socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
                    )  # what is left of old connections
                probe.bind((address, port))
                return Address(address, probe.getsockname()[1]), family
        except OSError as error:
            failure = error
            if error.errno == errno.EADDRINUSE:
                break
    raise _refused(name, failure) from None


def _candidates(host: str, port: int, name: str) -> list[tuple[socket.AddressFamily, str]]:
    if not host:
        return [(socket.AF_INET6, "::"), (socket.AF_INET, "0.0.0.0")]  # noqa: S104 (the operator says every interface)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise SettingError(
            f'listen = "{name}": the host has no address here ({error.strerror}); give an address of this machine, '
            "such as 127.0.0.1:8081"
        ) from None
    known = [(family, str(address[0])) for family, _, _, _, address in found]
    return sorted(known, key=lambda candidate: candidate[0] != socket.AF_INET)


def _refused(name: str, error: OSError | None) -> SettingError:
    match error.errno if error is not None else None:
        case errno.EADDRINUSE:
            reason = "another program listens there; stop that one, or choose another port"
        case errno.EACCES | errno.EPERM:
            reason = "this user may not listen there; ports below 1024 are reserved on most systems, choose a higher one"
        case errno.EADDRNOTAVAIL:
            reason = "this machine has no such address; give one of its own, 127.0.0.1 or 0.0.0.0"
        case _:
            reason = error.strerror if error is not None and error.strerror else "the address cannot be used"
    return SettingError(f'listen = "{name}": {reason}')


def check_unix_socket(path: Path) -> None:
    """Make sure that a Unix socket can be made there; takes away one that a dead server left behind."""
    text = str(path)
    if not hasattr(socket, "AF_UNIX"):
        raise SettingError(f'socket = "{text}": this system has no Unix sockets; use listen')
    if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
        raise SettingError(
            f'socket = "{text}": longer than the {_LONGEST_SOCKET_PATH} bytes that a socket\'s path may have'
        )
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise SettingError(f'socket = "{text}": its folder is missing, or this user may not write to it')
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise SettingError(f'socket = "{text}": {error.strerror}') from None
    if not stat.S_ISSOCK(mode):
        raise SettingError(f'socket = "{text}": something else is there already; choose another path')
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(text)
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise SettingError(f'socket = "{text}": {error.strerror or error}; choose another path') from None
        else:
            raise SettingError(f'socket = "{text}": another server listens there; stop that one first')


def check_tls(files: TLSFiles) -> None:
    """Make sure that the certificate and its key can be read, and belong together."""
    for setting, path in (("tls_cert", files.certificate), ("tls_key", files.key)):
        try:
            with path.open("rb") as file:
                file.read(1)
        except OSError as error:
            raise SettingError(
                f'{setting} = "{path}": cannot be read ({error.strerror}); give a PEM file'
            ) from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_password)
    except _EncryptedError:
        raise SettingError(
            f'tls_key = "{files.key}": the key is encrypted; give one without a password'
        ) from None
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or "no PEM"
        raise SettingError(
            f'tls_cert = "{files.certificate}", tls_key = "{files.key}": they are no certificate with its key in PEM '
            f"({str(reason).lower().replace('_', ' ')})"
        ) from None


class _EncryptedError(Exception):
    """The key wants a password."""


def _no_password() -> str:
    raise _EncryptedError
