"""One piece of work per key, whoever asks and whoever leaves."""

from __future__ import annotations

import asyncio
import traceback

import pytest

from goproxy_mirror.errors import SourceUnavailable
from goproxy_mirror.mirror import flights
from goproxy_mirror.mirror.flights import Flights


def frames(error: BaseException) -> int:
    """How long its traceback is."""
    return len(traceback.extract_tb(error.__traceback__))


async def test_a_failure_is_everybodys_who_still_waits() -> None:
    """Some leave before the work fails; the others hear of it, each with a traceback of their own; nothing is left over."""
    go = asyncio.Event()

    async def work() -> None:
        await go.wait()
        raise SourceUnavailable("down")

    async with Flights() as running:
        waiting = [asyncio.create_task(running.run("key", work)) for _ in range(200)]
        await asyncio.sleep(0)
        for each in waiting[::2]:
            each.cancel()
        await asyncio.gather(*waiting[::2], return_exceptions=True)
        go.set()
        outcomes = await asyncio.gather(*waiting[1::2], return_exceptions=True)
        assert {type(each) for each in outcomes} == {SourceUnavailable}
        assert max(frames(each) for each in outcomes if isinstance(each, BaseException)) < 10
        assert not running._tasks
        go.clear()
        again = asyncio.create_task(running.run("key", work))
        await asyncio.sleep(0)
        assert len(running._tasks) == 1, "a failure is not kept"
        go.set()
        with pytest.raises(SourceUnavailable, match="down"):
            await again


async def test_work_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that ask and leave make no more work than can be held; who asks for what is under way joins it all the same."""
    monkeypatch.setattr(flights, "_MOST", 8)
    go = asyncio.Event()

    async def work() -> int:
        await go.wait()
        return 7

    async with Flights() as running:
        for number in range(8):
            leaving = asyncio.create_task(running.run(f"k{number}", work))
            await asyncio.sleep(0)
            leaving.cancel()
        with pytest.raises(SourceUnavailable, match="8 others"):
            await running.run("one more", work)
        running.start("behind an answer", work)  # which was promised with it
        joined = asyncio.create_task(running.run("k0", work))
        await asyncio.sleep(0)
        go.set()
        assert await joined == 7
        assert await running.run("one more", work) == 7
