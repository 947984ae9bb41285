"""The edge with fakes behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.services import FakeWorld
from tests.web.edge import Edge, running_edge


@pytest.fixture
def world(tmp_path: Path) -> FakeWorld:
    """Fakes that hold nothing yet."""
    return FakeWorld.at(tmp_path / "files")


@pytest.fixture
def edge(world: FakeWorld) -> Iterator[Edge]:
    """A running edge without a prefix."""
    with running_edge(world) as edge:
        yield edge
