"""`serve --front`: nginx or Caddy gives away what is stored, and asks us for the rest."""

from __future__ import annotations

import http.client
import os
import select
import signal
import socket
import sqlite3
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

import pytest
import trustme

from goproxy_mirror.wiring.front import program_of
from tests.conftest import NewDeveloper, StartServer
from tests.world.internet import Internet
from tests.world.modules import MOD, MOD_VERSIONS, PROJECT, Modules
from tests.world.polling import eventually
from tests.world.server import Server, answered, fetch
from tests.world.sumdb import SumDB, mount
from tests.world.sumlies import outage
from tests.world.upstream import Upstream

NEWEST = MOD_VERSIONS[-1]
MOD_FILE = f"/{MOD}/@v/{NEWEST}.mod"
ZIP = f"/{MOD}/@v/{NEWEST}.zip"
LIST = f"/{MOD}/@v/list"


FRONTS = [
    pytest.param(kind, marks=pytest.mark.skipif(program_of(kind) is None, reason=f"{kind} is not installed"))
    for kind in ("nginx", "caddy")
]


class Fronted:
    """A server behind a front, filled with one version, and the upstream that it was filled from."""

    def __init__(self, kind: str, server: Server, upstream: Upstream) -> None:
        self.kind = kind
        self.server = server
        self.upstream = upstream
        for path in (MOD_FILE, ZIP, LIST):
            assert server.get(path).status == 200, server.log()

    def main(self) -> int:
        """The number of the server's main process."""
        assert self.server._process is not None
        return self.server._process.pid

    def children(self) -> dict[str, list[int]]:
        """The processes that the main one has started, ours and the front's."""
        found: dict[str, list[int]] = {"ours": [], "front": []}
        for number in Path(f"/proc/{self.main()}/task/{self.main()}/children").read_text().split():
            name = Path(f"/proc/{number}/comm").read_text().strip()
            found["front" if name == self.kind else "ours"].append(int(number))
        return found


@pytest.fixture(scope="module", params=FRONTS)
def fronted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, modules: Modules
) -> Iterator[Fronted]:
    folder = tmp_path_factory.mktemp(request.param)
    with Upstream(modules.tree) as upstream:
        options = ("--front", request.param, "--upstream", upstream.url, "--vulndb", "off", "--access-log")
        with Server(folder, *options) as server:
            yield Fronted(request.param, server, upstream)


def test_a_hit_needs_nothing_of_us(fronted: Fronted, modules: Modules) -> None:
    """With our workers stopped, stored files are answered and nothing else is."""
    workers = fronted.children()["ours"]
    assert workers
    for each in workers:
        os.kill(each, signal.SIGSTOP)
    try:
        with socket.create_connection(("127.0.0.1", fronted.server.port)) as waiting:
            waiting.sendall(f"GET {LIST} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n".encode())
            for path, kind in ((MOD_FILE, "mod"), (ZIP, "zip")):
                assert fronted.server.get(path).body == modules.file(MOD, NEWEST, kind)
            assert not select.select([waiting], [], [], 0.3)[0]
            for each in workers:
                os.kill(each, signal.SIGCONT)
            assert waiting.recv(12) == b"HTTP/1.1 200"
    finally:
        for each in workers:
            os.kill(each, signal.SIGCONT)


def test_a_hit_says_what_we_say(fronted: Fronted) -> None:
    """Type, caching and length are those of our own answers; the body is sent in parts, or not at all."""
    whole = fronted.server.get(ZIP)
    assert whole.headers["content-type"] == "application/zip"
    assert fronted.server.get(MOD_FILE).headers["content-type"] == "text/plain; charset=utf-8"
    assert whole.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert whole.headers["x-content-type-options"] == "nosniff"
    head = fronted.server.get(ZIP, method="HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(whole.body)))
    known = "etag" if fronted.kind == "nginx" else "last-modified"
    part = fronted.server.get(ZIP, {"Range": "bytes=10-19", "If-Range": whole.headers[known]})
    assert (part.status, part.body) == (206, whole.body[10:20])
    condition = "If-None-Match" if fronted.kind == "nginx" else "If-Modified-Since"
    assert fronted.server.get(ZIP, {condition: whole.headers[known]}).status == 304


def test_a_miss_is_fetched_by_us_and_a_hit_then(fronted: Fronted) -> None:
    """The upstream is asked once, and the hit is in our log of requests."""
    path = f"/{MOD}/@v/{MOD_VERSIONS[0]}.mod"
    first, again = fronted.server.get(path), fronted.server.get(path)
    assert (first.status, again.status) == (200, 200)
    assert first.body == again.body
    assert fronted.upstream.asked[path] == 1
    hits = eventually(
        lambda: [line for line in fronted.server.log().splitlines() if "request" in line and path in line][
            1:
        ],
        what="the hit in the log",
    )
    assert len(hits) == 1


@pytest.mark.parametrize(
    "path",
    [
        f"/x/..{ZIP}",
        f"/x/%2e%2e{ZIP}",
        f"/..%2f..%2fstate/instance{ZIP}",
        f"/%2E%2E/state{ZIP}",
        ZIP.replace("/@v", "//@v"),
        ZIP.replace("golang.org", "golang.org/."),
        "/../state/instance",
        "/.tmp/",
        "/front/root",
        f"/{MOD}/@v/",
        f"/{MOD}/@v",
        f"{ZIP}/",
        f"{ZIP}%00",
    ],
)
def test_nothing_is_given_by_another_name(fronted: Fronted, path: str) -> None:
    """What we refuse is refused, although a web server would tidy the path up and find the file."""
    assert fronted.server.get(path).status in {400, 404}


def test_what_is_ours_comes_from_us(fronted: Fronted) -> None:
    """Health, the page, and refusals of our own wording."""
    assert fronted.server.get("/healthz").body == b"ok\n"
    assert f"http://127.0.0.1:{fronted.server.port}" in fronted.server.get("/").text
    assert fronted.server.get(MOD_FILE, method="POST").status == 405


def test_go_works_through_it(fronted: Fronted, developer: NewDeveloper) -> None:
    """The go command downloads a project cold, and then warm from what is stored."""
    for _ in range(2):
        go = developer(fronted.server.url)
        go.project(PROJECT)
        go.run("mod", "download").ok()
    zips = [times for path, times in fronted.upstream.asked.items() if path.endswith(".zip")]
    assert len(zips) > 2
    assert set(zips) == {1}


# Its life.

Begin = Callable[..., Server]


@pytest.fixture(params=FRONTS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def refuses(port: int) -> bool:
    with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 5):
        return False
    return True


def test_it_ends_with_us_and_we_end_with_it(kind: str, start_server: StartServer, upstream: Upstream) -> None:
    """A killed server leaves no front behind; a killed front ends the server, which says so; a stop leaves nothing."""
    server = start_server("--front", kind, "--upstream", upstream.url, "--vulndb", "off")
    front = Fronted(kind, server, upstream)
    os.kill(front.main(), signal.SIGKILL)
    eventually(lambda: refuses(server.port), what="the end of the front")
    server.kill()
    assert list((server.data / "state" / "front").iterdir())

    server.start()
    left = {each.name for each in (server.data / "state" / "front").iterdir()}
    assert left == {str(front.main())}
    os.kill(front.children()["front"][0], signal.SIGKILL)
    assert server.wait() == 1
    assert "the front has ended, and so does this server" in server.log()
    server.kill()
    with closing(sqlite3.connect(server.data / "state" / "state.db")) as database, database:
        database.execute("UPDATE uses SET day = 1")

    server.start()
    with upstream.hold(MOD_VERSIONS[1]):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("GET", f"/{MOD}/@v/{MOD_VERSIONS[1]}.mod")
        eventually(
            lambda: any(MOD_VERSIONS[1] in each for each in upstream.requests), what="the running fetch"
        )
        server.terminate()
        eventually(lambda: refuses(server.port), what="that nobody is let in any more")
    assert connection.getresponse().status == 200
    connection.close()
    assert server.wait() == 0
    assert not list((server.data / "state" / "front").iterdir())
    with closing(sqlite3.connect(server.data / "state" / "state.db")) as database:
        (since,) = database.execute("SELECT day FROM uses WHERE stem = ''").fetchone()
    assert since > 1, "what the front has given away nobody counted, so nothing counts as unused since then"


def test_it_stands_where_we_would(
    kind: str, start_server: StartServer, upstream: Upstream, tmp_path: Path, authority: trustme.CA
) -> None:
    """TLS, a path prefix, and a Unix socket with its mode are the front's."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    address = tmp_path / "socket"
    common = ("--front", kind, "--upstream", upstream.url, "--vulndb", "off", "--path-prefix", "/go.proxy")
    secure = Server(tmp_path / "tls", *common, "--tls-cert", str(certificate), "--tls-key", str(key))
    local = Server(tmp_path / "socket-server", *common, "--socket", str(address), "--socket-mode", "600")
    trust = ssl.create_default_context()
    authority.configure_trust(trust)

    def by_tls() -> http.client.HTTPConnection:
        return http.client.HTTPSConnection("127.0.0.1", secure.port, timeout=60, context=trust)

    def by_socket() -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.sock.connect(str(address))
        except OSError:
            connection.close()
            raise
        return connection

    for server, connect in ((secure, by_tls), (local, by_socket)):
        try:
            server.start(wait=False)

            def ready(connect: Callable[[], http.client.HTTPConnection] = connect) -> bool:
                with suppress(OSError):
                    return answered(connect(), "/readyz").status == 200
                return False

            eventually(ready, what=f"an answer\n{server.log()}")
            for path in (MOD_FILE, MOD_FILE):
                assert answered(connect(), f"/go.proxy{path}").status == 200
                assert answered(connect(), path).status == 404
            front = Fronted.__new__(Fronted)
            front.kind, front.server = kind, server
            for each in front.children()["ours"]:
                os.kill(each, signal.SIGSTOP)
            assert answered(connect(), f"/go.proxy{MOD_FILE}").status == 200
            for each in front.children()["ours"]:
                os.kill(each, signal.SIGCONT)
            if server is secure:
                page = answered(connect(), "/go.proxy/")
                assert f"https://127.0.0.1:{secure.port}/go.proxy" in page.text
                assert "alt-svc" not in page.headers, "nobody was told of a UDP port"
            else:
                assert address.stat().st_mode & 0o777 == 0o600
        finally:
            server.stop()
    assert not address.exists()


class FewFiles(Server):
    """A server that may hold few files open, as may what it starts."""

    def command(self) -> Sequence[str]:
        return "sh", "-c", 'ulimit -n 300; exec "$@"', "sh", *super().command()


@pytest.mark.skipif(program_of("nginx") is None, reason="nginx is not installed")
def test_files_that_are_kept_open_leave_room_for_clients(tmp_path: Path) -> None:
    """More files are sent than may be open at a time: each is sent, and new clients are let in."""
    server = FewFiles(tmp_path, "--front", "nginx", "--upstream", "off", "--vulndb", "off")
    folder = server.store / "x.test/m/@v"
    folder.mkdir(parents=True)
    for number in range(400):
        (folder / f"v1.0.{number}.mod").write_bytes(b"module x.test/m\n")
    with server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        for number in range(400):
            connection.request("GET", f"/x.test/m/@v/v1.0.{number}.mod")
            response = connection.getresponse()
            assert (response.status, response.read()) == (200, b"module x.test/m\n")
        connection.close()
        assert all(server.get("/x.test/m/@v/v1.0.0.mod").status == 200 for _ in range(20))
    assert "Too many open files" not in server.log()


def test_what_nobody_has_proven_is_not_given_away(
    kind: str, start_server: StartServer, upstream: Upstream, internet: Internet, modules: Modules
) -> None:
    """A file that was stored while the database was down is held back by a front as it is without one."""
    database = SumDB()
    database.add_tree(modules.tree)
    mount(internet, "sums.example", database)
    database.lie(outage)
    common = (
        "--upstream",
        upstream.url,
        "--vulndb",
        "off",
        "--gosumdb",
        f"{database.vkey} https://sums.example",
    )
    server = start_server(*common, "--verify", "prefer")
    assert server.get(MOD_FILE).status == 200
    server.stop()
    server = start_server(*common, "--front", kind)
    assert server.get(MOD_FILE).status == 503
    database.lie()
    assert server.get(MOD_FILE).status == 200
    assert fetch(server.port, f"/{MOD}/@v/{MOD_VERSIONS[0]}.mod").status == 200
