"""A database that ails: what is said, what still works, and that it heals."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from goproxy_mirror.errors import SettingError, StorageError
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileKind, Home, Proof
from goproxy_mirror.state import changes, database
from goproxy_mirror.state.opening import State
from goproxy_mirror.state.statefile import check_state, explained, stored_revision

ORIGIN = Home("origin", "https://x.test/m")
MV = ModuleVersion(ModulePath("x.test/m"), Version("v1.0.0"))
KEY = "x.test/m/@v/v1.0.0.zip"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for another writer, and a database that failed is tried again at once."""
    monkeypatch.setattr(changes, "BRIEF", 0.01)
    monkeypatch.setattr(database, "_REST", 0.0)


async def fill(folder: Path, count: int = 3) -> None:
    """A good database with some pins and files."""
    async with State(folder) as state:
        for n in range(count):
            mv = ModuleVersion(MV.path, Version(f"v1.{n}.0"))
            await state.pins.pin(mv, FileKind.ZIP, f"h1:{n}=", ORIGIN)
            await state.provenance.record(f"x.test/m/@v/{mv.version}.zip", ORIGIN, size=1, proof=None)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Another program writes, and does not end."""
    with closing(sqlite3.connect(folder / "state.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def move_away(folder: Path) -> None:
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        if (folder / name).exists():
            (folder / name).rename(folder / f"{name}.away")


def is_whole(folder: Path) -> bool:
    with closing(sqlite3.connect(folder / "state.db")) as connection:
        return bool(connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)])


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


async def test_locked_database_is_said(folder: Path) -> None:
    """A write that would have to wait too long is an error that says why; who reads does not notice."""
    await fill(folder)
    async with State(folder) as state:
        with locked(folder):
            assert (await state.pins.get(MV, FileKind.ZIP)) is not None
            assert len(await state.provenance.unproven()) == 3
            with pytest.raises(StorageError, match=r"locked by another program .*state\.db"):
                await state._database.write(lambda session: session.drop_file(KEY), wait=0.01)
            await state.provenance.record(KEY, ORIGIN, size=1, proof=Proof("h1:x=", "sum.test"))
        await state.catch_up()
        record = await state.provenance.of(KEY)
        assert record is not None
        assert record.proof is not None


async def test_writer_is_waited_for(folder: Path) -> None:
    """A write that another keeps waiting for less than its patience succeeds."""
    await fill(folder)
    async with State(folder) as state:
        await state.provenance.counts()
        with locked(folder):
            waiting = asyncio.create_task(state.heads.advance("sum.test", b"", b"one"))
            assert await state.heads.head("sum.test") == b""
        assert await waiting


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "another file": lambda good: b"this is no database" * 1000,
    "garbage behind the header": lambda good: good[:100] + b"\xa5" * (len(good) - 100),
    "cut": lambda good: good[: len(good) // 2],
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_damaged_database_is_said(folder: Path, damage: str) -> None:
    """Everything that needs a damaged database says what to do; proven files are published; moved away, it is made anew."""
    await fill(folder)
    file = folder / "state.db"
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    async with State(folder) as state:
        for asked in (
            state.pins.get(MV, FileKind.ZIP),
            state.pins.pin(MV, FileKind.MOD, "h1:x=", ORIGIN),
            state.provenance.unproven(),
            state.provenance.record(KEY, ORIGIN, size=1, proof=None),
        ):
            with pytest.raises(
                StorageError, match=r"damaged .*to begin anew, stop the server and move state\.db"
            ):
                await asked
        await state.provenance.record(KEY, ORIGIN, size=1, proof=Proof("h1:x=", "sum.test"))
        move_away(folder)
        assert await state.pins.get(MV, FileKind.ZIP) is None
        await state.catch_up()
        assert await state.provenance.of(KEY) is not None


async def test_database_is_moved_away_while_it_is_open(folder: Path) -> None:
    """What is written after the file was moved away goes into the new one, and not into the one that nobody will read."""
    await fill(folder)
    async with State(folder) as state:
        assert await state.pins.get(MV, FileKind.ZIP) is not None
        move_away(folder)
        pin = await state.pins.pin(MV, FileKind.ZIP, "h1:new=", ORIGIN)
        assert pin.hash == "h1:new="
    async with State(folder) as later:
        assert await later.pins.get(MV, FileKind.ZIP) == pin


async def test_folder_that_is_gone(folder: Path) -> None:
    """A state folder that vanishes is an error, and no reason to begin anew in its place."""
    await fill(folder)
    async with State(folder) as state:
        assert await state.pins.get(MV, FileKind.ZIP) is not None
        folder.rename(folder.with_name("elsewhere"))
        with pytest.raises(StorageError, match="state folder is gone"):
            await state.pins.get(MV, FileKind.ZIP)
        assert not folder.exists()
        folder.with_name("elsewhere").rename(folder)
        assert await state.pins.get(MV, FileKind.ZIP) is not None


async def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """Where there can be no state folder, each use says so."""
    (tmp_path / "file").write_text("")
    async with State(tmp_path / "file" / "state") as state:
        with pytest.raises(StorageError, match="state folder"):
            await state.pins.get(MV, FileKind.ZIP)


async def test_newer_database_is_refused(folder: Path) -> None:
    """A database of a revision that this program does not know is refused, and not changed."""
    check_state(folder)
    await fill(folder)
    check_state(folder)
    with closing(sqlite3.connect(folder / "state.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = digest(folder / "state.db")
    with pytest.raises(SettingError, match=r"revision '9999', which this version .* does not know"):
        check_state(folder)
    async with State(folder) as state:
        with pytest.raises(StorageError, match="a newer version has been here"):
            await state.pins.get(MV, FileKind.ZIP)
    assert digest(folder / "state.db") == before


async def test_other_faults_are_no_reason_not_to_start(folder: Path) -> None:
    """A damaged database does not keep the server from serving what is stored."""
    await fill(folder)
    (folder / "state.db").write_bytes(b"\0" * 100)
    check_state(folder)
    with pytest.raises(StorageError):
        stored_revision(folder / "state.db")


async def test_use_after_the_end(folder: Path) -> None:
    """A state that is closed says so."""
    async with State(folder) as state:
        await state.pins.get(MV, FileKind.ZIP)
    with pytest.raises(StorageError, match="closed"):
        await state.pins.get(MV, FileKind.ZIP)


async def test_closing_waits_for_what_is_under_way(folder: Path) -> None:
    """A task that is cancelled leaves a whole transaction, and no thread behind."""
    async with State(folder) as state:
        entered, go = threading.Event(), threading.Event()

        def slow(session: Any) -> None:
            entered.set()
            session.drop_file("none")
            assert go.wait(30)
            session.put_proof(KEY, Proof("h1:x=", "sum.test"), 1.0)

        task = asyncio.create_task(state._database.write(slow))
        assert await asyncio.to_thread(entered.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await state.provenance.of(KEY) is None
        go.set()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("state-")]
    async with State(folder) as later:
        assert await later.provenance.of(KEY) is not None


async def test_failing_work_leaves_nothing(folder: Path) -> None:
    """A transaction whose work fails is undone as a whole, and the error is the work's own."""

    def failing(session: Any) -> None:
        session.put_proof(KEY, Proof("h1:x=", "sum.test"), 1.0)
        raise KeyError("bug")

    async with State(folder) as state:
        with pytest.raises(KeyError):
            await state._database.write(failing)
        assert await state.provenance.of(KEY) is None


async def test_slow_disk_keeps_no_other_thread_waiting(folder: Path) -> None:
    """While the state's threads are stuck, the process's other threads do their work."""
    async with State(folder) as state:
        await state.provenance.counts()
        go = threading.Event()
        stuck = [asyncio.create_task(state._database.read(lambda _: go.wait(30))) for _ in range(64)]
        assert await asyncio.wait_for(asyncio.to_thread(lambda: "served"), 10) == "served"
        go.set()
        assert all(await asyncio.gather(*stuck))


def test_every_code_has_its_words() -> None:
    """Whatever SQLite says becomes a sentence, without a path."""
    for name, words in {
        "SQLITE_FULL": "no room left",
        "SQLITE_IOERR_SHMSIZE": "no room left",
        "SQLITE_BUSY_SNAPSHOT": "locked",
        "SQLITE_CORRUPT_INDEX": "damaged",
        "SQLITE_NOTADB": "damaged",
        "SQLITE_READONLY_DBMOVED": "cannot be written to",
        "SQLITE_CANTOPEN": "cannot be written to",
        "SQLITE_IOERR_FSYNC": "the disk failed",
        "SQLITE_TOOBIG": "failed",
    }.items():
        error = sqlite3.OperationalError("something")
        error.sqlite_errorcode = getattr(sqlite3, name)
        error.sqlite_errorname = name
        assert words in explained(error).message
        assert name in explained(error).message
    assert "failed" in explained(sqlite3.Error("no code")).message


def _full(folder: str, said: Any) -> None:
    import resource

    async def run() -> None:
        async with State(Path(folder)) as state:
            await fill(Path(folder), 1)
            here = max(file.stat().st_size for file in Path(folder).iterdir())
            most = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (here + 20_000, most[1]))
            held = 0
            try:
                for n in range(10_000):
                    mv = ModuleVersion(MV.path, Version(f"v2.{n}.0+incompatible"))
                    await state.pins.pin(mv, FileKind.ZIP, "h1:x=" * 100, ORIGIN)
                    held += 1
            except StorageError as error:
                said.send(error.message)
            before = await state.pins.get(ModuleVersion(MV.path, Version("v1.0.0")), FileKind.ZIP)
            resource.setrlimit(resource.RLIMIT_FSIZE, most)
            await state.pins.pin(MV, FileKind.MOD, "h1:after=", ORIGIN)
            said.send((before is not None, held + 2 == len(await state.pins.of(MV.path))))

    asyncio.run(run())


@pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX's")
def test_disk_without_room(folder: Path) -> None:
    """Where the disk takes no more, each write says so, what was pinned stays, and all is well again when there is room."""
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=_full, args=(str(folder), there))
    child.start()
    try:
        assert here.poll(60)
        assert "state database" in here.recv()
        assert here.poll(60)
        assert here.recv() == (True, True)
    finally:
        child.kill()
        child.join()
    assert is_whole(folder)


def _read_only(folder: str, said: Any) -> None:
    async def run() -> None:
        await fill(
            Path(folder, "own")
        )  # imports everything, which a stranger to this machine's files may not
        os.chown(folder, 65534, 65534)
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        async with State(Path(folder, "others")) as state:
            for asked in (
                state.pins.pin(MV, FileKind.MOD, "h1:x=", ORIGIN),
                state.provenance.record(KEY, ORIGIN, size=1, proof=None),
                state.lies.since(0),
                state.provenance.record(KEY, ORIGIN, size=1, proof=Proof("h1:x=", "sum.test")),
            ):
                try:
                    await asked
                    said.send("done")
                except StorageError as error:
                    said.send(error.message)

    asyncio.run(run())


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can be somebody else")
@pytest.mark.parametrize("there", ["a database", "nothing"])
async def test_folder_that_may_not_be_written_to(there: str) -> None:
    """In a folder of somebody else's each write says so, and a proven file is published all the same."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        (folder / "others").mkdir(0o755)
        if there == "a database":
            await fill(folder / "others")
        here, other = multiprocessing.Pipe()
        child = multiprocessing.get_context("spawn").Process(target=_read_only, args=(made, other))
        child.start()
        said: list[str] = []
        try:
            while len(said) < 4:
                assert here.poll(60)
                said.append(here.recv())
        finally:
            child.kill()
            child.join()
    assert all("cannot be" in message for message in said[:2])
    assert said[3] == "done"
