"""A state on every kind of database that there is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from goproxy_mirror.errors import StorageError
from goproxy_mirror.state.database import Database
from goproxy_mirror.state.opening import State
from goproxy_mirror.state.session import Session
from tests.world.postgres import Postgres

BACKENDS = ("sqlite", "postgresql")

OpenState = Callable[[], State]
T = TypeVar("T")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL that many tests share, each with a database of its own."""
    with Postgres() as server:
        yield server


@pytest.fixture
def own() -> Iterator[Postgres]:
    """A PostgreSQL that the test may stop."""
    with Postgres() as server:
        yield server


@pytest.fixture(params=BACKENDS)
def open_state(request: pytest.FixtureRequest, tmp_path: Path) -> OpenState:
    """Makes another state on the same database, as another process or a later one would."""
    url = request.getfixturevalue("postgres").database() if request.param == "postgresql" else ""
    return lambda: State(tmp_path / "state", url)


@pytest.fixture
async def state(open_state: OpenState) -> AsyncIterator[State]:
    async with open_state() as opened:
        yield opened


class Failing:
    """Lets a database fail at every write while it is on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.on = True
        self.tried = 0
        write = Database.write

        async def failing(
            database: Database, work: Callable[[Session], T], *, durable: bool = True, wait: float = 1
        ) -> T:
            self.tried += 1
            if self.on:
                raise StorageError("the state database is locked")
            return await write(database, work, durable=durable, wait=wait)

        monkeypatch.setattr(Database, "write", failing)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Failing:
    return Failing(monkeypatch)
