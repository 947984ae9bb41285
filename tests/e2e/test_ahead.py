"""The real go command with nothing in its cache, through a server that fetches ahead, to an upstream that keeps a record."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import NewDeveloper, StartServer
from tests.world.go import Go, main_package
from tests.world.modules import write_lists
from tests.world.polling import eventually
from tests.world.upstream import Upstream
from tests.world.zips import write_zip

DEPTH = 12
HOST = "old.example.test"


def module(tree: Path, name: str, *required: str) -> None:
    """A module of go 1.16, as an upstream has it."""
    path = f"{HOST}/{name}"
    folder = tree / path / "@v"
    folder.mkdir(parents=True)
    lines = "".join(f"require {HOST}/{each} v1.0.0\n" for each in required)
    mod = f"module {path}\n\ngo 1.16\n\n{lines}".encode()
    (folder / "v1.0.0.mod").write_bytes(mod)
    (folder / "v1.0.0.info").write_text('{"Version":"v1.0.0","Time":"2024-01-02T03:04:05Z"}')
    write_zip(folder / "v1.0.0.zip", f"{path}@v1.0.0", {"go.mod": mod, "a.go": b"package a\n"})


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chain of modules, each of which requires the next and one that requires nothing."""
    folder = tmp_path_factory.mktemp("tree")
    for number in range(DEPTH):
        deeper = [f"m{number + 1:02d}"] if number + 1 < DEPTH else []
        module(folder, f"m{number:02d}", *deeper, f"leaf{number:02d}")
        module(folder, f"leaf{number:02d}")
    write_lists(folder)
    return folder


@pytest.fixture
def upstream(tree: Path) -> Iterator[Upstream]:
    with Upstream(tree) as running:
        yield running


def project(go: Go) -> None:
    """A project that requires the first of the chain."""
    go.project(main_package(go_mod=f"require {HOST}/m00 v1.0.0\n") | {"go.sum": ""})


def of_kind(upstream: Upstream, ending: str) -> list[str]:
    """What the upstream was asked for, as often as it was."""
    return sorted(path for path in upstream.asked.elements() if path.endswith(ending))


def test_one_mod_brings_all_below_it_and_no_zip(
    start_server: StartServer, developer: NewDeveloper, upstream: Upstream
) -> None:
    """One `.mod` is asked for, and all that stand below it are fetched; the go command then finds them there."""
    server = start_server("--upstream", upstream.url)
    assert server.get(f"/{HOST}/m00/@v/v1.0.0.mod").status == 200
    eventually(lambda: len(of_kind(upstream, ".mod")) == 2 * DEPTH, what="the .mod files below")
    assert of_kind(upstream, ".mod") == sorted(set(of_kind(upstream, ".mod")))
    go = developer(server.url)
    project(go)
    listed = go.run("list", "-mod=mod", "-m", "all").ok().stdout
    assert len(listed.splitlines()) == 2 * DEPTH + 1
    assert len(of_kind(upstream, ".mod")) == 2 * DEPTH, "nothing was fetched twice"
    assert len(of_kind(upstream, ".info")) == 2 * DEPTH
    assert of_kind(upstream, ".zip") == []
    # The control: this upstream would have seen a zip.
    go.run("mod", "download", f"{HOST}/leaf03@v1.0.0").ok()
    assert len(of_kind(upstream, ".zip")) == 1
    server.stop()
    assert re.search(r"fetched ahead +files=(\d+) used=\1 wasted=0", server.log())


def test_it_can_be_switched_off(
    start_server: StartServer, developer: NewDeveloper, upstream: Upstream
) -> None:
    """With `fetch_ahead = 0` a command is answered as well, and nothing is fetched that was not asked for."""
    server = start_server("--upstream", upstream.url, "--fetch-ahead", "0")
    assert server.get(f"/{HOST}/m05/@v/v1.0.0.mod").status == 200
    go = developer(server.url)
    project(go)
    go.run("list", "-mod=mod", "-m", "all").ok()
    assert len(of_kind(upstream, ".mod")) == 2 * DEPTH
    server.stop()
    assert "fetched ahead" not in server.log()


def test_waste_is_told(start_server: StartServer, upstream: Upstream) -> None:
    """What nobody asked for is in the log at the end."""
    server = start_server("--upstream", upstream.url)
    server.get(f"/{HOST}/m{DEPTH - 2:02d}/@v/v1.0.0.mod")
    eventually(lambda: len(of_kind(upstream, ".mod")) == 4, what="the .mod files below")
    server.get(f"/{HOST}/leaf{DEPTH - 1:02d}/@v/v1.0.0.mod")
    server.stop()
    assert "fetched ahead" in server.log()
    assert "files=3 used=1 wasted=2" in server.log()
