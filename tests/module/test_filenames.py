from __future__ import annotations

import pytest

from goproxy_mirror.module.filenames import TreeNames, parent, unclean


@pytest.mark.parametrize(
    ("names", "problems"),
    [
        (["a", "a"], [None, "multiple entries for file 'a'"]),
        (["a/b", "A"], [None, "case-insensitive file name collision: 'a' and 'A'"]),
        (["a/b", "A/c", "A/d"], [None] + 2 * ["case-insensitive file name collision: 'a' and 'A'"]),
        (["x", "x/y/z", "x/y/w"], [None] + 2 * ["entry 'x' is both a file and a directory"]),
        (["a/b/c", "a/b/d", "a/e"], [None] * 3),
    ],
)
def test_problems(names: list[str], problems: list[str | None]) -> None:
    """Each name is held against those before it, folders as well as files, as often as it comes."""
    tree = TreeNames()
    assert [tree.problem(name) for name in names] == problems


def test_folders() -> None:
    """A folder may be named any number of times, and may be called GO.MOD."""
    tree = TreeNames()
    assert [tree.problem(name, is_folder=True) for name in ("a", "a", "a/b", "GO.MOD")] == [None] * 4
    assert tree.problem("a") == "entry 'a' is both a file and a directory"


def test_parts_of_names() -> None:
    """A name's folder ends at its last slash; a plain way has no empty, dot or dot-dot element."""
    assert [parent(name) for name in ("a", "a/b", "a/b/c")] == ["", "a", "a/b"]
    assert not any(unclean(name) for name in ("a", "a/b", ".x", "..", "../a", "a..b"))
    assert all(unclean(name) for name in ("", "/", "/a", "a/", "a//b", ".", "a/./b", "a/..", "a/../b"))
