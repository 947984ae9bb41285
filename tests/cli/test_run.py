"""`run` and `fetch` as their users start them, on a module proxy in a folder."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from goproxy_mirror.module.path import ModulePath
from tests.world.go import Go, clean_environment, go_binary
from tests.world.modules import MOD, PROJECT, QUOTE, Modules
from tests.world.server import program


class Command:
    """Starts commands with a home folder and a data folder of their own."""

    def __init__(self, folder: Path, upstream: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.flags = ("--data", str(self.data), "--upstream", f"{upstream.as_uri()},off", "--gosumdb", "off")

    def __call__(
        self, name: str, *arguments: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            program(name, *self.flags, *arguments),
            env=clean_environment(self.folder) | dict(env or {}),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture
def command(tmp_path: Path, modules: Modules) -> Command:
    """Commands that know the kept modules."""
    return Command(tmp_path, modules.tree)


def test_go_command(tmp_path: Path, modules: Modules, command: Command) -> None:
    """The go command gets its modules; what came from where is said at the end, in few words."""
    go = Go(tmp_path / "developer", goproxy="off")
    go.project(PROJECT)
    argv = program("run", *command.flags, "--", str(go_binary()), "mod", "tidy")
    done = subprocess.run(
        argv, env=go.env, cwd=go.work, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (go.work / "go.sum").read_text() == modules.go_sum
    told = [line for line in done.stderr.splitlines() if line.startswith("goproxy-mirror: fetched ")]
    assert len(told) == 1
    assert " files from file://" in told[0]


def test_only_goproxy_is_set(command: Command) -> None:
    """The command sees GOPROXY changed and every other setting as it was."""
    done = command(
        "run",
        "sh",
        "-c",
        "echo $GOPROXY $GOPRIVATE $GOFLAGS",
        env={"GOPRIVATE": "corp.example", "GOFLAGS": "-mod=mod", "GOPROXY": "direct"},
    )
    proxy, private, flags = done.stdout.split()
    assert proxy.startswith("http://127.0.0.1:")
    assert (private, flags) == ("corp.example", "-mod=mod")
    assert done.stderr == ""


@pytest.mark.parametrize(("script", "status"), [("exit 3", 3), ("kill -TERM $$", 143)])
def test_exit_status(command: Command, script: str, status: int) -> None:
    """The status is the command's."""
    assert command("run", "sh", "-c", script).returncode == status


def test_no_such_command(command: Command) -> None:
    """A command that is not there is 127 and a line, a file that is no program 126, as in a shell."""
    done = command("run", "gooo", "mod", "tidy")
    assert (done.returncode, done.stderr) == (
        127,
        "goproxy-mirror: run: gooo: there is no such command in PATH\n",
    )
    (command.folder / "text").touch()
    assert command("run", "./text").returncode == 126
    assert command("run", "./missing").returncode == 127
    assert not command.data.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_signals(command: Command) -> None:
    """A signal goes to the command, which may take its time; the proxy ends after it."""
    script = "trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.05; done"
    with subprocess.Popen(
        program("run", *command.flags, "sh", "-c", script),
        env=clean_environment(command.folder),
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "ready\n"
        started.send_signal(signal.SIGTERM)
        assert started.stdout.read() == "caught\n"
        assert started.wait(30) == 5


def test_own_proxy_stays_an_upstream(command: Command) -> None:
    """A server of the user's own, on the usual port, is an upstream like any other, and not this one."""
    done = command("run", "--upstream", "http://127.0.0.1:8081", "sh", "-c", "exit 0")
    assert (done.returncode, done.stderr) == (0, "")


def test_fetch(command: Command, modules: Modules) -> None:
    """Modules are fetched with all three files; the second time they are here."""
    done = command("fetch", f"{QUOTE}@v1.5.2", MOD)
    assert done.returncode == 0, done.stderr
    assert f"{QUOTE}@v1.5.2" in done.stdout
    assert "2 modules: 2 fetched" in done.stdout
    assert (command.data / "store" / QUOTE / "@v" / "v1.5.2.zip").read_bytes() == modules.file(
        QUOTE, "v1.5.2", "zip"
    )
    assert (command.data / "store" / MOD / "@v" / "v0.22.0.info").exists()
    again = command("fetch", f"{QUOTE}@v1.5.2")
    assert "1 module: 0 fetched (0 bytes), 1 here already, 0 failed" in again.stdout


def test_fetch_of_a_project(command: Command, modules: Modules) -> None:
    """What a go.mod requires and a go.sum names is fetched; go.mod files alone where nothing else is named."""
    # The go command never asked for this one's .info, so the kept tree does not have it.
    lines = [line for line in modules.go_sum.splitlines() if not line.startswith("gopkg.in/check.v1")]
    (command.folder / "go.mod").write_text(PROJECT["go.mod"])
    (command.folder / "go.sum").write_text("\n".join(lines) + "\n")
    done = command("fetch", "--go-mod", "go.mod", "--go-sum", "go.sum")
    assert done.returncode == 0, done.stdout + done.stderr
    for line in lines:
        path, version, _ = line.split()
        kind = "mod" if version.endswith("/go.mod") else "zip"
        file = f"{version.removesuffix('/go.mod')}.{kind}"
        assert (command.data / "store" / ModulePath.parse(path).escaped / "@v" / file).exists()


def test_fetch_that_fails(command: Command) -> None:
    """One module that fails does not stop the others; the status says so."""
    done = command("fetch", f"{QUOTE}@v1.5.2", f"{QUOTE}@v9.9.9", "example.com/nowhere")
    assert done.returncode == 1
    failed = sorted(line for line in done.stdout.splitlines() if line.startswith("failed"))
    assert [line.split()[1] for line in failed] == ["example.com/nowhere@latest:", f"{QUOTE}@v9.9.9:"]
    assert "3 modules: 1 fetched" in done.stdout


def test_fetch_of_what_is_off(command: Command) -> None:
    """Neither command opens anything with settings that cannot be meant."""
    done = command("fetch", "--store", str(command.folder / "go" / "pkg" / "mod"), MOD)
    assert done.returncode == 2
    assert "module cache" in done.stderr
