"""Turns among several nodes, by PostgreSQL's advisory locks."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from types import TracebackType
from typing import Self

import psycopg
import structlog

from goproxy_mirror.ports import Turns
from goproxy_mirror.state.conninfo import conninfo_of

log = structlog.get_logger(__name__)

STALLED = 15.0
"""Seconds without a sign of life after which nobody waits for a node any more."""

_PING = 3.0
"""Seconds between two signs of life of a node that holds turns."""

_PAUSE = 0.05
"""Seconds between two tries for the turns that others hold."""

_ANSWER = 5.0
"""Seconds that the server may take for all the turns that are asked for at once."""

_REST = 5.0
"""Seconds for which a server that is down is not asked for turns."""

_PREPARE = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 3; SET tcp_keepalives_count = 3"
_SESSION = "SELECT pg_backend_pid()"
_TAKE = "SELECT key, pg_try_advisory_lock(key), pg_backend_pid() FROM unnest(%s::bigint[]) AS key"
_GIVE_UP = "SELECT pg_advisory_unlock(key) FROM unnest(%s::bigint[]) AS key"
# A key of 64 bits is shown in two halves, with 1 beside it.
_SILENT = """
SELECT (classid::bigint << 32) | objid::bigint
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND objsubid = 1
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND state_change < clock_timestamp() - make_interval(secs => %s)
"""


@dataclass(eq=False, slots=True)
class _Waiter:
    number: int
    key: str
    turn: asyncio.Future[bool]


class _PooledError(Exception):
    """The connection has another session than it had: whoever has that one next has our locks."""


class ServerTurns:
    """`ports.Turns` among all nodes of a database; `local` has them among the processes of this one.

    However many keys there are, one connection of the process holds them all, and asks for all that are waited for at once. The
    server takes them back from a node that dies. A node that gives no sign of life is waited for no longer than `STALLED`, and
    any other no longer than `wait` seconds. Without the database one goes on with `local` alone: a turn only saves work.

    Use it as an async context manager.
    """

    def __init__(self, url: str, local: Turns, *, wait: float) -> None:
        self._conninfo = conninfo_of(url, application="goproxy-mirror turns")
        self._local = local
        self._wait = wait
        self._connection: psycopg.AsyncConnection[tuple[object, ...]] | None = None
        self._wake = asyncio.Event()
        self._waiting: list[_Waiter] = []
        self._held: list[int] = []
        self._given_up: list[int] = []
        self._session = 0
        self._down_until = 0.0
        self._looked = 0.0
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._driver = self._group.create_task(self._drive())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._driver.cancel()
        await self._group.__aexit__(None, None, None)
        self._forget()

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        async with self._local.hold(key):
            number = int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), signed=True)
            held = await self._take(number, key)
            try:
                yield
            finally:
                if held:
                    self._give_up(number)

    async def _take(self, number: int, key: str) -> bool:
        if time.monotonic() < self._down_until:
            return False
        waiter = _Waiter(number, key, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        self._wake.set()
        try:
            async with asyncio.timeout(self._wait):
                return await waiter.turn
        except TimeoutError:
            self._left(waiter)
            log.warning("going on without a turn", key=key, reason="waited too long for another node")
            return False
        except asyncio.CancelledError:
            self._left(waiter)
            raise

    def _left(self, waiter: _Waiter) -> None:
        """Who waits no more gives up what they were given meanwhile."""
        if waiter.turn.done() and not waiter.turn.cancelled() and waiter.turn.result():
            self._give_up(waiter.number)

    def _give_up(self, number: int) -> None:
        if number in self._held:
            self._held.remove(number)
            self._given_up.append(number)
            self._wake.set()

    async def _drive(self) -> None:
        """Everything that is said to the server, of all keys together."""
        while True:
            self._waiting = [waiter for waiter in self._waiting if not waiter.turn.done()]
            pause = _PAUSE if self._waiting else _PING if self._held else None
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            self._wake.clear()
            if time.monotonic() < self._down_until:
                self._refuse_all()
                continue
            try:
                async with asyncio.timeout(_ANSWER):
                    await self._round()
            except (psycopg.Error, OSError, TimeoutError) as error:
                self._down(error)
            except _PooledError:
                self._pooled()

    async def _round(self) -> None:
        connection = self._connection or await self._connect()
        given_up, self._given_up = self._given_up, []
        if given_up:
            unlocked = await (await connection.execute(_GIVE_UP, [given_up])).fetchall()
            if not all(done for (done,) in unlocked):
                raise _PooledError
        waiting = {waiter.number: waiter for waiter in reversed(self._waiting) if not waiter.turn.done()}
        if not waiting:
            if self._held and await _session(connection) != self._session:
                raise _PooledError
            return
        asked = await connection.execute(_TAKE, [sorted(waiting)])
        for number, taken, session in await asked.fetchall():
            if session != self._session:
                raise _PooledError
            if taken:
                self._grant(waiting.pop(_whole(number)))
        if waiting and time.monotonic() - self._looked >= 1.0:
            self._looked = time.monotonic()
            silent = await (await connection.execute(_SILENT, [STALLED])).fetchall()
            for (number,) in silent:
                self._refuse(waiting.get(_whole(number)), "the node that has it gives no sign of life")

    def _grant(self, waiter: _Waiter) -> None:
        self._held.append(waiter.number)
        if waiter.turn.done():
            self._give_up(waiter.number)
        else:
            waiter.turn.set_result(True)

    def _refuse(self, waiter: _Waiter | None, reason: str) -> None:
        if waiter is not None and not waiter.turn.done():
            log.warning("going on without a turn", key=waiter.key, reason=reason)
            waiter.turn.set_result(False)

    async def _connect(self) -> psycopg.AsyncConnection[tuple[object, ...]]:
        connection = await psycopg.AsyncConnection.connect(
            self._conninfo, autocommit=True, prepare_threshold=None
        )
        self._connection = connection
        await connection.execute(_PREPARE)
        self._session = await _session(connection)
        return connection

    def _down(self, error: Exception) -> None:
        """The server has taken back every turn, or will when it is back."""
        said: Sequence[str] = str(error).strip().splitlines()
        log.warning(
            "no turns among nodes: the state database is down", reason=said[0] if said else "no answer"
        )
        self._forget()
        self._down_until = time.monotonic() + _REST
        self._refuse_all()

    def _pooled(self) -> None:
        """What was locked in other sessions stays locked for as long as those live: nobody may wait for it."""
        log.error(
            "no turns among nodes: a connection pooler before the state database gives each transaction another session",
            instead="let it give one to each connection (session pooling), or connect past it",
        )
        self._forget()
        self._down_until = math.inf
        self._refuse_all()

    def _refuse_all(self) -> None:
        for waiter in self._waiting:
            if not waiter.turn.done():
                waiter.turn.set_result(False)

    def _forget(self) -> None:
        self._held, self._given_up = [], []
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.pgconn.finish()


async def _session(connection: psycopg.AsyncConnection[tuple[object, ...]]) -> int:
    row = await (await connection.execute(_SESSION)).fetchone()
    return _whole(row[0] if row else None)


def _whole(number: object) -> int:
    assert isinstance(number, int)
    return number
