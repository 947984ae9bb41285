"""Git repositories made from module zips, so that what is built from them can be held against published hashes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.world.go import clean_environment
from tests.world.zips import contents

AFTER = "2025-06-01T12:00:00Z"
"""When the commit after the newest tag was made."""


@dataclass(frozen=True)
class Commit:
    """One commit to make: its files, its time (RFC 3339), and the tags and branches that point at it."""

    files: dict[str, bytes]
    time: str
    tags: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()


def write_repository(folder: Path, commits: Sequence[Commit]) -> Path:
    """A bare repository with these commits in one line of history; the same ids at every run.

    `main` is the default branch and points at the last commit.
    """
    folder.mkdir(parents=True)
    stream: list[bytes] = []
    for number, commit in enumerate(commits, 1):
        seconds = int(datetime.fromisoformat(commit.time).timestamp())
        stream += [b"commit refs/heads/main\n", f"mark :{number}\n".encode()]
        stream += [
            f"committer Fix Ture <fix@x.test> {seconds} +0000\n".encode(),
            b"data 1\nc\n",
            b"deleteall\n",
        ]
        for name, data in commit.files.items():
            stream += [f"M 100644 inline {name}\n".encode(), f"data {len(data)}\n".encode(), data, b"\n"]
        refs = [f"refs/tags/{each}" for each in commit.tags] + [
            f"refs/heads/{each}" for each in commit.branches
        ]
        stream += [f"reset {ref}\nfrom :{number}\n\n".encode() for ref in refs]
    git(folder, "init", "-q", "--bare", "-b", "main")
    git(folder, "fast-import", "--quiet", stdin=b"".join(stream))
    return folder


def repository_of_module(folder: Path, tree: Path, path: str, versions: Sequence[str]) -> Path:
    """A repository of real module content: each version's zip as a commit of its time, tagged; then one commit more.

    The commit after the newest tag is on `main` and on the branch `dev`, and adds a file `after.txt`.
    """
    escaped = "".join(f"!{c.lower()}" if c.isupper() else c for c in path)
    commits, files = [], {}
    for version in versions:
        info = json.loads((tree / escaped / "@v" / f"{version}.info").read_text())
        files = contents(tree / escaped / "@v" / f"{version}.zip", f"{path}@{version}")
        commits.append(Commit(files, info["Time"], tags=(version,)))
    commits.append(Commit(files | {"after.txt": b"after the newest tag\n"}, AFTER, branches=("dev",)))
    return write_repository(folder, commits)


def git(folder: Path, *argv: str, stdin: bytes = b"") -> str:
    """Run git in a folder, away from any settings of the machine; what it printed, stripped."""
    done = subprocess.run(
        ["git", *argv],
        cwd=folder,
        env=clean_environment(folder),
        input=stdin,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, f"git {' '.join(argv)}: {done.stderr.decode('utf-8', 'replace')}"
    return done.stdout.decode().strip()
