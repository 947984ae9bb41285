"""What the tests of version control share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from goproxy_mirror.process import Runner
from goproxy_mirror.vcs.git import GitRepositories
from tests.vcs.gitkit import Repo
from tests.vcs.pagekit import discovery, new_discovery, proxy, site, tls

__all__ = ["discovery", "new_discovery", "proxy", "site", "tls"]


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """Starts programs; their home is in the test's folder."""
    return Runner(tmp_path / "state")


@pytest.fixture
def repositories(tmp_path: Path, runner: Runner) -> GitRepositories:
    """Copies in the test's folder, of what the operator names."""
    return GitRepositories(tmp_path / "state" / "repositories", runner)


@pytest.fixture
def new_repo(tmp_path: Path) -> Callable[..., Repo]:
    """Make repositories by name in a folder `remotes`."""

    def make(name: str = "r.git", *, form: str = "sha1") -> Repo:
        return Repo(tmp_path / "remotes" / name, form=form)

    return make
