"""Work that several wait for: `goproxy_mirror.vcs.shared`."""

from __future__ import annotations

import asyncio

import pytest

from goproxy_mirror.vcs.shared import Shared


async def test_do__once_for_all_who_ask_at_the_same_time() -> None:
    """Fifty ask, one works; a later one works again."""
    shared: Shared[int] = Shared()
    runs: list[None] = []

    async def work() -> int:
        runs.append(None)
        await asyncio.sleep(0)
        return len(runs)

    assert await asyncio.gather(*(shared.do("k", work) for _ in range(50))) == [1] * 50
    assert await shared.do("k", work) == 2


async def test_do__a_failure_is_everybodys() -> None:
    """All who waited get the failure; nothing is kept."""
    shared: Shared[int] = Shared()

    async def fail() -> int:
        await asyncio.sleep(0)
        raise KeyError("x")

    results = await asyncio.gather(*(shared.do("k", fail) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [KeyError] * 3


async def test_do__one_who_leaves_changes_nothing_for_the_others() -> None:
    """The first who asked is cancelled, the second gets the answer."""
    shared: Shared[str] = Shared()
    go = asyncio.Event()

    async def work() -> str:
        await go.wait()
        return "done"

    first = asyncio.create_task(shared.do("k", work))
    second = asyncio.create_task(shared.do("k", work))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    go.set()
    assert await second == "done"


async def test_do__the_last_who_leaves_ends_the_work() -> None:
    """Nobody waits: the work is cancelled, and has cleaned up before the last one is gone."""
    shared: Shared[None] = Shared()
    cleaned: list[str] = []
    started = asyncio.Event()

    async def work() -> None:
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            cleaned.append("up")

    task = asyncio.create_task(shared.do("k", work))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned == ["up"]
