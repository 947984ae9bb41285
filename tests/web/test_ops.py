"""What a supervisor, a load balancer and a crawler get."""

from __future__ import annotations

import json

import pytest

from goproxy_mirror import __version__
from goproxy_mirror.errors import StorageError
from tests.fakes.services import FakeWorld
from tests.web.edge import INSTANCE, Edge, running_edge


def test_health(edge: Edge) -> None:
    """A living process says so, and the answer is never kept."""
    answer = edge.get("/healthz")
    assert (answer.status, answer.text, answer.headers["cache-control"]) == (200, "ok\n", "no-store")


def test_readiness(edge: Edge) -> None:
    """Ready is 200; what keeps it from that is 503 with the reason, while the process is still healthy."""
    assert edge.get("/readyz").status == 200
    edge.world.unready = StorageError("the store cannot be written to")
    answer = edge.get("/readyz")
    assert (answer.status, answer.text) == (503, "the store cannot be written to\n")
    assert answer.headers["cache-control"] == "no-store"
    said = edge.get("/healthz")
    assert (said.status, said.text) == (200, "degraded: the store cannot be written to\n")


def test_health_of_what_does_not_answer(edge: Edge) -> None:
    """A disk or a database that hangs is said in time, and is asked again only after a while."""
    edge.world.hanging = True
    assert "does not answer in time" in edge.get("/healthz").text
    edge.world.hanging = False
    assert edge.get("/healthz").text.startswith("degraded: ")


def test_version(edge: Edge) -> None:
    """The version tells name, version and instance as JSON."""
    answer = edge.get("/version")
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.body) == {"name": "goproxy-mirror", "version": __version__, "instance": INSTANCE}


def test_robots_and_favicon(edge: Edge) -> None:
    """Crawlers are sent away, and browsers are told that there is no icon."""
    assert "Disallow: /\n" in edge.get("/robots.txt").text
    assert edge.get("/favicon.ico").status == 204
    assert edge.get("/favicon.ico").body == b""


def test_head(edge: Edge) -> None:
    """HEAD works on every route."""
    for path in ("/", "/healthz", "/readyz", "/version", "/robots.txt", "/favicon.ico"):
        head, get = edge.get(path, method="HEAD"), edge.get(path)
        assert (head.status, head.body) == (get.status, b"")
        assert head.headers.get("content-length") == get.headers.get("content-length")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "get"])
def test_methods(edge: Edge, method: str) -> None:
    """Every other method is 405, on every route, and says what is allowed."""
    for path in ("/", "/healthz", "/x.test/m/@v/list", "/sumdb/sum.golang.org/latest", "/nothing"):
        answer = edge.get(path, method=method)
        assert answer.status == 405, path
        assert answer.headers["allow"] == "GET, HEAD"
    assert edge.world.modules.asked == []


@pytest.mark.parametrize("prefix", ["/goproxy", "/a/b-c_d~1.2"])
def test_prefix(world: FakeWorld, prefix: str) -> None:
    """Every route lives below the prefix; health is reachable at both places, the rest at one."""
    world.modules.hold_text("x.test/m/@v/list", b"v1.0.0\n")
    world.checksums.hold_text("sumdb/sum.golang.org/supported", b"")
    with running_edge(world, prefix=prefix) as edge:
        paths = (
            "/",
            "/healthz",
            "/readyz",
            "/version",
            "/x.test/m/@v/list",
            "/sumdb/sum.golang.org/supported",
        )
        for path in paths:
            assert edge.get(prefix + path).status == 200, path
        assert edge.get(prefix).status == 200
        for path in ("/healthz", "/readyz"):
            assert edge.get(path).status == 200
        for path in ("/", "/version", "/x.test/m/@v/list", f"{prefix}x/healthz", f"/x{prefix}/healthz"):
            answer = edge.get(path)
            assert answer.status == 404, path
            assert f"{prefix}/" in answer.text
        assert edge.get(f"{prefix}//x.test/m/@v/list").status == 404
        assert edge.get(f"{prefix}/../x.test/m/@v/list").status == 400
