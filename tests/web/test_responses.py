"""Files over HTTP, whole and in part, on condition; small ones are read at once, large ones sent from disk."""

from __future__ import annotations

import pytest

from goproxy_mirror.web.responses import header_text, printable
from tests.web.edge import Edge

KEY = "x.test/m/@v/v1.0.0.zip"
SMALL, LARGE = 1000, 700_000


@pytest.fixture(params=[SMALL, LARGE], ids=["small", "large"])
def body(request: pytest.FixtureRequest, edge: Edge) -> bytes:
    """The content of a file that the edge holds."""
    size: int = request.param
    content = bytes(position * 7 % 251 for position in range(1000)) * (size // 1000)
    edge.world.modules.hold_file(KEY, content)
    return content


def test_range(edge: Edge, body: bytes) -> None:
    """One range is 206 with its bytes, its place and the validators."""
    size = len(body)
    whole = edge.get(f"/{KEY}")
    for text, start, end in (
        ("0-0", 0, 1),
        ("5-14", 5, 15),
        ("900-", 900, size),
        ("-7", size - 7, size),
        ("10-9999999", 10, size),
    ):
        part = edge.get(f"/{KEY}", {"Range": f"bytes={text}"})
        assert part.status == 206, text
        assert part.body == body[start:end]
        assert part.headers["content-length"] == str(end - start)
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
        for name in ("etag", "last-modified", "cache-control", "content-type"):
            assert part.headers[name] == whole.headers[name]


def test_range_past_the_end(edge: Edge, body: bytes) -> None:
    """A range without a byte of the file is 416 with the file's size."""
    answer = edge.get(f"/{KEY}", {"Range": f"bytes={len(body)}-"})
    assert (answer.status, answer.headers["content-range"]) == (416, f"bytes */{len(body)}")
    assert answer.headers["cache-control"] == "no-store"


def test_range_whole(edge: Edge, body: bytes) -> None:
    """Several ranges, a malformed one, another unit, and a HEAD get the whole file's answer."""
    for text in ("bytes=0-1,5-6", "bytes=x", "lines=0-1"):
        answer = edge.get(f"/{KEY}", {"Range": text})
        assert (answer.status, answer.body) == (200, body)
    head = edge.get(f"/{KEY}", {"Range": "bytes=0-1"}, method="HEAD")
    assert (head.status, head.headers["content-length"]) == (200, str(len(body)))


def test_if_range(edge: Edge, body: bytes) -> None:
    """A range is given to a client that has the rest of this very content; any other gets the whole file."""
    etag = edge.get(f"/{KEY}").headers["etag"]
    resumed = edge.get(f"/{KEY}", {"Range": "bytes=5-", "If-Range": etag})
    assert (resumed.status, resumed.body) == (206, body[5:])
    stale = edge.get(f"/{KEY}", {"Range": "bytes=5-", "If-Range": '"another"'})
    assert (stale.status, stale.body) == (200, body)


def test_not_modified(edge: Edge, body: bytes) -> None:
    """A client that has the file gets 304 with the validators and no length, by tag or by date, GET or HEAD."""
    whole = edge.get(f"/{KEY}")
    for condition in (
        {"If-None-Match": whole.headers["etag"]},
        {"If-Modified-Since": whole.headers["last-modified"]},
    ):
        for method in ("GET", "HEAD"):
            answer = edge.get(f"/{KEY}", {**condition, "Range": "bytes=0-1"}, method=method)
            assert (answer.status, answer.body) == (304, b"")
            assert answer.headers["etag"] == whole.headers["etag"]
            assert answer.headers["cache-control"] == whole.headers["cache-control"]
            assert "content-length" not in answer.headers


def test_failed_precondition(edge: Edge, body: bytes) -> None:
    """A client that means another content is told so."""
    assert edge.get(f"/{KEY}", {"If-Match": '"another"'}).status == 412


def test_etag_tells_contents_apart(edge: Edge) -> None:
    """The entity tag is strong, and another length or time has another one."""
    first = edge.world.modules.hold_file(KEY, b"one")
    tags = {edge.get(f"/{KEY}").headers["etag"]}
    edge.world.modules.hold_file(KEY, b"three")
    tags.add(edge.get(f"/{KEY}").headers["etag"])
    from dataclasses import replace

    from goproxy_mirror.mirror.answers import FileAnswer
    from goproxy_mirror.ports import FileKind

    edge.world.modules.hold_file(KEY, b"two")
    edge.world.modules.answers[KEY] = FileAnswer(replace(first, modified=first.modified + 1), FileKind.ZIP)
    tags.add(edge.get(f"/{KEY}").headers["etag"])
    assert len(tags) == 3
    assert not any(tag.startswith("W/") for tag in tags)


def test_header_text() -> None:
    """A header value is printable ASCII, whatever it is made from."""
    assert header_text(" a\tb\r\nc\x7f\x00é日 ") == "a?b??c????"
    assert header_text("x" * 1000) == "x" * 512


def test_printable() -> None:
    """What a terminal would act upon, or a log would break at, becomes an escape."""
    assert printable("plain é日") == "plain é日"
    assert printable("a\n\x1b[31m\u202e\u2028\ud800") == "a\\n\\x1b[31m\\u202e\\u2028\\ud800"
