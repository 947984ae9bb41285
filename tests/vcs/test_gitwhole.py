"""Remote repositories that are light enough to be fetched whole: `goproxy_mirror.vcs.gitstore`."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from goproxy_mirror.process import Runner
from goproxy_mirror.vcs.git import GitRepositories
from goproxy_mirror.vcs.gitfetch import TooMuch
from tests.vcs.gitkit import Repo, Served, serve
from tests.vcs.test_gitrepo import read

NewRepo = Callable[..., Repo]
CHANCE = random.Random(1)
FILES = {f"d{number % 7}/f{number}.go": CHANCE.randbytes(6000) for number in range(50)}
LIMITED = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux holds a program to a size of its files"
)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A server of the folder `remotes`, that can leave files out and give them by themselves."""
    (tmp_path / "remotes").mkdir()
    with serve(tmp_path / "remotes") as served:
        served.config = {"uploadpack.allowFilter": "true", "uploadpack.allowAnySHA1InWant": "true"}
        yield served


async def test_whole__one_fetch_for_each_version(
    new_repo: NewRepo, served: Served, repositories: GitRepositories
) -> None:
    """All files come with the commit, the refs are listed once, and the next version brings only what is new."""
    repo = new_repo("m.git")
    repo.commit({**FILES, "go.mod": "module m\n"}, tags=("v1.0.0",))
    repo.annotate("v1.1.0", repo.commit({**FILES, "go.mod": "module m\n", "new": b"n" * 9000}))
    repository = repositories.open(f"{served.base}/m.git", trusted=True)
    for number, tag in enumerate(("v1.0.0", "v1.1.0")):
        commit = await repository.commit(f"refs/tags/{tag}")
        assert await repository.blob(commit, "go.mod", 100) == b"module m\n"
        assert len(await read(repository, commit)) == 51 + number
        assert len(served.posts(b"command=fetch")) == 1 + number
    assert len(served.posts(b"command=ls-refs")) == 1
    first, second = sorted(repositories._folder.glob("*/objects.git/objects/pack/*.pack"), key=_size)
    assert _size(first) < 2000
    assert _size(second) > 300_000


@LIMITED
async def test_whole__too_heavy_for_it(
    new_repo: NewRepo, served: Served, tmp_path: Path, runner: Runner
) -> None:
    """The fetch ends at the bound; folders come first then, and files for a zip."""
    new_repo("m.git").commit({**FILES, "go.mod": "module m\n"}, tags=("v1.0.0",))
    repositories = GitRepositories(tmp_path / "copies", runner, whole_up_to=100_000)
    repository = repositories.open(f"{served.base}/m.git", trusted=True)
    commit = await repository.commit("refs/tags/v1.0.0")
    (pack,) = repositories._folder.glob("*/objects.git/objects/pack/*.pack")
    assert _size(pack) < 20_000
    assert len(await read(repository, commit)) == 51
    again = GitRepositories(tmp_path / "copies", runner, whole_up_to=100_000)
    repository = again.open(f"{served.base}/m.git", trusted=True)
    fetches = len(served.posts(b"command=fetch"))
    assert len(await read(repository, await repository.commit("refs/tags/v1.0.0"))) == 51
    assert len(served.posts(b"command=fetch")) == fetches, "nothing is fetched anew by another process"


@LIMITED
async def test_parts__a_file_that_no_module_can_hold_is_cut(
    new_repo: NewRepo, served: Served, tmp_path: Path, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for by itself, since it lies in the module's folder, it comes no further than a module may be large (G03)."""
    monkeypatch.setattr("goproxy_mirror.vcs.gitstore._MOST_OF_A_MODULE", 100_000)
    new_repo("m.git").commit(
        {**FILES, "big/go.mod": "module m/big\n", "big/b": CHANCE.randbytes(400_000)}, tags=("v1.0.0",)
    )
    repositories = GitRepositories(tmp_path / "copies", runner, whole_up_to=0)
    repository = repositories.open(f"{served.base}/m.git", trusted=True)
    commit = await repository.commit("refs/tags/v1.0.0")
    with pytest.raises(TooMuch):
        await repository.tree(commit, "big")
    packs = [*repositories._folder.glob("*/objects.git/objects/pack/*.pack")]
    assert max(map(_size, packs)) < 100_000
    assert len(await read(repository, commit, "d1")) == 7, "its neighbours can be had"


def _size(path: Path) -> int:
    return path.stat().st_size
