"""The go command in direct mode, offline: local repositories stand for URLs, a local site for go-import pages."""

from __future__ import annotations

import json
import os
import subprocess
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goproxy_mirror.ports import RepoRoot
from goproxy_mirror.vcs.gocommand import direct_environment, git_instead, json_values
from tests.world.go import go_binary
from tests.world.internet import Internet

BATCH = 80
VANITY = "vanity.test"


@dataclass(frozen=True)
class Subject:
    """A repository under test, and the module path that its root stands for on github.com."""

    folder: Path
    path: str
    roots: dict[str, RepoRoot] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"https://{self.path}"

    def git(self, *arguments: str) -> str:
        env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
        command = ["git", "-c", "safe.directory=*", *arguments]
        done = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, check=True)
        return done.stdout.decode(errors="replace")

    def root_of(self, path: str) -> RepoRoot:
        """Where a module path's repository is: by a go-import page, or as github.com has it."""
        return self.roots.get(path) or RepoRoot(self.path, "git", self.url)

    def publish(self, internet: Internet) -> None:
        """Give the repository go-import pages: on gopkg.in, for a folder, and for a whole path with its major."""
        name = self.path.rpartition("/")[2].lower()
        for suffix in ("v0", "v1", "v2", "v3", "v2-unstable"):
            root = f"gopkg.in/{name}.{suffix}"
            self._publish(internet, RepoRoot(root, "git", self.url), "")
        for rest in ("", "/v2", "/x", "/x/v3"):
            self._publish(internet, RepoRoot(f"{VANITY}/{name}", "git", self.url, "sub"), rest)
        self._publish(internet, RepoRoot(f"{VANITY}/whole/{name}/v2", "git", self.url), "")

    def _publish(self, internet: Internet, root: RepoRoot, rest: str) -> None:
        internet.page(root.root + rest, f"{root.root} git {root.url} {root.subdir}".strip())
        self.roots[root.root + rest] = root


class Reference:
    """The go command in direct mode, with a cache of its own; https://ROOT is the local repository."""

    def __init__(self, folder: Path, subject: Subject, env: Mapping[str, str]) -> None:
        self.env = go_environment(folder, {subject.url: subject.folder.as_uri()}) | dict(env)
        self.folder = folder
        self.seconds = 0.0

    def run(self, *arguments: str) -> list[dict[str, Any]]:
        """The JSON values that a go command prints, whatever its exit status."""
        started = time.monotonic()
        done = subprocess.run(
            [str(go_binary()), *arguments], cwd=self.folder, env=self.env, capture_output=True, check=False
        )
        self.seconds += time.monotonic() - started
        values = json_values(done.stdout.decode())
        if not values:
            raise RuntimeError(f"go {' '.join(arguments[:3])}: {done.stderr.decode()}")
        return values

    def download(self, asked: Sequence[tuple[str, str]]) -> Iterator[dict[str, Any]]:
        for start in range(0, len(asked), BATCH):
            batch = asked[start : start + BATCH]
            answers = self.run("mod", "download", "-json", *(f"{path}@{query}" for path, query in batch))
            if len(answers) != len(batch):
                raise RuntimeError(f"{len(batch)} modules were asked for, {len(answers)} were answered")
            yield from (self._read(answer) for answer in answers)

    def _read(self, answer: dict[str, Any]) -> dict[str, Any]:
        if not answer.get("Info"):
            return {"refused": answer.get("Error", "")}
        info = json.loads(Path(answer["Info"]).read_text())
        info["Origin"].pop("Ref", None)
        found = {"info": info, "mod": Path(answer["GoMod"]).read_bytes(), "mod h1": answer.get("GoModSum")}
        if answer.get("Sum"):
            found["h1"] = answer["Sum"]
            found["files"] = names_in(Path(answer["Zip"]))
        elif "requires go >=" not in answer["Error"]:  # that is the client's own limit
            found["no zip"] = answer["Error"]
        return found


def go_environment(folder: Path, instead: Mapping[str, str]) -> dict[str, str]:
    """An environment for the go command in direct mode: everything it keeps is in `folder`.

    `instead` names for a repository's URL the one that git is to use instead of it.
    """
    return {"PATH": os.environ["PATH"], **direct_environment(folder), **git_instead(folder, instead)}


def names_in(file: Path) -> list[str]:
    """The names in a module zip, in order, below `module@version/`."""
    with zipfile.ZipFile(file) as archive:
        return [info.filename.partition("@")[2].partition("/")[2] for info in archive.infolist()]
