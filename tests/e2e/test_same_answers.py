"""One store, four ways to its files: past the event loop, through it, and behind two web servers. What is answered is the same."""

from __future__ import annotations

import re
import socket
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

import pytest

from goproxy_mirror.wiring.front import program_of
from tests.world.modules import MOD, MOD_VERSIONS, Modules
from tests.world.server import Server
from tests.world.upstream import Upstream

STEM = f"/{MOD}/@v/{MOD_VERSIONS[-1]}"
FILES = [f"{STEM}.{kind}" for kind in ("info", "mod", "zip")]
TEXTS = [f"/{MOD}/@v/list", f"/{MOD}/@latest"]
WAYS = ("loop", "shortcut", "nginx", "caddy")
FRONTS = [
    pytest.param(kind, marks=pytest.mark.skipif(program_of(kind) is None, reason=f"{kind} is not installed"))
    for kind in ("nginx", "caddy")
]

_OF_THE_MOMENT = re.compile(r"(?<=max-age=)[0-9]{1,2}$|(?<=^date: ).*", re.MULTILINE)
_SAID = {"content-type", "content-length", "content-range", "cache-control", "x-content-type-options"}


@dataclass(frozen=True)
class Request:
    """A request, byte by byte; `{etag}` and `{modified}` in a header are those of the file."""

    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    version: str = "1.1"
    body: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.path[:100]} {self.version} { ({**self.headers})!s:.100}"


def odd_paths() -> Iterator[str]:
    """A file under names that are, or are not, its own; and what else may be in a store, or beside one."""
    for file in FILES:
        for ending in ("?go-get=1", "?", "?a=b&c", "?" + "a" * 5000, "/", ";a", "~", ".tmp"):
            yield file + ending
        for escape in ("%00", "%20", "%3b", "%3F", "%23", "%0a", "%ff", "%2f", "%", "%zz"):
            yield file + escape
        for before in (
            "/",
            "/a/..",
            "/a/%2e%2e",
            "/a/..;",
            "/..;",
            "/./",
            "/%2e",
            "/..%2f..%2fstate",
            "/.tmp",
            "/_state",
        ):
            yield before + file
        for part, other in (
            ("/@v", "//@v"), ("/x/", "/./x/"), ("/x/", "/../x/"), ("/x/", "/x/../x/"), ("/x/", "/x%2f"), ("/x/", "%2Fx/"),
            ("/x/", "/%78/"), ("golang", "%67olang"), ("@v", "%40v"), (".", "%2e"), (".org", "%2Eorg"), ("/x/", "\\x\\"),
            ("/x/", "%5cx/"), ("golang", "Golang"), ("golang", "!golang"), ("golang", "%21golang"), ("/v", "/V"),
            ("/@v/", "/@v/./"), ("/@v/", "/@v/.tmp/"), ("/x/", f"/{'x' * 300}/"), ("x", "%C3%A9"), ("/x/", "/%252e%252e/"),
        ):  # fmt: skip
            yield file.replace(part, other, 1)
        yield from (
            file.upper(),
            file.rpartition(".")[0],
            f"http://other.test{file}",
            f"https://other.test{file}",
        )
    yield from (
        "/.tmp/", "/.tmp", "/_state/", "/_state/seen", "/_state/pins/x/@v/v1.0.0.mod", f"/{MOD}", f"/{MOD}/", f"/{MOD}/@v",
        f"/{MOD}/@v/", f"/{MOD}/@v/v9.9.9.mod", f"/{MOD}/@v/v1.mod", f"/{MOD}/@v/.zip", f"/{MOD}/@v/v0.zip", "/state/state.db",
        "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/dir.test/m/@v/v1.0.0.zip", "/robots.txt",
        "/healthz", "/nothing.test/m/@v/list", "/nothing.test/m/@v/v1.0.0.zip", "/golang.org", "/favicon.ico",
    )  # fmt: skip


def conditions() -> Iterator[Mapping[str, str]]:
    """Headers that may change what is answered, and some that must not."""
    for ranges in (
        "0-9",
        "5-",
        "-5",
        "999999999-",
        "9-1",
        "0-1,3-4",
        "0-99999999999999999999999",
        ",".join(["0-"] * 50),
    ):
        yield {"Range": f"bytes={ranges}"}
    yield {"Range": "items=0-1"}
    yield {"If-Range": "{modified}", "Range": "bytes=0-1"}
    yield {"If-Range": '"x"', "Range": "bytes=0-1"}
    yield from ({"If-None-Match": tag} for tag in ("*", '"x"'))
    yield from ({"If-Match": tag} for tag in ("*", '"x"'))
    for date in ("{modified}", "Mon, 01 Jan 2001 00:00:00 GMT", "rubbish"):
        yield from ({"If-Modified-Since": date}, {"If-Unmodified-Since": date})
    for name, value in (
        ("Accept-Encoding", "gzip, br"), ("Accept", "text/html"), ("User-Agent", "Go-http-client/1.1"), ("Origin", "http://e"),
        ("Disable-Module-Fetch", "true"), ("Via", "1.1 x"), ("X-Forwarded-For", "1.1.1.1"), ("Authorization", "Basic eDp5"),
        ("Cookie", "a=b"), ("Cache-Control", "no-cache"), ("Host", "[::1]:8"), ("X-HTTP-Method-Override", "DELETE"),
        ("Content-Length", "0"), ("TE", "trailers"),
    ):  # fmt: skip
        yield {name: value}


def framings(path: str) -> Iterator[Request]:
    """What HTTP servers differ about: our two ways do not."""
    yield Request(path, version="1.0")
    yield Request(path, {"Host": ""}, version="1.0")
    yield Request(path, version="2.0")
    yield from (Request(path, {"Host": host}) for host in ("", "a b", "x/y", "h\r\nHost: h", "é"))
    yield Request(path, {"Content-Length": "5"}, body="hello")
    yield Request(path, {"Content-Length": "70000"})
    yield Request(path, {"Transfer-Encoding": "chunked"}, body="0\r\n\r\n")
    yield from (
        Request(path, {"Connection": "Upgrade, close", "Upgrade": "h2c"}),
        Request(path, {"If-None-Match": "{etag}"}),
    )
    yield from (
        Request(path, {"X-A": "b" * 9000}),
        Request(path, {"Accept": "é"}),
        Request(path, {"Range": "é"}),
    )
    for ending in (" ", "\t", "#a", "é"):
        yield Request(path + ending)
    for method in ("get", "FOO", "TRACE", "CONNECT"):
        yield Request(path, method=method)


def common() -> list[Request]:
    """What all four must agree on."""
    asked = [Request(path) for path in odd_paths()]
    for path in FILES + TEXTS:
        asked += [Request(path), Request(path, method="HEAD")]
        asked += [Request(path, headers) for headers in conditions()]
        asked += [
            Request(path, headers, method="HEAD") for headers in ({"If-None-Match": "*"}, {"If-Match": '"x"'})
        ]
        asked += [Request(path, method=method) for method in ("POST", "PUT", "DELETE", "OPTIONS", "PROPFIND")]
    return asked


@dataclass(frozen=True)
class Said:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def plain(self) -> tuple[int, Mapping[str, str], bytes]:
        """What a client makes something of."""
        kept = {name: _OF_THE_MOMENT.sub("", value) for name, value in self.headers.items() if name in _SAID}
        return self.status, kept, self.body


def ask(server: Server, request: Request) -> bytes:
    """Everything that comes back on a connection of its own."""
    headers = {"Host": "h", "Connection": "close", **request.headers}
    if "{" in str(request.headers.values()):
        known = server.get(request.path).headers
        filled = {"etag": known.get("etag", '"none"'), "modified": known.get("last-modified", "none")}
        headers = {name: value.format_map(filled) for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    said = f"{request.method} {request.path} HTTP/{request.version}\r\n{lines}\r\n{request.body}".encode()
    with socket.create_connection(("127.0.0.1", server.port), 30) as client:
        client.sendall(said)
        answer = b""
        while more := client.recv(1 << 20):
            answer += more
    return answer


def read(answer: bytes) -> Said:
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = [line.split(": ", 1) for line in lines]
    headers = {name.lower(): value for name, value in pairs}
    named = [name.lower() for name, _ in pairs if name.lower() in _SAID]
    assert len(named) == len(set(named)), f"said twice: {lines}"
    return Said(int(first.split()[1]), headers, body)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, modules: Modules) -> Iterator[dict[str, Server]]:
    """The four, over one store; a front that is not installed is left out. With a log of requests, nothing goes past the loop."""
    folder = tmp_path_factory.mktemp("same")
    store = folder / "store"
    (store / "dir.test/m/@v/v1.0.0.zip").mkdir(parents=True)
    with Upstream(modules.tree) as upstream, ExitStack() as stack:
        running: dict[str, Server] = {}
        for way in WAYS:
            own = {"loop": ("--access-log",), "shortcut": ()}.get(way, ("--front", way))
            if own[:1] == ("--front",) and program_of(way) is None:
                continue
            options = ("--store", str(store), "--upstream", upstream.url, "--vulndb", "off", *own)
            running[way] = stack.enter_context(Server(folder / way, *options))
            for path in FILES + TEXTS:
                assert running[way].get(path).status == 200
        yield running


def test_the_shortcut_changes_nothing(servers: dict[str, Server]) -> None:
    """Byte by byte, of many odd requests; and every file is counted as used as often."""
    ways = [servers["loop"], servers["shortcut"]]
    for path in FILES + TEXTS:
        assert [server.get(path).status for server in ways] == [
            200,
            200,
        ]  # from here on, one of them needs no loop
    wrong = []
    requests = [*common(), *(each for path in FILES + TEXTS for each in framings(path))]
    assert len(requests) > 500
    for request in requests:
        answers = []
        for server in ways:
            head, end, body = ask(server, request).partition(b"\r\n\r\n")
            answers.append((_OF_THE_MOMENT.sub("", head.decode("latin-1").replace("\r", "")), end, body))
        if answers[0] != answers[1]:
            wrong.append((str(request), *answers))
    assert wrong == []
    for server in ways:
        server.stop()
        server.start()
    loop, shortcut = (used(server) for server in ways)
    assert loop == shortcut
    assert min(loop[STEM[1:]]) > 50


def used(server: Server) -> dict[str, tuple[int, int]]:
    """How often files of versions were asked for."""
    with closing(sqlite3.connect(server.data / "state" / "state.db")) as database:
        rows = database.execute("SELECT stem, times, zip_times FROM uses WHERE stem != ''").fetchall()
    return {stem: (times, zip_times) for stem, times, zip_times in rows}


@pytest.mark.parametrize("kind", FRONTS)
def test_a_front_changes_nothing(kind: str, servers: dict[str, Server]) -> None:
    """Status, type, caching, length and content are ours; what a web server refuses by itself, we refuse as well."""
    wrong = []
    for request in common():
        ours, theirs = read(ask(servers["shortcut"], request)), read(ask(servers[kind], request))
        if ours.status == theirs.status == 400:
            continue
        if ours.plain() != theirs.plain():
            wrong.append((str(request), ours.plain(), theirs.plain()))
    assert wrong == []
