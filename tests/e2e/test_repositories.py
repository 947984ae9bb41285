"""Modules built from their own repositories, held against what the go command itself builds from the same ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import NewDeveloper, StartServer
from tests.world.go import Go, main_package
from tests.world.internet import Internet
from tests.world.modules import MOD, MOD_VERSIONS, NESTED_PROJECT, Modules
from tests.world.repositories import git
from tests.world.server import Server


@pytest.fixture
def origin(internet: Internet, mod_repository: Path) -> Internet:
    """golang.org names the repository of x/mod at its origin, and both can be reached."""
    for path in ("", "/semver", "/sumdb", "/sumdb/note"):
        internet.page(f"golang.org/x/mod{path}", "golang.org/x/mod git https://go.googlesource.com/mod")
    internet.repository("go.googlesource.com/mod", mod_repository)
    return internet


@pytest.fixture
def server(start_server: StartServer, origin: Internet) -> Server:
    """A server that builds everything from the origins."""
    return start_server("--upstream", "direct", "--no-builtin-mirrors")


@pytest.fixture
def straight(developer: NewDeveloper, origin: Internet) -> Go:
    """A developer whose go command asks the origins itself."""
    return developer("direct", origin.env())


def test_mod_tidy_from_the_origin(
    server: Server, straight: Go, developer: NewDeveloper, modules: Modules, origin: Internet
) -> None:
    """`go mod tidy` through the server ends with the published go.sum, built from git alone."""
    go = developer(server.url)
    go.project(NESTED_PROJECT)
    go.run("mod", "tidy").ok()
    assert go.go_sum() == modules.nested_go_sum
    straight.project(NESTED_PROJECT)
    straight.run("mod", "tidy").ok()
    assert straight.go_sum() == modules.nested_go_sum


def test_queries_mean_what_they_mean_to_go(
    server: Server, straight: Go, developer: NewDeveloper, mod_repository: Path
) -> None:
    """`go get x@query` chooses the version and writes the go.sum that it would without the proxy."""
    commit = git(mod_repository, "rev-parse", "refs/heads/dev")
    go = developer(server.url)
    for query in ("dev", "main", "v0", "v0.21", commit, commit[:12], "<v0.22.0", "latest"):
        for each in (go, straight):
            each.project(main_package(f"{MOD}/semver"))
            each.run("get", f"{MOD}@{query}").ok()
            each.run("mod", "tidy").ok()
        assert go.go_sum() == straight.go_sum(), query
        assert (go.work / "go.mod").read_text() == (straight.work / "go.mod").read_text(), query


def test_versions_are_the_repository_s_tags(server: Server, developer: NewDeveloper) -> None:
    """`go list -m -versions` reads the tags."""
    go = developer(server.url)
    go.project(main_package())
    assert go.run("list", "-m", "-versions", MOD).ok().stdout.split() == [MOD, *MOD_VERSIONS]


def test_info_is_what_go_writes(server: Server, straight: Go, developer: NewDeveloper) -> None:
    """The `.info` names the same version, time, commit and repository."""
    go = developer(server.url)
    found = []
    for each in (go, straight):
        each.project(main_package())
        each.run("mod", "download", f"{MOD}@v0.21.0").ok()
        found.append(json.loads(each.downloaded(MOD, "v0.21.0", "info")))
    ours, theirs = found
    assert (ours["Version"], ours["Time"]) == (theirs["Version"], theirs["Time"])
    assert ours["Origin"]["Hash"] == theirs["Origin"]["Hash"]
    assert ours["Origin"]["URL"] == theirs["Origin"]["URL"]


def test_origin_that_a_page_names_must_be_public(start_server: StartServer, origin: Internet) -> None:
    """A page that leads to this machine's own addresses is refused, and the refusal names the flag that allows it."""
    origin.page("golang.org/x/inside", "golang.org/x/inside git https://127.0.0.1/inside")
    server = start_server("--upstream", "direct", "--no-builtin-mirrors")
    answer = server.get("/golang.org/x/inside/@v/list")
    assert answer.status == 403
    assert "--allow-address" in answer.text
    assert "127.0.0.1" not in origin.hosts_asked
