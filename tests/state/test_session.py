"""The statements find what they look for by an index, however much there is."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileKind, Home, Lie, Proof
from goproxy_mirror.state.opening import State
from goproxy_mirror.state.session import Session

MANY = 100_000
ORIGIN = Home("origin", "https://x.test")
MV = ModuleVersion(ModulePath("x.test/m"), Version("v1.0.0"))
LIE = Lie(ORIGIN, MV, ".zip", "h1:a=", "h1:b=", 100.0)
KEY = "x.test/m7/@v/v1.7.0.zip"


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    async with State(tmp_path) as opened:
        yield opened


def add_many(session: Session) -> None:
    """A large mirror's files: one in a hundred is unproven."""
    session.add_files([(f"x.test/m{n % 1000}/@v/v1.{n}.0.zip", ORIGIN, n, float(n)) for n in range(MANY)])
    session._connection.exec_driver_sql(
        "UPDATE provenance SET hash = 'h1:x=', proven_by = 'sum.test' WHERE size % 100 > 0"
    )


async def plans(state: State, folder: Path, ask: Callable[[Session], object]) -> list[str]:
    """How the database does what is asked, statement by statement."""
    asked: list[tuple[str, Any]] = []

    def listen(_c: object, _cursor: object, statement: str, parameters: Any, *_rest: object) -> None:
        asked.append((statement, parameters))

    def listened(session: Session) -> None:
        event.listen(session._connection, "before_cursor_execute", listen)
        try:
            ask(session)
        finally:
            event.remove(session._connection, "before_cursor_execute", listen)

    await state._database.write(listened)
    with closing(sqlite3.connect(folder / "state.db")) as connection:
        return [
            "; ".join(
                str(row[3]).replace(" TABLE ", " ")
                for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", parameters)
            )
            for text, parameters in asked
            if not text.startswith(("PRAGMA", "BEGIN"))
        ]


async def test_unproven_files_of_many(state: State, tmp_path: Path) -> None:
    """The few unproven files among many are read from an index that has nothing else."""
    await state._database.write(add_many)
    assert len(await state.provenance.unproven()) == MANY // 100
    (plan,) = await plans(state, tmp_path, lambda session: session.unproven())
    assert plan == "SCAN provenance USING COVERING INDEX provenance_unproven"


ASKED: dict[str, tuple[Callable[[Session], object], list[str]]] = {
    "a file": (lambda session: session.file(KEY), ["SEARCH provenance USING PRIMARY KEY (key=?)"]),
    "a proof": (lambda session: session.put_proof(KEY, Proof("h1:x=", "sum.test"), 1.0), [""]),
    "files of a module": (
        lambda session: session.hashed("x.test/m7/@v/", "", 2.0, 100),
        ["SEARCH provenance USING PRIMARY KEY (key>? AND key<?)"],
    ),
    "the next files": (
        lambda session: session.hashed("", KEY, 2.0, 100),
        ["SEARCH provenance USING PRIMARY KEY (key>?)"],
    ),
    "a pin": (
        lambda session: session.pin(MV, FileKind.ZIP),
        ["SEARCH pins USING PRIMARY KEY (module=? AND version=? AND kind=?)"],
    ),
    "pins of a module": (
        lambda session: session.pins_of(MV.path),
        ["SEARCH pins USING PRIMARY KEY (module=?)"],
    ),
    "lies since": (lambda session: session.lies_since(1.0), ["SEARCH lies USING INDEX lies_at (at>?)"]),
    "a lie": (
        lambda session: session.add_lie(LIE),
        [
            "SEARCH lies USING INDEX lies_module_version (module=? AND version=?)",
            "",
            "SEARCH lies USING INTEGER PRIMARY KEY (rowid<?)",
        ],
    ),
}


@pytest.mark.parametrize("asked", ASKED)
async def test_statements_use_an_index(state: State, tmp_path: Path, asked: str) -> None:
    """No statement on the way of a request goes through a whole table."""
    ask, expected = ASKED[asked]
    assert await plans(state, tmp_path, ask) == expected
