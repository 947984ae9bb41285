"""The revisions of the database: up, down, equal to the tables, and looked at only where there is something to do."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, inspect

from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileKind
from goproxy_mirror.state.migrate import downgrade, revisions, upgrade
from goproxy_mirror.state.opening import State
from goproxy_mirror.state.statefile import HEAD, REVISIONS, stored_revision
from goproxy_mirror.state.tables import metadata

MV = ModuleVersion(ModulePath("x.test/m"), Version("v1.0.0"))


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    """A connection to an empty database, in a transaction."""
    engine = create_engine(f"sqlite:///{tmp_path / 'a %(b)s.db'}")
    with engine.connect() as opened, opened.begin():
        yield opened
    engine.dispose()


def schema(path: Path) -> list[tuple[str, str]]:
    """Every statement that made something, but for Alembic's own table."""
    with closing(sqlite3.connect(path)) as opened:
        rows = opened.execute(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
        ).fetchall()
    return [(name, re.sub(r"\s+", " ", sql)) for name, sql in rows if name != "alembic_version"]


def test_program_knows_its_revisions() -> None:
    """The revisions that are known without Alembic are the files that there are."""
    assert revisions() == list(REVISIONS)
    assert revisions()[-1] == HEAD


def test_tables_are_what_the_revisions_make(connection: Connection) -> None:
    """Alembic finds nothing that the revisions have left out; without them it finds everything."""
    context = MigrationContext.configure(connection)
    assert len(compare_metadata(context, metadata)) > len(metadata.tables)
    upgrade(connection)
    assert compare_metadata(MigrationContext.configure(connection), metadata) == []


async def test_statements_are_the_same(tmp_path: Path) -> None:
    """What the revisions make is, to the word, what the tables say: also what Alembic does not compare."""
    async with State(tmp_path / "state") as state:
        await state.provenance.counts()
    engine = create_engine(f"sqlite:///{tmp_path / 'other.db'}")
    metadata.create_all(engine)
    engine.dispose()
    assert schema(tmp_path / "state" / "state.db") == schema(tmp_path / "other.db") != []


def test_up_and_down(connection: Connection) -> None:
    """Each revision can be undone and done again; at the bottom nothing is left."""
    for revision in REVISIONS:
        upgrade(connection, revision)
    for revision in [*REVISIONS[-2::-1], "base"]:
        downgrade(connection, revision)
    assert inspect(connection).get_table_names() == ["alembic_version"]
    assert connection.exec_driver_sql("SELECT * FROM alembic_version").all() == []
    upgrade(connection)
    assert set(inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}


async def test_database_is_made_once(tmp_path: Path) -> None:
    """The first to open it makes it, with a write-ahead log; nobody changes it after that."""
    assert stored_revision(tmp_path / "state.db") == (None, False)
    async with State(tmp_path) as state:
        assert await state.pins.get(MV, FileKind.ZIP) is None
    assert stored_revision(tmp_path / "state.db") == (HEAD, True)
    before = (tmp_path / "state.db").read_bytes()
    async with State(tmp_path) as state:
        assert await state.pins.get(MV, FileKind.ZIP) is None
    assert (tmp_path / "state.db").read_bytes() == before


async def test_database_without_tables_gets_them(tmp_path: Path) -> None:
    """An empty file, as one that was killed at its very start leaves, is as good as none."""
    (tmp_path / "state.db").touch()
    async with State(tmp_path) as state:
        assert await state.pins.get(MV, FileKind.ZIP) is None


async def test_write_ahead_log_comes_back(tmp_path: Path) -> None:
    """A database that some tool has left without a write-ahead log gets one again, and keeps what it holds."""
    async with State(tmp_path) as state:
        await state.heads.advance("sum.test", b"", b"one")
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        assert connection.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    async with State(tmp_path) as state:
        assert await state.heads.head("sum.test") == b"one"
    assert stored_revision(tmp_path / "state.db") == (HEAD, True)


_LOOK = """
import asyncio, sys
from pathlib import Path
import goproxy_mirror.app
from goproxy_mirror.state.opening import State
from goproxy_mirror.state.statefile import check_state
check_state(Path(sys.argv[1]))
loaded = lambda: [name for name in ("sqlalchemy", "alembic") if name in sys.modules]
print(loaded())
async def look():
    async with State(Path(sys.argv[1])) as state:
        await state.provenance.unproven()
asyncio.run(look())
print(loaded())
"""


def test_what_is_slow_to_import_is_imported_late(tmp_path: Path) -> None:
    """SQLAlchemy is imported behind the start, and Alembic only where a revision is missing."""

    def look() -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", _LOOK, str(tmp_path)],
            capture_output=True,
            check=True,
            text=True,
            env={"PYTHONPATH": str(Path(__file__).parents[2] / "src")},
        )
        return [line for line in done.stdout.splitlines() if line.startswith("[")]

    assert look() == ["[]", "['sqlalchemy', 'alembic']"]
    assert look() == ["[]", "['sqlalchemy']"]
