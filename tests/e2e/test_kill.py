"""`kill -9` at many moments of a fetch: after a restart nothing partial is served, and the fetch succeeds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.conftest import NewDeveloper, StartServer
from tests.world.modules import PROJECT, Modules
from tests.world.polling import eventually
from tests.world.server import Server
from tests.world.store import damaged_files, published_files
from tests.world.upstream import Fault, Upstream

BASE = "/golang.org/x/mod/@v/v0.22.0"


def begin(server: Server, path: str, pool: ThreadPoolExecutor) -> None:
    """Ask for a path and forget about the answer."""

    def ask() -> None:
        with suppress(OSError, HTTPException):
            server.get(path)

    pool.submit(ask)


@pytest.mark.parametrize("fault", [Fault("drip"), Fault("hang")], ids=["drip", "hang"])
def test_killed_while_files_arrive(
    fault: Fault, start_server: StartServer, upstream: Upstream, modules: Modules
) -> None:
    """Files of which only a part had arrived do not exist after the restart, and are fetched anew."""
    server = start_server("--upstream", upstream.url)
    upstream.break_with(fault)
    paths = [f"{BASE}.{kind}" for kind in ("zip", "mod", "info")]
    with ThreadPoolExecutor() as pool:
        for path in paths:
            begin(server, path, pool)
        eventually(lambda: all(upstream.asked[path] for path in paths))
        server.kill()
    upstream.mend()
    assert published_files(server.store) == []
    server.start()
    assert [server.get(path).status for path in paths] == [200, 200, 200]
    assert damaged_files(server.store, modules.tree) == []


def test_killed_at_many_moments_of_a_download(
    start_server: StartServer, upstream: Upstream, modules: Modules, developer: NewDeveloper
) -> None:
    """Killed after the first, the second, the third … answer of the upstream, the store is whole every time."""
    server = start_server("--upstream", upstream.url)
    paths = [
        f"/{escaped}/@v/{file.name}"
        for escaped, version, zip_ in modules.zips()
        for file in zip_.parent.glob(f"{version}.*")
    ]
    for moment in range(1, len(paths), 7):
        upstream.requests.clear()
        with ThreadPoolExecutor(8) as pool:
            for path in paths:
                begin(server, path, pool)
            eventually(lambda moment=moment: len(upstream.requests) >= moment or whole(server, paths))  # type: ignore[misc]
            server.kill()
        assert damaged_files(server.store, modules.tree) == []
        server.start()
    go = developer(server.url)
    go.project(PROJECT)
    go.run("mod", "tidy").ok()
    assert go.go_sum() == modules.go_sum
    assert damaged_files(server.store, modules.tree) == []


def test_leftovers_are_cleared(start_server: StartServer, upstream: Upstream) -> None:
    """What a killed fetch left behind is removed once the server runs again."""
    server = start_server("--upstream", upstream.url)
    upstream.break_with(Fault("drip", where=r"\.zip$"))
    with ThreadPoolExecutor() as pool:
        begin(server, f"{BASE}.zip", pool)
        eventually(lambda: upstream.asked[f"{BASE}.zip"])
        server.kill()
    upstream.mend()
    server.start()
    assert server.get(f"{BASE}.zip").status == 200
    eventually(lambda: not any(path.is_file() for path in (server.store / ".tmp").rglob("*")))


def test_a_partial_file_would_be_seen(tmp_path: Path, modules: Modules) -> None:
    """Positive control: a store with half a zip in it is called damaged."""
    zip_ = tmp_path / f"{BASE.lstrip('/')}.zip"
    zip_.parent.mkdir(parents=True)
    whole_zip = modules.file("golang.org/x/mod", "v0.22.0", "zip")
    zip_.write_bytes(whole_zip[: len(whole_zip) // 2])
    assert damaged_files(tmp_path, modules.tree) == [f"{BASE.lstrip('/')}.zip"]


def whole(server: Server, paths: list[str]) -> bool:
    """Whether everything is stored, so that the upstream will not be asked again."""
    return len(published_files(server.store)) == len(paths)
