"""Go toolchains from download sites: the go command asks for one, and verifies and runs what the server made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import NewDeveloper, StartServer
from tests.e2e.moving import Mover
from tests.world.distributions import FILES, RELEASE, TIME, module_hash, module_zip, tar_gz, version_of
from tests.world.go import Go, GoResult
from tests.world.internet import Internet
from tests.world.offline import offline
from tests.world.server import Server
from tests.world.store import published_files
from tests.world.sumdb import SumDB, mount
from tests.world.zips import h1, mod_h1

DATABASE = "sums.example"
GO_MOD = b"module golang.org/toolchain\n"
HONEST, LYING = "mirrors.aliyun.com/golang", "golang.google.cn/dl"


@dataclass
class World:
    """An Internet in which go.dev hangs and every upstream is gone, and a database with the records of one release.

    `version` is for this machine; whether a release exists, the go command asks of the one for linux-amd64.
    """

    internet: Internet
    database: SumDB
    start: StartServer
    new: NewDeveloper
    folder: Path
    version: str

    @property
    def versions(self) -> list[str]:
        """The versions that exist."""
        return sorted({self.version, version_of("linux-amd64")})

    def site(self, name: str, files: Mapping[str, bytes] = FILES) -> None:
        """A site that has the distribution with these contents."""
        folder = self.folder / name.replace("/", "-")
        folder.mkdir()
        for version in self.versions:
            platform = version.removeprefix(f"v0.0.1-{RELEASE}.")
            (folder / f"{RELEASE}.{platform}.tar.gz").write_bytes(tar_gz(files))
        self.internet.tree(name, folder)

    def proxy(self, name: str) -> None:
        """A module proxy that has the toolchain."""
        folder = self.folder / "proxy" / "golang.org" / "toolchain" / "@v"
        folder.mkdir(parents=True)
        for version in self.versions:
            (folder / f"{version}.zip").write_bytes(module_zip(version))
            (folder / f"{version}.mod").write_bytes(GO_MOD)
            (folder / f"{version}.info").write_text(json.dumps({"Version": version, "Time": TIME}))
        (folder / "list").write_text("".join(f"{version}\n" for version in self.versions))
        self.internet.tree(name, self.folder / "proxy")

    def server(self, *arguments: str) -> Server:
        """A server that proves what it publishes by the database."""
        key = f"{self.database.vkey} https://{DATABASE}"
        return self.start("--gosumdb", key, "--connect-timeout", "1s", *arguments)

    def get(self, server: Server, what: str) -> tuple[GoResult, str]:
        """A developer gets a toolchain for a project; what was said, and the project's go.mod."""
        go: Go = self.new(server.url, {"GOSUMDB": self.database.vkey})
        go.project({"go.mod": "module example.com/project\n\ngo 1.21\n"})
        return go.run("get", what), (go.work / "go.mod").read_text()

    def run(self, server: Server, release: str = RELEASE) -> GoResult:
        """A developer whose project names the toolchain asks for the version of go."""
        env = {"GOSUMDB": self.database.vkey, "GOTOOLCHAIN": "auto"}
        go: Go = self.new(server.url, env)
        go.project({"go.mod": f"module example.com/project\n\ngo 1.21\n\ntoolchain {release}\n"})
        return go.run("version")

    def path(self, kind: str) -> str:
        """The path of one of its files."""
        return f"/golang.org/toolchain/@v/{self.version}.{kind}"


@pytest.fixture
def world(internet: Internet, start_server: StartServer, developer: NewDeveloper, tmp_path: Path) -> World:
    """The world, with a toolchain for this machine."""
    database = SumDB()
    mount(internet, DATABASE, database)
    internet.black_hole("go.dev")
    host = developer("off").run("env", "GOOS", "GOARCH").ok().stdout.split()
    if host[0] == "windows":
        pytest.skip("the toolchain of these tests is a shell script")
    version = version_of("-".join(host))
    world = World(internet, database, start_server, developer, tmp_path, version)
    for each in world.versions:
        # Twice, by code that knows nothing of ours: the hash of the files' names, and that of a zip of them.
        assert module_hash(each) == h1(module_zip(each))
        database.add("golang.org/toolchain", each, module_hash(each), mod_h1(GO_MOD))
    return world


def test_a_toolchain_from_a_download_site(world: World) -> None:
    """With no setting at all, the toolchain is made of a mirror's archive while go.dev and all upstreams are away."""
    world.site(HONEST)
    server = world.server()
    said = world.run(server).ok().stdout
    assert said == f"this is {RELEASE}, asked for: version\n"
    assert json.loads(server.get(world.path("info")).body) == {"Version": world.version, "Time": TIME}
    assert server.get(world.path("mod")).body == GO_MOD
    assert h1(server.get(world.path("zip")).body) == module_hash(world.version)


def test_it_is_kept(world: World) -> None:
    """What was fetched once is served when every site is gone."""
    world.site(HONEST)
    server = world.server()
    world.run(server).ok()
    world.internet.refuse(HONEST.partition("/")[0])
    assert world.run(server).ok().stdout.startswith(f"this is {RELEASE}")


def test_a_toolchain_from_a_module_proxy(world: World) -> None:
    """A site that ends in /mod is asked as a module proxy, for lists too."""
    world.proxy("proxy.example/dl/mod")
    server = world.server("--toolchains", "https://proxy.example/dl/mod")
    assert world.run(server).ok().stdout.startswith(f"this is {RELEASE}")
    assert server.get("/golang.org/toolchain/@v/list").text.split() == world.versions


def test_go_get_toolchain(world: World) -> None:
    """`go get toolchain@RELEASE` needs one .info, which archives are enough for; `latest` needs a list: what is held, at last."""
    world.site(HONEST)
    server = world.server("--toolchains", f"https://{HONEST}")
    assert "no list of toolchains" in world.get(server, "toolchain@latest")[0].failed().stderr
    for what in (f"toolchain@{RELEASE}", "toolchain@latest"):
        said, go_mod = world.get(server, what)
        said.ok()
        assert f"toolchain {RELEASE}\n" in go_mod


def test_a_lying_site(world: World) -> None:
    """A changed program in one site's archive costs nothing but time: the next site has the recorded one."""
    world.site(LYING, {**FILES, "bin/go": b"#!/bin/sh\necho stolen\n"})
    world.site(HONEST)
    sites = ("--toolchains", f"https://{LYING},https://{HONEST}")
    assert world.run(world.server(*sites)).ok().stdout.startswith(f"this is {RELEASE}")


def test_nothing_but_a_lie(world: World) -> None:
    """Without an honest site the go command gets no toolchain, and nothing is published that it could get."""
    world.site(LYING, {**FILES, "bin/go": b"#!/bin/sh\necho stolen\n"})
    server = world.server("--toolchains", f"https://{LYING}")
    said = world.run(server).failed()
    assert "stolen" not in said.stdout + said.stderr
    assert server.get(world.path("zip")).status == 502
    assert not [path for path in published_files(server.store) if path.endswith(".zip")]


def test_sites_switched_off(world: World) -> None:
    """Positive control: with `toolchains = off` the mirror is not asked, and there is no toolchain."""
    world.site(HONEST)
    server = world.server("--toolchains", "off")
    world.run(server).failed()
    assert not [request for request in world.internet.requests if HONEST.partition("/")[0] in request]


def test_always_proven(world: World) -> None:
    """With GOSUMDB off and GONOSUMDB for everything, a toolchain without a proof is published all the same by nobody."""
    world.site(HONEST)
    server = world.start("--gosumdb", "off", "--gonosumdb", "*", "--connect-timeout", "1s")
    assert server.get(world.path("zip")).status >= 500
    assert not published_files(server.store)


def test_a_release_that_does_not_exist(world: World) -> None:
    """A toolchain that nobody has, nor any record of, is absent, and the go command says so."""
    world.site(HONEST)
    server = world.server("--toolchains", f"https://{HONEST}")
    assert server.get(world.path("zip").replace(RELEASE, "go1.99.9")).status == 404
    assert "toolchain not available" in world.run(server, "go1.99.9").failed().stderr


def test_a_release_that_a_site_lacks(world: World) -> None:
    """A toolchain of which there is a record is not absent, whatever sites lack it."""
    world.site(HONEST, {})
    server = world.server("--toolchains", f"https://{HONEST}/other")
    assert server.get(world.path("zip")).status == 502
    assert "has a record of it" in world.run(server).failed().stderr


def test_export_of_a_toolchain(world: World, tmp_path: Path) -> None:
    """A bundle has a toolchain with what proves it: a go command without any network takes and runs it, and finds the release."""
    world.site(HONEST)
    settings = ("--gosumdb", f"{world.database.vkey} https://{DATABASE}", "--connect-timeout", "1s")
    platform = world.version.removeprefix("v0.0.1-")
    bundle = str(tmp_path / "bundle")
    here = Mover(tmp_path, settings, world.internet.env())
    made = here.run("export", bundle, "--toolchain", platform, data=tmp_path / "here")
    assert made.status == 0, made.text
    there = Mover(tmp_path, ("--upstream", "off", *settings))
    taken = there.run("import", bundle, data=tmp_path / "there")
    assert (taken.status, b" 0 refused" in taken.out) == (0, True), taken.text
    developer = Go(
        tmp_path / "alone", goproxy="off", env={"GOSUMDB": world.database.vkey, "GOTOOLCHAIN": "auto"}
    )
    developer.project({"go.mod": f"module example.com/project\n\ngo 1.21\n\ntoolchain {RELEASE}\n"})
    said = offline(developer, tmp_path / "there", "go build ./...", settings=settings)
    assert said.startswith(f"this is {RELEASE}, asked for: build ./...\n"), said
    developer.project({"go.mod": "module example.com/project\n\ngo 1.21\n"})
    offline(developer, tmp_path / "there", f"go get toolchain@{RELEASE}", settings=settings)
    assert f"toolchain {RELEASE}" in (developer.work / "go.mod").read_text()
