"""The checksum database by way of the server: a client behind it needs no other host, and still verifies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.world import World, load
from tests.conftest import NewDeveloper, StartServer
from tests.world.go import main_package
from tests.world.internet import Internet
from tests.world.server import Server

VECTORS = Path(__file__).parent.parent / "conformance/sumdb_vectors"
MODULE = "github.com/x/vers"


@pytest.fixture
def server(start_server: StartServer, internet: Internet, conformance: World) -> Server:
    """A server that passes the database `sum.test` through, and has the repositories that are recorded there."""
    internet.tree("sums.example/mirror", VECTORS)
    repositories = conformance.folder / "fixtures"
    return start_server(
        *("--upstream", "direct", "--no-builtin-mirrors"),
        *("--rewrite", f"https://github.com/x/={repositories.as_uri()}/"),
        *("--sumdb", "sum.test=https://dead.example"),
        *("--sumdb", "sum.test=https://sums.example/mirror"),
    )


def test_go_verifies_through_the_server(server: Server, developer: NewDeveloper) -> None:
    """The go command proves what was built here against the signed tree, and asks no other host."""
    key = (VECTORS / "vkey").read_text().strip()
    go = developer(server.url, {"GOSUMDB": key})
    go.project(main_package())
    go.run("mod", "download", f"{MODULE}@v1.0.0").ok()
    assert (go.folder / "gopath/pkg/sumdb/sum.test/latest").exists()
    assert load("truth_git.json")


def test_go_would_see_a_wrong_record(
    start_server: StartServer, internet: Internet, conformance: World, developer: NewDeveloper, tmp_path: Path
) -> None:
    """Positive control: the same with one byte of the record changed is a security error."""
    forged = tmp_path / "forged"
    for path in VECTORS.rglob("*"):
        if path.is_file():
            copy = forged / path.relative_to(VECTORS)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    record = forged / "lookup" / f"{MODULE}@v1.0.0"
    record.write_bytes(record.read_bytes().replace(b" h1:", b" h1:A", 1))
    internet.tree("sums.example", forged)
    server = start_server(
        *("--upstream", "direct", "--no-builtin-mirrors"),
        *("--rewrite", f"https://github.com/x/={(conformance.folder / 'fixtures').as_uri()}/"),
        *("--sumdb", "sum.test=https://sums.example"),
    )
    go = developer(server.url, {"GOSUMDB": (VECTORS / "vkey").read_text().strip()})
    go.project(main_package())
    failed = go.run("mod", "download", f"{MODULE}@v1.0.0").failed()
    assert "SECURITY ERROR" in failed.stderr or "verifying" in failed.stderr


def test_unknown_database(server: Server) -> None:
    """A database that is not served here is denied, so that the client asks it itself."""
    assert server.get("/sumdb/other.test/supported").status == 404
    assert server.get("/sumdb/sum.test/supported").status == 200
