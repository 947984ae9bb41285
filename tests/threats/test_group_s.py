"""Group S as a client sees it: checksum databases that lie, fail and fork, asked by the running server.

Each lie meets a version that nobody has asked for before. The same request is answered once the database is honest, so what
refused it was the lie.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme

from tests.conftest import NewDeveloper
from tests.world import sumlies
from tests.world.go import main_package
from tests.world.internet import Internet
from tests.world.server import Server
from tests.world.store import published_files
from tests.world.sumdb import Lie, SumDB, mount
from tests.world.upstream import Upstream
from tests.world.zips import h1, mod_h1, write_zip

MODULE = "threat.test/m"
HOST = "sums.example"
MB = 1 << 20


@dataclass
class World:
    """An upstream that tells the truth, a database that may not, and a server that proves the one by the other."""

    folder: Path
    internet: Internet
    upstream: Upstream
    database: SumDB = field(default_factory=SumDB)
    server: Server = field(init=False)
    versions: int = 0

    def start(self, name: str = "server") -> Server:
        """Another server in this world."""
        server = Server(
            self.folder / name,
            *("--no-builtin-mirrors", "--upstream", self.upstream.url, "--private", "corp.example"),
            *("--gosumdb", f"{self.database.vkey} https://{HOST}"),
            env=self.internet.env(),
        )
        return server.start()

    def publish(self) -> str:
        """A version that the upstream has and the database has a record of."""
        self.versions += 1
        version = f"v1.0.{self.versions}"
        folder = self.upstream.tree / MODULE / "@v"
        folder.mkdir(parents=True, exist_ok=True)
        go_mod = f"module {MODULE}\n".encode()
        (folder / f"{version}.mod").write_bytes(go_mod)
        (folder / f"{version}.info").write_text(
            json.dumps({"Version": version, "Time": "2026-01-01T00:00:00Z"})
        )
        write_zip(
            folder / f"{version}.zip", f"{MODULE}@{version}", {"go.mod": go_mod, "m.go": b"package m\n"}
        )
        self.database.fill(3)
        self.database.add(MODULE, version, h1(folder / f"{version}.zip"), mod_h1(go_mod))
        self.database.fill(2)
        return version

    def sumdb(self, path: str) -> str:
        """The path of a question to the database by way of the server."""
        return f"/sumdb/{self.database.name}/{path}"

    def stored(self) -> dict[str, str]:
        """The published files, by the hash of their content."""
        store = self.server.store
        return {key: hashlib.sha256((store / key).read_bytes()).hexdigest() for key in published_files(store)}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Iterator[World]:
    """A world in which one version is proven and stored already."""
    folder = tmp_path_factory.mktemp("group-s")
    (folder / "tree").mkdir()
    with ExitStack() as stack:
        internet = stack.enter_context(Internet(folder / "internet", authority))
        upstream = stack.enter_context(Upstream(folder / "tree"))
        world = World(folder, internet, upstream)
        world.database.fill(250)
        mount(internet, HOST, world.database)
        world.server = world.start()
        stack.callback(world.server.stop)
        version = world.publish()
        assert world.server.get(f"/{MODULE}/@v/{version}.mod").status == 200
        yield world


@pytest.fixture(autouse=True)
def _honest_again(world: World) -> Iterator[None]:
    """No test leaves a lie behind."""
    yield
    world.database.lie()


def tree_size(world: World) -> int:
    """The number of records of the server's newest tree, which is one that the database has signed in truth."""
    head = world.server.get(world.sumdb("latest")).body
    size = int(head.split(b"\n")[1])
    assert head == world.database.head(size)
    return size


def refused(world: World, lie: Lie, version: str, *statuses: int) -> None:
    """The version is neither published nor vouched for while the database lies, and is once it does not."""
    before = world.stored()
    size = tree_size(world)
    mod, lookup = f"/{MODULE}/@v/{version}.mod", world.sumdb(f"lookup/{MODULE}@{version}")
    world.database.lie(lie)
    for path in (mod, lookup):
        answer = world.server.get(path)
        assert answer.status in statuses, answer.text
        assert answer.headers["cache-control"] == "no-store"
    assert world.stored() == before
    assert tree_size(world) >= size
    world.database.lie()
    assert world.server.get(mod).status == 200
    record = world.server.get(lookup)
    assert record.status == 200
    assert record.body.endswith(world.database.head())
    assert record.body.startswith(
        world.database.honest(f"/lookup/{MODULE}@{version}").body.partition(b"\n\n")[0]
    )
    assert before.items() <= world.stored().items()


@pytest.mark.parametrize(
    ("number", "lie", "status"),
    [
        ("S01", sumlies.bad_signature, 502),
        ("S02", sumlies.unknown_key, 502),
        ("S03", sumlies.empty, 503),
        ("S04", sumlies.unrelated_record, 502),
        ("S05", sumlies.forged_tile(0), 502),
        ("S08", sumlies.wrong_leaf, 502),
        ("S08-forged", sumlies.forged_record, 502),
        ("S08-beyond", sumlies.number_beyond, 502),
        ("S09", sumlies.short_tile(0), 503),
        ("S13", sumlies.outage, 503),
        ("S13-page", sumlies.login_page, 503),
        ("S13-tiles", sumlies.on("/tile/", sumlies.outage), 503),
    ],
)
def test_lies_are_refused(world: World, number: str, lie: Lie, status: int) -> None:
    """502 for what is forged, 503 for what is no answer; nothing new is visible, nothing stored is changed."""
    refused(world, lie, world.publish(), status)


def test_s06_a_fork_is_an_alarm(world: World) -> None:
    """All of the database's questions are refused from then on, also after a restart; what is stored is served."""
    stored = world.publish()
    server = world.start("forked")
    try:
        assert server.get(f"/{MODULE}/@v/{stored}.mod").status == 200
        wanted = world.publish()
        world.database.lie(sumlies.forked_tree(world.database.fork(keep=100)))
        answer = server.get(f"/{MODULE}/@v/{wanted}.mod")
        assert answer.status == 502
        assert "signed two different histories" in answer.text
        assert "FORK" in server.log()
        world.database.lie()
        for _ in range(2):
            for path in ("latest", "tile/8/0/000", f"lookup/{MODULE}@{stored}", f"lookup/{MODULE}@{wanted}"):
                assert server.get(world.sumdb(path)).status == 502, path
            assert server.get(f"/{MODULE}/@v/{wanted}.mod").status == 502
            assert server.get(f"/{MODULE}/@v/{stored}.mod").status == 200
            server.stop()
            server.start()
    finally:
        server.stop()
    assert world.server.get(f"/{MODULE}/@v/{wanted}.mod").status == 200, (
        "the other server has seen one history"
    )


def test_s07_a_replayed_older_tree(world: World) -> None:
    """An older tree proves what it has, and the newest one stays; what it does not have it does not prove."""
    old, size = world.publish(), world.database.size
    version = world.publish()
    assert world.server.get(f"/{MODULE}/@v/{version}.mod").status == 200
    newest = world.database.head()
    world.database.lie(sumlies.older_tree(size))
    assert world.server.get(f"/{MODULE}/@v/{old}.mod").status == 200
    assert world.server.get(world.sumdb(f"lookup/{MODULE}@{old}")).body.endswith(newest)
    assert world.server.get(world.sumdb("latest")).body == newest
    refused(world, sumlies.older_tree(size), world.publish(), 502)


@pytest.mark.parametrize(
    "path",
    [
        "tile/8/0/x009/x223/x372/x036/x854/x775/808",
        "tile/8/0/x009/x223/x372/x036/x854/x775/808.p/1",
        "tile/8/64/000",
        "tile/31/0/000",
        "tile/8/0/000.p/256",
        "tile/8/0/1",
    ],
)
def test_s10_indexes_that_no_log_has(world: World, path: str) -> None:
    """400, and the database is not asked; the largest index that there is is merely not in the tree."""
    world.database.asked.clear()
    assert world.server.get(world.sumdb(path)).status == 400
    assert not world.database.asked
    largest = "tile/8/0/x009/x223/x372/x036/x854/x775/807"
    assert world.server.get(world.sumdb(largest)).status == 404


@pytest.mark.parametrize(
    "path", ["tile/../latest", "tile/8/0/../000", "tile/8/0/%2e%2e/000", "lookup/../latest@v1.0.0"]
)
def test_s11_ways_out(world: World, path: str) -> None:
    """400, and the database is not asked."""
    world.database.asked.clear()
    assert world.server.get(world.sumdb(path)).status == 400
    assert not world.database.asked


def test_s12_private_names_stay_at_home(world: World) -> None:
    """403 for a look-up, and no request anywhere tells of the module; a public one is answered."""
    version = world.publish()
    assert world.server.get(world.sumdb("lookup/corp.example/secret@v1.0.0")).status == 403
    assert not [request for request in world.internet.requests if "corp.example" in request]
    assert world.server.get(world.sumdb(f"lookup/{MODULE}@{version}")).status == 200


def test_s13_the_database_is_down(world: World, developer: NewDeveloper) -> None:
    """What has been verified goes on to be answered, so that a developer who never saw it can verify as well."""
    version = world.publish()
    first = developer(world.server.url, {"GOSUMDB": world.database.vkey})
    first.project(main_package())
    first.run("mod", "download", f"{MODULE}@{version}").ok()
    world.database.lie(sumlies.outage)
    second = developer(world.server.url, {"GOSUMDB": world.database.vkey})
    second.project(main_package())
    second.run("mod", "download", f"{MODULE}@{version}").ok()
    assert (second.folder / "gopath/pkg/sumdb" / world.database.name / "latest").exists()
    assert world.server.get(world.sumdb("latest")).status == 200
    unknown = world.server.get(world.sumdb("lookup/other.test/m@v1.0.0"))
    assert (unknown.status, unknown.headers["cache-control"]) == (503, "no-store")


def test_s13_a_record_that_is_not_there(world: World) -> None:
    """Positive control: the database's own no about a record is passed on as one."""
    assert world.server.get(world.sumdb("lookup/other.test/m@v1.0.0")).status == 404


def test_s14_unknown_names(world: World) -> None:
    """404, so that the client asks that database itself."""
    for path in ("supported", "latest", "tile/8/0/000", f"lookup/{MODULE}@v1.0.1"):
        assert world.server.get(f"/sumdb/other.test/{path}").status == 404
    assert world.server.get(world.sumdb("supported")).status == 200


def test_s15_a_note_without_end(world: World) -> None:
    """1 GB is not read: the refusal comes, and the server has not grown by it."""
    version = world.publish()
    before = world.server.peak()
    refused(world, sumlies.huge, version, 503)
    assert world.server.peak() - before < 64 * MB


def test_s16_an_extra_signature(world: World) -> None:
    """Whoever else has signed, it is the same tree; the go command takes what we make of it."""
    world.database.lie(sumlies.extra_signature)
    version = world.publish()
    assert world.server.get(f"/{MODULE}/@v/{version}.mod").status == 200
    assert world.server.get(world.sumdb(f"lookup/{MODULE}@{version}")).status == 200


def test_others_do_not_wait_for_a_slow_database(world: World) -> None:
    """I8: while the database holds an answer back, what is stored and what is verified is answered."""
    old, new = world.publish(), world.publish()
    assert world.server.get(f"/{MODULE}/@v/{old}.mod").status == 200
    opened = threading.Event()
    world.database.lie(sumlies.on("/lookup/", sumlies.held(opened)))
    waiting = threading.Thread(target=world.server.get, args=(f"/{MODULE}/@v/{new}.mod",))
    waiting.start()
    try:
        assert world.server.get(f"/{MODULE}/@v/{old}.mod").status == 200
        assert world.server.get(world.sumdb(f"lookup/{MODULE}@{old}")).status == 200
        assert world.server.get(world.sumdb("tile/8/0/000")).status == 200
    finally:
        opened.set()
        waiting.join()
