"""Private modules: no upstream and no public checksum database ever hears of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import NewDeveloper, StartServer
from tests.world.go import clean_environment, main_package
from tests.world.internet import Internet
from tests.world.repositories import Commit, write_repository
from tests.world.server import free_port, program
from tests.world.upstream import Upstream

PRIVATE = "corp.example/team/secret"


@pytest.fixture
def house(internet: Internet, tmp_path: Path) -> Internet:
    """An Internet with a private module in it."""
    files = {"go.mod": f"module {PRIVATE}\n".encode(), "secret.go": b"package secret\n"}
    folder = write_repository(tmp_path / "secret.git", [Commit(files, "2024-05-01T00:00:00Z", ("v1.0.0",))])
    internet.page(PRIVATE, f"{PRIVATE} git https://git.corp.example/secret")
    internet.repository("git.corp.example/secret", folder)
    return internet


def test_private_modules_never_leave(
    start_server: StartServer, developer: NewDeveloper, upstream: Upstream, house: Internet
) -> None:
    """A module under GOPRIVATE comes from its own repository; the upstream sees other names only."""
    server = start_server("--upstream", f"{upstream.url},direct", "--private", "corp.example")
    go = developer(server.url)
    go.project(main_package(PRIVATE, "github.com/google/uuid"))
    go.run("mod", "tidy").ok()
    assert f"{PRIVATE} v1.0.0" in (go.work / "go.mod").read_text()
    assert [each for each in upstream.requests if "corp.example" in each] == []
    assert [each for each in upstream.requests if "uuid" in each] != []
    assert house.hosts_asked <= {"corp.example", "git.corp.example"}


def test_public_setting_would_tell(start_server: StartServer, upstream: Upstream, house: Internet) -> None:
    """Positive control: without the setting, the upstream is asked for the private name, and the test would see it."""
    server = start_server("--upstream", f"{upstream.url},direct")
    assert server.get(f"/{PRIVATE}/@v/v1.0.0.info").status == 200
    assert [each for each in upstream.requests if "corp.example" in each] != []


def test_gonoproxy_takes_nothing_away(start_server: StartServer, upstream: Upstream, house: Internet) -> None:
    """Private modules stay so when GONOPROXY names others."""
    server = start_server(
        "--upstream", f"{upstream.url},direct", "--private", "corp.example/*", "--gonoproxy", "else.example"
    )
    assert server.get(f"/{PRIVATE}/@v/v1.0.0.info").status == 200
    assert upstream.requests == []


def test_private_lookups_are_refused(start_server: StartServer, house: Internet, tmp_path: Path) -> None:
    """A look-up of a private module in a checksum database is answered 403, and nobody is asked."""
    house.tree("sum.test", tmp_path)
    server = start_server("--private", "corp.example/*", "--sumdb", "sum.test=https://sum.test")
    assert server.get(f"/sumdb/sum.test/lookup/{PRIVATE}@v1.0.0").status == 403
    assert "sum.test" not in house.hosts_asked
    assert server.get("/sumdb/sum.test/lookup/public.example/x@v1.0.0").status == 404
    assert "sum.test" in house.hosts_asked


def test_private_modules_for_everybody_must_be_meant(tmp_path: Path) -> None:
    """On an address that others reach, a server with private patterns does not start: exit status 2, and why."""
    done = subprocess.run(
        program(
            "serve",
            "--data",
            str(tmp_path),
            "--listen",
            f"0.0.0.0:{free_port()}",
            "--private",
            "corp.example/*",
        ),
        env=clean_environment(tmp_path),
        capture_output=True,
        check=False,
        timeout=60,
    )
    said = done.stderr.decode()
    assert done.returncode == 2, said
    assert "private" in said
    assert "--private-to-all" in said


def test_private_rewrites_do_not_count(
    start_server: StartServer, upstream: Upstream, house: Internet, tmp_path: Path
) -> None:
    """A rewrite of a whole host is no word about a private module: its own repository is asked, or nobody."""
    house.refuse("git.corp.example", "corp.example")
    house.tree("mirror.test", tmp_path)
    rule = "https://git.corp.example/=https://mirror.test/"
    server = start_server("--upstream", upstream.url, "--private", "corp.example/*", "--rewrite", rule)
    assert server.get(f"/{PRIVATE}/@v/v1.0.0.info").status >= 500
    assert "mirror.test" not in house.hosts_asked
