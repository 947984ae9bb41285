"""What the tests of bad inputs share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from goproxy_mirror.errors import NotFound
from tests.threats.hostile import ROOT, Direct, Ours, Said
from tests.vcs.gitkit import Repo, serve

Agree = Callable[..., Awaitable[list[Said]]]


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A repository that stands for github.com/threat/r."""
    return Repo(tmp_path / "remotes" / "r.git")


@pytest.fixture
def direct(tmp_path_factory: pytest.TempPathFactory) -> Direct:
    """The go command in direct mode."""
    return Direct(tmp_path_factory.mktemp("direct"))


@pytest.fixture
def ours(tmp_path: Path) -> Ours:
    """Our builder; it may write into the folder `state` and nowhere else."""
    return Ours(tmp_path)


@pytest.fixture
def agree(direct: Direct, ours: Ours) -> Agree:
    """See `_agree`: the go command's word and ours, from a local path and over HTTP."""

    async def agree(repo: Repo, *queries: str, path: str = ROOT, local: bool = True) -> list[Said]:
        """What the go command accepts is the same here, and what it refuses is refused by an authority's no.

        Returns what was said here of each query. Without `local`, over HTTP alone.
        """
        theirs = direct.says(repo, *queries, path=path)
        with serve(repo.folder.parent) as served:
            served.config["uploadpack.allowFilter"] = "true"
            served.config["uploadpack.allowAnySHA1InWant"] = "true"
            for url in (f"{served.base}/{repo.folder.name}", repo.url)[: 2 if local else 1]:
                said = [await ours.says(url, query, path=path) for query in queries]
                for query, here, there in zip(queries, said, theirs, strict=True):
                    assert here.facts == there.facts, f"{query} at {url}: {here.refused!r} {there.refused!r}"
                    assert bool(here.refused) == bool(there.refused), f"{query}: {there.refused!r}"
                    assert here.error is None or isinstance(here.error, NotFound), here.error
        return said

    return agree
