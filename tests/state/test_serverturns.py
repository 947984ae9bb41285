"""Turns among nodes: one holder of a key, who dies, stalls, or loses the database."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection

import psycopg
import pytest

from goproxy_mirror.ports import Turns
from goproxy_mirror.state import serverturns
from goproxy_mirror.state.serverturns import ServerTurns
from tests.world.postgres import Postgres


class NoTurns:
    """Nobody else is on this machine."""

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        yield


def node(url: str, wait: float = 30.0) -> ServerTurns:
    return ServerTurns(url, NoTurns(), wait=wait)


def connections(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '%turns'"
        ).fetchone()
    assert row is not None
    return int(row[0])


async def test_one_holder_of_many_keys(postgres: Postgres) -> None:
    """Of three nodes one at a time has each of 300 keys, all of them by one connection each."""
    url = postgres.database()
    holders: dict[str, int] = {}
    most = 0
    seen = 0

    async def use(turns: Turns, key: str) -> None:
        nonlocal most, seen
        async with turns.hold(key):
            holders[key] = holders.get(key, 0) + 1
            most = max(most, holders[key])
            await asyncio.sleep(0)
            if not seen:
                seen = await asyncio.to_thread(connections, url)
            holders[key] -= 1

    async with node(url) as one, node(url) as two, node(url) as three:
        keys = [f"x.test/m{n}/@v/v1.0.0.zip" for n in range(300)]
        await asyncio.gather(*(use(turns, key) for key in keys for turns in (one, two, three)))
    assert most == 1
    assert 1 <= seen <= 3


async def test_a_turn_is_waited_for(postgres: Postgres) -> None:
    """While one node has a key another waits, and has it when it is given up; waiting ends with `wait`."""
    url = postgres.database()
    async with node(url) as one, node(url) as two, node(url, wait=0.3) as hasty:
        order = []

        async def second() -> None:
            async with two.hold("key"):
                order.append("second")

        async with one.hold("key"):
            waiting = asyncio.create_task(second())
            async with hasty.hold("key"):
                order.append("hasty")
            assert not waiting.done()
            order.append("first")
        await asyncio.wait_for(waiting, 20)
    assert order == ["hasty", "first", "second"]


def _hold_for_ever(url: str, said: Connection) -> None:
    async def run() -> None:
        async with node(url) as turns, turns.hold("key"):
            said.send("held")
            await asyncio.sleep(300)

    asyncio.run(run())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_holder_that_dies_or_stalls(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, how: signal.Signals
) -> None:
    """The turn of a node that is killed is free at once; one that is stopped is waited for no longer than so long."""
    monkeypatch.setattr(serverturns, "STALLED", 1.0)
    url = postgres.database()
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=_hold_for_ever, args=(url, there))
    child.start()
    try:
        assert await asyncio.to_thread(here.poll, 60)
        async with node(url) as turns, node(url, wait=0.3) as hasty:
            entered = []
            async with hasty.hold("key"):  # after its wait: shows that the key is held
                entered.append("hasty")
            assert hasty._held == []
            assert child.pid is not None
            os.kill(child.pid, how)
            async with asyncio.timeout(30), turns.hold("key"):
                entered.append("turns")
                assert bool(turns._held) == (how == signal.SIGKILL)
            assert entered == ["hasty", "turns"]
    finally:
        child.kill()
        child.join()


async def test_a_pooler_is_noticed(postgres: Postgres, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever holds a key and finds another session in its connection says why that cannot be, and waits for no turn any more: what
    was locked may stay so for long."""
    url = postgres.database()
    async with node(url, wait=20) as pooled, node(url, wait=20) as other:
        async with pooled.hold("key"):
            assert pooled._held
            first = pooled._connection
            pooled._connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
        async with asyncio.timeout(10), pooled.hold("key"):
            assert not pooled._held
        assert first is not None
        await first.close()
        async with other.hold("key"):
            assert other._held
    assert "connection pooler" in capsys.readouterr().out


async def test_without_the_database(own: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database is silent one goes on without it; when it is back, turns are turns again."""
    monkeypatch.setattr(serverturns, "_REST", 0.2)
    monkeypatch.setattr(serverturns, "_ANSWER", 1.0)
    url = own.database()
    async with node(url) as one, node(url) as two:
        async with one.hold("before"):
            assert one._held
            await asyncio.to_thread(own.pause, on=True)
            async with asyncio.timeout(20), two.hold("before"), two.hold("other"):
                assert two._held == []
        await asyncio.to_thread(own.pause, on=False)
        async with asyncio.timeout(60):
            taken = False
            while not taken:
                async with two.hold("after"):
                    taken = bool(two._held)
                await asyncio.sleep(0.05)
