"""Several nodes over one store and one PostgreSQL, as their users see them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world.nodes import Nodes, write_modules
from tests.world.polling import eventually
from tests.world.upstream import Upstream

pytestmark = pytest.mark.e2e

MODULES = 12
CLIENTS = 40


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    with Upstream(tmp_path / "tree") as upstream, Nodes(tmp_path, upstream, None) as nodes:
        yield nodes


async def test_three_nodes(nodes: Nodes, tmp_path: Path) -> None:
    """Each file is fetched once by all nodes together; a killed node and a stopped database cost no client anything that is
    held, and nothing is missing in the index at the end."""
    first = write_modules(tmp_path / "tree", "first", MODULES)
    second = write_modules(tmp_path / "tree", "second", 2)
    third = write_modules(tmp_path / "tree", "third", 1)
    cold = await nodes.crowd(first, CLIENTS, MODULES, on=[0, 1, 2])
    assert (set(cold.statuses), cold.lost, cold.different) == ({200}, 0, 0), cold.problems
    assert nodes.twice(first) == 0
    assert all(nodes.upstream.asked[path] == 1 for path in first if path in cold.bodies)

    nodes.nodes[2].kill()
    killed = await nodes.crowd([*first, *second], CLIENTS, MODULES, on=[0, 1, 2])
    assert set(killed.statuses) == {200}, killed.problems
    assert killed.lost > 0  # clients did notice, and had another node
    assert nodes.twice(second) == 0

    await asyncio.to_thread(nodes.postgres.stop)
    held = sorted({*cold.bodies, *killed.bodies})
    down = await nodes.crowd(held, CLIENTS, MODULES, on=[0, 1])
    assert (set(down.statuses), down.lost, down.different) == ({200}, 0, 0), down.problems
    fresh = await nodes.crowd(third, 1, 3, on=[0])
    assert set(fresh.statuses) <= {200, 500, 503}
    assert nodes.nodes[0].get("/index").status in {500, 503}  # the database is down indeed
    await asyncio.to_thread(nodes.postgres.start)
    later = iter(write_modules(tmp_path / "tree", "later", 100))
    modules = {path.split("/@v/")[0].removeprefix("/") for path in [*first, *second, *third]}

    def complete() -> Counter[str] | None:
        if not nodes.indexed(0):
            return None  # the database is known to be down for a moment longer
        nodes.nodes[0].get(next(later))  # what is new lets a node write what waits
        found = nodes.indexed(0)
        return found if modules <= set(found) else None

    index = await asyncio.to_thread(eventually, complete, what="every module in the index")
    assert index is not None
    assert set(index.values()) == {1}
    everything = await nodes.crowd([*first, *second, *third], 1, 100, on=[0, 1])
    assert (set(everything.statuses), everything.different) == ({200}, 0), everything.problems
