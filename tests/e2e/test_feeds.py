"""`/index` and `/catalog` of a running server, and `prune` and `reindex` beside it."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import NewDeveloper, StartServer
from tests.e2e.inspecting import DATABASE, Inspected
from tests.world.internet import Internet
from tests.world.modules import CHECK, CHECK_VERSION, MOD, MOD_VERSIONS, Modules
from tests.world.polling import eventually
from tests.world.server import Server
from tests.world.sumdb import SumDB, mount
from tests.world.upstream import Upstream

OLD, NEW = MOD_VERSIONS[0], MOD_VERSIONS[-1]
HELD = [f"{MOD}@{OLD}", f"{MOD}@{NEW}", f"{CHECK}@{CHECK_VERSION}"]

_PROGRAM = """
package main

import ("bytes"; _ "embed"; "encoding/json"; "io"; "os"; "time")

//go:embed lines
var lines []byte

func main() {
    in, out := json.NewDecoder(bytes.NewReader(lines)), json.NewEncoder(os.Stdout)
    for {
        var line struct { Path, Version string; Timestamp time.Time }
        if err := in.Decode(&line); err == io.EOF { return } else if err != nil { panic(err) }
        if err := out.Encode(line); err != nil { panic(err) }
    }
}
"""


def index(server: Server, query: str = "") -> list[str]:
    """The versions that the index names."""
    answer = server.get(f"/index{query}")
    assert answer.status == 200, answer.text
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["Timestamp"] for line in lines] == sorted(line["Timestamp"] for line in lines)
    return [f"{line['Path']}@{line['Version']}" for line in lines]


def catalog(server: Server, size: int) -> list[str]:
    """The versions that the catalog names, page by page."""
    found, token = list[str](), ""
    while True:
        page = json.loads(server.get(f"/catalog?pagesize={size}&token={token}").body)
        assert len(page["modules"]) <= size
        found += [f"{each['module']}@{each['version']}" for each in page["modules"]]
        if "next" not in page:
            return found
        token = page["next"]


def fetch_all(server: Server, name: str) -> bytes:
    """Ask for all files of a version; its zip."""
    path, _, version = name.partition("@")
    answers = [server.get(f"/{path}/@v/{version}.{ending}") for ending in ("info", "mod", "zip")]
    assert [answer.status for answer in answers] == [200, 200, 200]
    return answers[-1].body


@pytest.fixture
def world(
    internet: Internet, modules: Modules, start_server: StartServer, upstream: Upstream, tmp_path: Path
) -> Inspected:
    """A server that has fetched three versions of two modules, one after the other."""
    database = SumDB()
    database.add_tree(modules.tree)
    mount(internet, DATABASE, database)
    settings = ("--no-builtin-mirrors", "--upstream", upstream.url, "--gosumdb")
    server = start_server(*settings, f"{database.vkey} https://{DATABASE}")
    for count, name in enumerate(HELD, 1):
        fetch_all(server, name)
        eventually(lambda count=count: len(index(server)) == count, what=f"{name} in the index")  # type: ignore[misc]
    return Inspected(internet, modules, database, server, tmp_path)


def test_feeds_and_prune(world: Inspected, developer: NewDeveloper) -> None:
    """What is held is told in its order, as Go reads and writes it; what is pruned is told no more, unless it is asked for
    again; and a private module is told to nobody, from the moment on at which it is one."""
    server = world.server
    assert index(server) == catalog(server, 1) == catalog(server, 1000) == HELD
    lines = server.get("/index").body
    second = json.loads(lines.splitlines()[1])["Timestamp"]
    assert index(server, f"?since={second}") == HELD[1:]
    assert index(server, f"?since={second}&limit=1") == HELD[1:2]
    go = developer(server.url)
    go.project({"go.mod": "module x.test/read\n", "main.go": _PROGRAM, "lines": lines.decode()})
    assert go.run("run", ".").ok().stdout == lines.decode()

    zip_before = fetch_all(server, HELD[0])
    wanted = ("prune", "--match", HELD[0])
    dry = world.run(*wanted)
    assert dry.status == 0
    assert dry.out.startswith(f"would go {HELD[0]}: ")
    assert "Nothing was removed" in dry.out
    assert index(server) == HELD
    done_json = world.run(*wanted, "--yes", "--json")
    assert done_json.lines[-1]["summary"] == {"chosen": 1, "removed": 1, "kept": 0, "failed": 0, "pinned": 0}
    assert index(server) == catalog(server, 1) == HELD[1:]
    assert index(server, "?include=all") == HELD
    assert sorted(file.name for file in (server.store / MOD / "@v").iterdir()) == [
        "list",
        *(f"{NEW}.{ending}" for ending in ("info", "mod", "zip")),
    ]
    assert (server.store / MOD / "@v/list").read_text() == f"{NEW}\n"
    assert fetch_all(server, HELD[0]) == zip_before
    eventually(lambda: len(index(server)) == 3, what="the version that is back")
    assert index(server) == index(server, "?include=all") == [*HELD[1:], HELD[0]]

    assert world.run("prune", "--match", HELD[1], "--yes").status == 0
    assert len(index(server)) == 2
    whole = server.get("/index?include=all").body

    server.stop()
    unused = world.run("prune", "--unused-for", "1d")
    assert (unused.status, unused.out) == (0, unused.out)
    assert unused.out.startswith("Nothing fits, of 2 versions")
    (server.data / "state" / "state.db").rename(server.data / "lost.db")
    for left in (server.data / "state").glob("state.db-*"):
        left.unlink()
    again = world.run("reindex")
    assert (again.status, "6 recorded" in again.out, "2 versions entered" in again.out) == (0, True, True)
    assert "not there that nobody took out" not in again.out
    server.start()
    assert server.get("/index?include=all").body == whole
    (segment, *_) = sorted((server.store / "_state/seen").iterdir())
    assert server.get(f"/_state/seen/{segment.name}").status in {400, 404}
    server.stop()
    server._arguments = (*server._arguments, "--private", "golang.org/x/mod")
    server.start()
    assert index(server) == catalog(server, 1) == HELD[2:]


def test_prune_beside_clients(world: Inspected) -> None:
    """While clients ask for them, versions are pruned again and again: every answer is whole, and in the end they are held."""
    server, done, wrong = world.server, threading.Event(), list[str]()
    bodies: dict[str, bytes] = {}
    for name in HELD[:2]:
        path, _, version = name.partition("@")
        for ending in ("info", "mod", "zip"):
            key = f"/{path}/@v/{version}.{ending}"
            bodies[key] = server.get(key).body

    def ask() -> int:
        count = 0
        while not done.is_set():
            for key, body in bodies.items():
                answer = server.get(key)
                count += 1
                if (answer.status, answer.body) != (200, body):
                    wrong.append(f"{key}: {answer.status} {answer.text[:200]}")
        return count

    with ThreadPoolExecutor(2) as threads:
        clients = [threads.submit(ask) for _ in range(2)]
        removed = 0
        try:
            for _ in range(2):
                run = world.run("prune", "--match", MOD, "--yes", "--json")
                assert run.status == 0, run.err
                removed += run.lines[-1]["summary"]["removed"]
        finally:
            done.set()
        assert sum(client.result() for client in clients) > 0
    assert wrong == []
    assert removed > 0

    def asked_again() -> bool:
        """What was just removed may be answered from memory for a second more, and is not fetched by that."""
        for name in HELD[:2]:
            fetch_all(server, name)
        return sorted(index(server)) == sorted(HELD)

    eventually(asked_again, what="all versions in the index")
    listed = (server.store / MOD / "@v/list").read_text().split()
    assert sorted(listed) == sorted([OLD, NEW])
