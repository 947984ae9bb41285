"""govulncheck behind the mirror: both the modules and the vulnerability database come from the one server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import NewDeveloper, StartServer
from tests.world.go import Go
from tests.world.server import Server, free_port
from tests.world.vulndb import FIRST, SECOND, THIRD, Vuln, VulnServer, all_files, govulncheck
from tests.world.zips import write_zip

WEAK = Vuln("GO-2026-0001")
ELSEWHERE = Vuln("GO-2026-0002", module="example.com/other", modified=SECOND)
PROJECT = {
    "go.mod": "module example.com/project\n\ngo 1.21\n\nrequire example.com/weak v1.0.0\n",
    "main.go": 'package main\n\nimport "example.com/weak"\n\nfunc main() { weak.Bad() }\n',
}


@pytest.fixture
def database() -> Iterator[VulnServer]:
    """A database of two entries, one of which is about a module that the project calls."""
    with VulnServer(all_files(WEAK, ELSEWHERE)) as server:
        yield server


@pytest.fixture
def server(start_server: StartServer, database: VulnServer, tmp_path: Path) -> Server:
    """A server that serves the weak module and the database."""
    folder = tmp_path / "tree" / "example.com" / "weak" / "@v"
    folder.mkdir(parents=True)
    files = {"go.mod": b"module example.com/weak\n", "weak.go": b"package weak\n\nfunc Bad() {}\n"}
    write_zip(folder / "v1.0.0.zip", "example.com/weak@v1.0.0", files)
    (folder / "v1.0.0.mod").write_bytes(files["go.mod"])
    (folder / "v1.0.0.info").write_text(json.dumps({"Version": "v1.0.0", "Time": FIRST}))
    (folder / "list").write_text("v1.0.0\n")
    upstream = (tmp_path / "tree").as_uri()
    return start_server("--upstream", upstream, "--gosumdb", "off", "--vulndb", database.url)


@dataclass
class Scan:
    """A developer with govulncheck, who is told by its flag to ask the server (it reads no environment variable)."""

    program: Path
    developer: NewDeveloper

    def run(self, server: Server, project: dict[str, str] | None = None) -> tuple[int, str]:
        """Scan the project in a home folder of its own; the exit status and everything that was said."""
        go: Go = self.developer(server.url)
        go.project(project or PROJECT)
        go.run("mod", "tidy").ok()
        done = subprocess.run(
            [str(self.program), "-db", f"{server.url}/vulndb", "-show", "version,verbose", "./..."],
            cwd=go.work,
            env=go.env,
            capture_output=True,
            check=False,
            timeout=300,
            text=True,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def scan(developer: NewDeveloper) -> Scan:
    """The real govulncheck."""
    program = govulncheck()
    if program is None:
        pytest.skip("govulncheck could not be built: no registry of Go modules can be reached")
    return Scan(program, developer)


def test_govulncheck_finds_what_is_called(server: Server, scan: Scan, database: VulnServer) -> None:
    """govulncheck reports the entry whose symbol the project calls, and the time of the database."""
    status, said = scan.run(server)
    assert status == 3, said
    assert "GO-2026-0001" in said
    assert "weak.Bad" in said
    assert "GO-2026-0002" not in said
    assert "2026-02-02" in said
    assert "/ID/GO-2026-0002.json.gz" not in database.asked


def test_govulncheck_finds_nothing_else(server: Server, scan: Scan, database: VulnServer) -> None:
    """Positive control: where the version that is used has the fix, there is nothing to report."""
    database.files = all_files(Vuln("GO-2026-0001", fixed="1.0.0"), ELSEWHERE)
    status, said = scan.run(server)
    assert status == 0, said
    assert "No vulnerabilities found" in said


def test_govulncheck_during_an_outage(server: Server, scan: Scan, database: VulnServer) -> None:
    """While the database is down, govulncheck gets what is kept, after a restart of the server too."""
    first = scan.run(server)
    database.status = 503
    server.stop()
    server.start()
    again = scan.run(server)
    assert first == again == (3, first[1])
    asked = database.asked.total()
    assert scan.run(server)[0] == 3
    assert database.asked.total() == asked


def test_govulncheck_without_a_database(server: Server, scan: Scan, database: VulnServer) -> None:
    """Positive control: with nothing kept, the same outage makes govulncheck fail."""
    database.status = 503
    status, said = scan.run(server)
    assert status not in {0, 3}, said


def test_two_workers(start_server: StartServer, database: VulnServer) -> None:
    """Two workers answer with the same files, and fetch each of them once."""
    server = start_server("--vulndb", database.url, "--workers", "2")
    paths = ["index/db.json", "index/modules.json.gz", "index/vulns.json", f"ID/{WEAK.id}.json.gz"]
    for _ in range(6):
        for path in paths:
            answer = server.get(f"/vulndb/{path}")
            assert (answer.status, answer.body) == (200, database.files[path])
    assert {path: count for path, count in database.asked.items() if count > 1} == {}


def test_the_next_site(start_server: StartServer, database: VulnServer) -> None:
    """Where the preferred site is broken, or behind what it promises, the next one answers."""
    with VulnServer(all_files(WEAK, ELSEWHERE, modified=THIRD)) as torn:
        server = start_server("--vulndb", f"{torn.url},{database.url}")
        answer = server.get("/vulndb/index/db.json")
        assert (answer.status, json.loads(answer.body)) == (200, {"modified": SECOND})
        assert answer.headers["x-goproxy-mirror-source"] == database.url
        torn.status = 500
        assert server.get(f"/vulndb/ID/{WEAK.id}.json").status == 200


def test_switched_off(start_server: StartServer) -> None:
    """With `vulndb = off` there is none."""
    server = start_server("--vulndb", "off")
    assert server.get("/vulndb/index/db.json").status == 404


def test_itself(start_server: StartServer) -> None:
    """A server that is told to ask itself for the database says that it goes in circles, and does not."""
    port = free_port()
    server = start_server("--vulndb", f"http://127.0.0.1:{port}/vulndb", port=port)
    answer = server.get("/vulndb/index/db.json")
    assert (answer.status, answer.headers["cache-control"]) == (508, "no-store")
