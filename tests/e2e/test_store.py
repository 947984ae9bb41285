"""The store as others see it: the go command reads ours, and we read what other programs left."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.conftest import NewDeveloper, StartServer
from tests.world.go import clean_environment
from tests.world.modules import NESTED_PROJECT, PROJECT, Modules
from tests.world.server import program
from tests.world.upstream import Upstream


def test_store_is_a_file_proxy(
    start_server: StartServer, developer: NewDeveloper, modules: Modules, upstream: Upstream
) -> None:
    """With the server gone, the go command reads the store itself through `GOPROXY=file://…`."""
    server = start_server("--upstream", upstream.url)
    first = developer(server.url)
    first.project(PROJECT)
    first.run("mod", "tidy").ok()
    server.stop()
    second = developer(server.store.as_uri())
    second.project(PROJECT)
    second.run("mod", "tidy").ok()
    assert second.go_sum() == modules.go_sum


def test_store_lists_what_it_holds(
    start_server: StartServer, developer: NewDeveloper, upstream: Upstream
) -> None:
    """`@v/list` in the store names the versions that are there, so `go list -m -versions` works on the folder."""
    server = start_server("--upstream", upstream.url)
    for version in ("v0.21.0", "v0.22.0"):
        for kind in ("info", "mod"):
            assert server.get(f"/golang.org/x/mod/@v/{version}.{kind}").status == 200
    server.stop()
    go = developer(server.store.as_uri())
    go.project({"go.mod": "module example.com/project\n"})
    listed = go.run("list", "-m", "-versions", "golang.org/x/mod").ok().stdout.split()
    assert listed == ["golang.org/x/mod", "v0.21.0", "v0.22.0"]


def test_old_go_cache_is_an_upstream(
    start_server: StartServer, developer: NewDeveloper, modules: Modules
) -> None:
    """The download folder of a go command's module cache serves a whole team, with nothing else reachable."""
    server = start_server("--upstream", (modules.modcache / "cache/download").as_uri())
    go = developer(server.url)
    go.project(PROJECT)
    go.run("mod", "download").ok()
    go.run("mod", "tidy").ok()
    assert go.go_sum() == modules.go_sum


def test_store_inside_a_module_cache_is_refused(tmp_path: Path) -> None:
    """Sharing the go command's own folder would race with it: exit status 2, and one line that says why."""
    modcache = tmp_path / "modcache"
    (modcache / "cache/download").mkdir(parents=True)
    done = subprocess.run(
        program("serve", "--data", str(tmp_path / "data"), "--store", str(modcache / "cache/download")),
        env=clean_environment(tmp_path) | {"GOMODCACHE": str(modcache)},
        capture_output=True,
        check=False,
        timeout=60,
    )
    said = done.stderr.decode()
    assert done.returncode == 2, said
    assert "module cache" in said or "GOMODCACHE" in said


def test_store_of_another_server_is_an_upstream(
    start_server: StartServer, developer: NewDeveloper, modules: Modules, upstream: Upstream
) -> None:
    """One server's store, copied to a machine without network, feeds the next server."""
    first = start_server("--upstream", upstream.url, name="first")
    go = developer(first.url)
    go.project(NESTED_PROJECT)
    go.run("mod", "tidy").ok()
    first.stop()
    second = start_server("--upstream", first.store.as_uri(), name="second")
    again = developer(second.url)
    again.project(NESTED_PROJECT)
    again.run("mod", "tidy").ok()
    assert again.go_sum() == modules.nested_go_sum
