"""Checksum databases over HTTP."""

from __future__ import annotations

from goproxy_mirror.errors import Blocked, SourceUnavailable
from tests.web.edge import Edge

DB = "sumdb/sum.golang.org"


def test_pages(edge: Edge) -> None:
    """What a database says is passed on with its type and its time to live."""
    checksums = edge.world.checksums
    checksums.hold_text(f"{DB}/supported", b"", max_age=86400)
    checksums.hold_text(f"{DB}/latest", b"go.sum database tree\n")
    checksums.hold_text(f"{DB}/lookup/x.test/!m@v1.0.0", b"7\n")
    checksums.hold_text(
        f"{DB}/tile/8/0/x001/234.p/5", bytes(160), content_type="application/octet-stream", max_age=86400
    )
    supported = edge.get(f"/{DB}/supported")
    assert (supported.status, supported.body, supported.headers["content-length"]) == (200, b"", "0")
    assert edge.get(f"/{DB}/latest").text == "go.sum database tree\n"
    assert edge.get(f"/{DB}/lookup/x.test/%21m@v1.0.0").text == "7\n"
    tile = edge.get(f"/{DB}/tile/8/0/x001/234.p/5")
    assert tile.headers["content-type"] == "application/octet-stream"
    assert tile.headers["cache-control"] == "public, max-age=86400"
    assert len(tile.body) == 160
    assert edge.world.modules.asked == []


def test_refusals(edge: Edge) -> None:
    """An unknown database is 404, a private look-up 403, a database that is down 502."""
    failures = edge.world.checksums.failures
    failures[f"{DB}/lookup/corp.example/m@v1.0.0"] = Blocked("corp.example/m: private")
    failures[f"{DB}/latest"] = SourceUnavailable("sum.golang.org: nobody could be reached")
    assert edge.get("/sumdb/other.test/supported").status == 404
    assert edge.get(f"/{DB}/lookup/corp.example/m@v1.0.0").status == 403
    down = edge.get(f"/{DB}/latest")
    assert (down.status, down.headers["cache-control"]) == (502, "no-store")


def test_malformed(edge: Edge) -> None:
    """What is no request to a database is refused before anybody is asked."""
    assert edge.get(f"/{DB}/tile/8/0/9999").status == 400
    assert edge.get(f"/{DB}/tile/../latest").status == 400
    assert edge.get("/sumdb/").status == 404
    assert edge.get("/sumdb/x").status == 404
    assert edge.world.checksums.asked == []
