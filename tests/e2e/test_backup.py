"""`backup` and `restore`, beside servers that publish and on stores that are there already."""

from __future__ import annotations

import select
import signal
import sqlite3
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.e2e.moving import Mover, contents, rows
from tests.world.go import Go, clean_environment
from tests.world.modules import MOD, MOD_VERSIONS, Modules
from tests.world.polling import eventually
from tests.world.server import Server, fetch, program
from tests.world.store import damaged_files, published_files
from tests.world.upstream import Upstream

KEY = f"{MOD}/@v/{MOD_VERSIONS[0]}"


@pytest.fixture
def mover(tmp_path: Path) -> Mover:
    """Commands without a network."""
    return Mover(tmp_path)


def filled(server: Server, modules: Modules, most: int = 6) -> None:
    """Let the server hold some of the kept versions."""
    for path, version, _ in list(modules.zips())[:most]:
        for ending in ("info", "mod", "zip"):
            assert server.get(f"/{path}/@v/{version}.{ending}").status == 200


def test_backup_while_fifty_clients_write(
    start_server: StartServer, upstream: Upstream, modules: Modules, mover: Mover, tmp_path: Path
) -> None:
    """Whatever the stream has is whole; one that is taken when all is quiet makes an equal store, and equal tables."""
    server = start_server("--upstream", upstream.url)
    wanted = [
        f"/{path}/@v/{version}.{ending}"
        for path, version, _ in modules.zips()
        for ending in ("info", "mod", "zip")
    ]
    started = threading.Barrier(51)

    def client(number: int) -> None:
        started.wait()
        turned = wanted[number % len(wanted) :] + wanted[: number % len(wanted)]
        for path in turned:
            assert fetch(server.port, path).status == 200

    with ThreadPoolExecutor(50) as clients:
        running = [clients.submit(client, number) for number in range(50)]
        started.wait()
        streams = [mover.run("backup", data=server.data) for _ in range(2)]
        for each in running:
            each.result()
    quiet = mover.run("backup", "--no-compress", data=server.data)
    for number, stream in enumerate([*streams, quiet]):
        assert stream.status == 0, stream.err
        copy = tmp_path / f"copy{number}"
        done = mover.run("restore", data=copy, stdin=stream.out)
        assert done.status == 0, done.text
        held = {key: hash_ for key, hash_ in contents(copy / "store").items() if not key.endswith("/list")}
        assert held.items() <= contents(server.store).items()
        assert damaged_files(copy / "store", modules.tree) == []
        # Whatever is held is recorded, as held and as where it came from.
        assert {key for (key,) in rows(copy, "provenance", "key")} == held.keys()
        for (stem,) in rows(copy, "feed", "stem"):
            assert {f"{stem}.info", f"{stem}.mod"} <= held.keys()
    assert contents(tmp_path / "copy2" / "store") == contents(server.store)
    for table in ("provenance", "pins", "feed", "tree_heads", "lies"):
        assert rows(tmp_path / "copy2", table) == rows(server.data, table), table
    assert len(rows(server.data, "pins")) > 0
    again = Server(tmp_path / "unused", "--data", str(tmp_path / "copy2"), "--upstream", "off")
    with again:
        index = again.get("/index").body
        assert index == server.get("/index").body
        assert index.count(b"\n") == len(list(modules.zips()))
        developer = Go(tmp_path / "developer", goproxy=again.url)
        developer.run("mod", "download", f"{MOD}@{MOD_VERSIONS[0]}").ok()


def test_restore_into_what_is_not_empty(
    start_server: StartServer, upstream: Upstream, modules: Modules, mover: Mover, tmp_path: Path
) -> None:
    """It is refused; with --merge what is missing is added, what is there stays, and what differs is said."""
    server = start_server("--upstream", upstream.url)
    filled(server, modules)
    stream = mover.run("backup", data=server.data).out
    copy = tmp_path / "copy"
    assert mover.run("restore", data=copy, stdin=stream).status == 0
    before = contents(copy / "store")
    refused = mover.run("restore", data=copy, stdin=stream)
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert "--merge" in refused.err
    merged = mover.run("restore", "--merge", data=copy, stdin=stream)
    assert (merged.status, contents(copy / "store")) == (0, before), merged.text
    key = next(iter(sorted(key for key in before if key.endswith(".zip"))))
    (copy / "store" / key).write_bytes(b"another")
    with sqlite3.connect(copy / "state" / "state.db") as state:
        state.execute("DELETE FROM provenance")
    conflict = mover.run("restore", "--merge", data=copy, stdin=stream)
    assert (conflict.status, key in conflict.text) == (1, True), conflict.text
    assert (copy / "store" / key).read_bytes() == b"another"
    # What the stream knows of its own file is not said of another.
    known = {name for (name,) in rows(copy, "provenance", "key")}
    assert known == {name for name in before if not name.endswith("/list")} - {key}


def test_stream_that_was_cut_off(
    start_server: StartServer, upstream: Upstream, modules: Modules, mover: Mover, tmp_path: Path
) -> None:
    """It ends with a sentence and a status, what is there is whole, and the whole stream adds the rest."""
    server = start_server("--upstream", upstream.url)
    filled(server, modules, 4)
    packed = mover.run("backup", data=server.data).out
    copy = tmp_path / "copy"
    done = mover.run("restore", data=copy, stdin=packed[: len(packed) // 2])
    assert (done.status, "cut off" in done.err, done.err.count("\n")) == (1, True, 1), done.text
    assert contents(copy / "store").items() <= contents(server.store).items()
    assert mover.run("restore", "--merge", data=copy, stdin=packed).status == 0
    assert contents(copy / "store") == contents(server.store)
    for table in ("provenance", "pins", "feed"):  # with the times at which versions arrived there
        assert rows(copy, table) == rows(server.data, table), table


def test_backup_to_where_it_cannot_go(mover: Mover, tmp_path: Path) -> None:
    """No store, a full disk and a reader that goes away are each a sentence and a status."""
    none = mover.run("backup", data=tmp_path / "nothing")
    assert (none.status, none.out, none.err.count("\n")) == (2, b"", 1)
    (tmp_path / "data" / "store").mkdir(parents=True)
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*program("backup"), "--data", str(tmp_path / "data")],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            text=True,
            timeout=60,
        )
    assert (done.returncode, "No space left" in done.stderr, "Traceback" in done.stderr) == (1, True, False)


def test_commands_that_wait_for_a_pipe(
    start_server: StartServer, upstream: Upstream, modules: Modules, mover: Mover, tmp_path: Path
) -> None:
    """Nobody reads the one, nobody writes to the others: asked to end, each does, and says so."""
    server = start_server("--upstream", upstream.url)
    filled(server, modules)
    stream = mover.run("backup", "--no-compress", data=server.data).out
    assert len(stream) > 300_000, "it would fit into the pipe"

    def begun(*arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*program(arguments[0]), *arguments[1:]],
            env={**clean_environment(tmp_path), "GOSUMDB": "off"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    backup = begun("backup", "--no-compress", "--data", str(server.data))
    export = begun("export", "-", "*", "--data", str(server.data), "--upstream", "off")
    restore = begun("restore", "--data", str(tmp_path / "restored"))
    import_ = begun("import", "-", "--data", str(tmp_path / "imported"), "--upstream", "off")
    for each in (backup, export):
        assert each.stdout is not None
        assert select.select([each.stdout], [], [], 60)[0], "nothing was written"
    assert restore.stdin is not None
    restore.stdin.write(stream[: len(stream) * 2 // 3])
    restore.stdin.flush()
    eventually(lambda: published_files(tmp_path / "restored" / "store"), what="a restored file")
    eventually(
        lambda: list((tmp_path / "imported" / "state").glob(".import-*")), what="a place for the bundle"
    )
    for each in (backup, export, restore, import_):
        each.send_signal(signal.SIGTERM)
        assert each.stderr is not None
        said = each.stderr.read() if each.wait(60) == 130 else b"it ended otherwise"
        assert said.endswith(b"goproxy-mirror: interrupted\n"), (each.args, said)
        for pipe in (each.stdin, each.stdout, each.stderr):
            assert pipe is not None
            pipe.close()
