"""The short memory of answers."""

from __future__ import annotations

import asyncio

import pytest

from goproxy_mirror.transport import Memo


class Asked:
    """Counts how often it is asked, and answers when it is let."""

    def __init__(self, error: Exception | None = None) -> None:
        self.times = 0
        self.let = asyncio.Event()
        self.error = error

    async def __call__(self) -> int:
        self.times += 1
        await self.let.wait()
        if self.error:
            raise self.error
        return self.times


async def test_those_who_ask_at_once_share_one_question() -> None:
    """One question is asked for all who want the same answer at the same time, and its answer is kept."""
    memo, asked = Memo[str, int](ttl=60), Asked()
    waiting = [asyncio.create_task(memo.get("k", asked)) for _ in range(5)]
    await asyncio.sleep(0)
    asked.let.set()
    assert await asyncio.gather(*waiting) == [1] * 5
    assert await memo.get("k", asked) == 1


async def test_an_answer_lives_for_its_time() -> None:
    """After its time an answer is asked for again."""
    now = [0.0]
    memo, asked = Memo[str, int](ttl=60, clock=lambda: now[0]), Asked()
    asked.let.set()
    await memo.get("k", asked)
    now[0] = 61
    assert await memo.get("k", asked) == 2


async def test_errors_are_kept_only_as_long_as_wanted() -> None:
    """An exception is forgotten at once unless it has a time to live."""
    memo = Memo[str, int](ttl=60, error_ttl=lambda error: 10 if isinstance(error, ValueError) else 0)
    for error, times in ((KeyError("k"), 2), (ValueError("v"), 1)):
        asked = Asked(error)
        asked.let.set()
        for _ in range(2):
            with pytest.raises(type(error)):
                await memo.get(str(error), asked)
        assert asked.times == times


async def test_one_who_leaves_does_not_cancel_the_others() -> None:
    """The first one's cancellation leaves the question running for the second."""
    memo, asked = Memo[str, int](ttl=60), Asked()
    first, second = (asyncio.create_task(memo.get("k", asked)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    asked.let.set()
    assert await second == 1
    assert asked.times == 1


async def test_the_oldest_are_dropped() -> None:
    """No more answers are kept than there is room for."""
    memo, asked = Memo[int, int](ttl=60, size=2), Asked()
    asked.let.set()
    for key in (1, 2, 3, 1):
        await memo.get(key, asked)
    assert asked.times == 4


async def test_closing_ends_what_runs() -> None:
    """What still runs is cancelled at the end."""
    memo, asked = Memo[str, int](ttl=60), Asked()
    waiting = asyncio.create_task(memo.get("k", asked))
    await asyncio.sleep(0)
    await memo.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiting
