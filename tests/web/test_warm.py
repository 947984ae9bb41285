"""Answers that were just sent, ready to be sent again."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from goproxy_mirror.mirror.answers import Lasting
from goproxy_mirror.ports import StoredFile
from goproxy_mirror.web import warm as warm_module
from goproxy_mirror.web.warm import WarmAnswers

PATH = "/example.com/m/@v/v1.0.0.mod"
PLAIN = (("host", "proxy.test:8081"), ("user-agent", "Go-http-client/1.1"), ("accept-encoding", "gzip"))
BODY = b"module example.com/m\n"


@dataclass
class Headers:
    """A request's headers."""

    pairs: tuple[tuple[str, str], ...] = PLAIN

    def items(self) -> list[tuple[str, str]]:
        return list(self.pairs)


@dataclass
class Scope:
    """A request."""

    path: str = PATH
    method: str = "GET"
    headers: Headers = field(default_factory=Headers)
    authority: str | None = None
    http_version: str = "1.1"
    scheme: str = "http"
    query_string: str = ""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A published file."""
    path = tmp_path / "v1.0.0.mod"
    path.write_bytes(BODY)
    return path


def stored(path: Path) -> StoredFile:
    status = path.stat()
    return StoredFile(path, status.st_size, status.st_mtime)


class Clock:
    """Time that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time of the kept answers."""
    clock = Clock()
    monkeypatch.setattr(warm_module, "monotonic", clock)
    return clock


@pytest.fixture
def lasting() -> Lasting:
    """What the file's answer rests on."""
    return Lasting()


@pytest.fixture
def warm(file: Path, clock: Clock, lasting: Lasting) -> WarmAnswers:
    """The file is ready."""
    warm = WarmAnswers()
    warm.keep_file(PATH, PATH[1:], [("etag", '"x"')], BODY, stored(file), lasting)
    return warm


def test_plain_request_is_answered(warm: WarmAnswers) -> None:
    """With the headers and the body that went out before."""
    found = warm.find(Scope())
    assert found is not None
    assert (found.headers, found.body, found.key) == ([("etag", '"x"')], BODY, PATH[1:])
    assert warm.find(Scope(path="/example.com/m/@v/v1.0.1.mod")) is None


@pytest.mark.parametrize(
    "scope",
    [
        Scope(method="HEAD"),
        Scope(method="POST"),
        *(
            Scope(headers=Headers((*PLAIN, (name, value))))
            for name, value in (
                ("if-none-match", '"x"'),
                ("if-modified-since", "x"),
                ("range", "bytes=0-1"),
                ("via", "1.1 other"),
                ("content-length", "5"),
                ("transfer-encoding", "chunked"),
                ("disable-module-fetch", "true"),
                ("host", "other.test"),
                ("authorization", "Basic x"),
                ("x-anything", "x"),
            )
        ),
        Scope(headers=Headers(PLAIN[1:])),
        Scope(headers=Headers((("host", "a b"),))),
        Scope(authority="other.test"),
    ],
)
def test_anything_else_goes_the_long_way(warm: WarmAnswers, scope: Scope) -> None:
    """Whatever could change the answer, or be refused, is looked at where it always is."""
    assert warm.find(scope) is None
    assert warm.find(Scope()) is not None


def test_file_that_was_taken_out(warm: WarmAnswers, file: Path, clock: Clock) -> None:
    """By another program: it is seen within a second; a file that is there is good for one more each time."""
    clock.now += 1.5
    assert warm.find(Scope()) is not None
    file.unlink()
    clock.now += 0.9
    assert warm.find(Scope()) is not None
    clock.now += 0.2
    assert warm.find(Scope()) is None


def test_file_that_was_taken_out_here(warm: WarmAnswers, lasting: Lasting) -> None:
    """In this process: it is seen at once."""
    assert warm.find(Scope()) is not None
    lasting.over = True
    assert warm.find(Scope()) is None


@pytest.mark.parametrize("change", ["size", "time"])
def test_file_that_is_another(warm: WarmAnswers, file: Path, clock: Clock, change: str) -> None:
    """An operator may have put another file in its place."""
    if change == "size":
        file.write_bytes(BODY + b"\n")
        os.utime(file, (stored(file).modified, stored(file).modified))
    else:
        os.utime(file, (1, 1))
    clock.now += 1
    assert warm.find(Scope()) is None


def test_text_until_it_would_be_another(clock: Clock) -> None:
    """A list is good for as long as it was said to be, and no longer."""
    warm = WarmAnswers()
    warm.keep_text(PATH, [("cache-control", "public, max-age=59")], b"v1.0.0\n", 0.5)
    clock.now += 0.4
    assert warm.find(Scope()) is not None
    clock.now += 0.1
    assert warm.find(Scope()) is None


def test_room_is_bounded(file: Path, lasting: Lasting) -> None:
    """What was asked for since it came stays for another round; large answers are never held."""
    warm = WarmAnswers(room=5000, largest=600)
    for name in ("a", "b"):
        warm.keep_file(name, name, [], b"x" * 450, stored(file), lasting)
    assert warm.find(Scope(path="a")) is not None
    warm.keep_file("c", "c", [], b"x" * 450, stored(file), lasting)
    assert [name for name in "abc" if warm.find(Scope(path=name)) is not None] == ["a", "c"]
    warm.keep_file("d", "d", [], b"x" * 601, stored(file), lasting)
    assert warm.find(Scope(path="d")) is None
    for number in range(100):
        warm.keep_text(f"{number}", [], b"", 1000)
    assert [number for number in range(100) if warm.find(Scope(path=f"{number}")) is not None] == [98, 99]
