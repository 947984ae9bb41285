"""Where the conformance cases' repositories and go-import pages are: the fixtures and the toolchain's own scripts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock

from goproxy_mirror.ports import RepoRoot
from tests.conformance import fixtures
from tests.conformance.vcstest_replay import read_txtar, replay_all, replay_mercurial
from tests.world.go import go_binary
from tests.world.mercurial import mercurial

HERE = Path(__file__).parent

_VCSTEST_HOST = "vcs-test.golang.org"
MERCURIAL = f"{_VCSTEST_HOST}/hg"
_URLS = (
    (re.compile(r"https://github\.com/rsc/(vgotest1)"), "vcstest"),
    (re.compile(r"https://github\.com/x/([^/]+)"), "fixtures"),
    (re.compile(r"https://x\.test/git/([^/]+)"), "fixtures"),
    (re.compile(r"https://vcs-test\.golang\.org/git/([^/]+)"), "vcstest"),
)
_WITH_SUFFIX = re.compile(r"(?P<repo>(?:[a-z0-9.-]+\.)+[a-z0-9.-]+(?:/~?[A-Za-z0-9_.-]+)+?)\.git(?:/.*)?")
_META = re.compile(r'<meta name="go-import" content="([^"]*)"')


@dataclass(frozen=True)
class Page:
    """What `https://PATH?go-get=1` answers: a status, and the contents of its go-import tags."""

    status: int
    go_import: tuple[str, ...]


@dataclass(frozen=True)
class World:
    """The repositories, in `folder/fixtures/NAME` and `folder/vcstest/NAME`."""

    folder: Path

    def folder_of(self, url: str) -> Path | None:
        """The local repository that a URL stands for, or None where the cases have none."""
        for pattern, kind in _URLS:
            match = pattern.fullmatch(url)
            if match and (self.folder / kind / match[1]).is_dir():
                return self.folder / kind / match[1]
        return None

    def urls(self) -> Mapping[str, Path]:
        """Every URL that stands for a local repository."""
        found = {"https://github.com/rsc/vgotest1": self.folder / "vcstest" / "vgotest1"}
        for repository in (self.folder / "fixtures").iterdir():
            found[f"https://github.com/x/{repository.name}"] = repository
            found[f"https://x.test/git/{repository.name}"] = repository
        for repository in (self.folder / "vcstest").iterdir():
            found[f"https://{_VCSTEST_HOST}/git/{repository.name}"] = repository
        return found

    def root_of(self, path: str) -> RepoRoot | None:
        """Where a module path's repository is, if that is git and nothing about its pages is wrong."""
        elements = path.split("/")
        if elements[0] == "github.com":
            root = "/".join(elements[:3])
            return None if root.endswith(".git") else RepoRoot(root, "git", f"https://{root}")
        match = _WITH_SUFFIX.fullmatch(path)
        if match:
            return RepoRoot(f"{match['repo']}.git", "git", f"https://{match['repo']}")
        tags = [line.split() for line in self.pages.get(path, Page(404, ())).go_import]
        if len(tags) != 1 or len(tags[0]) not in {3, 4} or tags[0][1] != "git":
            return None
        root, vcs, url, *subdir = tags[0]
        if not f"{path}/".startswith(f"{root}/"):
            return None
        agreed = root == path or self.pages.get(root) == self.pages[path]
        return RepoRoot(root, vcs, url, *subdir) if agreed and url.startswith("https://") else None

    @cached_property
    def pages(self) -> Mapping[str, Page]:
        """The go-import pages by path: the cases' own, and those of the toolchain's scripts."""
        own = {
            page["path"]: Page(page["status"], tuple(page["go_import"])) for page in load("import_pages.json")
        }
        return {**dict(_vcstest_pages()), **own}


def load(name: str) -> Any:
    """One of the JSON files beside this module."""
    return json.loads((HERE / name).read_text())


def vcstest_folder() -> Path:
    """The toolchain's repository scripts."""
    return go_binary().parent.parent / "src/cmd/go/testdata/vcstest"


def build(folder: Path) -> World:
    """Make every repository below `folder`, once, however many processes ask at the same time."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / "whole"
    with FileLock(folder / "lock"):
        if not whole.exists():
            fixtures.make_all(folder / "fixtures")
            replay_all(vcstest_folder(), folder / "vcstest")
            whole.touch()
    return World(folder)


def build_mercurial(world: World) -> Path | str:
    """The folder of the toolchain's Mercurial repositories, made once; or a sentence on why they cannot be made."""
    programs = mercurial()
    if isinstance(programs, str):
        return programs
    out = world.folder / "mercurial"
    with FileLock(world.folder / "mercurial.lock"):
        if not (out / ".whole").exists():
            out.mkdir(exist_ok=True)
            replay_mercurial(vcstest_folder(), out, programs)
            (out / ".whole").touch()
    return out


def mercurial_pages(folder: Path) -> Iterator[tuple[str, str]]:
    """Paths, and the go-import entries that name the Mercurial repositories of a folder, all on one host."""
    for repository in sorted(folder.iterdir()):
        if repository.is_dir():
            root = f"{MERCURIAL}/{repository.name}"
            for path in (root, *([f"{root}/sub"] if (repository / "sub").is_dir() else [])):
                yield path, f"{root} hg https://{root}"


def _vcstest_pages() -> Iterator[tuple[str, Page]]:
    base = vcstest_folder() / "go"
    for script in sorted(base.rglob("*.txt")):
        comment, files = read_txtar(script.read_bytes())
        status = re.search(r"(?m)^status (\d+)", comment)
        for name, content in files:
            folder = script.relative_to(base).with_suffix("") / Path(name).parent
            tags = tuple(_META.findall(content.decode()))
            yield f"{_VCSTEST_HOST}/go/{folder.as_posix()}", Page(int(status[1]) if status else 200, tags)
