"""Hostile and impossible paths over HTTP: never 200, never 5xx, and nobody behind the edge is asked.

Ids are those of the list of bad inputs, group P. Malformed encoding, control bytes and traversal are 400; a well-formed
path that can be no module is 404 with the reason, since the go command must be able to go on to its next proxy.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.web.edge import Answer, Edge
from tests.web.test_failures import go_prints

FILE = "/@v/v1.0.0.info"


@pytest.fixture(autouse=True)
def _nobody_asked(edge: Edge) -> Iterator[None]:
    """None of these requests reaches a journey."""
    yield
    assert edge.world.modules.asked == []
    assert edge.world.checksums.asked == []


def say(edge: Edge, path: str) -> Answer:
    """Ask for a path, byte by byte as it stands here."""
    answers, _ = edge.say(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert len(answers) == 1
    return answers[0]


MALFORMED = {
    "P01 traversal": [
        "/../etc/passwd",
        "/x.test/../../etc/passwd",
        "/..",
        "/x.test/m/@v/../v1.0.0.mod",
        "/./x.test/m/@v/list",
    ],
    "P02 encoded dots": [
        "/%2e%2e/etc/passwd",
        "/%2e%2e%2fetc/passwd",
        "/x.test/m/@v/%2E%2E/x.mod",
        "/.%2e/x",
    ],
    "P03 encoded twice": ["/%252e%252e/etc", "/x.test/m/@v/%252e%252e%252fx.mod", "/x.test%252fm/@v/list"],
    "P04 encoded slashes": ["/%2F%2F..%2Fetc", "/..%2f..%2fetc/passwd", "/x.test/m/@v/..%2f..%2fx.zip"],
    "P05 backslash": ["/%5c../x", "/x.test%5cm/@v/list", "/x.test/m/@v/..%5c..%5cx.zip"],
    "P06 NUL": ["/x.test/m%00/@v/list", "/x.test/m/@v/v1.0.0.mod%00.zip"],
    "P07 line ends": ["/x.test/m%0d%0aX-Evil:1/@v/list", "/x.test/m/@v/v1.0.0%0a.info", "/%0d%0a"],
    "P08 not ASCII": ["/x.test/%C3%A9/@v/list", "/x.test/m/@v/v1.0.0-%E6%97%A5.info"],
    "P09 overlong": ["/%c0%ae%c0%ae/x", "/x.test/%c0%afm/@v/list"],
    "P10 surrogate": ["/x.test/%ed%a0%80/@v/list"],
    "P11 direction": ["/x.test/%e2%80%8f%e2%80%aem/@v/list"],
    "control bytes": ["/x.test/m%1b[2J/@v/list", "/x.test/m%7f/@v/list", "/x.test/%09/@v/list"],
    "P24 long": ["/x.test/" + "a" * 10_000 + FILE, "/x.test/" + "a/" * 10_000 + "@v/list"],
    "P28 version": ["/x.test/m/@v/v1/../..", "/x.test/m/@v/v1%2f..%2f...info"],
}

IMPOSSIBLE = {
    "P12 capital": ["/x.test/M/@v/list", "/x.test/m/@v/V1.0.0.info", "/X.test/m/@latest"],
    "P13 dangling bang": ["/x.test/m!/@v/list", "/x.test/m/@v/main!.info"],
    "P14 P15 bad bang": [
        "/x.test/!M/@v/list",
        "/x.test/!1/@v/list",
        "/x.test/!!m/@v/list",
        "/x.test/%21%21m/@v/list",
    ],
    "P16 empty element": [
        "/x.test//m/@v/list",
        "//x.test/m/@v/list",
        "/x.test/m//@v/list",
        "/x.test/m/@v//list",
    ],
    "P17 leading dash": ["/-x.com/m/@v/list", "/x.test/m/@v/-x.info", "/--upload-pack=x/@v/list"],
    "P18 dot": ["/x.test/.git/@v/list", "/.git/config", "/x.test/a./@v/list"],
    "P19 reserved": ["/x.test/con/@v/list", "/x.test/aux.foo/@v/list", "/x.test/com1.txt/@v/list"],
    "P20 short name": ["/x.test/foo~1/@v/list", "/x.test/longfi~09/@v/list"],
    "P21 no dot": ["/localhost/m/@v/list", "/m/@v/list", "/@v/list", "/@latest"],
    "P22 braces": [
        "/x.test/{}/@v/list",
        "/x.test/%7B%7D/@v/list",
        "/x.test/${id}/@v/list",
        "/x.test/%60id%60/@v/list",
    ],
    "P23 at": ["/x.test/a@b/@v/list", "/x.test/m@v1.0.0/@v/list"],
    "P25 many elements": ["/x.test" + "/a" * 900 + "//@v/list"],
    "P26 P27 version": ["/x.test/m/@v/-x.info", "/x.test/m/@v//x.info", "/x.test/m/@v/a/b.info"],
    "P29 P30 no version": [
        "/x.test/m/@v/v01.0.0.mod",
        "/x.test/m/@v/v1.zip",
        "/x.test/m/@v/v1.mod",
        "/x.test/m/@v/main.zip",
    ],
    "P31 large major": [
        "/x.test/m/v99999999999999999999/@v/v1.0.0.mod",
        "/x.test/m/@v/v99999999999999999999.0.0.mod",
    ],
    "P32 major": [
        "/x.test/m/v2/@v/v1.0.0.info",
        "/x.test/m/v1/@v/list",
        "/x.test/m/v02/@v/list",
        "/gopkg.in/yaml/@v/list",
    ],
    "P33 latest": [
        "/x.test/m/@v/latest.zip",
        "/x.test/m/@v/latest.info",
        "/x.test/m/@v/upgrade.info",
        "/x.test/m/@v/patch.info",
    ],
    "P34 endings": [
        "/x.test/m/@v/v1.0.0.info.zip",
        "/x.test/m/@v/v1.0.0.txt",
        "/x.test/m/@v/v1.0.0",
        "/x.test/m/@v/.info",
    ],
    "P35 trailing slash": [
        "/x.test/m/@v/list/",
        "/x.test/m/@latest/",
        "/x.test/m/@v/v1.0.0.mod/",
        "/x.test/m/@v/",
    ],
    "no protocol": [
        "/x.test/m",
        "/index.html",
        "/wp-login.php",
        "/x.test/m/@v",
        "/healthz/",
        "/HEALTHZ",
        "/version/x",
    ],
}


def _cases(groups: dict[str, list[str]]) -> list[object]:
    return [
        pytest.param(path, id=f"{name} {number}")
        for name, paths in groups.items()
        for number, path in enumerate(paths)
    ]


@pytest.mark.parametrize("path", _cases(MALFORMED))
def test_malformed(edge: Edge, path: str) -> None:
    """Traversal, control bytes and broken encoding are 400, with a reason that is safe to print."""
    answer = say(edge, path)
    assert answer.status == 400
    assert answer.headers["cache-control"] == "no-store"
    assert go_prints(answer.body)
    assert "x-evil" not in answer.headers


@pytest.mark.parametrize("path", _cases(IMPOSSIBLE))
def test_impossible(edge: Edge, path: str) -> None:
    """A path that can be no module, or no version of it, is 404 with the reason."""
    answer = say(edge, path)
    assert answer.status == 404
    assert go_prints(answer.body).startswith("not found: ")


@pytest.mark.parametrize("length", [65_600, 100_000, 1_000_000])
def test_p24_longer_than_a_url(edge: Edge, length: int) -> None:
    """What is longer than any URL is refused before it is taken apart."""
    answers, closed = edge.say(b"GET /" + b"a" * length + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert closed
    assert all(answer.status in {400, 414, 431} for answer in answers)


def test_raw_bytes(edge: Edge) -> None:
    """Bytes that must be percent-encoded, and are not, are refused."""
    for raw in (
        b"/x.test/\xff/@v/list",
        b"/x.test/\xc3\xa9/@v/list",
        b"/x.test/m\x00/@v/list",
        b"/x.test/m m/@v/list",
    ):
        answers, _ = edge.say(b"GET " + raw + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert all(answer.status == 400 for answer in answers)
