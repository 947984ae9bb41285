"""`sumdb status`, `mirrors list` and `mirrors test` in a world where some places are stale, lie, or are gone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.e2e.inspecting import DATABASE, NEWEST, Done, Inspected
from tests.world.internet import Internet
from tests.world.modules import CHECK, CHECK_VERSION, MOD, MOD_VERSIONS, Modules
from tests.world.repositories import Commit, repository_of_module, write_repository
from tests.world.server import Server
from tests.world.store import published_files
from tests.world.sumdb import SumDB, mount
from tests.world.sumlies import forged_tile, forked_tree, login_page, older_tree, outage
from tests.world.upstream import Upstream
from tests.world.zips import contents

DIRECT = ("--no-builtin-mirrors", "--upstream", "direct", "--toolchains", "off")


@pytest.fixture
def world(internet: Internet, modules: Modules, tmp_path: Path) -> Inspected:
    """An empty store that no server uses, and a database with a record of every kept module."""
    database = SumDB()
    database.add_tree(modules.tree)
    mount(internet, DATABASE, database)
    server = Server(tmp_path / "server")
    server.store.mkdir(parents=True)
    return Inspected(internet, modules, database, server, tmp_path)


def mirror(world: Inspected, name: str, repository: Path | None) -> tuple[str, str]:
    """A mirror of golang.org/x/mod at a host of its own, as arguments; None: the host is not there."""
    if repository is not None:
        world.internet.repository(f"{name}.example/mod", repository)
    return "--mirror", f"golang.org/x/{{repo}}=https://{name}.example/{{repo}}"


def liar(world: Inspected) -> Path:
    """A repository whose newest tag leads to another go.mod."""
    commits = []
    for version in MOD_VERSIONS:
        files = contents(world.modules.tree / MOD / "@v" / f"{version}.zip", f"{MOD}@{version}")
        if version == NEWEST:
            files["go.mod"] += b"\nrequire evil.example/m v1.0.0\n"
        commits.append(Commit(files, "2025-01-01T00:00:00Z", tags=(version,)))
    return write_repository(world.folder / "liar.git", commits)


def inventor(world: Inspected) -> Path:
    """A repository with a version that was never published."""
    commits = [
        Commit(
            contents(world.modules.tree / MOD / "@v" / f"{version}.zip", f"{MOD}@{version}"),
            "2025-01-01T00:00:00Z",
            tags=(version, "v0.99.0") if version == NEWEST else (version,),
        )
        for version in MOD_VERSIONS
    ]
    return write_repository(world.folder / "inventor.git", commits)


def verdicts(done: Done) -> dict[str, str]:
    """What was said of each mirror, by its name."""
    return {
        str(line["url"]).partition("://")[2].partition(".")[0]: str(line["verdict"])
        for line in done.lines
        if line["kind"] == "own"
    }


# mirrors test.


def test_verdict_of_each_mirror(world: Inspected, mod_repository: Path) -> None:
    """An honest one, one that is behind, one that lies, one that invents, one without the repository, and one that is gone."""
    stale = repository_of_module(world.folder / "stale.git", world.modules.tree, MOD, MOD_VERSIONS[:2])
    world.internet.page("empty.example/other", "")
    world.internet.refuse("dead.example")
    rules = (
        *mirror(world, "honest", mod_repository),
        *mirror(world, "stale", stale),
        *mirror(world, "liar", liar(world)),
        *mirror(world, "inventor", inventor(world)),
        *mirror(world, "empty", None),
        *mirror(world, "dead", None),
    )
    done = world.run("mirrors", "test", "--json", MOD, *DIRECT, *rules)
    assert verdicts(done) == {
        "honest": "proven",
        "stale": "behind",
        "liar": "lied",
        "inventor": "proven",
        "empty": "no such repository",
        "dead": "unreachable",
    }, done.out + done.err
    said = {line["url"].removeprefix("https://").partition(".")[0]: line for line in done.lines}
    assert said["honest"]["versions"] == len(MOD_VERSIONS)
    assert NEWEST in said["stale"]["reason"]
    assert "v0.99.0" in said["inventor"]["reason"]
    assert done.status == 0, "some of them live"
    assert published_files(world.store) == []
    listed = world.run("mirrors", "list", "--json", MOD, *DIRECT, *rules)
    lies = [line for line in listed.lines if "lied" in line]
    assert [(lie["lied"], lie["module"], lie["version"], lie["file"]) for lie in lies] == [
        ("https://liar.example/mod", MOD, NEWEST, ".mod")
    ]
    assert {"honest.example", "stale.example"} <= {
        line["host"] for line in listed.lines if "requests" in line
    }


def test_rule_without_a_living_place(world: Inspected) -> None:
    """The status is 1; one line for each place says why, whole also where the terminal is narrow."""
    rules = mirror(world, "dead", None)
    done = world.run("mirrors", "test", MOD, *DIRECT, *rules)
    assert done.status == 1
    assert "unreachable" in done.out
    assert "https://dead.example/mod" in done.out
    assert "\x1b" not in done.out


def test_rule_that_needs_a_module(world: Inspected, mod_repository: Path) -> None:
    """A rule with a name in it is tried by a stored module; where there is none it says so, which is no failure."""
    rules = mirror(world, "honest", mod_repository)
    done = world.run("mirrors", "test", "golang.org/x/{repo}", *DIRECT, *rules)
    assert (done.status, "name a module to test this rule" in done.out) == (0, True), done.out + done.err
    kept = world.store / MOD / "@v"
    kept.mkdir(parents=True)
    (kept / "list").write_text("")
    again = world.run("mirrors", "test", "--json", "golang.org/x/{repo}", *DIRECT, *rules)
    assert verdicts(again) == {"honest": "proven"}, again.out + again.err


def test_database_that_is_down_makes_no_liar(world: Inspected, mod_repository: Path) -> None:
    """A mirror that nobody can vouch for lives, and has not lied."""
    world.database.lie(outage)
    done = world.run("mirrors", "test", "--json", MOD, *DIRECT, *mirror(world, "honest", mod_repository))
    assert verdicts(done) == {"honest": "unproven"}, done.out + done.err
    world.database.lie()
    assert world.run("sumdb", "status").status == 0, "now its history is known"
    world.database.fill(300)
    world.database.lie(forked_tree(world.database.fork(1)))
    done = world.run("mirrors", "test", "--json", MOD, *DIRECT, *mirror(world, "honest", mod_repository))
    assert verdicts(done) == {"honest": "unproven"}


def test_upstreams_and_databases_are_tried(world: Inspected, upstream: Upstream) -> None:
    """An upstream by its list and the newest go.mod, a database by its newest tree; other kinds are left alone when not named."""
    done = world.run(
        *("mirrors", "test", "--json", "--timeout", "20s", MOD, world.database.name),
        *("--no-builtin-mirrors", "--upstream", f"{upstream.url}|https://gone.example|direct"),
    )
    said = {line["url"]: (line["kind"], line["verdict"]) for line in done.lines}
    assert said[upstream.url] == ("upstream", "proven")
    assert said["https://gone.example"] == ("upstream", "unreachable")
    assert said[f"https://{DATABASE}"] == ("sumdb", "proven")
    assert done.status == 0


@pytest.mark.parametrize("verb", ["list", "test"])
def test_pattern_that_names_nothing(world: Inspected, verb: str) -> None:
    """One line says what can be named."""
    done = world.run("mirrors", verb, "absent.example/*", *DIRECT)
    assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)
    assert "no rule is named so" in done.err


# mirrors list.


def test_every_rule_is_listed(world: Inspected) -> None:
    """Own rules before the built-in ones, with rewrites, upstreams, databases, sites; and no secret is shown."""
    done = world.run(
        *("mirrors", "list", "--mirror", "corp.example/{r}=https://git.corp.example/{r}"),
        *("--rewrite", "https://github.com/=https://copy.example/github.com/"),
        *("--upstream", "https://name:secret@proxy.example|direct"),
    )
    assert done.status == 0
    lines = done.out.splitlines()
    assert lines.index("  corp.example/{r}") < lines.index("  golang.org/x/{repo}")
    places = lines[lines.index("  golang.org/x/{repo}") + 1 :][:3]
    assert places == [
        "    1  https://github.com/golang/{repo}",
        "    2  https://copy.example/github.com/golang/{repo}",
        "    3  https://go.googlesource.com/{repo}",
    ]
    assert "https://***@proxy.example" in done.out
    assert "secret" not in done.out + done.err
    assert not (world.server.data / "state" / "state.db").exists(), "looking makes nothing"


def test_rule_of_a_module(world: Inspected) -> None:
    """A module path shows the rule that counts for it, with its names filled in."""
    done = world.run("mirrors", "list", "--json", "golang.org/x/text")
    (rule,) = [line for line in done.lines if line.get("kind") == "built-in"]
    assert rule["left"] == "golang.org/x/text"
    assert [place["url"] for place in rule["places"]] == [
        "https://github.com/golang/text",
        "https://go.googlesource.com/text",
    ]


# sumdb status.


def test_each_place_of_the_database(world: Inspected) -> None:
    """Places that agree, lag, lie, answer rubbish, and are gone; one that agrees is enough."""
    world.database.fill(300)
    lies = {"lags": older_tree(5), "lies": forged_tile(0), "page": login_page, "down": outage}
    for name, lie in lies.items():
        mount(world.internet, f"{name}.example", world.database.mirror(lie))
    urls = ",".join(f"https://{name}.example" for name in (*lies, "gone"))
    # Something must be known of the tree for a lie about it to be seen.
    assert world.run("sumdb", "status").status == 0
    world.database.fill(300)
    done = world.run("sumdb", "status", "--json", "--sumdb", f"{world.database.name}={urls}")
    report = next(line for line in done.lines if line.get("database") == world.database.name)
    places = {place["url"].removeprefix("https://").partition(".")[0]: place for place in report["places"]}
    assert places["sums"]["agrees"] is True
    assert (places["lags"]["agrees"], places["lags"]["records"]) == (True, 5)
    assert {name: place["answers"] for name, place in places.items()} == {
        "sums": True,
        "lags": True,
        "lies": True,
        "page": False,
        "down": False,
        "gone": False,
    }
    assert (done.status, report["forked"], report["records"]) == (0, False, world.database.size)


def test_database_that_cannot_be_reached(world: Inspected) -> None:
    """The status is 1, and the words say which place failed how."""
    world.database.lie(outage)
    done = world.run("sumdb", "status")
    assert done.status == 1
    assert f"  https://{DATABASE}\n    cannot be asked: " in done.out


def test_forked_database_until_it_is_forgiven(world: Inspected) -> None:
    """The evidence is told, and lasts until the operator removes it; then an honest database is believed again."""
    assert world.run("sumdb", "status").status == 0
    world.database.fill(300)
    world.database.lie(forked_tree(world.database.fork(1)))
    found = world.run("sumdb", "status")
    assert (found.status, "FORKED" in found.out) == (1, True), found.out
    world.database.lie()
    assert world.run("sumdb", "status").status == 1, "the alarm lasts"
    asked = world.run("sumdb", "forget-fork", world.database.name)
    assert (asked.status, "--yes" in asked.err) == (2, True), asked.err
    assert "two histories" in asked.out
    assert world.run("sumdb", "status").status == 1, "nothing was removed without a word"
    assert world.run("sumdb", "forget-fork", world.database.name, "--yes").status == 0
    assert world.run("sumdb", "status").status == 0
    none = world.run("sumdb", "forget-fork", world.database.name, "--yes")
    assert (none.status, none.err.count("\n")) == (2, 1)


def test_counts_and_settings(world: Inspected, start_server: StartServer, upstream: Upstream) -> None:
    """How many published files are proven, pinned and unproven, and which settings decide it."""
    database = ("--gosumdb", f"{world.database.vkey} https://{DATABASE}")
    server = start_server(
        "--no-builtin-mirrors", "--upstream", upstream.url, *database, "--gonosumdb", CHECK, name="filled"
    )
    for key in (f"{MOD}/@v/{NEWEST}.mod", f"{MOD}/@v/{NEWEST}.zip", f"{CHECK}/@v/{CHECK_VERSION}.mod"):
        assert server.get(f"/{key}").status == 200
    server.stop()
    done = replace(world, server=server).run("sumdb", "status", "--json", "--gonosumdb", CHECK)
    last = done.lines[-1]
    assert {name: last[name] for name in ("proven", "pinned", "unproven", "verify", "gonosumdb")} == {
        "proven": 2,
        "pinned": 1,
        "unproven": 0,
        "verify": "require",
        "gonosumdb": [CHECK],
    }


def test_trial_pins_nothing(world: Inspected, mod_repository: Path) -> None:
    """Outside the database a mirror is held to the pin, and none is made of what it brings; once there is one, it counts."""
    outside = ("--gonosumdb", "golang.org/x")
    arguments = ("mirrors", "test", "--json", MOD, *DIRECT, *outside)
    rules = (*mirror(world, "honest", mod_repository), *mirror(world, "liar", liar(world)))
    for _ in range(2):
        assert verdicts(world.run(*arguments, *rules)) == {"honest": "unproven", "liar": "unproven"}
    stored = world.store / MOD / "@v" / f"{NEWEST}.mod"
    stored.parent.mkdir(parents=True)
    stored.write_bytes(world.modules.file(MOD, NEWEST, "mod"))
    assert world.run("verify", *outside).status == 0, "what is stored is pinned"
    assert verdicts(world.run(*arguments, *rules)) == {"honest": "proven", "liar": "lied"}
