"""The real go command through the running server, on real modules behind one upstream."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.conftest import NewDeveloper, StartServer
from tests.world.go import Go, main_package
from tests.world.modules import (
    HELLO,
    HELLO_VERSION,
    MOD,
    MOD_VERSIONS,
    NESTED_PROJECT,
    PROJECT,
    TOML,
    Modules,
)
from tests.world.server import Server
from tests.world.upstream import Upstream


@pytest.fixture
def server(start_server: StartServer, upstream: Upstream) -> Server:
    """A server with one upstream and nothing else."""
    return start_server("--upstream", upstream.url)


def test_mod_tidy_makes_the_published_go_sum(
    server: Server, developer: NewDeveloper, modules: Modules
) -> None:
    """`go mod tidy` with an empty module cache ends with the go.sum that the world outside gave."""
    go = developer(server.url)
    go.project(PROJECT)
    go.run("mod", "tidy").ok()
    assert go.go_sum() == modules.go_sum


def test_tidied_project_builds(server: Server, developer: NewDeveloper) -> None:
    """What came through the server compiles."""
    go = developer(server.url)
    go.project(PROJECT)
    go.run("mod", "tidy").ok()
    go.run("build", "-o", str(go.bin), "./...").ok()


def test_mod_download(
    server: Server, developer: NewDeveloper, without_proxy: Callable[..., Go], upstream: Upstream
) -> None:
    """`go mod download` gives the same go.sum with and without the proxy, and the second developer asks no upstream."""
    straight = without_proxy(PROJECT, "mod", "download")
    first = developer(server.url)
    first.project(PROJECT)
    first.run("mod", "download").ok()
    assert first.go_sum() == straight.go_sum()
    fetched = upstream.asked.total()
    assert fetched > 0
    second = developer(server.url)
    second.project(PROJECT)
    second.run("mod", "download").ok()
    assert second.go_sum() == straight.go_sum()
    assert upstream.asked.total() == fetched


def test_downloaded_files_are_the_published_ones(
    server: Server, developer: NewDeveloper, modules: Modules
) -> None:
    """`.mod` and `.zip` arrive byte for byte; `.info` says the same."""
    go = developer(server.url)
    go.project(PROJECT)
    done = go.run("mod", "download", "-json", f"{TOML}@v0.3.1").ok()
    assert json.loads(done.stdout)["Version"] == "v0.3.1"
    escaped = "github.com/!burnt!sushi/toml"
    for kind in ("mod", "zip"):
        assert go.downloaded(escaped, "v0.3.1", kind) == modules.file(escaped, "v0.3.1", kind)
    said, published = (
        json.loads(each)
        for each in (go.downloaded(escaped, "v0.3.1", "info"), modules.file(escaped, "v0.3.1", "info"))
    )
    assert (said["Version"], said["Time"]) == (published["Version"], published["Time"])


def test_nested_packages_ask_every_prefix(server: Server, developer: NewDeveloper, modules: Modules) -> None:
    """`go mod tidy` finds the module of a package three levels below it, at its newest version."""
    go = developer(server.url)
    go.project(NESTED_PROJECT)
    go.run("mod", "tidy").ok()
    assert go.go_sum() == modules.nested_go_sum
    assert server.get("/golang.org/x/mod/sumdb/note/@v/list").status == 404


def test_list_versions(server: Server, developer: NewDeveloper) -> None:
    """`go list -m -versions` names exactly the versions that there are."""
    go = developer(server.url)
    go.project(main_package())
    listed = go.run("list", "-m", "-versions", MOD).ok()
    assert listed.stdout.split() == [MOD, *MOD_VERSIONS]


def test_get_latest(server: Server, developer: NewDeveloper) -> None:
    """`go get x@latest` takes the newest release."""
    go = developer(server.url)
    go.project(main_package())
    go.run("get", f"{MOD}@latest").ok()
    assert f"{MOD} {MOD_VERSIONS[-1]}" in (go.work / "go.mod").read_text()


def test_install_latest_without_tags(server: Server, developer: NewDeveloper) -> None:
    """`go install x@latest` works for a module that has no release: `@latest` names a pseudo-version."""
    go = developer(server.url)
    go.run("install", f"{HELLO}@latest").ok()
    assert (go.bin / "hello").exists()
    assert (go.modcache / "cache/download" / HELLO / "@v" / f"{HELLO_VERSION}.zip").exists()


def test_mod_files_come_without_zips(server: Server, developer: NewDeveloper, upstream: Upstream) -> None:
    """Resolving a module graph fetches `.mod` files and no zip."""
    go = developer(server.url)
    go.project(PROJECT)
    go.run("mod", "graph").ok()
    assert any(path.endswith(".mod") for path in upstream.asked)
    assert not any(path.endswith(".zip") for path in upstream.asked)


def test_absent_module_is_reported_as_absent(server: Server, developer: NewDeveloper) -> None:
    """The go command prints the reason for a module that nobody has, and may look elsewhere."""
    go = developer(server.url)
    go.project(main_package())
    failed = go.run("get", "rsc.io/nosuchmodule@v1.0.0").failed()
    assert "404 Not Found" in failed.stderr
    assert "not found" in failed.stderr
