"""Single commits and files, looked up in packs without git."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from goproxy_mirror.vcs.packs import BadPack, Packs

_FILES = (0o100000, 0o120000)


class Ask(Enum):
    """What can be found out by nobody but git."""

    GIT = "git"


def commit_in(repository: Path, oid: str) -> bytes | None:
    """The raw commit of an id; None where git has to say."""
    packs = Packs.open(repository, len(oid) // 2)
    if packs is None:
        return None
    with packs:
        try:
            found = packs.read(oid)
        except BadPack:
            return None
    return found[1] if found is not None and found[0] == "commit" else None


def file_in(repository: Path, commit: str, path: str, limit: int) -> bytes | Ask | None:
    """The bytes of a file or a symlink at a path in a commit; None where there is none. Larger ones than `limit` are git's."""
    elements = path.split("/")
    packs = None if {"", ".", ".."} & {*elements} else Packs.open(repository, len(commit) // 2)
    if packs is None:
        return Ask.GIT
    with packs:
        try:
            return _file_in(packs, commit, path.encode("utf-8", "surrogateescape"), limit)
        except (BadPack, ValueError):
            return Ask.GIT


def _file_in(packs: Packs, commit: str, path: bytes, limit: int) -> bytes | Ask | None:
    found = packs.read(commit)
    if found is None or found[0] != "commit":
        return Ask.GIT
    oid = found[1][5:].partition(b"\n")[0].decode("ascii")
    while True:
        found = packs.read(oid)
        if found is None or found[0] != "tree":
            return Ask.GIT
        entry = _look_up(found[1], path, len(commit) // 2)
        if entry is None:
            return None
        mode, oid, rest = entry
        if not rest:
            break
        if mode & 0o170000 != 0o040000:
            return None
        path = rest
    if mode & 0o170000 not in _FILES:
        return None
    found = packs.read(oid)
    return found[1] if found is not None and found[0] == "blob" and len(found[1]) <= limit else Ask.GIT


def _look_up(tree: bytes, path: bytes, id_size: int) -> tuple[int, str, bytes] | None:
    """The entry of a path's first element, and what of the path follows; as git looks through a tree that is not in order."""
    for mode, name, oid in _entries(tree, id_size):
        if len(name) > len(path) or path[: len(name)] > name:
            continue
        if path[: len(name)] < name:
            return None
        if len(name) == len(path) or path[len(name) :].startswith(b"/"):
            return mode, oid.hex(), path[len(name) + 1 :]
    return None


def _entries(tree: bytes, id_size: int) -> Iterator[tuple[int, bytes, bytes]]:
    at = 0
    while at < len(tree):
        space = tree.index(b" ", at)
        end = tree.index(b"\0", space)
        yield int(tree[at:space], 8), tree[space + 1 : end], tree[end + 1 : end + 1 + id_size]
        at = end + 1 + id_size
