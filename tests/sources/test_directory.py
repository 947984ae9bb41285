"""A tree of files as an upstream."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from goproxy_mirror.errors import NotFound, OutageDisguised, SourceUnavailable, StorageError
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Query, Version
from goproxy_mirror.sources.directory import DirectorySource
from tests.sources.test_reading import WHOLE

M = ModulePath.parse("x.test/m")
MV = ModuleVersion(M, Version.parse("v1.0.0"))
INFO = b'{"Version":"v1.0.0","Time":"2024-01-02T03:04:05Z"}'
OLD, NEW = "v0.0.0-20240102030405-0123456789ab", "v0.0.0-20250102030405-0123456789ab"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with one whole version of x.test/m."""
    folder = tmp_path / "tree"
    put(folder, "x.test/m/@v/v1.0.0.info", INFO)
    put(folder, "x.test/m/@v/v1.0.0.mod", b"module x.test/m\n")
    put(folder, "x.test/m/@v/v1.0.0.zip", WHOLE)
    put(folder, "x.test/m/@v/list", b"v1.0.0\n")
    return folder


@pytest.fixture
def source(tree: Path) -> DirectorySource:
    """The tree as a source."""
    return DirectorySource(tree)


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    """An empty file for a zip."""
    path = tmp_path / "staged"
    path.touch()
    return path


def put(folder: Path, name: str, body: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return path


def info(version: str) -> bytes:
    return f'{{"Version":"{version}"}}'.encode()


async def listed(source: DirectorySource) -> set[str]:
    return {str(version) for version in (await source.versions(M)).value}


async def test_the_files_of_a_version(source: DirectorySource, staged: Path) -> None:
    """Each file comes byte for byte, from a home that does not tell where it lies."""
    found = await source.info(MV)
    assert found.value.body == INFO
    assert found.home.name == "file://.../tree"
    assert (await source.go_mod(MV)).value == b"module x.test/m\n"
    await source.zip(MV, staged)
    assert staged.read_bytes() == WHOLE
    assert (await source.resolve(M, Query("v1.0.0"))).value.version == MV.version


async def test_capitals_are_escaped(tree: Path, source: DirectorySource) -> None:
    """Paths and versions are looked for in their escaped form."""
    put(tree, "x.test/!m/@v/v1.0.0-!r!c1.info", info("v1.0.0-RC1"))
    put(tree, "x.test/!m/@v/v1.0.0-!r!c1.mod", b"module x.test/M\n")
    path = ModulePath.parse("x.test/M")
    assert [str(version) for version in (await source.versions(path)).value] == ["v1.0.0-RC1"]
    assert (await source.latest(path)).value.body == info("v1.0.0-RC1")


async def test_what_is_there_is_listed_too(tree: Path, source: DirectorySource) -> None:
    """The list is what @v/list says and what has both .info and .mod; a go command's own cache lists less."""
    for version in ("v1.1.0", "v1.2.0", "v2.0.0", OLD):
        put(tree, f"x.test/m/@v/{version}.info", info(version))
    for name in (
        "v1.1.0.mod",
        "v1.3.0.mod",
        "v2.0.0.mod",
        f"{OLD}.mod",
        "v1.4.0.lock",
        "v1.4.0.info.partial",
        "list.lock",
    ):
        put(tree, f"x.test/m/@v/{name}", b"module x.test/m\n")
    put(tree, "x.test/m/@v/list", b"v1.0.0\nv1.9.0\n" + OLD.encode())
    assert await listed(source) == {"v1.0.0", "v1.1.0", "v1.9.0"}
    (tree / "x.test/m/@v/list").unlink()
    assert await listed(source) == {"v1.0.0", "v1.1.0"}


async def test_an_empty_list_is_an_answer(tree: Path, source: DirectorySource) -> None:
    """A module that is listed as having no versions is known."""
    put(tree, "x.test/other/@v/list", b"")
    assert (await source.versions(ModulePath.parse("x.test/other"))).value == ()


async def test_latest(tree: Path, source: DirectorySource) -> None:
    """The file @latest if there is one; else the highest release, prerelease, or newest pseudo-version that is there."""
    for version in (OLD, NEW):
        put(tree, f"x.test/p/@v/{version}.info", info(version))
        put(tree, f"x.test/p/@v/{version}.mod", b"module x.test/p\n")
    path = ModulePath.parse("x.test/p")
    assert (await source.latest(path)).value.body == info(NEW)
    put(tree, "x.test/p/@v/v0.1.0-rc.1.info", info("v0.1.0-rc.1"))
    put(tree, "x.test/p/@v/v0.1.0-rc.1.mod", b"module x.test/p\n")
    assert (await source.latest(path)).value.body == info("v0.1.0-rc.1")
    put(tree, "x.test/p/@latest", info(OLD))
    assert (await source.latest(path)).value.body == info(OLD)


async def test_what_is_not_there_is_absent(tree: Path, source: DirectorySource, staged: Path) -> None:
    """A tree is an authority on what it holds."""
    other = ModuleVersion(M, Version.parse("v1.5.0"))
    below = ModulePath.parse("x.test/m/sub")
    put(tree, "file.test", b"a file where a folder is looked for")
    for question in (
        source.info(other),
        source.go_mod(other),
        source.zip(other, staged),
        source.resolve(M, Query("main")),
        source.versions(below),
        source.latest(below),
        source.versions(ModulePath.parse("file.test/m")),
        source.versions(ModulePath.parse("x.test/" + "a" * 300)),
    ):
        with pytest.raises(NotFound) as failure:
            await question
        assert str(tree.parent) not in failure.value.message


async def test_a_missing_tree_is_an_outage(tmp_path: Path) -> None:
    """A folder that is not there (not mounted, say) says nothing about modules."""
    put(tmp_path, "file", b"")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    for name in ("missing", "file", "circle"):
        for question in (
            DirectorySource(tmp_path / name).info(MV),
            DirectorySource(tmp_path / name).versions(M),
        ):
            with pytest.raises(SourceUnavailable, match="no folder, or not there"):
                await question


async def ask(source: DirectorySource, staged: Path, ending: str) -> None:
    if ending == "info":
        await source.info(MV)
    elif ending == "mod":
        await source.go_mod(MV)
    elif ending == "zip":
        await source.zip(MV, staged)
    else:
        await source.versions(M)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def link_out(path: Path) -> None:
    outside = path.parents[4] / "secret"
    outside.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(outside)


def link_circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def page(path: Path) -> None:
    path.write_bytes(b"<html>502 Bad Gateway</html>")


@pytest.mark.parametrize("ending", ["info", "mod", "zip"])
@pytest.mark.parametrize("damage", [empty, folder, pipe, link_out, link_circle, page])
async def test_damaged_files_are_not_believed(
    tree: Path, source: DirectorySource, staged: Path, ending: str, damage: Callable[[Path], None]
) -> None:
    """What is no whole regular file of the tree is refused; other upstreams may still be asked."""
    await ask(source, staged, ending)
    damage(tree / f"x.test/m/@v/v1.0.0.{ending}")
    with pytest.raises(OutageDisguised) as failure:
        await ask(source, staged, ending)
    assert str(tree.parent) not in failure.value.message


async def test_links_within_the_tree_are_followed(tree: Path, tmp_path: Path) -> None:
    """The tree itself may be behind a link, and a file of it a link to another one."""
    (tree / "x.test/m/@v/main.info").symlink_to("v1.0.0.info")
    (tmp_path / "link").symlink_to(tree)
    assert (await DirectorySource(tmp_path / "link").resolve(M, Query("main"))).value.body == INFO


async def test_a_zip_that_is_not_whole(tree: Path, source: DirectorySource, staged: Path) -> None:
    """A zip that was cut off when it was written is refused."""
    put(tree, "x.test/m/@v/v1.0.0.zip", WHOLE[:-5])
    with pytest.raises(OutageDisguised):
        await source.zip(MV, staged)


async def test_an_info_of_another_version(tree: Path, source: DirectorySource) -> None:
    """A file that says something else than its name is refused."""
    put(tree, "x.test/m/@v/v1.0.0.info", info("v1.0.1"))
    with pytest.raises(OutageDisguised, match=r"v1\.0\.1"):
        await source.info(MV)


async def test_a_huge_file_is_not_read(tree: Path, source: DirectorySource) -> None:
    """The limits of the protocol hold for files too."""
    os.truncate(tree / "x.test/m/@v/v1.0.0.mod", (16 << 20) + 1)
    with pytest.raises(OutageDisguised):
        await source.go_mod(MV)


async def test_a_disk_that_fails_is_not_the_trees_fault(source: DirectorySource, tmp_path: Path) -> None:
    """Where the copy cannot be written the store failed."""
    with pytest.raises(StorageError):
        await source.zip(MV, tmp_path / "no" / "folder")
