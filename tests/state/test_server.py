"""A state in PostgreSQL: its revisions, and what is done while its server is down, or silent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect

from goproxy_mirror.errors import SettingError, StorageError
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileKind, Home, KeptVersion, Proof
from goproxy_mirror.state import database
from goproxy_mirror.state.migrate import downgrade, upgrade
from goproxy_mirror.state.opening import State
from goproxy_mirror.state.server import engine_of
from goproxy_mirror.state.serverturns import ServerTurns
from goproxy_mirror.state.statefile import REVISIONS, check_state
from goproxy_mirror.state.tables import metadata
from tests.state.test_serverturns import NoTurns
from tests.world.postgres import Postgres

ORIGIN = Home("origin", "https://x.test")
MV = ModuleVersion(ModulePath("x.test/m"), Version("v1.0.0"))
PROOF = Proof("h1:x=", "sum.test")


@pytest.fixture
def connection(postgres: Postgres) -> Iterator[Connection]:
    """A connection to an empty database, in a transaction."""
    engine = engine_of(postgres.database(), 1)
    with engine.connect() as opened, opened.begin():
        yield opened
    engine.dispose()


def test_tables_are_what_the_revisions_make(connection: Connection) -> None:
    """Alembic finds nothing that the revisions have left out; without them it finds everything."""
    context = MigrationContext.configure(connection)
    assert len(compare_metadata(context, metadata)) >= len(metadata.tables)
    upgrade(connection)
    assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_up_and_down(connection: Connection) -> None:
    """Each revision can be undone and done again; at the bottom nothing is left."""
    for revision in REVISIONS:
        upgrade(connection, revision)
    for revision in [*REVISIONS[-2::-1], "base"]:
        downgrade(connection, revision)
    assert inspect(connection).get_table_names() == ["alembic_version"]
    upgrade(connection)
    assert set(inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}


async def test_newer_database_is_refused(postgres: Postgres, tmp_path: Path) -> None:
    """Tables of a revision that this program does not know are refused at the start and at each use."""
    url = postgres.database()
    async with State(tmp_path, url) as state:
        await state.pins.get(MV, FileKind.ZIP)
    check_state(tmp_path, url)
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SettingError, match=r"revision '9999', which this version .* does not know"):
        check_state(tmp_path, url)
    async with State(tmp_path, url) as state:
        with pytest.raises(StorageError, match="a newer version has been here"):
            await state.pins.get(MV, FileKind.ZIP)


def test_database_that_is_not_there(postgres: Postgres, tmp_path: Path) -> None:
    """A server that has no such database, or no such user, is a wrong setting; one that is down is none."""
    with pytest.raises(SettingError, match="no such database"):
        check_state(tmp_path, postgres.url("none"))
    with pytest.raises(SettingError, match="does not let us in"):
        check_state(tmp_path, postgres.url().replace("modules@", "nobody@"))
    for option in (
        "nonsense=1",
        "sslmode=require",
        "sslmode=nonsense",
        "service=none",
        "sslrootcert=/none&sslmode=verify-ca",
    ):
        with pytest.raises(SettingError, match="cannot be connected to as its URL says"):
            check_state(tmp_path, f"{postgres.url()}?{option}")
    check_state(tmp_path, "postgresql://modules@127.0.0.1:1/postgres")


async def test_url_of_a_server_that_moves(postgres: Postgres, tmp_path: Path) -> None:
    """Several servers may be named, as for PostgreSQL's own programs: the first one that answers counts."""
    url = (
        postgres.database().replace("@", "@127.0.0.1:1,")
        + "?target_session_attrs=read-write&application_name=x"
    )
    async with State(tmp_path, url) as state, ServerTurns(url, NoTurns(), wait=20) as turns:
        assert (await state.pins.pin(MV, FileKind.ZIP, "h1:x=", ORIGIN)).hash == "h1:x="
        async with turns.hold("key"):
            assert turns._held


@pytest.mark.parametrize("options", ["", "?sslmode=require", "?password=geheim"])
def test_no_password_is_said(postgres: Postgres, options: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever ails a database, neither its URL's password nor a part of it stands in a message or the log."""
    url = postgres.url("none" + options).replace("modules@", "modules:geheim%40m@")
    for each in (url, url.replace("127.0.0.1", "none.test"), url.replace(str(postgres.port), "1")):
        with suppress(SettingError):
            check_state(Path(), each)
            continue
        with pytest.raises(SettingError) as refused:
            check_state(Path(), each)
        assert "geheim" not in refused.value.message
    said = capsys.readouterr().out
    assert "is down" in said
    assert "geheim" not in said


async def test_server_without_a_connection_left(own: Postgres, tmp_path: Path) -> None:
    """Too many nodes are told apart from a server that is not there; it is asked again."""
    url = own.database()
    with psycopg.connect(own.url(), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {url.rpartition('/')[2]} CONNECTION LIMIT 0")
        connection.execute("CREATE ROLE node LOGIN")
    async with State(tmp_path, url.replace("modules@", "node@")) as state:
        with pytest.raises(StorageError, match="no connection left"):
            await state.pins.get(MV, FileKind.MOD)


async def test_end_of_a_process_whose_server_is_silent(
    own: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process ends, whatever its server was asked last and never answered."""
    monkeypatch.setattr(database, "_LEAVING", 0.2)
    state = State(tmp_path, own.database())
    await state.pins.pin(MV, FileKind.MOD, "h1:x=", ORIGIN)
    own.pause(on=True)
    try:
        asked = [asyncio.create_task(state.pins.get(MV, FileKind.MOD)) for _ in range(5)]
        await asyncio.sleep(0)
        for each in asked:
            each.cancel()
        async with asyncio.timeout(20):
            await state._database.aclose()
    finally:
        own.pause(on=False)


async def test_server_that_goes_and_comes(
    own: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the server is down every use fails at once, and what could wait is written when it is back."""
    monkeypatch.setattr(database, "_REST", 0.2)
    url = own.database()
    async with State(tmp_path, url) as state:
        await state.pins.pin(MV, FileKind.MOD, "h1:before=", ORIGIN)
        own.stop()
        for _ in range(2):  # the second is said from memory
            with pytest.raises(StorageError, match="cannot be reached") as down:
                await state.pins.get(MV, FileKind.MOD)
            assert "127.0.0.1" not in down.value.message
            assert "127.0.0.1" in down.value.detail
        await state.provenance.record("x.test/m/@v/v1.0.0.zip", ORIGIN, size=1, proof=PROOF)
        own.start()
        deadline = time.monotonic() + 60
        while True:
            try:
                pin = await state.pins.get(MV, FileKind.MOD)
                break
            except StorageError:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.01)  # who asks all the time does not put off that it is tried again
        assert pin is not None
        assert pin.hash == "h1:before="
        await state.changes.catch_up()
        assert await state.provenance.of("x.test/m/@v/v1.0.0.zip") is not None


async def test_server_that_falls_silent(
    own: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that takes what is asked and never answers is waited for no longer than so long, by all who wait together."""
    monkeypatch.setattr(database, "_ANSWER", 1.0)
    monkeypatch.setattr(database, "_REST", 0.1)
    async with State(tmp_path, own.database()) as state:
        await state.pins.pin(MV, FileKind.MOD, "h1:x=", ORIGIN)
        own.pause(on=True)
        try:
            asked = [state.pins.get(MV, FileKind.MOD) for _ in range(8)]
            answers = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 30)
            assert all(isinstance(answer, StorageError) for answer in answers)
        finally:
            own.pause(on=False)
        await asyncio.sleep(0.2)
        assert (await state.pins.pin(MV, FileKind.MOD, "h1:y=", ORIGIN)).hash == "h1:x="


async def test_a_whole_table_may_take_long(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Going through all versions is no silence of the server, however long it takes; a single answer may not take so long."""
    monkeypatch.setattr(database, "_ANSWER", 0.3)
    async with State(tmp_path, postgres.database()) as state:
        await state.provenance.record("x.test/m/@v/v1.0.0.mod", ORIGIN, size=1, proof=PROOF)

        def slowly(versions: Iterator[KeptVersion]) -> int:
            time.sleep(0.6)
            return len(list(versions))

        assert await state.keeping.each_version(slowly, zips=False) == 1
        with pytest.raises(StorageError, match="does not answer"):
            await state._database.read(lambda _: time.sleep(0.6))


async def test_keys_are_compared_as_bytes(postgres: Postgres, tmp_path: Path) -> None:
    """A module's files are found by their range of keys, in whatever language the server sorts (which is shown to matter)."""
    url = postgres.database()
    keys = [f"x.test/{name}/@v/v1.0.0.zip" for name in ("m", "m!a", "m-a", "m0", "n")]
    async with State(tmp_path, url) as state:
        for key in keys:
            await state.provenance.record(key, ORIGIN, size=1, proof=PROOF)
        found = [record.key async for record in state.provenance.hashed(before=time.time() + 1, batch=2)]
    assert found == sorted(keys)
    with psycopg.connect(url) as connection:
        rows = connection.execute('SELECT key FROM provenance ORDER BY key COLLATE "und-x-icu"').fetchall()
    assert [row[0] for row in rows] != sorted(keys)


async def test_stalled_node_blocks_nobody_for_long(postgres: Postgres, tmp_path: Path) -> None:
    """The server ends a transaction whose node has gone silent, so that others can write."""
    url = postgres.database()
    async with State(tmp_path, url) as state:
        await state.pins.get(MV, FileKind.ZIP)
        with closing(psycopg.connect(url)) as stalled:
            stalled.execute("SET idle_in_transaction_session_timeout = '1s'")
            stalled.execute("SELECT pg_advisory_xact_lock(%s)", [0x676F70726F787903])
            assert (await state.pins.pin(MV, FileKind.ZIP, "h1:x=", ORIGIN)).hash == "h1:x="
            with pytest.raises(psycopg.Error):
                stalled.execute("SELECT 1")
