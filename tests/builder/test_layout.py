"""Where in a repository a module is looked for."""

from __future__ import annotations

import pytest

from goproxy_mirror.builder.layout import Layout, is_major
from goproxy_mirror.builder.snapshot import Snapshot
from goproxy_mirror.errors import NotFound
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.ports import RepoRoot
from tests.builder.memory import Content, MemoryRepository, go_mod


def layout(path: str, root: str, subdir: str = "") -> Layout:
    return Layout(RepoRoot(root, "git", "https://origin.test/m", subdir), ModulePath.parse(path))


@pytest.mark.parametrize(
    ("path", "root", "subdir", "code_dir", "path_major"),
    [
        ("example.com/m", "example.com/m", "", "", ""),
        ("example.com/m/v2", "example.com/m", "", "", "/v2"),
        ("example.com/m/v2", "example.com/m/v2", "", "", "/v2"),
        ("example.com/m/sub/v2", "example.com/m", "", "sub", "/v2"),
        ("example.com/m/sub/x", "example.com/m", "src/go", "sub/x/src/go", ""),
        ("example.com/m", "example.com/m", "src//go/", "src/go", ""),
        ("example.com/m/sub", "example.com/m", "../up", "up", ""),
        ("gopkg.in/m.v2", "gopkg.in/m.v2", "", "", ".v2"),
        ("gopkg.in/m.v2-unstable", "gopkg.in/m.v2-unstable", "", "", ".v2-unstable"),
    ],
)
def test_folder_and_major(path: str, root: str, subdir: str, code_dir: str, path_major: str) -> None:
    """The folder is the path without root and major suffix, joined with the go-import's folder behind it."""
    found = layout(path, root, subdir)
    assert (found.code_dir, found.path_major) == (code_dir, path_major)
    assert found.tag_prefix == (f"{code_dir}/" if code_dir else "")


@pytest.mark.parametrize(
    ("path", "root"), [("example.com/mm", "example.com/m"), ("example.com/x/v2", "example.com/x/v2/y")]
)
def test_a_repository_that_cannot_contain_the_module_is_no_place_to_look(path: str, root: str) -> None:
    """A root that is no part of the path is refused."""
    with pytest.raises(NotFound):
        layout(path, root)


@pytest.mark.parametrize(
    ("module_line", "path_major", "expected"),
    [
        ("example.com/m", "", True),
        ("example.com/other", "", True),
        ("example.com/m/v2", "", False),
        ("gopkg.in/m.v1", "", True),
        ("gopkg.in/m.v0", "", True),
        ("gopkg.in/m.v2", "", False),
        ("example.com/m/v1", "", False),
        ("", "", False),
        ("(", "", True),
        ("example.com/m/v2", "/v2", True),
        ("gopkg.in/m.v2", "/v2", True),
        ("gopkg.in/m.v2-unstable", "/v2", False),
        ("example.com/m", "/v2", False),
        ("example.com/m", ".v1", False),
        ("gopkg.in/other.v2", ".v2", True),
    ],
)
def test_which_module_lines_fit_a_major(module_line: str, path_major: str, *, expected: bool) -> None:
    """Only the major version of a module line has to agree."""
    assert is_major(module_line, path_major) is expected


V2 = go_mod("example.com/m/v2")


@pytest.mark.parametrize(
    ("path", "files", "folder"),
    [
        ("example.com/m", {"go.mod": go_mod()}, ""),
        ("example.com/m", {}, ""),
        ("example.com/m", {"go.mod": go_mod("gopkg.in/m.v7")}, ""),
        ("example.com/m/v2", {"go.mod": V2}, ""),
        ("example.com/m/v2", {"go.mod": go_mod(), "v2/go.mod": V2}, "v2"),
        ("example.com/m/v2", {"v2/go.mod": V2}, "v2"),
        ("example.com/m/sub", {"sub/go.mod": go_mod("example.com/m/sub")}, "sub"),
        ("example.com/m/sub/v2", {"sub/v2/go.mod": V2}, "sub/v2"),
    ],
)
async def test_the_place_of_a_module(path: str, files: dict[str, Content], folder: str) -> None:
    """The module is in its folder, or in the major's below it."""
    repository = MemoryRepository()
    commit = repository.add(files)
    place = await layout(path, "example.com/m").find(
        Snapshot(repository, await repository.refs()), commit, "main", "v2.0.0"
    )
    assert place.folder == folder
    assert place.go_mod == files.get(f"{folder}/go.mod".lstrip("/"))


@pytest.mark.parametrize(
    ("path", "files", "why"),
    [
        (
            "example.com/m",
            {"go.mod": V2},
            "go.mod has post-v1 module path 'example.com/m/v2' at revision main",
        ),
        ("example.com/m", {"go.mod": b""}, "go.mod is missing module path at revision main"),
        ("example.com/m", {"go.mod": go_mod("example.com/m/v1")}, "malformed module path"),
        ("example.com/m/v2", {}, "missing example.com/m/go.mod and .../v2/go.mod at revision main"),
        ("example.com/m/v2", {"go.mod": go_mod()}, "(and .../v2/go.mod does not exist)"),
        ("example.com/m/v2", {"go.mod": V2, "v2/go.mod": V2}, "both have .../v2 module paths"),
        ("example.com/m/v2", {"go.mod": V2, "v2/go.mod": b""}, "v2/go.mod is missing module path"),
        ("example.com/m/v2", {"v2/go.mod": go_mod()}, "has non-.../v2 module path"),
        ("example.com/m/sub", {"go.mod": go_mod()}, "missing example.com/m/sub/go.mod at revision main"),
    ],
)
async def test_why_a_module_is_not_there(path: str, files: dict[str, Content], why: str) -> None:
    """The reason names the file and the revision."""
    repository = MemoryRepository()
    commit = repository.add(files)
    snapshot = Snapshot(repository, await repository.refs())
    with pytest.raises(NotFound) as caught:
        await layout(path, "example.com/m").find(snapshot, commit, "main", "v1.0.0")
    assert why in caught.value.message


async def test_a_root_that_stands_for_the_major_has_no_folder_for_it() -> None:
    """Where a go-import names the whole path, `v2/go.mod` is not looked for, and a go.mod must be there."""
    repository = MemoryRepository()
    commit = repository.add({"v2/go.mod": V2})
    snapshot = Snapshot(repository, await repository.refs())
    with pytest.raises(NotFound, match=r"missing example\.com/m/v2/go\.mod at revision main"):
        await layout("example.com/m/v2", "example.com/m/v2").find(snapshot, commit, "main", "v2.0.0")


async def test_gopkg_in_needs_no_go_mod() -> None:
    """gopkg.in modules may lack a go.mod whatever their major."""
    repository = MemoryRepository()
    commit = repository.add({"a.go": b""})
    snapshot = Snapshot(repository, await repository.refs())
    place = await layout("gopkg.in/m.v3", "gopkg.in/m.v3").find(snapshot, commit, "main", "v3.0.0")
    assert place.folder == ""
    assert place.go_mod is None
