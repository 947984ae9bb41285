"""One writer at a time in a repository's folder, among tasks and among processes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from filelock import lock_descriptor

from goproxy_mirror.errors import SourceTimeout, StorageError

_FIRST_POLL = 0.005
_LAST_POLL = 0.25


class FolderLock:
    """The right to write to a folder, kept by a file in it. `wait` is in seconds.

    The descriptor is handed to the programs that write, so that one that outlives a killed process keeps the lock
    until it ends too. The operating system gives the lock up for who dies; nothing is ever stale.
    """

    def __init__(self, path: Path, *, wait: float) -> None:
        self._path = path
        self._wait = wait
        self._mine = asyncio.Lock()

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[int]:
        """Wait for the turn and keep it for the block; gives the descriptor.

        Raises `SourceTimeout` when the wait was too long, `StorageError` where the folder cannot be written.
        """
        end = asyncio.get_running_loop().time() + self._wait
        try:
            async with asyncio.timeout_at(end):
                await self._mine.acquire()
        except TimeoutError:
            raise self._late() from None
        try:
            pause = _FIRST_POLL
            while (descriptor := _take(self._path)) is None:
                if asyncio.get_running_loop().time() > end:
                    raise self._late()
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LAST_POLL)
            try:
                yield descriptor
            finally:
                # Gives the lock up, unless a program still holds the descriptor.
                os.close(descriptor)
        finally:
            self._mine.release()

    def _late(self) -> SourceTimeout:
        return SourceTimeout(f"another fetch of the same repository did not end within {self._wait:g} s")


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Take the lock for the block if it is free; says whether it was."""
    try:
        descriptor = _take(path)
    except StorageError:
        descriptor = None
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _take(path: Path) -> int | None:
    """The descriptor of the locked file, or None where another has it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StorageError("a repository's folder in the state folder cannot be written") from error
    taken = False
    try:
        # The whole folder may have been removed since, and another been made in its place.
        taken = lock_descriptor(descriptor, blocking=False) and _is_at(descriptor, path)
    finally:
        if not taken:
            os.close(descriptor)
    return descriptor if taken else None


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False
