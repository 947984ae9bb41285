"""The world of the end-to-end tests, as fixtures: modules, upstreams, an Internet, servers, developers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest
import structlog
import trustme

from tests.conformance.world import World, build
from tests.world.go import Go
from tests.world.internet import Internet
from tests.world.modules import MOD, MOD_VERSIONS, Modules, kept_modules
from tests.world.repositories import repository_of_module
from tests.world.server import Server
from tests.world.upstream import Upstream


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """A test that starts the program's log leaves none of it to the next one."""
    yield
    structlog.reset_defaults()


class StartServer(Protocol):
    """Starts a server with these arguments, in the tests' own Internet; it ends with the test."""

    def __call__(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        name: str = "server",
        port: int | None = None,
    ) -> Server: ...


class NewDeveloper(Protocol):
    """A developer with an empty module cache and this GOPROXY."""

    def __call__(self, goproxy: str, env: Mapping[str, str] | None = None) -> Go: ...


@pytest.fixture(scope="session")
def modules() -> Modules:
    """The kept modules."""
    return kept_modules()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """The certificate authority of the tests' Internet."""
    return trustme.CA()


@pytest.fixture(scope="session")
def mod_repository(modules: Modules, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository that holds the content of golang.org/x/mod, with tags and a branch `dev`."""
    return repository_of_module(
        tmp_path_factory.mktemp("repositories") / "mod.git", modules.tree, MOD, MOD_VERSIONS
    )


@pytest.fixture(scope="session")
def conformance(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The repositories of the conformance cases and the toolchain's own, made once for all worker processes."""
    base = tmp_path_factory.getbasetemp()
    # pytest-xdist gives each worker a folder of its own below one that they share.
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    return build(shared / "conformance-world")


@pytest.fixture
def internet(tmp_path: Path, authority: trustme.CA) -> Iterator[Internet]:
    """An Internet in which no host can be reached until the test adds it."""
    with Internet(tmp_path / "internet", authority) as internet:
        yield internet


@pytest.fixture
def upstream(modules: Modules) -> Iterator[Upstream]:
    """A module proxy that serves the kept modules."""
    with Upstream(modules.tree) as upstream:
        yield upstream


@pytest.fixture
def second_upstream(modules: Modules) -> Iterator[Upstream]:
    """Another one."""
    with Upstream(modules.tree) as upstream:
        yield upstream


@pytest.fixture
def start_server(tmp_path: Path, internet: Internet) -> Iterator[StartServer]:
    """Start servers; see `StartServer`."""
    with ExitStack() as stack:

        def start(
            *arguments: str,
            env: Mapping[str, str] | None = None,
            name: str = "server",
            port: int | None = None,
        ) -> Server:
            server = Server(tmp_path / name, *arguments, env={**internet.env(), **(env or {})}, port=port)
            stack.callback(server.stop)
            return server.start()

        yield start


@pytest.fixture
def developer(tmp_path: Path) -> Iterator[NewDeveloper]:
    """Make developers; see `NewDeveloper`."""
    made: list[Go] = []

    def make(goproxy: str, env: Mapping[str, str] | None = None) -> Go:
        made.append(Go(tmp_path / f"developer{len(made)}", goproxy=goproxy, env=env))
        return made[-1]

    yield make
    for each in made:
        shutil.rmtree(each.folder, ignore_errors=True)


@pytest.fixture
def without_proxy(
    modules: Modules, developer: NewDeveloper
) -> Callable[[Mapping[str, str], *tuple[str, ...]], Go]:
    """Run a go command on a project with the kept modules and no proxy in between, for comparison."""

    def run(project: Mapping[str, str], *argv: str) -> Go:
        go = developer(modules.tree.as_uri())
        go.project(project)
        go.run(*argv).ok()
        return go

    return run
