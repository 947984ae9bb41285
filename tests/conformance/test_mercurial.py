"""The go command's own answers about Mercurial repositories, asked of the fallback with the real programs."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import trustme

from goproxy_mirror.errors import Blocked, NoRepository, NotFound, Unreachable
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Query
from goproxy_mirror.ports import Info, RepoRoot
from goproxy_mirror.process import Runner
from goproxy_mirror.transport import AddressPolicy, Hosts, Proxies, Transport
from goproxy_mirror.vcs.fallback import FallbackRepositories
from tests.conformance.world import MERCURIAL, World, build_mercurial, load
from tests.world.go import go_binary
from tests.world.internet import Internet
from tests.world.mercurial import HgServer, mercurial
from tests.world.zips import h1, mod_h1

TRUTH = load("truth_hg.json")


async def names(host: str, port: int) -> Sequence[str]:
    """A name server that knows one host, and a bad one."""
    if host == "metadata.test":
        return ["169.254.169.254"]
    raise OSError("Name or service not known")


@pytest.fixture(scope="module")
def internet(
    conformance: World, authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Internet]:
    """An Internet with the Mercurial repositories; skips where Mercurial cannot be had."""
    programs, repositories = mercurial(), build_mercurial(conformance)
    if isinstance(programs, str) or isinstance(repositories, str):
        pytest.skip(str(programs))
    with (
        pytest.MonkeyPatch.context() as patch,
        Internet(tmp_path_factory.mktemp("internet"), authority) as internet,
        HgServer(programs, repositories, internet, MERCURIAL),
    ):
        patch.setenv("PATH", os.pathsep.join([str(programs), str(go_binary().parent), os.environ["PATH"]]))
        yield internet


@pytest_asyncio.fixture
async def repositories(internet: Internet, tmp_path: Path) -> AsyncIterator[FallbackRepositories]:
    """Repositories in that Internet."""
    transport = Transport(
        policy=AddressPolicy(),
        user_agent="test",
        proxies=Proxies(https=internet.proxy.url),
        ca_files=[internet.ca_file],
        resolver=names,
        hosts=Hosts(rest=0),
    )
    found = FallbackRepositories(
        tmp_path / "go", Runner(tmp_path / "programs", ca_file=internet.ca_file), transport, keep=600
    )
    yield found
    await found.aclose()
    await transport.aclose()


def at(path: str) -> RepoRoot:
    """The repository of a module path."""
    root = "/".join(path.split("/")[:3])
    return RepoRoot(root, "hg", f"https://{root}")


@pytest.mark.parametrize("path", sorted({entry["path"] for entry in TRUTH}))
async def test_modules_are_what_the_go_command_makes_of_them(
    path: str, repositories: FallbackRepositories, tmp_path: Path
) -> None:
    """Version, time, origin, go.mod, both hashes and the order of the files; and what is refused is refused."""
    module = ModulePath.parse(path)
    repository = repositories.open(at(path))
    built: set[str] = set()

    async def named(query: str) -> Info:
        return await (
            repository.latest(module) if query == "latest" else repository.resolve(module, Query(query))
        )

    for truth in (entry for entry in TRUTH if entry["path"] == path):
        if "error" in truth:
            with pytest.raises(NotFound, match=truth["error"].partition(":")[2]):
                await named(truth["query"])
            continue
        info = await named(truth["query"])
        assert origin_of(json.loads(info.body), f"https://{MERCURIAL}") == origin_of(
            truth["info"], "http://127.0.0.1:8943"
        )
        if truth["version"] not in built:
            built.add(truth["version"])
            zip_file = tmp_path / "module.zip"
            mv = ModuleVersion(module, info.version)
            assert mod_h1(await repository.go_mod(mv)) == truth["modsum"]
            await repository.zip(mv, zip_file)
            assert h1(zip_file) == truth["sum"]
            with zipfile.ZipFile(zip_file) as archive:
                assert [name.removeprefix(f"{mv}/") for name in archive.namelist()] == truth["zip_files"]


def origin_of(info: dict[str, Any], host: str) -> dict[str, Any]:
    """A `.info` with the repository's URL below its host, and without the name that was asked for."""
    origin = {name: value for name, value in info["Origin"].items() if name != "Ref"}
    return {**info, "Origin": {**origin, "URL": origin["URL"].removeprefix(host)}}


async def test_an_outage_is_no_absence(internet: Internet, repositories: FallbackRepositories) -> None:
    """A repository that is not there is absent; a host that is not there is unreachable, for lists too."""
    gone = f"{MERCURIAL}/nosuch"
    with pytest.raises(NoRepository):
        await repositories.open(at(gone)).versions(ModulePath.parse(gone))
    with pytest.raises(Unreachable):
        await repositories.open(RepoRoot("gone.test/m", "hg", "https://gone.test/m")).versions(
            ModulePath.parse("gone.test/m")
        )


async def test_a_redirect_leads_to_public_addresses_only(
    internet: Internet, repositories: FallbackRepositories
) -> None:
    """Mercurial follows redirects; each connection is vetted all the same."""
    internet.redirects["moved.test/hg"] = "metadata.test/hg"
    internet.page("moved.test/m", "moved.test/m hg https://moved.test/hg/m")
    root = RepoRoot("moved.test/m", "hg", "https://moved.test/hg/m")
    with pytest.raises(Blocked, match=r"metadata\.test .*--allow-address"):
        await repositories.open(root).latest(ModulePath.parse("moved.test/m"))
    assert "metadata.test" not in internet.hosts_asked
