"""The vulnerability database over HTTP."""

from __future__ import annotations

import time

import pytest

from goproxy_mirror.errors import MirrorError, SourceTimeout, SourceUnavailable, StorageError
from goproxy_mirror.mirror.answers import TextAnswer
from tests.fakes.services import FakeVulnerabilities, FakeWorld
from tests.web.edge import INSTANCE, Edge, running_edge

DB = "index/db.json"
MODIFIED = 1_700_000_000.0
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"


def held(body: bytes = b"{}", *, packed: bool = False, stale: bool = False) -> TextAnswer:
    """An answer of the journey."""
    kind = "application/gzip" if packed else "application/json"
    fetched = time.time() - (60 if stale else 0)
    return TextAnswer(body, kind, 600, fetched, stale, "https://vuln.test", MODIFIED)


@pytest.fixture
def vulnerabilities(world: FakeWorld) -> FakeVulnerabilities:
    """The journey, with one file in both forms."""
    world.vulnerabilities = FakeVulnerabilities({DB: held(), f"{DB}.gz": held(b"\x1f\x8bx", packed=True)})
    return world.vulnerabilities


@pytest.fixture
def edge(vulnerabilities: FakeVulnerabilities, world: FakeWorld) -> object:
    """A running edge that serves it."""
    with running_edge(world) as edge:
        yield edge


def test_files(edge: Edge) -> None:
    """A file comes with its type, its validators, its time to live and its home; a gzipped one is a file, no encoding."""
    plain, packed = edge.get(f"/vulndb/{DB}"), edge.get(f"/vulndb/{DB}.gz")
    assert (plain.status, plain.body, plain.headers["content-type"]) == (200, b"{}", "application/json")
    assert (packed.status, packed.body, packed.headers["content-type"]) == (
        200,
        b"\x1f\x8bx",
        "application/gzip",
    )
    for answer in (plain, packed):
        assert "content-encoding" not in answer.headers
        assert answer.headers["last-modified"] == DATE
        assert answer.headers["cache-control"] == "public, max-age=600"
        assert answer.headers["x-goproxy-mirror-source"] == "https://vuln.test"
    assert plain.headers["etag"] != packed.headers["etag"]


def test_head(edge: Edge) -> None:
    """HEAD, by which govulncheck finds out whether there is a database, says what GET would."""
    head, got = edge.get(f"/vulndb/{DB}.gz", method="HEAD"), edge.get(f"/vulndb/{DB}.gz")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "3")
    assert head.headers["etag"] == got.headers["etag"]


def test_conditions(edge: Edge) -> None:
    """Who has the file already is told so, by its tag or by its date; an older date gets the file."""
    etag = edge.get(f"/vulndb/{DB}").headers["etag"]
    for condition in ({"If-None-Match": etag}, {"If-Modified-Since": DATE}):
        answer = edge.get(f"/vulndb/{DB}", condition)
        assert (answer.status, answer.body, answer.headers["last-modified"]) == (304, b"", DATE)
    earlier = {"If-Modified-Since": "Tue, 14 Nov 2023 22:13:19 GMT"}
    assert edge.get(f"/vulndb/{DB}", earlier).status == 200


def test_stale(edge: Edge, vulnerabilities: FakeVulnerabilities) -> None:
    """A file that could not be refreshed says so."""
    vulnerabilities.answers[DB] = held(stale=True)
    answer = edge.get(f"/vulndb/{DB}")
    assert (answer.status, answer.headers["x-goproxy-mirror-stale"]) == (200, "true")
    assert answer.headers["warning"].startswith("110 ")
    assert int(answer.headers["age"]) >= 60


@pytest.mark.parametrize(
    ("failure", "status"),
    [(SourceUnavailable("x"), 502), (SourceTimeout("x"), 504), (StorageError("x"), 503)],
)
def test_outages(edge: Edge, vulnerabilities: FakeVulnerabilities, failure: MirrorError, status: int) -> None:
    """An outage is none of the client's absences, and is not to be kept."""
    vulnerabilities.failure = failure
    answer = edge.get(f"/vulndb/{DB}")
    assert (answer.status, answer.headers["cache-control"]) == (status, "no-store")


def test_paths(edge: Edge, vulnerabilities: FakeVulnerabilities) -> None:
    """The journey gets the path below /vulndb/; no module is looked for there, and nothing but GET and HEAD is served."""
    assert edge.get("/vulndb/ID/GO-2026-0001.json").status == 404
    assert edge.get(f"/vulndb/{DB}", method="POST").status == 405
    assert [path for path, _ in vulnerabilities.asked] == ["ID/GO-2026-0001.json"]
    assert edge.world.modules.asked == []


def test_loops(edge: Edge, vulnerabilities: FakeVulnerabilities) -> None:
    """A request that has been here before ends here; the hops of others are passed on."""
    assert edge.get(f"/vulndb/{DB}", {"Via": f"1.1 {INSTANCE}"}).status == 508
    assert edge.get(f"/vulndb/{DB}", {"Via": "1.1 other"}).status == 200
    assert vulnerabilities.asked == [(DB, ("1.1 other",))]


def test_switched_off(world: FakeWorld) -> None:
    """Where no database is served, every path below /vulndb/ is absent and says why."""
    world.vulnerabilities = None
    with running_edge(world) as edge:
        answer = edge.get(f"/vulndb/{DB}")
    assert answer.status == 404
    assert "vulndb = off" in answer.text


def test_below_a_prefix(world: FakeWorld, vulnerabilities: FakeVulnerabilities) -> None:
    """With a path prefix the database is below it."""
    with running_edge(world, prefix="/go") as edge:
        assert edge.get(f"/go/vulndb/{DB}").status == 200
        assert edge.get(f"/vulndb/{DB}").status == 404
    assert len(vulnerabilities.asked) == 1
