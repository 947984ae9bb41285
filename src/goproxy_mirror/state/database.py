"""The state database as the event loop sees it: opened when it is needed first, in threads of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import structlog

from goproxy_mirror.errors import StorageError, disk_failures

if TYPE_CHECKING:
    from goproxy_mirror.state.engine import StateFile
    from goproxy_mirror.state.server import StateServer
    from goproxy_mirror.state.session import Session

log = structlog.get_logger(__name__)

T = TypeVar("T")

_READERS = 2
_REST = 5.0
"""Seconds for which a database that could not be opened is not tried again."""

PATIENT = 10.0
"""Seconds that a write waits for another process's, where somebody needs it to be done."""

BRIEF = 1.0
"""The same, where it can as well be done later."""

_ANSWER = 15.0
"""Seconds that a server of PostgreSQL may take for a transaction, beside the wait for other nodes."""


_LEAVING = 3.0
"""The same at the end of the process."""

_ALL = 3600.0
"""The same where it goes through a whole table. A server that is gone meanwhile is noticed by its connection."""


class Database:
    """Transactions on the database of a state folder, or on a server's (`url`). Raises `StorageError` for all that ails it.

    Nothing is opened, and SQLAlchemy not imported, before the first transaction, or `open_soon`. A database that could not be
    opened is tried again, and one whose file was replaced is opened anew.

    What blocks runs in one thread that writes and two that read, apart from all other threads of the process, so that a slow
    disk under the state keeps nobody else waiting. A task that is cancelled leaves its transaction to end by itself. A server
    that was down a moment ago is known to be down: nobody waits for it then.
    """

    def __init__(self, folder: Path, url: str = "") -> None:
        self._folder = folder
        self._url = url
        self._writer = ThreadPoolExecutor(1, "state-write")
        self._readers = ThreadPoolExecutor(_READERS, "state-read")
        self._closing = threading.Event()
        self._given_up = False
        self._lock = threading.Lock()
        self._file: StateFile | StateServer | None = None
        self._opening: StateServer | None = None
        self._was_open = False
        self._failure: StorageError | None = None
        self._again = 0.0

    def open_soon(self) -> None:
        """Begin to open the database, behind whatever else goes on; what fails is logged, and said at each use."""
        self._writer.submit(self._opened_quietly)

    async def read(self, work: Callable[[Session], T], *, all_: bool = False) -> T:
        """What `work` finds, in a transaction that changes nothing. `all_`: it looks at every row of a table."""
        patience = _ALL if all_ else _ANSWER
        return await self._run(self._readers, lambda: self._opened().reading(), work, patience)

    async def write(self, work: Callable[[Session], T], *, durable: bool = True, wait: float = PATIENT) -> T:
        """Do the work in a transaction: all of it or nothing; `durable` and `wait` (seconds) as for `StateFile.writing`."""
        return await self._run(
            self._writer, lambda: self._opened().writing(durable=durable, wait=wait), work, _ANSWER + wait
        )

    async def aclose(self) -> None:
        """Wait for what is under way (of a server: for so long as one may take), and close; every later use is a
        `StorageError`."""
        self._closing.set()
        closing = asyncio.create_task(asyncio.to_thread(self._close))
        while self._url and not (await asyncio.wait([closing], timeout=_LEAVING))[0]:
            self._given_up = True
            await asyncio.to_thread(self._abort)
        await closing

    async def _run(
        self,
        executor: Executor,
        transaction: Callable[[], AbstractContextManager[Session]],
        work: Callable[[Session], T],
        patience: float,
    ) -> T:
        def done() -> T:
            if self._given_up:
                raise StorageError("the state database is closed")
            with transaction() as session:
                return work(session)

        if self._closing.is_set():
            raise StorageError("the state database is closed")
        doing = asyncio.get_running_loop().run_in_executor(executor, done)
        if not self._url:
            return await doing
        return await self._bounded(doing, patience)

    async def _bounded(self, doing: asyncio.Future[T], patience: float) -> T:
        """What a server answers in time; one that is down, or silent, is left alone for a while."""
        from goproxy_mirror.state.server import ServerDown  # noqa: PLC0415 (as slow to import as SQLAlchemy)

        doing.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            async with asyncio.timeout(patience):
                return await asyncio.shield(doing)
        except ServerDown as error:
            if time.monotonic() >= self._again:  # what is said again from memory is no news
                self._failure, self._again = error, time.monotonic() + _REST
            raise
        except TimeoutError:
            silent = ServerDown("the state database does not answer in time")
            self._failure, self._again = silent, time.monotonic() + _REST
            await asyncio.to_thread(self._abort)
            raise silent from None

    def _abort(self) -> None:
        for each in (self._file, self._opening):
            if each is not None:
                each.abort()

    def _opened(self) -> StateFile | StateServer:
        with self._lock:
            if self._url and self._file is not None and self._failure is not None:
                self._rested()
                self._failure = None
            if self._file is not None:
                if not self._file.replaced():
                    return self._file
                log.warning("the state database was moved away or replaced; it is opened anew")
                self._file.close()
                self._file = None
            self._rested()
            try:
                self._file = self._open()
            except StorageError as error:
                self._failure, self._again = error, time.monotonic() + _REST
                raise
            self._failure, self._was_open = None, True
            return self._file

    def _rested(self) -> None:
        """Raise what was said last, where that is no while ago."""
        if self._failure is not None and time.monotonic() < self._again:
            raise type(self._failure)(self._failure.message, detail=self._failure.detail)

    def _open(self) -> StateFile | StateServer:
        if self._url:
            from goproxy_mirror.state.server import StateServer  # noqa: PLC0415 (as below)

            self._opening = StateServer(self._url, threads=_READERS + 1)
            try:
                self._opening.open(self._closing.is_set)
            except BaseException:
                self._opening.close()
                raise
            return self._opening
        from goproxy_mirror.state.engine import StateFile  # noqa: PLC0415 (SQLAlchemy's import would delay each start)

        # A folder that was there and is gone is a disk that is gone, and no place to begin anew.
        if self._was_open and not self._folder.is_dir():
            raise StorageError("the state folder is gone: is its disk still there?")
        with disk_failures("make the state folder"):
            self._folder.mkdir(parents=True, exist_ok=True)
        return StateFile(self._folder, threads=_READERS + 1, cancelled=self._closing.is_set)

    def _opened_quietly(self) -> None:
        try:
            self._opened()
        except StorageError as error:
            said = error.message
        else:
            return
        log.error("the state database cannot be used: stored files are served without it", reason=said)

    def _close(self) -> None:
        self._writer.shutdown()
        self._readers.shutdown()
        if self._file is not None:
            self._file.close()
