"""Small files that were just sent, ready to be sent again."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from goproxy_mirror.ports import StoredFile
from goproxy_mirror.web.warm import WarmFile, WarmFiles

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


@pytest.fixture
def warm(file: Path) -> WarmFiles:
    """The file is ready."""
    warm = WarmFiles()
    warm.keep(PATH, [("etag", '"x"')], BODY, stored(file))
    return warm


def test_plain_request_is_answered(warm: WarmFiles) -> None:
    """With the headers and the body that went out before."""
    found = warm.find(Scope())
    assert isinstance(found, WarmFile)
    assert (found.headers, found.body) == ([("etag", '"x"')], BODY)
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
def test_anything_else_goes_the_long_way(warm: WarmFiles, scope: Scope) -> None:
    """Whatever could change the answer, or be refused, is looked at where it always is."""
    assert warm.find(scope) is None
    assert warm.find(Scope()) is not None


def test_file_that_was_taken_out(warm: WarmFiles, file: Path) -> None:
    """It is seen at once, and the memory of it is given back."""
    file.unlink()
    assert warm.find(Scope()) is None
    file.write_bytes(BODY)
    assert warm.find(Scope()) is None


@pytest.mark.parametrize("change", ["size", "time"])
def test_file_that_is_another(warm: WarmFiles, file: Path, change: str) -> None:
    """An operator may have put another file in its place."""
    if change == "size":
        file.write_bytes(BODY + b"\n")
        os.utime(file, (stored(file).modified, stored(file).modified))
    else:
        os.utime(file, (1, 1))
    assert warm.find(Scope()) is None


def test_room_is_bounded(file: Path) -> None:
    """What was sent longest ago makes room; large files are never held."""
    warm = WarmFiles(room=100, largest=60)
    for name in ("a", "b"):
        warm.keep(name, [], b"x" * 45, stored(file))
    assert warm.find(Scope(path="a")) is not None
    warm.keep("c", [], b"x" * 45, stored(file))
    assert [name for name in "abc" if warm.find(Scope(path=name)) is not None] == ["a", "c"]
    warm.keep("d", [], b"x" * 61, stored(file))
    assert warm.find(Scope(path="d")) is None
    warm.keep("a", [], b"x" * 50, stored(file))
    assert warm._held == 95
