"""Addresses and certificates that cannot be used are found out, and said, before anything starts."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from goproxy_mirror.errors import SettingError
from goproxy_mirror.web.listening import Address, TLSFiles, check_tls, check_unix_socket, reserved


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[TLSFiles, TLSFiles]:
    """Two certificates with their keys."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    made = []
    for name in ("one", "two"):
        issued = authority.issue_cert(f"{name}.test")
        files = TLSFiles(folder / f"{name}.pem", folder / f"{name}.key")
        issued.cert_chain_pems[0].write_to_path(files.certificate)
        issued.private_key_pem.write_to_path(files.key)
        made.append(files)
    return made[0], made[1]


def test_port() -> None:
    """Port 0 is any free port, which stays ours and can be listened at beside the reservation."""
    with reserved("127.0.0.1", 0) as address:
        assert address.port > 0
        with pytest.raises(SettingError), reserved("127.0.0.1", address.port):
            pass
        if sys.platform == "linux":
            with socket.socket() as worker:
                worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                worker.bind(("127.0.0.1", address.port))
                worker.listen()


def test_taken_port() -> None:
    """A port at which another program listens is refused in words, also one that would share it."""
    with socket.socket() as other:
        if sys.platform == "linux":
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        for host in ("127.0.0.1", "localhost", "0.0.0.0", ""):
            with pytest.raises(SettingError) as refused, reserved(host, port):
                pass
            assert refused.value.message.startswith(
                f'listen = "{host}:{port}": another program listens there'
            )


def test_hosts() -> None:
    """Names and every interface become addresses; what this machine does not have is refused in words."""
    with reserved("localhost", 0) as address:
        assert address.host == "127.0.0.1"
    with reserved("", 0) as address:
        assert address.host in {"::", "0.0.0.0"}
    for host, reason in (("203.0.113.9", "no such address"), ("no-such-host.invalid", "has no address here")):
        with pytest.raises(SettingError, match=reason), reserved(host, 0):
            pass


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may listen anywhere")
def test_low_port() -> None:
    """A reserved port is refused in words."""
    with pytest.raises(SettingError, match="below 1024"), reserved("127.0.0.1", 1):
        pass


def test_url() -> None:
    """The URL is one that a client on this machine can use."""
    assert Address("0.0.0.0", 80).url("http") == "http://127.0.0.1:80"
    assert Address("::", 80).url("https") == "https://localhost:80"
    assert Address("::1", 80).url("http") == "http://[::1]:80"
    assert Address("10.0.0.1", 8081).url("http") == "http://10.0.0.1:8081"


def test_unix_socket(tmp_path: Path) -> None:
    """A dead server's socket is taken away; a living one's, a file, and an impossible place are refused."""
    path = tmp_path / "s"
    check_unix_socket(path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        with pytest.raises(SettingError, match="another server listens there"):
            check_unix_socket(path)
    check_unix_socket(path)
    assert not path.exists()
    path.write_text("precious")
    with pytest.raises(SettingError, match="something else is there"):
        check_unix_socket(path)
    assert path.read_text() == "precious"
    with pytest.raises(SettingError, match="folder is missing"):
        check_unix_socket(tmp_path / "none" / "s")
    with pytest.raises(SettingError, match="103 bytes"):
        check_unix_socket(tmp_path / ("s" * 104))


def test_tls(certificates: tuple[TLSFiles, TLSFiles]) -> None:
    """A certificate with its key passes."""
    check_tls(certificates[0])


def test_unusable_tls(certificates: tuple[TLSFiles, TLSFiles], tmp_path: Path) -> None:
    """Missing files, other files, a foreign key and an encrypted one are refused, each in words; no secret is shown."""
    one, two = certificates
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nothing")
    encrypted = tmp_path / "encrypted.pem"
    encrypted.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
    )
    for files, reason in (
        (TLSFiles(tmp_path / "none", one.key), r"^tls_cert = .*cannot be read"),
        (TLSFiles(one.certificate, tmp_path), r"^tls_key = .*cannot be read"),
        (TLSFiles(nonsense, one.key), "no certificate with its key"),
        (TLSFiles(one.certificate, nonsense), "no certificate with its key"),
        (TLSFiles(one.certificate, two.key), "no certificate with its key"),
        (TLSFiles(one.certificate, encrypted), "encrypted"),
    ):
        with pytest.raises(SettingError, match=reason) as refused:
            check_tls(files)
        assert "\n" not in refused.value.message
