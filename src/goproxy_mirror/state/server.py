"""A PostgreSQL database, shared by several nodes: connections, transactions, and the way from its errors to ours. All of it
blocks."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakSet

import psycopg
import structlog
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from goproxy_mirror.errors import SettingError, StorageError, StorageFull
from goproxy_mirror.state.conninfo import CONNECTING, conninfo_of
from goproxy_mirror.state.session import Session
from goproxy_mirror.state.statefile import HEAD, unknown_on_server

log = structlog.get_logger(__name__)

Wire = psycopg.Connection[tuple[object, ...]]

_STALLED = 5
"""Seconds after which the server ends a transaction whose node has gone silent, and with it that node's locks."""

_OPENING = 600.0
"""Seconds to wait for another node that brings the tables up to date."""

_CHECKING = 10.0
"""Seconds that a start waits for a server that lets us in and then says nothing."""

# Advisory locks of a whole transaction; the high half is the same as that of the feed's lock, so that no key's turn meets them.
_MIGRATING = 0x676F70726F787902
_WRITING = 0x676F70726F787903


class ServerDown(StorageError):
    """The database server cannot be reached, or has gone away in the middle."""


class StateServer:
    """A PostgreSQL database, brought up to date; what `StateFile` is for SQLite. `threads` may use it at the same time.

    One transaction writes at a time, whichever node's it is, as in a file: what is read before it is written stays true, and no
    two wait for each other. A node that stops in the middle is cut off by the server after a few seconds.

    Raises `ServerDown` where the server is not there, and `StorageError` wherever it does not do what is asked.
    """

    def __init__(self, url: str, *, threads: int) -> None:
        self._wires: WeakSet[Wire] = WeakSet()
        self._lock = threading.Lock()
        self._engine = engine_of(url, threads, self._made)

    def open(self, cancelled: Callable[[], bool]) -> None:
        """Connect, and bring the tables up to date; before everything else. `abort` ends this too."""
        with _failures():
            self._bring_up_to_date(cancelled)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that sees one state of things and changes nothing."""
        with _failures(), self._engine.connect() as connection:
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield Session(connection)

    @contextmanager
    def writing(self, *, durable: bool, wait: float) -> Iterator[Session]:
        """A transaction that is kept as a whole when the block ends, and not at all when it raises.

        `durable` and `wait` as for `StateFile.writing`; without `durable` the server may lose the last moment with its power.
        """
        with _failures(), self._engine.connect() as connection:
            connection.execution_options(isolation_level="READ COMMITTED", postgresql_readonly=False)
            with connection.begin():
                _set(
                    connection, lock_timeout=round(wait * 1000), synchronous_commit="on" if durable else "off"
                )
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITING})
                yield Session(connection)

    def stored(self) -> str | None:
        """The revision of the tables; None where there are none."""
        with _failures(), self._engine.connect() as connection:
            return stored_on_server(connection)

    def replaced(self) -> bool:
        return False

    def abort(self) -> None:
        """Let every thread that waits for an answer fail now: the server is there, and says nothing."""
        with self._lock:
            for wire in self._wires:
                with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(wire.fileno())) as end:
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with suppress(psycopg.Error, DBAPIError):
            self._engine.dispose()

    def _made(self, wire: Wire) -> None:
        with self._lock:
            self._wires.add(wire)

    def _bring_up_to_date(self, cancelled: Callable[[], bool]) -> None:
        with self._engine.connect() as connection:
            if self._revision(connection) == HEAD:
                return
        deadline = time.monotonic() + _OPENING
        while not self._migrated():
            if cancelled() or time.monotonic() > deadline:
                raise StorageError(
                    "another node has been bringing the state database up to date for too long; ask again later"
                )
            time.sleep(0.1)

    def _migrated(self) -> bool:
        """Run what is missing, unless another node is at it. Whether the tables are up to date."""
        from goproxy_mirror.state.migrate import upgrade  # noqa: PLC0415 (Alembic is needed once, and slow to import)

        began = time.monotonic()
        with self._engine.connect() as connection, connection.begin():
            _set(connection, lock_timeout=0, synchronous_commit="on", idle_in_transaction_session_timeout=0)
            turn = text("SELECT pg_try_advisory_xact_lock(:key)")
            if not connection.execute(turn, {"key": _MIGRATING}).scalar_one():
                return False
            if self._revision(connection) != HEAD:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITING})
                upgrade(connection)
                log.info("state database made", revision=HEAD, seconds=round(time.monotonic() - began, 3))
        return True

    def _revision(self, connection: Connection) -> str | None:
        found = stored_on_server(connection)
        problem = unknown_on_server(found)
        if problem:
            raise StorageError(problem)
        return found


def engine_of(url: str, threads: int, made: Callable[[Wire], None] = lambda _: None) -> Engine:
    """Connections to the server of a URL; none is made yet. `made` is told of each. Raises `StorageError` where the URL cannot be
    one."""
    conninfo = conninfo_of(url)

    def connect(_: object, __: object, ___: object, options: dict[str, Any]) -> Wire:
        # Nothing is prepared, so that a pooler may give each transaction another session.
        wire: Wire = psycopg.connect(conninfo, **{**options, "prepare_threshold": None})
        made(wire)
        return wire

    engine = create_engine(
        "postgresql+psycopg://",
        pool_size=threads,
        max_overflow=0,
        pool_pre_ping=True,
        pool_timeout=CONNECTING,
    )
    event.listen(engine, "do_connect", connect)
    event.listen(engine, "connect", _prepare)
    return engine


def check_server(url: str) -> None:
    """Refuse a database that only a newer program can read, one that is not there, and one that does not let us in.

    Nothing is changed. A server that cannot be reached is none of these: stored files are served without it. Raises
    `SettingError`.
    """
    try:
        server = StateServer(url, threads=1)
        silent = threading.Timer(_CHECKING, server.abort)
        silent.start()
        try:
            problem = unknown_on_server(server.stored())
        finally:
            silent.cancel()
            server.close()
    except ServerDown:
        return  # said already, and said again at each use
    except StorageError as error:
        raise SettingError(f"database: {error.message}") from error
    if problem:
        raise SettingError(problem)


def stored_on_server(connection: Connection) -> str | None:
    """The revision of the tables; None where there are none."""
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar_one() is None:
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return None if found is None else str(found)


def _prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """Every new connection: nobody's locks outlive their node's silence for long."""
    cursor = connection.cursor()
    cursor.execute(f"SET idle_in_transaction_session_timeout = '{_STALLED}s'")
    cursor.close()
    connection.commit()


def _set(connection: Connection, **values: int | str) -> None:
    """Settings of this transaction."""
    calls = ", ".join(f"set_config('{name}', :{name}, true)" for name in values)
    connection.execute(text(f"SELECT {calls}"), {name: str(value) for name, value in values.items()})


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if isinstance(error.orig, psycopg.Error):
            raise explained_server(error.orig) from error
        raise
    except psycopg.Error as error:
        raise explained_server(error) from error


_CUT_OFF = "25P03"
"""What a node hears that had stopped in the middle of a transaction."""

_REFUSED = {
    "28": "the state database does not let us in: see that the user and the password are right, and that the server's "
    "pg_hba.conf lets this node in",
    "3D000": "there is no such database on the server; make it (createdb), or name another one",
    "3F000": "the schema that is named for the state database is not there; make it, or name another one",
    "42501": "this user may not do what the state database needs: let it make tables, and own those that are there",
    "25006": "the state database is read-only: is its server a standby?",
    "55P03": "another node writes to the state database for too long",
    "57014": "the state database was too slow: the server has cancelled what was asked (statement_timeout)",
}


_WRONG = (
    "invalid ",
    "definition of service",
    "root certificate file",
    "certificate file",
    "private key file",
)
"""How the client library begins to say that it does not even try."""


def explained_server(error: psycopg.Error) -> StorageError:
    """What PostgreSQL says, in words for whoever runs the server
    (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""
    state = error.sqlstate or ""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    # Of several servers that could not be reached, each has a line.
    said = lines[0] if state else " ".join(line.strip() for line in lines)[:500]
    for code, words in _REFUSED.items():
        if state.startswith(code):
            return StorageError(f"{words} ({state})")
    # The handshake's own refusals carry no code.
    if not state and ("password authentication failed" in said or "no password supplied" in said):
        return StorageError(_REFUSED["28"])
    if not state and '" does not exist' in said and ('role "' in said or 'database "' in said):
        kind = "28" if 'role "' in said else "3D000"
        return StorageError(_REFUSED[kind])
    meaningless = said.removeprefix("connection is bad: ")
    if not state and (meaningless.startswith(_WRONG) or "SSL was required" in said):
        why = meaningless if meaningless.startswith(_WRONG) else said.rpartition(": ")[2]
        return StorageError(f"the state database cannot be connected to as its URL says: {why}")
    if state == "53100":
        return StorageFull("the state database cannot grow: its server has no room left (53100)")
    if "too many clients" in said or "too many connections" in said or "connection slots" in said:
        log.warning("the state database has no connection left for us", reason=said)
        return ServerDown("the state database has no connection left (each worker process keeps up to four)")
    if (
        not state
        or state[:2] in {"08", "57", "53"}
        or state == _CUT_OFF
        or isinstance(error, psycopg.InterfaceError)
    ):
        log.warning("the state database is down", reason=f"{said} ({state})" if state else said)
        return ServerDown("the state database cannot be reached, or is not ready", detail=said)
    return StorageError(f"the state database failed ({state}: {said})")
