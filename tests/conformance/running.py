"""A running server in the conformance cases' world, wired as an operator would wire it, by flags."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import trustme

from tests.conformance.world import HERE, MERCURIAL, World, build_mercurial, mercurial_pages
from tests.world.go import go_binary
from tests.world.internet import Internet
from tests.world.mercurial import HgServer, mercurial
from tests.world.modules import ERRORS, ERRORS_VERSIONS, TOML, Modules
from tests.world.repositories import repository_of_module
from tests.world.server import Server
from tests.world.sumdb import SumDB, SumDBServer
from tests.world.upstream import Upstream
from tests.world.zips import mod_h1

SUMS = HERE / "sumdb_vectors"
TOOLCHAIN = "golang.org/toolchain/@v/v0.0.1-go1.27.3.linux-amd64.mod"


@contextmanager
def running_server(
    folder: Path, world: World, modules: Modules, authority: trustme.CA
) -> Iterator[tuple[Server, Internet, Upstream]]:
    """The server, its Internet, and the checksum database `sum.test` that it passes through.

    Pages are fetched through HTTPS_PROXY from hosts that the test CA vouches for; repositories are local folders
    that rewrite and mirror rules name.
    """
    fixtures, vcstest = (world.folder / name for name in ("fixtures", "vcstest"))
    rules = [
        *("--rewrite", f"https://x.test/git/={fixtures.as_uri()}/"),
        *("--rewrite", f"https://github.com/x/={fixtures.as_uri()}/"),
        *("--rewrite", f"https://vcs-test.golang.org/git/={vcstest.as_uri()}/"),
        *("--mirror", f"github.com/rsc/vgotest1={(vcstest / 'vgotest1').as_uri()}"),
    ]
    for path, versions in ((ERRORS, ERRORS_VERSIONS), (TOML, ("v0.3.1",))):
        repository = repository_of_module(folder / path, modules.tree, path, versions)
        rules += ["--mirror", f"{path}={repository.as_uri()}"]
    with Internet(folder / "internet", authority) as internet, Upstream(SUMS) as sums:
        for path, page in world.pages.items():
            internet.page(path, *page.go_import, status=page.status)
        internet.tree("proxy.test/p", folder / "internet")
        flags = ("--upstream", "direct", "--no-builtin-mirrors", "--sumdb", f"sum.test={sums.url}")
        with (
            serving_mercurial(world, internet) as environment,
            Server(folder / "server", *flags, *rules, env=environment).start() as server,
        ):
            yield server, internet, sums


@contextmanager
def serving_mercurial(world: World, internet: Internet) -> Iterator[Mapping[str, str]]:
    """Serve the Mercurial repositories, where Mercurial can be had; the environment of a server that is to read them."""
    programs, repositories = mercurial(), build_mercurial(world)
    if isinstance(programs, str) or isinstance(repositories, str):
        yield internet.env()
        return
    for path, entry in mercurial_pages(repositories):
        internet.page(path, entry)
    path = os.pathsep.join([str(programs), str(go_binary().parent), os.environ["PATH"]])
    with HgServer(programs, repositories, internet, MERCURIAL):
        yield {**internet.env(), "PATH": path}


@contextmanager
def toolchain_server(folder: Path, authority: trustme.CA) -> Iterator[Server]:
    """A server for the case about a toolchain, which is proven always: its database has the record."""
    tree = _toolchain(folder / "toolchain")
    version = Path(TOOLCHAIN).name.removesuffix(".mod")
    database = SumDB()
    database.add("golang.org/toolchain", version, go_mod=mod_h1((tree / TOOLCHAIN).read_bytes()))
    with Internet(folder / "internet", authority) as internet, SumDBServer(database) as sums:
        internet.tree("go.dev/dl/mod", tree)
        flags = ("--upstream", "direct", "--no-builtin-mirrors", "--gosumdb", f"{database.vkey} {sums.url}")
        with Server(folder / "server", *flags, env=internet.env()).start() as server:
            yield server


def _toolchain(folder: Path) -> Path:
    file = folder / TOOLCHAIN
    file.parent.mkdir(parents=True)
    file.write_text("module golang.org/toolchain\n")
    return folder
