"""What a front says, in our log."""

from __future__ import annotations

from typing import Literal

import pytest
from structlog.testing import capture_logs

from goproxy_mirror.web.front.sayings import Sayings

NGINX_HIT = b'{"method":"GET","path":"/a.test/m/@v/v1.0.0.mod","status":200,"bytes":12,"seconds":0.004}\n'
CADDY_HIT = (
    b'{"level":"info","logger":"http.log.access","msg":"handled request","request":{"method":"GET","uri":'
    b'"/a.test/m/@v/v1.0.0.mod?x"},"size":12,"duration":0.004,"status":200,"resp_headers":{"Server":["Caddy"]}}\n'
)
CADDY_PASSED = CADDY_HIT.replace(b'"Server":["Caddy"]', b'"Server":["goproxy-mirror"],"Via":["1.1 Caddy"]')
NGINX_ERROR = b"2026/01/02 03:04:05 [emerg] 7#7: bind() to 0.0.0.0:80 failed (13: Permission denied)\n"
CADDY_ERROR = b"Error: loading initial config: listening on :80: permission denied\n"


@pytest.mark.parametrize(("kind", "hit"), [("nginx", NGINX_HIT), ("caddy", CADDY_HIT)])
def test_a_hit_is_a_request_in_our_log(kind: Literal["nginx", "caddy"], hit: bytes) -> None:
    """However its line is cut into pieces."""
    sayings = Sayings(kind)
    with capture_logs() as events:
        for at in range(0, len(hit), 50):
            sayings.take(hit[at : at + 50])
    assert events == [
        {
            "event": "request",
            "log_level": "info",
            "method": "GET",
            "path": "/a.test/m/@v/v1.0.0.mod",
            "status": 200,
            "bytes": 12,
            "ms": 4.0,
            "source": None,
        }
    ]


def test_what_was_only_handed_on_is_not_told_twice() -> None:
    """Our workers have it in the log already."""
    with capture_logs() as events:
        Sayings("caddy").take(CADDY_PASSED)
    assert not events


@pytest.mark.parametrize(
    ("kind", "line", "said"),
    [
        ("nginx", NGINX_ERROR, "bind() to 0.0.0.0:80 failed (13: Permission denied)"),
        ("caddy", CADDY_ERROR, "loading initial config: listening on :80: permission denied"),
        ("nginx", b"something else\n", "something else"),
        ("nginx", b"", "it gave no reason"),
    ],
)
def test_the_worst_is_remembered(kind: Literal["nginx", "caddy"], line: bytes, said: str) -> None:
    """An error rather than what came after it."""
    sayings = Sayings(kind)
    sayings.take(line, relay=False)
    if b"r" in line and said != "something else":
        sayings.take(b"nginx: configuration file test failed\n", relay=False)
    assert sayings.worst() == said
