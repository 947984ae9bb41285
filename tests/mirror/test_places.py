"""How many fetches go on at the same time."""

from __future__ import annotations

import asyncio

from goproxy_mirror.mirror.places import Places
from goproxy_mirror.module.path import ModulePath


async def hold(places: Places, path: str, inside: list[str], leave: asyncio.Event) -> None:
    async with places.of(ModulePath.parse(path)):
        inside.append(path)
        await leave.wait()


async def test_one_repository_leaves_places_to_others() -> None:
    """Many modules that may share a repository take a quarter of the places; others find one at once."""
    places, inside, leave = Places(8), list[str](), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(hold(places, f"mono.test/r/s{number}", inside, leave))
        group.create_task(hold(places, "other.test/m", inside, leave))
        await asyncio.sleep(0)
        assert inside == ["mono.test/r/s0", "mono.test/r/s1", "other.test/m"]
        leave.set()
    assert len(inside) == 21


async def test_all_together_are_bounded() -> None:
    """However many repositories there are, no more fetches go on than there are places."""
    places, inside, leave = Places(8), list[str](), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(hold(places, f"host{number}.test/m", inside, leave))
        await asyncio.sleep(0)
        assert len(inside) == 8
        leave.set()
    assert len(inside) == 20
