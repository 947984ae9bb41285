"""Group U: upstreams that break off, lie about lengths, never end, or say what cannot be, asked through the running server.

A failure is 502 or 504 with a reason, never an absence; nothing of it is kept, and once the upstream is mended the same
request gets the true file. What the checksum database finds out is in `test_group_u_proven.py`.
"""

from __future__ import annotations

import gzip
import json
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from tests.conftest import StartServer
from tests.world.local_http import Exchange
from tests.world.modules import Modules
from tests.world.server import Answer, Server, free_port
from tests.world.store import damaged_files, published_files
from tests.world.upstream import Fault, Upstream, saying

MB = 1 << 20
AT = "/golang.org/x/mod/@v/"
INFO, MOD, ZIP, LIST = (f"{AT}{name}" for name in ("v0.22.0.info", "v0.22.0.mod", "v0.22.0.zip", "list"))
LATEST = "/golang.org/x/mod/@latest"
EVERYTHING = (INFO, MOD, ZIP, LIST, LATEST)
UNPROVEN = {"GOSUMDB": "off"}
Start = Callable[..., Server]


@pytest.fixture
def start(start_server: StartServer, upstream: Upstream) -> Start:
    """Start a server whose upstream the test breaks; no checksum database is asked."""

    def start(*arguments: str, name: str = "server", port: int | None = None) -> Server:
        upstreams = () if "--upstream" in arguments else ("--upstream", upstream.url)
        # Each request to the upstream is one that the test has made: nothing is fetched ahead.
        limits = (
            "--fetch-timeout",
            "20s",
            "--connect-timeout",
            "2s",
            "--no-builtin-mirrors",
            "--fetch-ahead",
            "0",
        )
        return start_server(*upstreams, *limits, *arguments, env=UNPROVEN, name=name, port=port)

    return start


def check_failed(server: Server, path: str, statuses: tuple[int, ...] = (502,)) -> Answer:
    """What a client sees of an upstream's failure; nothing is published."""
    before = published_files(server.store)
    answer = server.get(path)
    assert answer.status in statuses, f"{path}: {answer.status} {answer.text}"
    assert "no-store" in answer.headers["cache-control"]
    assert answer.text.strip()
    assert str(server.data) not in answer.text
    assert published_files(server.store) == before
    return answer


def check_mended(server: Server, upstream: Upstream, modules: Modules, *paths: str) -> None:
    """Positive control: from the same upstream in good order, the same requests get the true answers."""
    upstream.mend()
    for path in paths:
        answer = server.get(path)
        assert answer.status == 200, f"{path}: {answer.text}"
    assert damaged_files(server.store, modules.tree) == []


BROKEN = {
    "U01": Fault("truncate"),
    "U02": Fault("long"),
    "U03": Fault("call", answer=lambda exchange, body: _lying_length(exchange, body, 1 << 62)),
    "U03 beyond": Fault("call", answer=lambda exchange, body: _lying_length(exchange, body, 1 << 64)),
    "U03 below": Fault("call", answer=lambda exchange, body: _lying_length(exchange, body, -1)),
    "U07": Fault("redirect"),
    "U08": Fault("redirect", to="file:///etc/passwd?"),
    "U13": Fault("html"),
}


def _lying_length(exchange: Exchange, body: bytes, length: int) -> None:
    exchange.reply(200, body, length=length)
    exchange.cut()


@pytest.mark.parametrize("name", BROKEN)
def test_u01_u02_u03_u07_u08_u13__no_answer(
    name: str, start: Start, upstream: Upstream, modules: Modules
) -> None:
    """Cut off, short of its length, a length beyond all bounds, a circle of redirects, a file, a page: 502 for everything."""
    server = start()
    upstream.break_with(BROKEN[name])
    for path in EVERYTHING:
        answer = check_failed(server, path)
        assert "root:" not in answer.text
    if name == "U07":
        assert max(upstream.asked.values()) <= 11
    assert server.peak() < 300 * MB
    check_mended(server, upstream, modules, *EVERYTHING)


def test_u06__a_drip(start: Start, upstream: Upstream, modules: Modules) -> None:
    """A byte now and then: 504 when the time is up, and others are served meanwhile."""
    server = start("--fetch-timeout", "3s")

    def drip(exchange: Exchange, body: bytes) -> None:
        exchange.reply(200, body[:1], length=MB)
        while not upstream.closing.wait(0.05):
            exchange.write(b"x")

    upstream.break_with(Fault("call", r"v0\.22\.0", answer=drip))
    with ThreadPoolExecutor() as pool:
        failing = [pool.submit(server.get, path) for path in (INFO, MOD, ZIP)]
        assert server.get(f"{AT}v0.21.0.zip").status == 200
        assert [each.result().status for each in failing] == [504] * 3
    assert published_files(server.store) == ["golang.org/x/mod/@v/v0.21.0.zip"]
    check_mended(server, upstream, modules, INFO)


@pytest.mark.parametrize("status", [500, 503, 429, 403, 204, 206])
def test_u09__a_storm_of_failures(status: int, start: Start, upstream: Upstream, modules: Modules) -> None:
    """A crowd asks while every answer is a failure: each gets 502, and the upstream is not asked by each of them."""
    server = start()
    upstream.break_with(Fault("status", status=status, text="" if status in {204, 304} else "storm"))
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(server.get, [MOD] * 48))
    assert {answer.status for answer in answers} == {502}
    assert upstream.asked[MOD] <= 48
    assert published_files(server.store) == []
    check_mended(server, upstream, modules, MOD)


def test_u10__retry_after(start: Start, upstream: Upstream, modules: Modules) -> None:
    """Nobody waits for as long as a failing upstream wishes: 502 at once, and the next request asks again."""
    server = start()
    for number, after in enumerate(("999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT", "-1"), 1):
        upstream.break_with(saying(b"later", {"Retry-After": after}, status=503))
        for path in EVERYTHING:
            check_failed(server, path)
            assert upstream.asked[path] == number
    check_mended(server, upstream, modules, *EVERYTHING)


def _bomb(members: int, each: int) -> bytes:
    return gzip.compress(bytes(each), 9) * members


@pytest.mark.parametrize(("name", "members", "each"), [("U11", 1, 600 * MB), ("U12", 10_000, MB // 2)])
def test_u11_u12__gzip_that_nobody_asked_for(
    name: str, members: int, each: int, start: Start, upstream: Upstream, modules: Modules
) -> None:
    """A bomb in one member or in 10,000: 502, unpacked no further than the file may be large."""
    server = start()
    before = server.peak()
    upstream.break_with(saying(_bomb(members, each), {"Content-Encoding": "gzip"}))
    for path in EVERYTHING:
        check_failed(server, path)
    assert server.peak() - before < 150 * MB, name
    # Positive control: an answer that is compressed without need is read where it is one that is not kept as it came.
    upstream.break_with(saying(gzip.compress(b"v0.22.0\n") * 3, {"Content-Encoding": "gzip"}, where="list"))
    assert server.get(LIST).text == "v0.22.0\n"
    check_mended(server, upstream, modules, ZIP)


def test_u14__a_list_of_1_gb(start: Start, upstream: Upstream, modules: Modules) -> None:
    """502 as soon as it is more than any list has; memory stays where it was."""
    server = start()
    before = server.peak()
    sent = [0]

    def endless(exchange: Exchange, _: bytes) -> None:
        exchange.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        lines = b"".join(b"v1.%d.0\n" % number for number in range(50_000))
        while sent[0] < 1 << 30:
            exchange.write(lines)
            sent[0] += len(lines)

    upstream.break_with(Fault("call", answer=endless))
    for path in (LIST, LATEST, MOD, INFO):
        check_failed(server, path)
    assert sent[0] < 4 * 64 * MB
    assert server.peak() - before < 150 * MB
    check_mended(server, upstream, modules, LIST, MOD)


def test_u15__hostile_lines(start: Start, upstream: Upstream) -> None:
    """Lines that can be no version of the module are dropped; those that can be are answered, in order."""
    lines = [
        b"v0.22.0", b"v0.9.0 2020-01-01T00:00:00Z", b"../../etc/passwd", b"v1.0.0/../..", b"<script>", b"latest",
        b"v2.0.0", b"v01.2.3", b"v1.2", b"-v1.0.0", b"v1.0.0\r\nx: y", b"\x00", "v1.0.0\u202e".encode(), b"\xff\xfe",
        b"v" + b"9" * 300 + b".0.0", b"v0.0.0-20210101000000-123456789abc", b"v0.22.0", b"v1.0.0+incompatible", b"v1" * 9999,
    ]  # fmt: skip
    server = start()
    upstream.break_with(saying(b"\n".join(lines), where="list"))
    answer = server.get(LIST)
    assert (answer.status, answer.text.split()) == (200, ["v0.9.0", "v0.22.0", "v1.0.0"])
    assert published_files(server.store) == []


UNREADABLE = {
    "U16": b'{"Version":"v0.21.0","Time":"2024-01-01T00:00:00Z"}',
    "U16 none": b'{"Time":"2024-01-01T00:00:00Z"}',
    "U16 number": b'{"Version":22,"Time":"2024-01-01T00:00:00Z"}',
    "U16 two": b'{"Version":"v0.22.0","version":"v0.21.0"}',
    "U17": b'{"Version":"v0.22.0","Time":"yesterday"}',
    "U17 month": b'{"Version":"v0.22.0","Time":"2024-13-01T00:00:00Z"}',
    "U17 number": b'{"Version":"v0.22.0","Time":1700000000}',
    "U18": b'{"Version":"v0.22.0","Origin":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
    "U18 lists": b"[" * 500_000 + b"]" * 500_000,
    "U18 cut": b'{"a":' * 100_000,
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_u16_u17_u18__info_that_says_nothing(
    name: str, start: Start, upstream: Upstream, modules: Modules
) -> None:
    """Another version, a time that is none, JSON of any depth: 502, and the file is not published."""
    server = start()
    upstream.break_with(saying(UNREADABLE[name], where="info$|latest$"))
    check_failed(server, INFO)
    if not name.startswith("U16") or name == "U16 none":
        check_failed(server, LATEST)
    check_mended(server, upstream, modules, INFO)


def test_u19__another_module_line(start: Start, upstream: Upstream) -> None:
    """The line `module` of a `.mod` is the go command's to judge (a fork may keep its name): it is passed on as it is."""
    server = start()
    body = b"module example.com/renamed\n\ngo 1.21\n"
    upstream.break_with(saying(body, where=r"\.mod$"))
    answer = server.get(MOD)
    assert (answer.status, answer.body) == (200, body)
    # What has no such line is no go.mod.
    upstream.break_with(saying(b"// nothing here\n", where=r"\.mod$"))
    check_failed(server, f"{AT}v0.21.0.mod")


def test_u20__gone_after_it_was_stored(start: Start, upstream: Upstream, modules: Modules) -> None:
    """410 from the upstream takes nothing away from who has it; what was never had is 404."""
    server = start()
    for path in (INFO, MOD, ZIP):
        assert server.get(path).status == 200
    listed = server.get(LIST).text
    upstream.break_with(Fault("status", status=410))
    again = start("--upstream", upstream.url)
    for path in (INFO, MOD, ZIP):
        assert server.get(path).status == again.get(path).status == 200
    assert server.get(LIST).text == listed
    assert server.get(f"{AT}v0.21.0.zip").status == 404
    assert damaged_files(server.store, modules.tree) == []


def test_u21__a_list_that_shrinks(start: Start, upstream: Upstream) -> None:
    """What is stored stays listed when the upstream has forgotten it; what is not stored is gone with the upstream's word."""
    server = start("--list-ttl", "0s")
    assert server.get(LIST).text.split() == ["v0.20.0", "v0.21.0", "v0.22.0"]
    for kind in ("info", "mod"):
        assert server.get(f"{AT}v0.21.0.{kind}").status == 200
    upstream.break_with(saying(b"v0.20.0\n", where="list$"))
    assert server.get(LIST).text.split() == ["v0.20.0", "v0.21.0"]
    upstream.break_with(Fault("status", "list$", status=404))
    assert server.get(LIST).text.split() == ["v0.21.0"]


def test_u22__bad_tls(start: Start, modules: Modules, authority: trustme.CA, tmp_path: Path) -> None:
    """A certificate by somebody unknown, for another host, or out of date; no TLS at all: 502, and no word is believed."""

    def serving(certificate: trustme.LeafCert) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        return context

    past = datetime(2020, 1, 1, tzinfo=UTC)
    contexts = {
        "unknown": serving(trustme.CA().issue_cert("127.0.0.1")),
        "other": serving(authority.issue_cert("other.test")),
        "expired": serving(authority.issue_cert("127.0.0.1", not_after=past)),
        "good": serving(authority.issue_cert("127.0.0.1")),
    }
    for name, context in contexts.items():
        with Upstream(modules.tree, context) as secured:
            server = start("--upstream", secured.url, name=name)
            if name == "good":
                assert server.get(MOD).status == 200
            else:
                assert "certificate" in check_failed(server, MOD).text
                assert not secured.requests
    with Upstream(modules.tree) as plain:
        server = start("--upstream", plain.url.replace("http:", "https:"), name="plain")
        check_failed(server, MOD, (502, 504))


def test_u24__surplus_bytes(start: Start, upstream: Upstream, modules: Modules) -> None:
    """What is sent beyond the length belongs to no answer, neither this one nor the next on the same connection."""
    server = start()
    poison = b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\nmodule evil.go\n"

    def surplus(exchange: Exchange, body: bytes) -> None:
        exchange.reply(200, body)
        exchange.write(poison)

    upstream.break_with(Fault("call", answer=surplus))
    for version in ("v0.20.0", "v0.21.0", "v0.22.0"):
        for kind in ("info", "mod", "zip"):
            assert server.get(f"{AT}{version}.{kind}").status == 200
    assert damaged_files(server.store, modules.tree) == []
    assert len(published_files(server.store)) == 9


def test_u25__an_upstream_that_is_this_server(start: Start, upstream: Upstream) -> None:
    """By way of another proxy: 508, at once; with a way out the walk goes on there."""
    one, other = free_port(), free_port()
    first = start("--upstream", f"http://127.0.0.1:{other}", name="first", port=one)
    second = start("--upstream", f"http://127.0.0.1:{one}", name="second", port=other)
    for server in (first, second):
        for path in EVERYTHING:
            check_failed(server, path, (508,))
    third = start("--upstream", f"{first.url}|{upstream.url}", name="third")
    assert third.get(MOD).status == 200


def test_the_crowd_is_kept_waiting_by_nobody(start: Start, upstream: Upstream) -> None:
    """I8: while one module's upstream hangs, a hundred requests for another are answered."""
    server = start()
    opened = threading.Event()

    def hang(exchange: Exchange, _: bytes) -> None:
        exchange.cut()
        opened.wait(60)

    upstream.break_with(Fault("call", "/rsc.io/", answer=hang))
    with ThreadPoolExecutor(32) as pool:
        hanging = [pool.submit(server.get, f"/rsc.io/quote/@v/v1.5.{number}.mod") for number in range(3)]
        answers = list(pool.map(server.get, [LIST, MOD, INFO, ZIP] * 25))
        opened.set()
        assert {answer.status for answer in answers} == {200}
        assert {each.result().status for each in hanging} <= {502, 504}
    assert json.loads(server.get(INFO).text)["Version"] == "v0.22.0"
