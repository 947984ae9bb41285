"""Hosts whose repositories are known from the path alone, so that no page has to be asked.

The table and the rules are the go command's (vcsPaths in cmd/go/internal/vcs/vcs.go).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from goproxy_mirror.errors import NotFound
from goproxy_mirror.ports import RepoRoot

SYSTEMS = ("git", "hg", "svn", "fossil")
"""Version control systems that the go command knows (bzr was taken out in Go 1.27)."""


@dataclass(frozen=True, slots=True)
class _Site:
    """`root` matches what stands for the repository, up to an element's end; `rest`, what may follow it."""

    prefix: str
    root: re.Pattern[str]
    rest: re.Pattern[str]
    vcs: str = "git"
    plain: bool = True
    """The root may not end in `.git` and the like."""


def _site(
    prefix: str, below: str, *, rest: str = r"(?:/[\w.-]+)*+", vcs: str = "git", plain: bool = True
) -> _Site:
    root = re.compile(re.escape(prefix) + below, re.ASCII)
    return _Site(prefix, root, re.compile(rest, re.ASCII), vcs, plain)


_SITES = (
    _site("github.com", r"/[\w.-]++/[\w.-]++"),
    _site("bitbucket.org", r"/[\w.-]++/[\w.-]++"),
    _site("hub.jazz.net/git", r"/[a-z0-9]++/[\w.-]++"),
    _site("git.apache.org", r"/[a-z0-9_.-]+\.git(?=/|\Z)", plain=False),
    _site(
        "git.openstack.org",
        r"/[\w.-]++/[\w.-]+?(?=(?:\.git)?+(?:/|\Z))",
        rest=r"(?:\.git)?+(?:/[\w.-]+)*+",
        plain=False,
    ),
    _site("chiselapp.com", r"/user/[A-Za-z0-9]++/repository/[\w.-]++", rest="", vcs="fossil", plain=False),
)

_HOST = re.compile(r"[a-z0-9.-]+\.[a-z0-9.-]+(?::[0-9]+)?")
_ELEMENT = re.compile(r"~?[\w.-]++", re.ASCII)
_SUFFIXED = re.compile(r"(~?[\w.-]+)\.(fossil|git|hg|svn)", re.ASCII)


def static_root(path: str) -> RepoRoot | None:
    """The repository that a module path names by itself; None where the path's host has to be asked for it.

    Raises `NotFound` for a path of a known host that can have no repository there.
    """
    for site in _SITES:
        if path == site.prefix or path.startswith(site.prefix + "/"):
            return _at(site, path)
    return _suffixed(path)


def _at(site: _Site, path: str) -> RepoRoot:
    root = site.root.match(path)
    if root is None or not site.rest.fullmatch(path, root.end()):
        raise NotFound(f"{path}: no repository can be there on {site.prefix}")
    name = root[0]
    if site.plain and name.endswith(tuple(f".{system}" for system in SYSTEMS)):
        ending = name.rpartition(".")[2]
        raise NotFound(f"{path}: paths of {site.prefix} are written without .{ending}")
    return RepoRoot(name, site.vcs, f"https://{name}")


def _suffixed(path: str) -> RepoRoot | None:
    """`host/any/name.git/below`: the suffix tells where the repository's path ends, and is not a part of its
    URL."""
    host, *elements = path.split("/")
    if not _HOST.fullmatch(host) or not all(_ELEMENT.fullmatch(element) for element in elements):
        return None
    for place, element in enumerate(elements):
        match = _SUFFIXED.fullmatch(element)
        if match is not None:
            root = "/".join([host, *elements[: place + 1]])
            repository = "/".join([host, *elements[:place], match[1]])
            return RepoRoot(root, match[2], f"https://{repository}")
    return None
