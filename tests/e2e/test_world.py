"""The tests' own world, with no server in it: it works for the go command alone, and its faults are faults."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.conftest import NewDeveloper
from tests.world.go import main_package
from tests.world.internet import Internet
from tests.world.modules import MOD, NESTED_PROJECT, PROJECT, Modules
from tests.world.server import fetch
from tests.world.upstream import Fault, Upstream, black_hole, closed_port


def test_go_reads_the_upstream(upstream: Upstream, developer: NewDeveloper, modules: Modules) -> None:
    """The local upstream serves the go command as a real one does."""
    go = developer(upstream.url)
    go.project(PROJECT)
    go.run("mod", "tidy").ok()
    assert go.go_sum() == modules.go_sum


@pytest.mark.parametrize("kind", ["status", "truncate", "long", "short", "html", "outage"])
def test_faults_break_the_go_command(kind: str, upstream: Upstream, developer: NewDeveloper) -> None:
    """Positive control: each fault of an upstream fails a go command that asks it directly."""
    upstream.break_with(Fault(kind, where=r"\.zip$"))  # type: ignore[arg-type]
    go = developer(upstream.url)
    go.project(main_package())
    go.run("mod", "download", f"{MOD}@v0.22.0").failed()


def test_go_builds_the_published_module_from_the_repository(
    internet: Internet, developer: NewDeveloper, modules: Modules, mod_repository: Path
) -> None:
    """The go command in direct mode builds the published hash from the repository made of real content."""
    for path in ("", "/semver", "/sumdb", "/sumdb/note"):
        internet.page(f"golang.org/x/mod{path}", "golang.org/x/mod git https://go.googlesource.com/mod")
    internet.repository("go.googlesource.com/mod", mod_repository)
    go = developer("direct", internet.env())
    go.project(NESTED_PROJECT)
    go.run("mod", "tidy").ok()
    assert go.go_sum() == modules.nested_go_sum
    assert internet.hosts_asked == {"golang.org", "go.googlesource.com"}


def test_what_is_not_there_cannot_be_reached(internet: Internet, developer: NewDeveloper) -> None:
    """Positive control: an Internet without that host fails the same command."""
    go = developer("direct", internet.env())
    go.project(NESTED_PROJECT)
    go.run("mod", "tidy").failed()


def test_addresses_that_do_not_answer() -> None:
    """A closed port refuses, and a black hole lets nobody in."""
    with closed_port() as refused, pytest.raises(ConnectionRefusedError):
        fetch(int(refused.rsplit(":", 1)[1]), "/")
    with black_hole() as silent, socket.socket() as client:
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.connect(("127.0.0.1", int(silent.rsplit(":", 1)[1])))
