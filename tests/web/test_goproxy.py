"""The GOPROXY protocol over HTTP: what each kind of request is answered with."""

from __future__ import annotations

import asyncio
import json

import pytest

from goproxy_mirror.errors import Blocked, NotFound
from goproxy_mirror.mirror.answers import FileAnswer, TextAnswer
from goproxy_mirror.protocol import Request
from tests.fakes.services import FakeWorld
from tests.web.edge import INSTANCE, Edge
from tests.world.polling import eventually

MOD = "x.test/m/@v/v1.0.0.mod"


def test_file_kinds(edge: Edge) -> None:
    """Each of a version's files has its content type, its length, and leave to be kept for ever."""
    bodies = {
        ".info": (b'{"Version":"v1.0.0"}', "application/json"),
        ".mod": (b"module x.test/m\n", "text/plain; charset=utf-8"),
        ".zip": (b"PK\5\6" + bytes(18), "application/zip"),
    }
    for ending, (body, content_type) in bodies.items():
        edge.world.modules.hold_file(f"x.test/m/@v/v1.0.0{ending}", body)
        answer = edge.get(f"/x.test/m/@v/v1.0.0{ending}")
        assert answer.status == 200
        assert answer.body == body
        assert answer.headers["content-type"] == content_type
        assert answer.headers["content-length"] == str(len(body))
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["accept-ranges"] == "bytes"
        assert answer.headers["etag"].startswith('"')
        assert answer.headers["last-modified"] == "Tue, 14 Nov 2023 22:13:20 GMT"
        assert answer.headers["server"] == "goproxy-mirror"


@pytest.mark.parametrize("size", [0, 1, 524287, 524288, 3_000_001])
def test_file_sizes(edge: Edge, size: int) -> None:
    """A file arrives whole, whether it is read at once or sent from disk."""
    body = bytes(range(256)) * (size // 256 + 1)
    edge.world.modules.hold_file("x.test/m/@v/v1.0.0.zip", body[:size])
    answer = edge.get("/x.test/m/@v/v1.0.0.zip")
    assert (answer.status, answer.headers["content-length"]) == (200, str(size))
    assert answer.body == body[:size]


@pytest.mark.parametrize("size", [0, 1000, 600_000])
def test_head(edge: Edge, size: int) -> None:
    """HEAD says what GET says, without the body."""
    edge.world.modules.hold_file("x.test/m/@v/v1.0.0.zip", bytes(size))
    got = edge.get("/x.test/m/@v/v1.0.0.zip")
    head = edge.get("/x.test/m/@v/v1.0.0.zip", method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert {**head.headers, "date": ""} == {**got.headers, "date": ""}


def test_head_of_an_absence(edge: Edge) -> None:
    """HEAD of what nobody has is 404 with the length of the reason, and nothing after it."""
    answers, closed = edge.say(
        b"HEAD /x.test/none/@v/list HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    assert [answer.status for answer in answers] == [404, 200]
    assert int(answers[0].headers["content-length"]) > 0
    assert not closed


def test_texts(edge: Edge) -> None:
    """Lists, @latest and queries are kept for as long as the journey says, and have an entity tag of their content."""
    edge.world.modules.hold_text("x.test/m/@v/list", b"v1.0.0\nv1.1.0\n", max_age=42)
    edge.world.modules.hold_text("x.test/m/@latest", b"{}", content_type="application/json", max_age=0)
    edge.world.modules.hold_text("x.test/m/@v/main.info", b"{}", content_type="application/json")
    versions = edge.get("/x.test/m/@v/list")
    assert (versions.status, versions.text) == (200, "v1.0.0\nv1.1.0\n")
    assert versions.headers["content-type"] == "text/plain; charset=utf-8"
    assert versions.headers["cache-control"] == "public, max-age=42"
    latest = edge.get("/x.test/m/@latest")
    assert latest.headers["content-type"] == "application/json"
    assert latest.headers["cache-control"] == "public, max-age=0"
    assert edge.get("/x.test/m/@v/main.info").headers["etag"] == latest.headers["etag"]
    assert versions.headers["etag"] != latest.headers["etag"]
    assert "age" not in versions.headers
    assert "x-goproxy-mirror-stale" not in versions.headers


def test_empty_list(edge: Edge) -> None:
    """A module without versions has an empty list, which is no absence."""
    edge.world.modules.hold_text("x.test/m/@v/list", b"")
    answer = edge.get("/x.test/m/@v/list")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0")


@pytest.mark.parametrize("body", [b"v1.0.0\n", b""], ids=["versions", "empty"])
def test_text_that_stays_the_same(edge: Edge, body: bytes) -> None:
    """Is answered again without a question for that long, in the very same words; a condition is looked at all the same."""
    edge.world.modules.hold_text("x.test/m/@v/list", body, max_age=42, same_for=1000)
    first, second = (edge.get("/x.test/m/@v/list") for _ in range(2))
    assert len(edge.world.modules.asked) == 1
    assert {**first.headers, "date": ""} == {**second.headers, "date": ""}
    assert (first.status, first.body) == (second.status, second.body) == (200, body)
    assert edge.get("/x.test/m/@v/list", {"If-None-Match": first.headers["etag"]}).status == 304
    assert edge.get("/x.test/m/@v/list", method="HEAD").headers["content-length"] == f"{len(body)}"
    assert len(edge.world.modules.asked) == 3
    edge.world.modules.hold_text("x.test/m/@latest", body, stale=True)
    assert [edge.get("/x.test/m/@latest").status for _ in range(2)] == [200, 200]
    assert len(edge.world.modules.asked) == 5


def test_stale_text(edge: Edge) -> None:
    """An answer that could not be refreshed says so, and how old it is."""
    edge.world.modules.hold_text("x.test/m/@v/list", b"v1.0.0\n", max_age=10, stale=True)
    answer = edge.get("/x.test/m/@v/list")
    assert answer.status == 200
    assert answer.headers["x-goproxy-mirror-stale"] == "true"
    assert answer.headers["warning"].startswith("110 ")
    assert int(answer.headers["age"]) >= 60
    assert answer.headers["cache-control"] == "public, max-age=10"


def test_not_modified_text(edge: Edge) -> None:
    """A client that has the list gets 304 without a body."""
    edge.world.modules.hold_text("x.test/m/@v/list", b"v1.0.0\n")
    etag = edge.get("/x.test/m/@v/list").headers["etag"]
    answer = edge.get("/x.test/m/@v/list", {"If-None-Match": f'"other", W/{etag}'})
    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["etag"] == etag
    assert edge.get("/x.test/m/@v/list", {"If-Match": etag}).status == 200
    assert edge.get("/x.test/m/@v/list", {"If-Match": '"other"'}).status == 412


@pytest.mark.parametrize(
    ("home", "said"),
    [
        ("https://proxy.test", "https://proxy.test"),
        ("https://a.test/\r\nX-Evil: 1", "https://a.test/??X-Evil: 1"),
        ("https://例え.test", "https://??.test"),
        ("h" * 2000, "h" * 512),
    ],
)
def test_source(edge: Edge, home: str, said: str) -> None:
    """The home of an answer is named in a header, with nothing in it that a header cannot hold."""
    edge.world.modules.hold_file(MOD, b"module x.test/m\n", home=home)
    edge.world.modules.hold_text("x.test/m/@v/list", b"v1.0.0\n", home=home)
    for path in (f"/{MOD}", "/x.test/m/@v/list"):
        answer = edge.get(path)
        assert answer.headers["x-goproxy-mirror-source"] == said
        assert "x-evil" not in answer.headers


def test_wrong_content_type(edge: Edge) -> None:
    """A content type that is none is not sent on."""
    edge.world.modules.hold_text("x.test/m/@v/list", b"v1.0.0\n", content_type="text/plain\r\nX-Evil: 1")
    answer = edge.get("/x.test/m/@v/list")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "x-evil" not in answer.headers


def test_escapes(edge: Edge) -> None:
    """`!` and its percent form name the same module; a plus sign stays one."""
    edge.world.modules.hold_file("github.com/!burnt!sushi/toml/@v/v0.3.1.mod", b"module a\n")
    edge.world.modules.hold_file("x.test/m/@v/v2.0.0+incompatible.mod", b"module b\n")
    for path in (
        "/github.com/!burnt!sushi/toml/@v/v0.3.1.mod",
        "/github.com/%21burnt%21sushi/toml/@v/v0.3.1.mod",
    ):
        assert edge.get(path).body == b"module a\n"
    for path in ("/x.test/m/@v/v2.0.0+incompatible.mod", "/x.test/m/@v/v2.0.0%2Bincompatible.mod"):
        assert edge.get(path).body == b"module b\n"


def test_query_string(edge: Edge) -> None:
    """A query string changes nothing."""
    edge.world.modules.hold_file(MOD, b"module x.test/m\n")
    assert edge.get(f"/{MOD}?go-get=1&x=/../..").status == 200
    assert edge.world.modules.asked == [(MOD, True, ())]


def test_absence(edge: Edge) -> None:
    """An authority's no is 404 with the reason, and may be kept for a minute."""
    answer = edge.get("/x.test/none/@latest")
    assert answer.status == 404
    assert answer.text == "not found: x.test/none@latest: unknown to every source\n"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=60"


def test_absence_that_says_so_itself(edge: Edge) -> None:
    """`not found:` is not said twice."""
    edge.world.modules.failures["x.test/m/@latest"] = NotFound("not found: no such host")
    assert edge.get("/x.test/m/@latest").text == "not found: no such host\n"


def test_blocked(edge: Edge) -> None:
    """A policy's no is 403 and is not kept."""
    edge.world.modules.failures["x.test/m/@latest"] = Blocked("x.test/m: private, and not served here")
    answer = edge.get("/x.test/m/@latest")
    assert (answer.status, answer.headers["cache-control"]) == (403, "no-store")


def test_no_fetch(edge: Edge) -> None:
    """`Disable-Module-Fetch` asks for what is held; its 404 must not be kept for those who allow a fetch."""
    edge.world.modules.hold_file(MOD, b"module x.test/m\n")
    assert edge.get(f"/{MOD}", {"Disable-Module-Fetch": "true"}).status == 200
    absent = edge.get("/x.test/m/@v/v1.1.0.mod", {"Disable-Module-Fetch": "True"})
    assert (absent.status, absent.headers["cache-control"]) == (404, "no-store")
    edge.get(f"/{MOD}", {"Disable-Module-Fetch": "false"})
    assert [fetch for _, fetch, _ in edge.world.modules.asked] == [False, False, True]


def test_hops(edge: Edge) -> None:
    """The proxies that a request came over are known to the work that it causes, and to no other request."""
    edge.get("/x.test/m/@latest", {"Via": "1.1 front (nginx, 1.2), HTTP/1.1 other"})
    edge.get("/x.test/m/@latest")
    assert [hops for _, _, hops in edge.world.modules.asked] == [("1.1 front", "HTTP/1.1 other"), ()]


@pytest.mark.parametrize(
    "via", [f"1.1 {INSTANCE}", f"1.1 a, 1.1 {INSTANCE} (x), 1.0 b", ", ".join(["1.1 a"] * 33)]
)
def test_loop(edge: Edge, via: str) -> None:
    """A request that has been here before, or everywhere, is answered 508 and goes no further."""
    for path in ("/x.test/m/@latest", "/sumdb/sum.golang.org/latest"):
        answer = edge.get(path, {"Via": via})
        assert (answer.status, answer.headers["cache-control"]) == (508, "no-store")
    assert edge.world.modules.asked == []
    assert edge.world.checksums.asked == []


def test_client_that_leaves(edge: Edge) -> None:
    """A handler whose client has gone ends; the next request is answered as ever."""

    async def hold() -> None:
        edge.world.modules.waiting["x.test/m/@latest"] = asyncio.Event()

    edge.call(hold())
    edge.world.modules.hold_text("x.test/m/@latest", b"{}", content_type="application/json")
    import socket

    with socket.create_connection(("127.0.0.1", edge.port)) as client:
        client.sendall(b"GET /x.test/m/@latest HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: edge.world.modules.asked)
    eventually(lambda: edge.world.modules.left == ["x.test/m/@latest"], what="the handler's end")
    edge.soon(edge.world.modules.waiting["x.test/m/@latest"].set)
    assert edge.get("/x.test/m/@latest").status == 200


def test_client_that_waits(edge: Edge) -> None:
    """A slow answer reaches a client that waits for it, and the connection serves the next request."""

    async def hold() -> None:
        event = edge.world.modules.waiting["x.test/m/@latest"] = asyncio.Event()
        asyncio.get_running_loop().call_later(0.2, event.set)

    edge.call(hold())
    edge.world.modules.hold_text("x.test/m/@latest", b'{"Version":"v1.0.0"}', content_type="application/json")
    answers, closed = edge.say(
        b"GET /x.test/m/@latest HTTP/1.1\r\nHost: x\r\n\r\nGET /version HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    assert [answer.status for answer in answers] == [200, 200]
    assert json.loads(answers[1].body)["instance"] == INSTANCE
    assert not closed


def test_vanished_file(edge: Edge) -> None:
    """A stored file that is gone, or is not as long as it was, is the store's failure: never 404, never cut short."""
    for size in (100, 600_000):
        stored = edge.world.modules.hold_file(MOD, bytes(size))
        stored.path.write_bytes(bytes(size + 1))
        assert edge.get(f"/{MOD}").status == 503
        stored.path.unlink()
        answer = edge.get(f"/{MOD}")
        assert (answer.status, answer.headers["cache-control"]) == (503, "no-store")
        assert str(stored.path) not in answer.text


def test_services_live_as_long_as_the_server(world: FakeWorld) -> None:
    """Services are opened before the first request and closed after the last."""
    from tests.web.edge import running_edge

    with running_edge(world) as edge:
        assert edge.get("/healthz").status == 200
        assert (world.opened, world.closed) == (1, 0)
    assert (world.opened, world.closed) == (1, 1)


def test_file_that_is_taken_out_meanwhile(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is gone between being found and being read is asked for once more; one that stays gone is a failure."""
    key, modules = "x.test/m/@v/v1.0.0.mod", edge.world.modules
    gone = modules.hold_file(key, b"module x.test/m\n").path
    asked = modules.answer

    async def fetched_anew(request: Request, *, fetch: bool = True) -> FileAnswer | TextAnswer:
        answer = await asked(request, fetch=fetch)
        if len(modules.asked) == 2:
            modules.hold_file(key, b"module x.test/m\n")
        return answer

    gone.unlink()
    monkeypatch.setattr(modules, "answer", fetched_anew)
    answer = edge.get(f"/{key}")
    assert (answer.status, answer.body, len(modules.asked)) == (200, b"module x.test/m\n", 2)
    gone.unlink()
    assert edge.get(f"/{key}", method="GET").status == 503
    assert len(modules.asked) == 4
