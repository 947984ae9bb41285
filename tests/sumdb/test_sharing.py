"""Work that several wait for."""

from __future__ import annotations

import asyncio

import pytest

from goproxy_mirror.sumdb.sharing import Shared


class Work:
    """Counts its beginnings, and ends when told to."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0
        self.go = asyncio.Event()
        self.failure: Exception | None = None

    async def __call__(self) -> int:
        self.begun += 1
        try:
            await self.go.wait()
            if self.failure is not None:
                raise self.failure
            return self.begun
        finally:
            self.ended += 1


async def begun(work: Work, shared: Shared, count: int) -> list[asyncio.Task[int]]:
    """That many who wait for it, and it is under way."""
    tasks = [asyncio.create_task(shared.run("key", work)) for _ in range(count)]
    while not work.begun:
        await asyncio.sleep(0)
    return tasks


async def test_once_for_all() -> None:
    """All get the one result; later ones begin anew."""
    work, shared = Work(), Shared()
    tasks = await begun(work, shared, 5)
    work.go.set()
    assert await asyncio.gather(*tasks) == [1] * 5
    assert await shared.run("key", work) == 2


async def test_failures_are_shared() -> None:
    """Each gets the failure; the next one tries again."""
    work, shared = Work(), Shared()
    tasks = await begun(work, shared, 3)
    work.failure = ValueError("no")
    work.go.set()
    for task in tasks:
        with pytest.raises(ValueError, match="no"):
            await task
    work.failure = None
    assert await shared.run("key", work) == 2


async def test_who_leaves_cancels_nothing() -> None:
    """Of three, the one that began it leaves."""
    work, shared = Work(), Shared()
    first, *others = await begun(work, shared, 3)
    first.cancel()
    await asyncio.wait([first])
    assert not work.ended
    work.go.set()
    assert await asyncio.gather(*others) == [1, 1]


async def test_the_last_one_takes_the_work_along() -> None:
    """With nobody left the work is cancelled, and has ended before the last one is let go."""
    work, shared = Work(), Shared()
    tasks = await begun(work, shared, 2)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert work.ended == 1
    assert asyncio.all_tasks() == {asyncio.current_task()}
    work.go.set()
    assert await shared.run("key", work) == 2


async def test_keys_are_apart() -> None:
    """Different keys do not wait for each other."""
    shared = Shared()
    work = Work()
    (waiting,) = await begun(work, shared, 1)
    other = Work()
    other.go.set()
    assert await shared.run("other", other) == 1
    work.go.set()
    await waiting
