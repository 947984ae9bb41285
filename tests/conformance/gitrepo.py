"""Making git repositories for tests: the same commit ids at every run, no configuration of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


class GitRepo:
    """A repository being made; `at` sets the clock, `raw` puts bytes into the index past every attribute."""

    def __init__(self, out: Path, name: str, object_format: str = "sha1") -> None:
        self.folder = out / name
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_AUTHOR_NAME": "Fix Ture",
            "GIT_AUTHOR_EMAIL": "fix@x.test",
            "GIT_COMMITTER_NAME": "Fix Ture",
            "GIT_COMMITTER_EMAIL": "fix@x.test",
            "TZ": "UTC",
            "LC_ALL": "C.UTF-8",
        }
        self.at("2024-01-02T03:04:05+00:00")
        self.git("init", "-q", "-b", "main", f"--object-format={object_format}")
        self.git("config", "core.autocrlf", "false")
        self.git("config", "core.symlinks", "true")
        self.git("config", "core.ignorecase", "false")

    def at(self, committed: str, authored: str | None = None) -> None:
        self.env["GIT_COMMITTER_DATE"] = committed
        self.env["GIT_AUTHOR_DATE"] = authored or committed

    def day(self, day: str) -> None:
        self.at(f"2024-{day}T00:00:00+00:00")

    def git(self, *arguments: str, given: bytes | None = None) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env=self.env, capture_output=True, input=given, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{self.folder}: git {arguments}: {done.stderr.decode()}")
        return done.stdout.decode().strip()

    def raw(self, path: str | bytes, data: str | bytes, mode: str = "100644") -> str:
        blob = self.git(
            "hash-object",
            "-w",
            "--stdin",
            "--no-filters",
            given=data if isinstance(data, bytes) else data.encode(),
        )
        self.entry(path, blob, mode)
        return blob

    def entry(self, path: str | bytes, object_id: str, mode: str = "100644") -> None:
        name = path if isinstance(path, bytes) else path.encode()
        line = f"{mode} {object_id}\t".encode() + name + b"\0"
        self.git("update-index", "-z", "--add", "--index-info", given=line)

    def clear(self) -> None:
        self.git("read-tree", "--empty")

    def drop(self, path: str) -> None:
        self.git("rm", "-q", "--cached", path)

    def commit(self, message: str = "c") -> str:
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def tag(self, *names: str) -> None:
        for name in names:
            self.git("tag", name)
