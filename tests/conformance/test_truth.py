"""The go command's own answers about the conformance repositories, asked of the builder over real git repositories."""

from __future__ import annotations

import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from goproxy_mirror.builder.resolve import ModuleBuilder
from goproxy_mirror.errors import NotFound, Unbuildable
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import canonical_version
from goproxy_mirror.ports import Info
from goproxy_mirror.process import Runner
from goproxy_mirror.vcs.git import GitRepositories
from tests.conformance.world import World, load
from tests.world.zips import h1, mod_h1

# The go command resolves these against versions that it knows; no server is ever asked them.
_CLIENT_QUERIES = ("<", ">", "patch")
# Built by the go command, and refused by it only when it unpacks or uses the result.
_CLIENT_LIMITS = ("requires go >=", "is a directory")
# Real repositories that were to be had where the answers were made.
_ELSEWHERE = ("github.com/pkg/", "github.com/BurntSushi/", "github.com/golang/", "vcs-test.golang.org/hg/")


class Builders:
    """Builders for module paths of the conformance world."""

    def __init__(self, world: World, repositories: GitRepositories) -> None:
        self._world = world
        self._repositories = repositories

    def __call__(self, path: str) -> ModuleBuilder:
        root = self._world.root_of(path)
        assert root is not None
        folder = self._world.folder_of(root.url) or self._world.folder / "no such repository"
        repository = self._repositories.open(folder.as_uri(), trusted=True)
        return ModuleBuilder(repository, root, ModulePath.parse(path))


@pytest_asyncio.fixture
async def builders(conformance: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Builders]:
    """Builders whose copies of the repositories are kept for all tests of a worker process."""
    base = tmp_path_factory.getbasetemp() / "builders"
    yield Builders(conformance, GitRepositories(base / "repositories", Runner(base / "runner")))


def _is_askable(path: str) -> bool:
    """Whether discovery leads to git at all (its refusals are tested elsewhere), and to a repository that we have."""
    return World(Path()).root_of(path) is not None and not path.startswith(_ELSEWHERE)


TRUTH = [
    entry
    for entry in load("truth_git.json")
    if _is_askable(entry["path"]) and not entry["query"].startswith(_CLIENT_QUERIES)
]
VERSIONS = {path: found for path, found in load("truth_versions.json").items() if _is_askable(path)}


def _name(entry: dict[str, Any]) -> str:
    return f"{entry['path']}@{entry['query']}"


async def _resolve(builder: ModuleBuilder, query: str) -> Info:
    return await (builder.latest() if query in {"latest", "upgrade"} else builder.resolve(query))


@pytest.mark.parametrize("truth", [e for e in TRUTH if "error" not in e], ids=_name)
async def test_a_revision_is_what_the_go_command_makes_of_it(
    truth: dict[str, Any], builders: Builders, tmp_path: Path
) -> None:
    """Version, time, origin, go.mod, both hashes and the order of the files are the go command's."""
    builder = builders(truth["path"])
    info = await _resolve(builder, truth["query"])
    expected = truth["info"]
    found = json.loads(info.body)
    expected["Origin"].pop("Ref", None)  # depends on what the go command had in its cache
    found["Origin"].pop("Ref", None)
    assert found == expected
    assert info.version.value == truth["version"]
    go_mod = await builder.go_mod(info.version)
    assert go_mod == truth["mod"].encode()
    assert mod_h1(go_mod) == truth["modsum"]
    zip_file = tmp_path / "module.zip"
    await builder.zip(info.version, zip_file)
    assert h1(zip_file) == truth["sum"]
    with zipfile.ZipFile(zip_file) as archive:
        prefix = f"{truth['path']}@{truth['version']}/"
        assert [name.removeprefix(prefix) for name in archive.namelist()] == truth["zip_files"]


@pytest.mark.parametrize("truth", [e for e in TRUTH if "error" in e], ids=_name)
async def test_what_the_go_command_refuses_is_refused(
    truth: dict[str, Any], builders: Builders, tmp_path: Path
) -> None:
    """A revision is not found, or has `.info` and `.mod` but no zip, where the go command says so."""
    builder = builders(truth["path"])
    if not truth["error"].startswith("create zip:") and not any(x in truth["error"] for x in _CLIENT_LIMITS):
        with pytest.raises(NotFound):
            await _resolve(builder, truth["query"])
        return
    info = await _resolve(builder, truth["query"])
    if "go.mod file too large" not in truth["error"]:
        await builder.go_mod(info.version)
    if truth["error"].startswith("create zip:"):
        with pytest.raises(Unbuildable, match=r"^create zip: "):
            await builder.zip(info.version, tmp_path / "module.zip")
    else:
        await builder.zip(info.version, tmp_path / "module.zip")


@pytest.mark.parametrize("path", [path for path, versions in VERSIONS.items() if isinstance(versions, list)])
async def test_versions_are_those_that_the_go_command_lists(path: str, builders: Builders) -> None:
    """The list has the go command's elements, in its order."""
    assert [version.value for version in await builders(path).versions()] == VERSIONS[path]


@pytest.mark.parametrize("path", [path for path, versions in VERSIONS.items() if isinstance(versions, dict)])
async def test_there_is_no_latest_where_the_go_command_finds_none(path: str, builders: Builders) -> None:
    """@latest is not found: the go command's error for these came from its query for the latest version."""
    with pytest.raises(NotFound):
        await builders(path).latest()


@pytest.mark.parametrize("truth", [e for e in TRUTH if "error" not in e][::9], ids=_name)
async def test_a_version_answers_for_itself(truth: dict[str, Any], builders: Builders) -> None:
    """The `.info` of the version that a query named is the very same one."""
    builder = builders(truth["path"])
    info = await _resolve(builder, truth["query"])
    assert await builder.info(info.version) == info
    assert info.version.value == canonical_version(info.version.value)
