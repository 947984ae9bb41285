"""The page at `/`: the line to set GOPROXY, in the visitor's language, with nothing of his in it that could bite."""

from __future__ import annotations

import base64
import re
from hashlib import sha256

import pytest

from goproxy_mirror.web.page import chosen_language
from tests.fakes.services import FakeWorld
from tests.web.edge import INSTANCE, Edge, running_edge


def test_lines(edge: Edge) -> None:
    """The page has the exact line for each kind of system, with the address that it was asked at."""
    answer = edge.get("/", {"Host": "goproxy.corp.example:8081"})
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    url = "http://goproxy.corp.example:8081"
    assert f"export GOPROXY={url}<" in answer.text
    assert f"$env:GOPROXY = &#34;{url}&#34;<" in answer.text or f'$env:GOPROXY = "{url}"<' in answer.text
    assert f"go env -w GOPROXY={url}<" in answer.text
    assert INSTANCE in answer.text


@pytest.mark.parametrize("host", ["[::1]:8081", "127.0.0.1", "xn--fsq.example"])
def test_hosts(edge: Edge, host: str) -> None:
    """Addresses and names are shown as they were asked for."""
    assert f"GOPROXY=http://{host}<" in edge.get("/", {"Host": host}).text


@pytest.mark.parametrize("host", ["a;reboot", "$(id)", "a'b", "a*b", "x:1:2", "", "a" * 299 + "!"])
def test_host_that_a_shell_would_read(edge: Edge, host: str) -> None:
    """A Host header that is no plain name is not shown: the page is copied from."""
    answer = edge.get("/", {"Host": host})
    if answer.status == 200:
        assert "GOPROXY=http://HOST:PORT<" in answer.text
        assert not host or host not in answer.text
    else:
        assert answer.status == 400


def test_forwarded_headers(edge: Edge) -> None:
    """What a client says about a front is not believed."""
    headers = {"X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "https", "Forwarded": "host=evil.test"}
    text = edge.get("/", headers).text
    assert "evil.test" not in text
    assert "https://" not in text


def test_prefix_and_public_url(world: FakeWorld) -> None:
    """The line has the prefix; where a front stands before us, the operator says what it is called."""
    with running_edge(world, prefix="/goproxy") as edge:
        for path in ("/goproxy/", "/goproxy"):
            assert f"GOPROXY=http://127.0.0.1:{edge.port}/goproxy<" in edge.get(path).text
        assert 'href="/goproxy/version"' in edge.get("/goproxy/").text
    with running_edge(world, prefix="/goproxy", public_url="https://go.corp.example/") as edge:
        assert "GOPROXY=https://go.corp.example/goproxy<" in edge.get("/goproxy/").text


def test_nothing_from_elsewhere(edge: Edge) -> None:
    """The page loads nothing, and the browser is told to let nothing else in but the one style sheet."""
    answer = edge.get("/")
    policy = answer.headers["content-security-policy"]
    style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    for part in ("default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"):
        assert part in policy
    assert not re.search(r"<(script|link|img|iframe)|url\(|@import|style=", answer.text)
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("query", "accepted", "language"),
    [
        ("", "", "en"),
        ("", "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("", "en-US,en;q=0.9,zh;q=0.8", "en"),
        ("", "zh;q=0.1, en", "en"),
        ("", "zh, en", "zh"),
        ("", "en, zh", "en"),
        ("", "zh-Hant-TW", "zh"),
        ("", "zh;q=0", "en"),
        ("", "fr, zh;q=0.5", "zh"),
        ("", "fr", "en"),
        ("", "*", "en"),
        ("", ";;;q=,,zh;q=x", "en"),
        ("", "a" * 100_000, "en"),
        ("lang=zh", "en", "zh"),
        ("lang=en", "zh", "en"),
        ("lang=<script>", "zh", "zh"),
    ],
)
def test_language(query: str, accepted: str, language: str) -> None:
    """The visitor's choice counts first, then what the browser likes better, then English."""
    assert chosen_language(query, accepted) == language


def test_languages_over_http(edge: Edge) -> None:
    """Caches know that the page differs by language."""
    english, chinese = (edge.get("/", {"Accept-Language": code}) for code in ("en", "zh-CN"))
    assert '<html lang="en">' in english.text
    assert '<html lang="zh-CN">' in chinese.text
    assert english.headers["vary"] == chinese.headers["vary"] == "accept-language"
    assert '<html lang="zh-CN">' in edge.get("/?lang=zh").text
