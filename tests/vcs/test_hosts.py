"""Repositories that a module path names by itself."""

from __future__ import annotations

import pytest

from goproxy_mirror.errors import NotFound
from goproxy_mirror.vcs.hosts import static_root


@pytest.mark.parametrize(
    ("path", "root", "vcs", "url"),
    [
        ("github.com/a/b", "github.com/a/b", "git", "https://github.com/a/b"),
        ("github.com/A/b.go/sub/v2", "github.com/A/b.go", "git", "https://github.com/A/b.go"),
        ("bitbucket.org/a/b/c", "bitbucket.org/a/b", "git", "https://bitbucket.org/a/b"),
        (
            "hub.jazz.net/git/user1/pkg/sub",
            "hub.jazz.net/git/user1/pkg",
            "git",
            "https://hub.jazz.net/git/user1/pkg",
        ),
        ("git.apache.org/x.git/sub", "git.apache.org/x.git", "git", "https://git.apache.org/x.git"),
        ("git.openstack.org/a/b/sub", "git.openstack.org/a/b", "git", "https://git.openstack.org/a/b"),
        ("git.openstack.org/a/b.git", "git.openstack.org/a/b", "git", "https://git.openstack.org/a/b"),
        ("git.openstack.org/a/b.git/sub", "git.openstack.org/a/b", "git", "https://git.openstack.org/a/b"),
        (
            "chiselapp.com/user/kyle/repository/fossilgg",
            "chiselapp.com/user/kyle/repository/fossilgg",
            "fossil",
            "https://chiselapp.com/user/kyle/repository/fossilgg",
        ),
        ("x.test/git/a.git", "x.test/git/a.git", "git", "https://x.test/git/a"),
        ("x.test/git/a.git/sub/b.hg/v2", "x.test/git/a.git", "git", "https://x.test/git/a"),
        ("x.test/a.hg", "x.test/a.hg", "hg", "https://x.test/a"),
        ("x.test/a.svn/trunk", "x.test/a.svn", "svn", "https://x.test/a"),
        ("x.test/~user/a.git", "x.test/~user/a.git", "git", "https://x.test/~user/a"),
        ("x.test/a.git.git", "x.test/a.git.git", "git", "https://x.test/a.git"),
    ],
)
def test_the_path_tells(path: str, root: str, vcs: str, url: str) -> None:
    """Known hosts and suffixes, as the go command has them; the suffix is no part of the URL."""
    found = static_root(path)
    assert found is not None
    assert (found.root, found.vcs, found.url, found.subdir) == (root, vcs, url, "")


@pytest.mark.parametrize(
    "path",
    [
        "golang.org/x/text",
        "gopkg.in/yaml.v3",
        "github.community/a/b",
        "x.test",
        "x.test/a.github/b",
        "x.test/git",
    ],
)
def test_the_host_has_to_be_asked(path: str) -> None:
    """Everything else is told by a page."""
    assert static_root(path) is None


@pytest.mark.parametrize(
    "path",
    [
        "github.com",
        "github.com/a",
        "github.com/a/b.git",
        "github.com/a/b.hg/sub",
        "bitbucket.org/a/b.svn",
        "hub.jazz.net/git/USER/pkg",
        "git.apache.org/x",
        "git.apache.org/x.gitx/sub",
        "git.openstack.org/a",
        "chiselapp.com/user/kyle/repository/a/b",
        "chiselapp.com/a",
    ],
)
def test_no_repository_can_be_there(path: str) -> None:
    """Paths of known hosts that the go command refuses; nobody is asked about them."""
    with pytest.raises(NotFound):
        static_root(path)


def test_long_paths_take_no_time() -> None:
    """A path that almost matches is not tried in every way that there is."""
    assert static_root("a." * 50_000 + "x/" + "b/" * 50_000 + "~~") is None
    assert static_root("a.b/" + "c." * 100_000 + "gi") is None
    with pytest.raises(NotFound):
        static_root("git.openstack.org/a/" + "b.git" * 50_000 + "~")
