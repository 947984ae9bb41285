"""Mirrors that need no trust: a checksum database, an origin that is gone, and mirrors of which some lie.

The go command verifies by itself, against the same database: what it takes and what we take must be the same.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import NewDeveloper, StartServer
from tests.world.go import Go
from tests.world.internet import Internet
from tests.world.modules import CHECK, CHECK_VERSION, MOD, MOD_VERSIONS, NESTED_PROJECT, UUID, Modules
from tests.world.repositories import Commit, repository_of_module, write_repository
from tests.world.server import Server
from tests.world.store import damaged_files, published_files
from tests.world.sumdb import SumDB, mount
from tests.world.sumlies import forged_record, forged_tile, forked_tree, missing, on, outage
from tests.world.upstream import Upstream
from tests.world.zips import contents, write_zip

NEWEST = MOD_VERSIONS[-1]
DATABASE = "sums.example"


@dataclass
class World:
    """A database that has a record of every kept module, and the means to serve them in any state."""

    modules: Modules
    internet: Internet
    database: SumDB
    start: StartServer
    new: NewDeveloper
    folder: Path

    def server(self, *arguments: str) -> Server:
        """A server that proves what it publishes by the database."""
        key = f"{self.database.vkey} https://{DATABASE}"
        return self.start("--no-builtin-mirrors", "--gosumdb", key, *arguments)

    def developer(self, server: Server) -> Go:
        """A developer whose go command verifies against the same database, by way of the server."""
        return self.new(server.url, {"GOSUMDB": self.database.vkey})

    def tree(self, name: str) -> Path:
        """A copy of the modules' tree, to be changed."""
        copy = self.folder / name
        shutil.copytree(self.modules.tree, copy)
        return copy

    def mirror(self, name: str, repository: Path) -> tuple[str, str]:
        """A mirror of golang.org/x/mod at a host of its own, as arguments."""
        self.internet.repository(f"{name}.example/mod", repository)
        return "--mirror", f"golang.org/x/mod=https://{name}.example/mod"


@pytest.fixture
def world(
    modules: Modules,
    internet: Internet,
    start_server: StartServer,
    developer: NewDeveloper,
    tmp_path: Path,
) -> World:
    """The world, with the origin swallowing every connection."""
    database = SumDB()
    database.add_tree(modules.tree)
    mount(internet, DATABASE, database)
    internet.black_hole("golang.org", "go.googlesource.com")
    return World(modules, internet, database, start_server, developer, tmp_path)


def files_of(world: World, version: str) -> dict[str, bytes]:
    return contents(world.modules.tree / MOD / "@v" / f"{version}.zip", f"{MOD}@{version}")


def time_of(world: World, version: str) -> str:
    return str(json.loads(world.modules.file(MOD, version, "info"))["Time"])


# Upstream proxies that lie.


def changed_byte(files: Mapping[str, bytes], _: World) -> dict[str, bytes]:
    """One byte of one file is another."""
    return {**files, "LICENSE": files["LICENSE"][:-2] + b"X\n"}


def added_file(files: Mapping[str, bytes], _: World) -> dict[str, bytes]:
    """There is one file more."""
    return {**files, "semver/extra.go": b"package semver\n\nfunc init() { println(1) }\n"}


def other_version(_: Mapping[str, bytes], world: World) -> dict[str, bytes]:
    """It is another version's content under this one's name."""
    return files_of(world, MOD_VERSIONS[0])


ZIP_LIES: tuple[Callable[[Mapping[str, bytes], World], dict[str, bytes]], ...] = (
    changed_byte,
    added_file,
    other_version,
)


def lying_tree(world: World, lie: Callable[[Mapping[str, bytes], World], dict[str, bytes]]) -> Path:
    """A tree in which every zip of golang.org/x/mod is wrong."""
    tree = world.tree("lying")
    for version in MOD_VERSIONS:
        wrong = lie(files_of(world, version), world)
        write_zip(tree / MOD / "@v" / f"{version}.zip", f"{MOD}@{version}", wrong)
    if lie is other_version:  # a positive control needs a version that is really another one's
        shutil.copy(
            world.modules.tree / MOD / "@v" / f"{MOD_VERSIONS[0]}.mod", tree / MOD / "@v" / f"{NEWEST}.mod"
        )
    return tree


def invent(tree: Path, version: str) -> None:
    """Let a tree have a version that was never published."""
    folder = tree / MOD / "@v"
    for kind in ("mod", "zip"):
        shutil.copy(folder / f"{NEWEST}.{kind}", folder / f"{version}.{kind}")
    info = json.dumps({"Version": version, "Time": "2026-01-01T00:00:00Z"})
    (folder / f"{version}.info").write_text(info)
    (folder / "list").write_text((folder / "list").read_text() + f"{version}\n")
    (folder.parent / "@latest").write_text(info)


@pytest.mark.parametrize("separator", [",", "|"])
@pytest.mark.parametrize("lie", ZIP_LIES)
def test_lying_upstream_costs_nothing_but_time(
    world: World, lie: Callable[[Mapping[str, bytes], World], dict[str, bytes]], separator: str
) -> None:
    """The next upstream is asked within the same request; what lied is named, and only proven bytes are stored."""
    with Upstream(lying_tree(world, lie)) as liar, Upstream(world.modules.tree) as honest:
        server = world.server("--upstream", f"{liar.url}{separator}{honest.url}")
        go = world.developer(server)
        go.project(NESTED_PROJECT)
        go.run("mod", "tidy").ok()
        assert go.go_sum() == world.modules.nested_go_sum
    assert published_files(server.store)
    assert damaged_files(server.store, world.modules.tree) == []
    assert re.search(rf"a source lied .*{liar.url}", server.log()), server.log()


@pytest.mark.parametrize("lie", ZIP_LIES)
def test_no_honest_upstream_is_left(
    world: World, lie: Callable[[Mapping[str, bytes], World], dict[str, bytes]]
) -> None:
    """502 with both hashes, and nothing is published."""
    with Upstream(lying_tree(world, lie)) as liar:
        server = world.server("--upstream", liar.url)
        answer = server.get(f"/{MOD}/@v/{NEWEST}.zip")
        assert answer.status == 502
        assert answer.headers["cache-control"] == "no-store"
        assert "not what was published" in answer.text
        assert world.developer(server).run("mod", "download", f"{MOD}@{NEWEST}").failed()
    assert not [key for key in published_files(server.store) if key.endswith(".zip")]


def test_go_would_have_refused_it_too(world: World) -> None:
    """Positive control: without our check, the same bytes arrive, and the go command calls them a security error."""
    with Upstream(lying_tree(world, changed_byte)) as liar:
        server = world.start("--no-builtin-mirrors", "--upstream", liar.url)
        assert server.get(f"/{MOD}/@v/{NEWEST}.zip").status == 200
        go = world.new(
            server.url, {"GOSUMDB": f"{world.database.vkey} https://{DATABASE}", **world.internet.env()}
        )
        assert "SECURITY ERROR" in go.run("mod", "download", f"{MOD}@{NEWEST}").failed().stderr


def test_invented_newest_version_is_named_by_nobody(world: World) -> None:
    """`@latest` of a lying upstream names a version that has no record: the next one's word counts."""
    tree = world.tree("inventing")
    invent(tree, "v0.99.0")
    with Upstream(tree) as liar, Upstream(world.modules.tree) as honest:
        server = world.server("--upstream", f"{liar.url}|{honest.url}")
        assert server.get(f"/{MOD}/@v/v0.99.0.info").status in {404, 502}
        assert server.get(f"/{MOD}/@v/v0.99.0.zip").status in {404, 502}
        assert server.get(f"/{MOD}/@v/list").text.split() == list(MOD_VERSIONS)
        assert json.loads(server.get(f"/{MOD}/@latest").body)["Version"] == NEWEST
        go = world.developer(server)
        go.project(NESTED_PROJECT)
        go.run("get", f"{MOD}@latest").ok()
    assert not [key for key in published_files(server.store) if "v0.99.0" in key]


def test_forged_time_of_a_pseudo_version(world: World) -> None:
    """A `.info` of a pseudo-version says what the version says, whatever an upstream says."""
    tree = world.tree("forged")
    info = tree / CHECK / "@v" / f"{CHECK_VERSION}.info"
    info.write_text(json.dumps(json.loads(info.read_text()) | {"Time": "2026-01-01T00:00:00Z"}))
    with Upstream(tree) as liar:
        server = world.server("--upstream", liar.url)
        answer = server.get(f"/{CHECK}/@v/{CHECK_VERSION}.info")
    assert json.loads(answer.body)["Time"] == "2016-12-08T18:13:25Z"


# Mirrors of the repository that lie.


def lying_repository(world: World, name: str, lie: str) -> Path:
    """A repository of golang.org/x/mod whose newest tag leads to something else, and that has a tag more."""
    commits = []
    for version in MOD_VERSIONS:
        files = files_of(world, version)
        if version == NEWEST and lie == "changed":
            files = changed_byte(files, world)
        elif version == NEWEST and lie == "added":
            files = added_file(files, world)
        elif version == NEWEST and lie == "moved":
            files = files_of(world, MOD_VERSIONS[0])
        commits.append(Commit(files, time_of(world, version), tags=(version,)))
    if lie == "invented":
        commits.append(
            Commit(added_file(files_of(world, NEWEST), world), "2025-07-01T00:00:00Z", tags=("v0.99.0",))
        )
    return write_repository(world.folder / f"{name}.git", commits)


@pytest.mark.parametrize("lie", ["changed", "added", "moved", "invented"])
def test_lying_mirror_of_the_repository(world: World, mod_repository: Path, lie: str) -> None:
    """With one honest mirror, one that is behind and one that lies, whichever is asked first, go gets what was published."""
    stale = repository_of_module(world.folder / "stale.git", world.modules.tree, MOD, MOD_VERSIONS[:2])
    server = world.server(
        *("--upstream", "direct"),
        *world.mirror("liar", lying_repository(world, "liar", lie)),
        *world.mirror("stale", stale),
        *world.mirror("honest", mod_repository),
    )
    go = world.developer(server)
    go.project(NESTED_PROJECT)
    go.run("mod", "tidy").ok()
    assert go.go_sum() == world.modules.nested_go_sum
    listed = server.get(f"/{MOD}/@v/list").text.split()
    assert listed == list(MOD_VERSIONS)
    assert json.loads(server.get(f"/{MOD}/@latest").body)["Version"] == NEWEST
    go = world.developer(server)
    for version in MOD_VERSIONS:
        go.run("mod", "download", f"{MOD}@{version}").ok()
    assert not [key for key in published_files(server.store) if "v0.99.0" in key]
    if lie != "invented":
        assert re.search(r"a source lied .*https://liar\.example/mod", server.log()), server.log()


@pytest.mark.parametrize("lie", ["changed", "added", "moved"])
def test_no_honest_mirror_is_left(world: World, lie: str) -> None:
    """502, and nothing of the wrong revision is published."""
    server = world.server(
        *("--upstream", "direct"), *world.mirror("liar", lying_repository(world, "liar", lie))
    )
    answer = server.get(f"/{MOD}/@v/{NEWEST}.zip")
    assert answer.status == 502, answer.text
    assert not [key for key in published_files(server.store) if key.endswith(f"{NEWEST}.zip")]


def test_denied_version_that_has_a_record(world: World, mod_repository: Path) -> None:
    """An upstream's no is no last word about a version that the database has a record of."""
    tree = world.tree("forgetful")
    for path in (tree / MOD / "@v").glob(f"{NEWEST}.*"):
        path.unlink()
    with Upstream(tree) as forgetful:
        server = world.server("--upstream", forgetful.url, *world.mirror("honest", mod_repository))
        assert server.get(f"/{MOD}/@v/{NEWEST}.zip").status == 200
        assert server.get(f"/{MOD}/@v/v0.98.0.zip").status == 404


# The database.


def test_lying_place_of_the_database(world: World) -> None:
    """A place that passes on forged tiles or records costs time; the next one is asked."""
    bad = world.database.mirror(forged_tile(0), on("/lookup", forged_record))
    mount(world.internet, "bad.example", bad)
    with Upstream(world.modules.tree) as honest:
        server = world.start(
            *("--no-builtin-mirrors", "--upstream", honest.url, "--gosumdb", world.database.vkey),
            *("--sumdb", f"{world.database.name}=https://bad.example"),
            *("--sumdb", f"{world.database.name}=https://{DATABASE}"),
        )
        assert server.get(f"/{MOD}/@v/{NEWEST}.mod").status == 200
        assert bad.asked


def test_database_that_shows_two_histories(world: World) -> None:
    """A fork is an alarm: nothing more of that database is believed, what is stored and proven is served on."""
    stored, wanted = f"/{MOD}/@v/{NEWEST}.mod", f"/{MOD}/@v/{MOD_VERSIONS[0]}.zip"
    with Upstream(world.modules.tree) as honest:
        server = world.server("--upstream", honest.url)
        assert server.get(stored).status == 200
        world.database.fill(300)
        world.database.lie(forked_tree(world.database.fork(1)))
        assert server.get(wanted).status == 502
        assert server.get(stored).status == 200
        world.database.lie()
        assert server.get(wanted).status == 502, "the alarm lasts"
        server.stop()
        server.start()
        assert server.get(wanted).status == 502, "the alarm outlives the process"
        assert server.get(stored).status == 200
    assert not [key for key in published_files(server.store) if key.endswith(".zip")]


def test_database_that_cannot_be_reached(world: World) -> None:
    """What is stored and proven is served, and what its records are kept of; nothing else is published, and 503 says why.

    With `verify = "prefer"` it is taken.
    """
    stored, wanted = f"/{MOD}/@v/{NEWEST}.mod", f"/{MOD}/@v/{MOD_VERSIONS[0]}.zip"
    with Upstream(world.modules.tree) as honest:
        server = world.server("--upstream", honest.url)
        assert server.get(stored).status == 200
        world.database.lie(outage)
        assert server.get(stored).status == 200
        assert server.get(f"/{MOD}/@v/{NEWEST}.zip").status == 200
        refused = server.get(wanted)
        assert (refused.status, refused.headers["cache-control"]) == (503, "no-store")
        assert not [key for key in published_files(server.store) if MOD_VERSIONS[0] in key]
        server.stop()
        lenient = world.start(
            *("--no-builtin-mirrors", "--upstream", honest.url, "--verify", "prefer"),
            *("--gosumdb", f"{world.database.vkey} https://{DATABASE}"),
            name="lenient",
        )
        assert lenient.get(wanted).status == 200


def test_version_without_a_record(world: World) -> None:
    """A look-up that says no carries no proof: 502 with what to do, and nothing is published."""
    world.database.lie(on("/lookup", missing))
    with Upstream(world.modules.tree) as honest:
        server = world.server("--upstream", honest.url)
        refused = server.get(f"/{MOD}/@v/{NEWEST}.mod")
        assert refused.status == 502
        assert published_files(server.store) == []


def test_private_module_is_no_business_of_the_database(world: World) -> None:
    """What GONOSUMDB names is pinned at first sight; the database never hears of it."""
    with Upstream(world.modules.tree) as honest:
        server = world.server("--upstream", honest.url, "--gonosumdb", "golang.org/x")
        assert server.get(f"/{MOD}/@v/{NEWEST}.mod").status == 200
        assert server.get(f"/sumdb/{world.database.name}/lookup/{MOD}@{NEWEST}").status == 403
    assert not [path for path in world.database.asked if "golang.org" in path]


def test_files_of_an_earlier_version_are_proven_or_taken_out(world: World) -> None:
    """What was stored without a proof is proven at its first use; what is wrong is fetched anew."""
    with Upstream(lying_tree(world, changed_byte)) as liar, Upstream(world.modules.tree) as honest:
        server = world.start("--no-builtin-mirrors", "--upstream", liar.url)
        wrong = server.get(f"/{MOD}/@v/{NEWEST}.zip").body
        server.stop()
        shutil.rmtree(server.data / "state")
        (server.data / "state").mkdir()
        lines = [
            json.dumps(
                {"key": key, "home": liar.url, "kind": "upstream", "size": 1, "proven": False, "at": 1.0}
            )
            for key in published_files(server.store)
        ]
        (server.data / "state" / "provenance.jsonl").write_text("\n".join(lines) + "\n")
        shutil.copytree(server.data, world.folder / "upgraded" / "data")
        upgraded = world.start(
            *("--no-builtin-mirrors", "--upstream", honest.url),
            *("--gosumdb", f"{world.database.vkey} https://{DATABASE}"),
            name="upgraded",
        )
        right = upgraded.get(f"/{MOD}/@v/{NEWEST}.zip").body
    assert wrong != right == world.modules.file(MOD, NEWEST, "zip")
    assert list((upgraded.data / "state" / "quarantine").rglob("*.zip.*"))


def test_go_verifies_while_everything_is_gone(world: World) -> None:
    """What one developer's go command verified, another's verifies again with no upstream and no database left."""
    world.database.fill(1000)
    with Upstream(world.modules.tree) as honest:
        server = world.server("--upstream", honest.url)
        first = world.developer(server)
        first.project(NESTED_PROJECT)
        first.run("mod", "tidy").ok()
        world.database.fill(500)
        first.run("mod", "download", f"{UUID}@v1.6.0").ok()
    world.database.lie(outage)
    second = world.new(server.url, {"GOSUMDB": world.database.vkey, "GOPATH": str(world.folder / "other")})
    second.env["GOMODCACHE"] = str(world.folder / "other-cache")
    second.project(NESTED_PROJECT)
    second.run("mod", "tidy").ok()
    assert second.go_sum() == world.modules.nested_go_sum
    second.run("mod", "download", f"{UUID}@v1.6.0").ok()
    assert (world.folder / "other/pkg/sumdb" / world.database.name / "latest").exists()
