"""One opened database: its connections, transactions, and the way from SQLAlchemy's errors to ours. All of it blocks."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog
from filelock import FileLock, Timeout
from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from goproxy_mirror.errors import StorageError, disk_failures
from goproxy_mirror.state.journal import import_journal
from goproxy_mirror.state.session import Session
from goproxy_mirror.state.statefile import HEAD, JOURNAL, NAME, explained, stored_revision, unknown_revision

log = structlog.get_logger(__name__)

_BEGIN = "goproxy_mirror_begin"
_OPENING = 600.0
"""Seconds to wait for another process that brings the database up to date; importing an old journal takes long."""


class StateFile:
    """The SQLite database of a state folder, brought up to date. `threads` may use it at the same time.

    Raises `StorageError` wherever the database does not do what is asked.
    """

    def __init__(self, folder: Path, *, threads: int, cancelled: Callable[[], bool]) -> None:
        self._path = folder / NAME
        self._engine = create_engine(
            URL.create("sqlite", database=str(self._path)),
            pool_size=threads,
            # Python's own guesses at where a transaction begins are switched off: `_begin` says it.
            connect_args={"isolation_level": None},
        )
        event.listen(self._engine, "connect", _prepare)
        event.listen(self._engine, "begin", _begin)
        try:
            with _failures():
                self._bring_up_to_date(folder / "state.lock", folder / JOURNAL, cancelled)
            with disk_failures("look at the state database"):
                self._identity = _identity(self._path)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that sees one state of things and changes nothing."""
        with _failures(), self._engine.connect() as connection:
            connection.execution_options(**{_BEGIN: "BEGIN"})
            _set(connection, "busy_timeout", 10_000)
            yield Session(connection)

    @contextmanager
    def writing(self, *, durable: bool, wait: float) -> Iterator[Session]:
        """A transaction that is kept as a whole when the block ends, and not at all when it raises.

        `durable`: on the disk before this returns, whatever happens to the machine. Otherwise the database stays whole, but
        the last changes may be lost with the machine's power. `wait`: seconds for which another writer is waited for.
        """
        with _failures(), self._engine.connect() as connection:
            # A transaction that reads first and then wants to write fails where another has written in between, however
            # long it would wait; so it says at once that it will write.
            connection.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
            _set(connection, "busy_timeout", round(wait * 1000))
            # With a write-ahead log NORMAL leaves the last transactions to the system's cache, and a machine that loses its
            # power forgets them: a pin that was believed could be another one afterwards, a tree head could go back. FULL
            # waits for the disk at each commit; EXTRA is FULL that also waits for the folder, where there is a rollback
            # journal instead of the log (https://www.sqlite.org/pragma.html#pragma_synchronous).
            _set(connection, "synchronous", "EXTRA" if durable else "NORMAL")
            with connection.begin():
                yield Session(connection)

    def replaced(self) -> bool:
        """Whether the file has been moved away, or replaced by another: what would be written now would be lost."""
        try:
            return _identity(self._path) != self._identity
        except OSError:
            return True

    def abort(self) -> None:
        """A file is no server that falls silent: whoever waits for a lock waits for a bounded time."""

    def close(self) -> None:
        with suppress(sqlite3.Error, DBAPIError):
            self._engine.dispose()

    def _bring_up_to_date(self, lock: Path, journal: Path, cancelled: Callable[[], bool]) -> None:
        if self._revision() == (HEAD, True) and not journal.exists():
            return
        # One process does it, and the others wait until all is done: who reads in between would take files for proven that
        # the old journal has as unproven.
        try:
            with FileLock(lock, timeout=_OPENING, poll_interval=0.02).acquire(cancel_check=cancelled):
                revision, write_ahead = self._revision()
                if revision != HEAD:
                    self._migrate()
                elif not write_ahead:
                    self._engine.connect().close()
                if journal.exists():
                    import_journal(journal, lambda: self.writing(durable=True, wait=60))
        except Timeout:
            raise StorageError(
                "another process has been bringing the state database up to date for too long; ask again later"
            ) from None
        except OSError as error:
            raise StorageError(
                f"the state database cannot be made or changed ({error.strerror}): this user must be allowed to make files in "
                "the state folder"
            ) from error

    def _revision(self) -> tuple[str | None, bool]:
        found = stored_revision(self._path)
        problem = unknown_revision(found[0])
        if problem:
            raise StorageError(problem)
        return found

    def _migrate(self) -> None:
        from goproxy_mirror.state.migrate import upgrade  # noqa: PLC0415 (Alembic is needed once, and slow to import)

        began = time.monotonic()
        with self._engine.connect() as connection:
            connection.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
            _set(connection, "busy_timeout", 60_000)
            _set(connection, "synchronous", "EXTRA")
            with connection.begin():
                upgrade(connection)
        log.info("state database made", revision=HEAD, seconds=round(time.monotonic() - began, 3))


def _prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """Every new connection: readers never wait for a writer, nor a writer for them."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 10000")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA journal_size_limit = 16777216")
    cursor.close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))


def _set(connection: Connection, name: str, value: int | str) -> None:
    """Change a connection between two transactions, without beginning one."""
    driver = connection.connection.driver_connection
    if driver is not None:
        driver.execute(f"PRAGMA {name} = {value}").close()


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise explained(error) from error
    except DBAPIError as error:
        if isinstance(error.orig, sqlite3.Error):
            raise explained(error.orig) from error
        raise
