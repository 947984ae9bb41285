"""Cancellation that a library's awaitable keeps to itself."""

from __future__ import annotations

import asyncio

import pytest

from goproxy_mirror.transport.cancelling import Heeding


async def deaf() -> str:
    """Give a result when told to end, as the HTTP client does where it has just come."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return "the result"
    raise AssertionError


async def test_a_cancelled_task_ends() -> None:
    """What was cancelled ends there, and would not without."""

    async def heeding() -> str:
        async with Heeding():
            return await deaf()

    for work, ends in ((heeding(), True), (deaf(), False)):
        task = asyncio.create_task(work)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() is ends


async def test_a_deadline_counts() -> None:
    """A deadline that passes in the block is one for who set it, as long as it is set outside."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0), Heeding():
            await deaf()
    async with Heeding(), asyncio.timeout(0):
        assert await deaf() == "the result"


async def test_what_was_cancelled_before_may_go_on() -> None:
    """Who tidies up after a cancellation is not cancelled once more."""

    async def tidying() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            async with Heeding():
                await asyncio.sleep(0)
            tidied.append(True)
        raise AssertionError

    tidied: list[bool] = []
    task = asyncio.create_task(tidying())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert tidied == [True]


async def test_other_failures_stay() -> None:
    """What fails in the block fails as itself."""
    with pytest.raises(ZeroDivisionError):
        async with Heeding():
            raise ZeroDivisionError
