"""The ways to reach the server: below a path, over TLS, over a Unix socket; and how it ends."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
from pathlib import Path

import trustme

from tests.conftest import NewDeveloper, StartServer
from tests.world.go import clean_environment, main_package
from tests.world.internet import Internet
from tests.world.modules import NESTED_PROJECT, Modules
from tests.world.polling import eventually
from tests.world.server import Server, free_port, program
from tests.world.upstream import Upstream

ZIP = "/golang.org/x/mod/@v/v0.22.0.zip"
LARGE = "/golang.org/x/text/@v/v0.0.0-20170915032832-14c0d48ead0c.zip"


def test_below_a_path(
    start_server: StartServer, developer: NewDeveloper, upstream: Upstream, modules: Modules
) -> None:
    """`--path-prefix /goproxy` lets a team set GOPROXY to a path of a larger site."""
    server = start_server("--upstream", upstream.url, "--path-prefix", "/goproxy")
    go = developer(f"{server.url}/goproxy/")
    go.project(NESTED_PROJECT)
    go.run("mod", "tidy").ok()
    assert go.go_sum() == modules.nested_go_sum
    assert server.get(ZIP).status == 404


def test_over_tls(
    tmp_path: Path,
    developer: NewDeveloper,
    upstream: Upstream,
    modules: Modules,
    internet: Internet,
    authority: trustme.CA,
) -> None:
    """With a certificate and a key, the go command reaches the server over https, and nothing else does."""
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    cert_file, key_file = tmp_path / "cert.pem", tmp_path / "key.pem"
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(cert_file, append=True)
    certificate.private_key_pem.write_to_path(key_file)
    files = ("--tls-cert", str(cert_file), "--tls-key", str(key_file))
    server = Server(tmp_path / "server", "--upstream", upstream.url, *files, env=internet.env())
    server.start(wait=False)
    try:
        url = f"https://localhost:{server.port}"
        eventually(lambda: _listens(server.port), what="the port")
        go = developer(url, {"SSL_CERT_FILE": str(internet.ca_file)})
        go.project(NESTED_PROJECT)
        go.run("mod", "tidy").ok()
        assert go.go_sum() == modules.nested_go_sum
        stranger = developer(url)
        stranger.project(main_package())
        assert "certificate" in stranger.run("get", "golang.org/x/mod@v0.22.0").failed().stderr
    finally:
        server.stop()


def test_over_a_unix_socket(tmp_path: Path, upstream: Upstream, modules: Modules, internet: Internet) -> None:
    """`--socket` serves on a Unix socket, for a front on the same machine."""
    path = tmp_path / "s"
    server = Server(
        tmp_path / "server", "--upstream", upstream.url, "--socket", str(path), env=internet.env()
    )
    server.start(wait=False)
    try:
        eventually(lambda: _accepts(path), what="the socket")
        connection = _OverSocket(path)
        connection.request("GET", ZIP)
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, modules.file("golang.org/x/mod", "v0.22.0", "zip"))
        connection.close()
    finally:
        server.stop()


def test_running_downloads_finish(start_server: StartServer, upstream: Upstream, modules: Modules) -> None:
    """A download that runs when the stop signal comes is sent to its end; then the server ends well."""
    server = start_server("--upstream", upstream.url)
    assert server.get(LARGE).status == 200
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", LARGE)
    response = connection.getresponse()
    first = response.read(1000)
    server.terminate()
    rest = response.read()
    connection.close()
    assert first + rest == (modules.tree / LARGE.lstrip("/")).read_bytes()
    assert server.wait() in {0, -signal.SIGTERM}


def test_taken_port(tmp_path: Path) -> None:
    """A port that is taken: one line that says so, and exit status 2."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        done = _serve(tmp_path, "--listen", listen)
    assert done.returncode == 2, done.stderr
    assert listen in done.stderr


def test_wrong_setting(tmp_path: Path) -> None:
    """A wrong setting: one line that names the setting, the value and what is allowed, and exit status 2."""
    done = _serve(tmp_path, "--listen", f"127.0.0.1:{free_port()}", "--order", "mirrors,friends")
    assert done.returncode == 2, done.stderr
    for part in ("order", "friends", "origin"):
        assert part in done.stderr


def test_a_file_without_certificates(tmp_path: Path) -> None:
    """A CA file that holds none: one line, and exit status 2, before the port is opened."""
    (tmp_path / "ca.pem").write_text("nothing\n")
    done = _serve(tmp_path, "--listen", f"127.0.0.1:{free_port()}", "--ca-file", str(tmp_path / "ca.pem"))
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "ca.pem" in done.stderr


def _serve(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        program("serve", "--data", str(folder / "data"), *arguments),
        env=clean_environment(folder),
        capture_output=True,
        check=False,
        timeout=60,
        text=True,
    )


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


class _OverSocket(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(self._path))
