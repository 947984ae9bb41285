"""`verify`, `sumdb status`, `mirrors list` and `mirrors test`, on what a server has stored and in a world with liars."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.e2e.inspecting import DATABASE, NEWEST, Done, Inspected
from tests.world.internet import Internet
from tests.world.modules import CHECK, CHECK_VERSION, MOD, MOD_VERSIONS, Modules
from tests.world.polling import eventually
from tests.world.store import published_files
from tests.world.sumdb import SumDB, mount
from tests.world.sumlies import forked_tree, held, missing, on, outage
from tests.world.upstream import Upstream

ZIP = f"{MOD}/@v/{NEWEST}.zip"
GO_MOD = f"{MOD}/@v/{NEWEST}.mod"
INFO = f"{MOD}/@v/{NEWEST}.info"


@pytest.fixture
def world(
    internet: Internet, modules: Modules, start_server: StartServer, upstream: Upstream, tmp_path: Path
) -> Inspected:
    """Every kept version of golang.org/x/mod is stored, and a pseudo-version of another module."""
    database = SumDB()
    database.add_tree(modules.tree)
    mount(internet, DATABASE, database)
    server = start_server(
        *("--no-builtin-mirrors", "--upstream", upstream.url),
        *("--gosumdb", f"{database.vkey} https://{DATABASE}"),
    )
    wanted = [(MOD, version) for version in MOD_VERSIONS] + [(CHECK, CHECK_VERSION)]
    for path, version in wanted:
        for ending in ("info", "mod", "zip"):
            assert server.get(f"/{path}/@v/{version}.{ending}").status == 200
    count = 2 * len(wanted)
    database.asked.clear()
    made = Inspected(internet, modules, database, server, tmp_path)
    eventually(lambda: len(proven_files(made)) == count, what="the records of all files")
    return made


def proven_files(world: Inspected) -> list[str]:
    """The files that the state has as proven."""
    with sqlite3.connect(world.server.data / "state" / "state.db") as state:
        rows = state.execute("SELECT key FROM provenance WHERE proven_by IS NOT NULL").fetchall()
    return [str(key) for (key,) in rows]


def quarantined(world: Inspected) -> list[str]:
    """The keys of what was taken out."""
    folder = world.server.data / "state" / "quarantine"
    return sorted(
        str(file.relative_to(folder)).rpartition(".")[0] for file in folder.rglob("*.*.*.*") if file.is_file()
    )


# verify.


def test_store_that_is_right(world: Inspected) -> None:
    """Positive control: everything is proven, nothing is touched, and the status is 0."""
    before = published_files(world.store)
    done = world.run("verify", "--json")
    assert (done.status, done.summary) == (
        0,
        {"proven": 2 * len(MOD_VERSIONS) + 2, "sound": len(MOD_VERSIONS) + 1},
    )
    assert published_files(world.store) == before
    assert quarantined(world) == []
    assert not [path for path in world.database.asked if path.startswith("/lookup/")], (
        "kept records are enough"
    )


@pytest.mark.parametrize("key", [ZIP, GO_MOD])
def test_flipped_bit_while_it_is_served(world: Inspected, key: str) -> None:
    """It is found and taken out beside the running server, which fetches it anew when it is asked."""
    world.spoil(key)
    done = world.run("verify", "--json")
    assert (done.status, done.word(key), done.summary["quarantined"]) == (1, "quarantined", 1), done.out
    assert quarantined(world) == ([INFO, GO_MOD] if key == GO_MOD else [key])
    assert not (world.store / key).exists()
    ending = key.rpartition(".")[2]
    assert world.server.get(f"/{key}").body == world.modules.file(MOD, NEWEST, ending)
    again = world.run("verify", "--json")
    assert (again.status, again.word(key)) == (0, None)


def test_go_mod_takes_its_info_and_its_line_in_the_list_along(world: Inspected) -> None:
    """What the quarantined go.mod vouched for goes with it, and the list names what is held."""
    world.spoil(GO_MOD)
    assert world.run("verify").status == 1
    assert not (world.store / INFO).exists()
    assert NEWEST not in (world.store / MOD / "@v" / "list").read_text().split()


@pytest.mark.parametrize(
    "change",
    [
        lambda body: b"{",
        lambda body: body.replace(NEWEST.encode(), b"v9.9.9"),
        lambda body: b"<html>please log in</html>",
    ],
    ids=["no JSON", "another version", "a page"],
)
def test_info_that_is_none(world: Inspected, change: Callable[[bytes], bytes]) -> None:
    """An `.info` that is not that version's is taken out; its go.mod stays."""
    world.spoil(INFO, change)
    done = world.run("verify", "--json")
    assert (done.status, done.word(INFO)) == (1, "quarantined")
    assert (world.store / GO_MOD).exists()


@pytest.mark.parametrize(
    "said",
    [
        {"Time": "2026-01-01T00:00:00Z"},
        {"Origin": {"VCS": "git", "Hash": "0123456789abcdef" * 2 + "01234567"}},
    ],
    ids=["time", "commit"],
)
def test_info_of_a_pseudo_version_that_disagrees_with_it(world: Inspected, said: dict[str, object]) -> None:
    """A pseudo-version says its time and its commit."""
    key = f"{CHECK}/@v/{CHECK_VERSION}.info"
    world.spoil(key, lambda body: json.dumps(json.loads(body) | said).encode())
    done = world.run("verify", "--json", f"{CHECK}@{CHECK_VERSION}")
    assert (done.status, done.word(key)) == (1, "quarantined"), done.out


def test_list_is_made_anew(world: Inspected) -> None:
    """A list that names what is not stored is no loss, and no failure."""
    listed = world.store / MOD / "@v" / "list"
    right = listed.read_text()
    listed.write_text(right + "v9.9.9\n")
    done = world.run("verify", "--json", MOD)
    assert (done.status, done.summary["derived"]) == (0, 1)
    assert listed.read_text() == right


def test_database_that_cannot_be_asked(world: Inspected) -> None:
    """What nobody can vouch for is counted apart and left (status 3); what differs from what was proven once is wrong all the same."""
    (world.server.data / "state" / "sumdb").rename(world.folder / "forgotten")
    world.database.lie(outage)
    world.spoil(ZIP)
    done = world.run("verify", "--json")
    assert (done.status, done.word(ZIP), done.word(GO_MOD)) == (1, "quarantined", "unproven"), done.out
    assert (world.store / GO_MOD).exists()
    again = world.run("verify", "--json")
    assert (again.status, again.summary["unproven"]) == (3, 2 * len(MOD_VERSIONS) + 1)
    world.database.lie()
    assert world.run("verify").status == 0, "positive control: it is reached again"


@pytest.mark.parametrize("lie", ["a no", "a fork"])
def test_database_that_lies_takes_nothing_out(world: Inspected, lie: str) -> None:
    """Neither a missing record nor a second history says that a stored file is wrong."""
    (world.server.data / "state" / "sumdb").rename(world.folder / "forgotten")
    world.database.fill(300)
    world.database.lie(on("/lookup", missing) if lie == "a no" else forked_tree(world.database.fork(1)))
    done = world.run("verify", "--json")
    assert (done.status, quarantined(world)) == (3, []), done.out
    assert done.summary["unproven"] == 2 * len(MOD_VERSIONS) + 2


def test_what_is_named(world: Inspected) -> None:
    """A version, a module, a glob; what is not stored is said in one line."""
    for names, versions in (
        ([f"{MOD}@{NEWEST}"], 1),
        ([MOD], len(MOD_VERSIONS)),
        (["golang.org/*"], len(MOD_VERSIONS)),
        ([CHECK, f"{MOD}@{NEWEST}"], 2),
    ):
        assert world.run("verify", "--json", *names).summary["proven"] == 2 * versions
    done = world.run("verify", "golang.org/x/absent", MOD)
    assert (done.status, done.out) == (2, "")
    assert done.err == "goproxy-mirror: verify: nothing is stored of golang.org/x/absent\n"


LISTENING = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
"""Starts a program that hears SIGINT, although whoever runs the tests in the background has it ignored by all below them."""


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_goes_on(world: Inspected, sign: signal.Signals) -> None:
    """It ends with a summary; the next run looks at the rest only, and after that everything is looked at again."""
    for kept in (world.server.data / "state" / "sumdb").rglob("mod@*"):
        kept.unlink()
    answers = threading.Event()
    world.database.lie(on(f"/lookup/{MOD}", held(answers)))
    line, env = world.command("verify", "--json")
    running = subprocess.Popen(
        [sys.executable, "-c", LISTENING, *line],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        at = "SELECT count(*) FROM provenance WHERE key LIKE ? AND verified > first_seen + 0.000001"

        def checked() -> bool:
            with sqlite3.connect(world.server.data / "state" / "state.db") as state:
                return bool(state.execute(at, (f"{CHECK}/%",)).fetchone()[0] == 2)

        eventually(checked, what="a module that is done")
        eventually(lambda: [path for path in world.database.asked if MOD in path], what="a module under way")
        running.send_signal(sign)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()
        answers.set()
    first = Done(running.returncode, out, err)
    assert first.status == 130, err
    assert (first.lines[-1]["whole"], first.summary["proven"]) == (False, 2)
    assert "Traceback" not in err
    world.database.lie()
    second = world.run("verify", "--json")
    assert second.status == 0
    assert (second.summary["skipped"], second.summary["proven"]) == (2, 2 * len(MOD_VERSIONS))
    third = world.run("verify", "--json")
    assert (third.summary.get("skipped"), third.summary["proven"]) == (None, 2 * len(MOD_VERSIONS) + 2)


def test_store_that_is_not_there(world: Inspected) -> None:
    """A folder that is misspelt is no store without faults."""
    line, env = world.command("verify")
    line[line.index("--data") + 1] = str(world.folder / "absent")
    done = subprocess.run(line, env=env, capture_output=True, check=False, timeout=60, text=True)
    assert done.returncode == 2
    assert "there is no such folder" in done.stderr
    assert not (world.folder / "absent").exists()


def test_words_for_people(world: Inspected) -> None:
    """What failed and a summary on stdout, no colours where nobody sees them, and nothing is cut."""
    world.spoil(ZIP)
    done = world.run("verify")
    assert "\x1b" not in done.out + done.err
    assert f"quarantined {ZIP}: {MOD}@{NEWEST}.zip" in done.out
    assert f"{3 * len(MOD_VERSIONS) + 3} files" in done.out.splitlines()[-1]
    assert "1 quarantined" in done.out.splitlines()[-1]
