"""A state on every kind of database that there is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from goproxy_mirror.state.opening import State

BACKENDS = ("sqlite",)

OpenState = Callable[[], State]


@pytest.fixture(params=BACKENDS)
def open_state(request: pytest.FixtureRequest, tmp_path: Path) -> OpenState:
    """Makes another state on the same database, as another process or a later one would."""
    assert request.param == "sqlite"
    return lambda: State(tmp_path / "state")


@pytest.fixture
async def state(open_state: OpenState) -> AsyncIterator[State]:
    async with open_state() as opened:
        yield opened
