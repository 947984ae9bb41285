"""Blocking work of many tasks, done together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from goproxy_mirror.gathering import Gathering


class Held:
    """Work that begins when `go` is set; `batches` are what it was given at a time."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.began = threading.Event()
        self.go = threading.Event()

    def work(self, items: Sequence[int]) -> Sequence[int | Exception]:
        self.batches.append(list(items))
        self.began.set()
        assert self.go.wait(30)
        return [ValueError(str(item)) if item < 0 else item * 2 for item in items]


async def test_who_comes_meanwhile_is_in_the_next_batch() -> None:
    """The first waits for nobody, the others for the first, and go together; each gets its own outcome."""
    held = Held()
    gathering = Gathering("test", held.work)
    first = asyncio.create_task(gathering.do(1))
    assert await asyncio.to_thread(held.began.wait, 30)
    others = [asyncio.create_task(gathering.do(item)) for item in (2, -3, 4)]
    await asyncio.sleep(0)
    held.go.set()
    assert await first == 2
    outcomes = await asyncio.gather(*others, return_exceptions=True)
    assert held.batches == [[1], [2, -3, 4]]
    assert [outcomes[0], outcomes[2]] == [4, 8]
    assert isinstance(outcomes[1], ValueError)


async def test_who_leaves_takes_nobody_along() -> None:
    """Who is cancelled before its turn is not in the batch, and who is cancelled within it lets the others have theirs."""
    held = Held()
    gathering = Gathering("test", held.work)
    begun = [asyncio.create_task(gathering.do(item)) for item in (1, 2)]
    assert await asyncio.to_thread(held.began.wait, 30)
    waiting = [asyncio.create_task(gathering.do(item)) for item in (3, 4)]
    await asyncio.sleep(0)
    begun[0].cancel()
    waiting[0].cancel()
    held.go.set()
    assert await begun[1] == 4
    assert await waiting[1] == 8
    assert held.batches == [[1, 2], [4]]
    assert begun[0].cancelled()


async def test_work_that_fails_as_a_whole() -> None:
    """Everybody in it hears of it, and the next ones are served."""
    calls = 0

    def work(items: Sequence[int]) -> Sequence[int]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise OSError("gone")
        return items

    gathering = Gathering("test", work)
    outcomes = await asyncio.gather(gathering.do(1), gathering.do(2), return_exceptions=True)
    assert [type(each) for each in outcomes] == [OSError, OSError]
    assert await gathering.do(3) == 3


def test_another_loop() -> None:
    """A loop that ended in the middle does not keep the next one waiting."""
    held = Held()
    gathering = Gathering("test", held.work)

    async def leave() -> None:
        waiting = asyncio.create_task(gathering.do(1))
        assert await asyncio.to_thread(held.began.wait, 30)
        waiting.cancel()

    asyncio.run(leave())
    held.go.set()
    assert asyncio.run(gathering.do(2)) == 4


async def test_a_large_crowd() -> None:
    """Many more than fit into one batch are all served, in order."""
    seen: list[int] = []

    def work(items: Sequence[int]) -> Sequence[int]:
        seen.extend(items)
        return items

    gathering = Gathering("test", work)
    assert await asyncio.gather(*(gathering.do(item) for item in range(300))) == list(range(300))
    assert seen == list(range(300))


async def test_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system allows no more threads the work fails with the reason; it is done again as soon as one can be had."""

    def refused(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    gathering: Gathering[int, int] = Gathering("test", lambda items: items)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        outcomes = await asyncio.gather(*(gathering.do(item) for item in range(100)), return_exceptions=True)
        assert [type(each) for each in outcomes] == [BlockingIOError] * 100
        assert len(set(map(id, outcomes))) == 100
    async with asyncio.timeout(30):
        assert await gathering.do(7) == 7


async def test_work_that_ends_the_thread() -> None:
    """Not even what is no `Exception` keeps those who wait, or who come next, waiting for ever."""
    calls = 0

    def work(items: Sequence[int]) -> Sequence[int]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise SystemExit(3)
        return items

    gathering = Gathering("test", work)
    async with asyncio.timeout(30):
        with pytest.raises(RuntimeError, match="SystemExit"):
            await gathering.do(1)
        assert await gathering.do(2) == 2


async def test_positive_control() -> None:
    """An outcome that is an exception is raised, with its own words."""
    held = Held()
    held.go.set()
    with pytest.raises(ValueError, match="-7"):
        await Gathering("test", held.work).do(-7)
