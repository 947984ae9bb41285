"""`goproxy-mirror run` and `goproxy-mirror fetch`: a proxy for one command, and a store filled ahead."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conftest import NewDeveloper
from tests.world.go import Go, go_binary
from tests.world.internet import Internet
from tests.world.modules import MOD, NESTED_PROJECT, PROJECT, Modules
from tests.world.server import program
from tests.world.store import published_files
from tests.world.upstream import Upstream


def command(
    go: Go, *arguments: str, env: Mapping[str, str] | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the program as a developer does: in the project folder, with the developer's own environment."""
    without = {name: value for name, value in go.env.items() if name != "GOPROXY"}
    return subprocess.run(
        program(*arguments),
        cwd=go.work,
        env=without | dict(env or {}),
        capture_output=True,
        check=False,
        timeout=120,
        text=True,
        input=stdin,
    )


@pytest.fixture
def go(developer: NewDeveloper, internet: Internet) -> Go:
    """A developer in the tests' Internet."""
    return developer("off", internet.env())


def test_one_command_on_a_bad_network(
    go: Go, internet: Internet, modules: Modules, mod_repository: Path, tmp_path: Path
) -> None:
    """`goproxy-mirror run -- go mod tidy` works with no setting at all where only github.com can be reached."""
    internet.repository("github.com/golang/mod", mod_repository)
    go.project(NESTED_PROJECT)
    done = command(go, "run", "--data", str(tmp_path / "data"), "--", str(go_binary()), "mod", "tidy")
    assert done.returncode == 0, done.stderr
    assert go.go_sum() == modules.nested_go_sum
    assert "github.com/golang/mod" in done.stdout + done.stderr


def test_run_passes_the_exit_status_and_streams(go: Go, upstream: Upstream, tmp_path: Path) -> None:
    """The command's exit status, output and input are its own."""
    common = ("run", "--data", str(tmp_path / "data"), "--upstream", upstream.url, "--")
    go.project(NESTED_PROJECT)
    assert command(go, *common, "sh", "-c", "exit 7").returncode == 7
    echoed = command(go, *common, "cat", stdin="said to the command\n")
    assert echoed.stdout == "said to the command\n"
    assert command(go, *common, "no-such-command-anywhere").returncode == 127


def test_run_sets_goproxy_and_leaves_the_rest(go: Go, upstream: Upstream, tmp_path: Path) -> None:
    """GOPROXY leads to the started proxy; GOSUMDB, GOFLAGS and the others are what they were."""
    common = ("run", "--data", str(tmp_path / "data"), "--upstream", upstream.url, "--")
    go.project(NESTED_PROJECT)
    done = command(go, *common, str(go_binary()), "env", "GOPROXY", "GOSUMDB", "GOFLAGS", "GONOPROXY")
    goproxy, gosumdb, goflags, gonoproxy = done.stdout.splitlines()
    assert goproxy.startswith("http://127.0.0.1:")
    assert (gosumdb, goflags, gonoproxy) == ("off", go.env["GOFLAGS"], "")


def test_fetch_fills_the_store(go: Go, upstream: Upstream, modules: Modules, tmp_path: Path) -> None:
    """`fetch MODULE@VERSION` and `fetch MODULE` leave all three files of the version and of the newest one."""
    go.project(NESTED_PROJECT)
    common = ("--data", str(tmp_path / "data"), "--upstream", upstream.url)
    done = command(go, "fetch", *common, f"{MOD}@v0.20.0", MOD)
    assert done.returncode == 0, done.stderr
    wanted = {
        f"{MOD}/@v/{version}{kind}"
        for version in ("v0.20.0", "v0.22.0")
        for kind in (".info", ".mod", ".zip")
    }
    assert set(published_files(tmp_path / "data/store")) == wanted


@pytest.mark.parametrize("file", ["go.sum", "go.mod"])
def test_fetch_what_a_project_needs(
    file: str, go: Go, upstream: Upstream, developer: NewDeveloper, modules: Modules, tmp_path: Path
) -> None:
    """`fetch --go-sum go.sum` fills a store from which the project builds with nothing else reachable."""
    go.project({**PROJECT, "go.sum": modules.go_sum})
    flag = f"--{file.replace('.', '-')}"
    done = command(go, "fetch", "--data", str(tmp_path / "data"), "--upstream", upstream.url, flag, file)
    assert done.returncode == 0, done.stderr
    if file == "go.sum":
        offline = developer((tmp_path / "data/store").as_uri())
        offline.project({**PROJECT, "go.sum": modules.go_sum})
        offline.run("mod", "tidy").ok()
        assert offline.go_sum() == modules.go_sum
    else:
        assert f"{MOD}/@v/v0.20.0.zip" in published_files(tmp_path / "data/store")


def test_fetch_of_what_is_not_there(go: Go, upstream: Upstream, tmp_path: Path) -> None:
    """A module that nobody has: the others are fetched, the missing one is named, and the exit status is 1."""
    go.project(NESTED_PROJECT)
    common = ("--data", str(tmp_path / "data"), "--upstream", upstream.url)
    done = command(go, "fetch", *common, "rsc.io/nosuchmodule@v1.0.0", f"{MOD}@v0.20.0")
    assert done.returncode == 1
    assert "rsc.io/nosuchmodule" in done.stdout + done.stderr
    assert f"{MOD}/@v/v0.20.0.zip" in published_files(tmp_path / "data/store")
