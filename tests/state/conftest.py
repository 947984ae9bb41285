"""A state on every kind of database that there is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from goproxy_mirror.state.opening import State
from tests.world.postgres import Postgres

BACKENDS = ("sqlite", "postgresql")

OpenState = Callable[[], State]


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
