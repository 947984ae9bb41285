"""What is known about the files, in plain files of the state folder: small, shared by the worker processes, expendable."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import structlog

from goproxy_mirror.ports import FileKind, Home, Kept

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

log = structlog.get_logger(__name__)


_KEPT = 30 * 86400.0
"""Seconds after which an answer that nobody has fetched again is not worth its place."""

_FORGOTTEN = 86400.0
"""Seconds after which a file that is being written is nobody's."""

_POLL = 0.02
"""Seconds between two looks at a turn that somebody else has."""


_MOST_OPEN = 256
"""Turns of files that a process has or waits for at a time: each is an open file, which it has only so many of."""

_FILES = tuple(kind.value for kind in FileKind)


class FileAnswers:
    """`ports.Answers` as one file per key: a line of JSON about the answer, then its body."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pruned = 0.0

    async def get(self, key: str) -> Kept | None:
        try:
            raw = await asyncio.to_thread(self._path(key).read_bytes)
        except OSError:
            return None
        head, newline, body = raw.partition(b"\n")
        with suppress(ValueError, KeyError, TypeError):
            about: dict[str, Any] = json.loads(head)
            if newline and about["key"] == key and about["size"] == len(body):
                home = Home(about["kind"], about["home"]) if about.get("home") else None
                return Kept(body, float(about["fetched"]), home)
        return None

    async def put(self, key: str, kept: Kept) -> None:
        about: dict[str, Any] = {"key": key, "fetched": kept.fetched, "size": len(kept.body)}
        if kept.home is not None:
            about |= {"kind": kept.home.kind, "home": kept.home.name}
        try:
            await asyncio.to_thread(
                write_whole, self._path(key), json.dumps(about).encode() + b"\n" + kept.body
            )
        except OSError as error:
            log.warning("answer not kept", key=key, reason=error.strerror)

    async def prune(self) -> int:
        """Remove answers that were fetched more than 30 days ago, and what dead processes have left; the number of files.

        Looks at every file, so it does nothing where it did so within a day; it may be called as often as one likes.
        """
        now = time.time()
        if now - self._pruned < _FORGOTTEN:
            return 0
        self._pruned = now
        removed = await asyncio.to_thread(_prune, self._folder, now)
        if removed:
            log.info("old answers removed", files=removed)
        return removed

    def _path(self, key: str) -> Path:
        name = sha256(key.encode()).hexdigest()
        return self._folder / name[:2] / name[2:]


class FileTurns:
    """`ports.Turns` by advisory file locks, which the operating system takes back from a dead process.

    65,536 lock files stand for all keys, and as many for those of `.info` files, so that the folder does not grow without
    bound; two keys that meet in one merely wait for each other. Where hundreds of files are waited for at once, the rest of
    them goes without: they wait for a place to be fetched in anyway, and a file that two processes fetch is published once.
    """

    def __init__(self, folder: Path, *, wait: float) -> None:
        self._folder = folder
        self._wait = wait
        self._open = 0

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        if self._open >= _MOST_OPEN and key.endswith(_FILES):
            yield
            return
        name = sha256(key.encode()).hexdigest()
        # Who holds the turn of a `.info` waits for its `.mod`, which has one too: those two never meet in one lock.
        apart = ".info" if key.endswith(".info") else ""
        path = self._folder / name[:2] / f"{name[2:4]}{apart}.lock"
        try:
            lock = _opened(path)
        except OSError as error:
            self._go_on(key, error.strerror or str(error))
            yield
            return
        self._open += 1
        try:
            reason = await self._locked(lock)
            if reason:
                self._go_on(key, reason)
            yield
        finally:
            self._open -= 1
            os.close(lock)  # which gives the turn up

    async def _locked(self, lock: int) -> str:
        """Wait for the lock; why it was not to be had."""
        ends = time.monotonic() + self._wait
        while True:
            try:
                if _lock(lock):
                    return ""
            except OSError as error:
                return error.strerror or str(error)
            if time.monotonic() >= ends:
                return "waited too long"
            await asyncio.sleep(_POLL)

    def _go_on(self, key: str, reason: str) -> None:
        # A turn only saves work: what is published is decided by create-once.
        log.warning("going on without a turn", key=key, reason=reason)


def _opened(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT
    try:
        return os.open(path, flags, 0o644)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, 0o644)


if sys.platform == "win32":

    def _lock(descriptor: int) -> bool:
        """Take the file's lock unless another has it."""
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

else:

    def _lock(descriptor: int) -> bool:
        """Take the file's lock unless another has it; some microseconds, where a library needs a third of a millisecond."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def instance_id(folder: Path) -> str:
    """A name for this installation (12 hex digits), the same for all its processes and after a restart. Blocks."""
    path = folder / "instance"
    with suppress(OSError):
        text = path.read_text("ascii").strip()
        if len(text) == 12 and text.isalnum():
            return text
    fresh = secrets.token_hex(6)
    write_whole(path, fresh.encode())
    return fresh


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file such that whoever reads it reads the old or the new one. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.parent / f".{os.getpid()}-{secrets.token_hex(4)}"
    try:
        fresh.write_bytes(content)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _prune(folder: Path, now: float) -> int:
    removed = 0
    for place in _entries(folder):
        for entry in _entries(Path(place.path)):
            with suppress(OSError):  # another process may have been first
                written = entry.stat(follow_symlinks=False).st_mtime
                if written < now - (_FORGOTTEN if entry.name.startswith(".") else _KEPT):
                    Path(entry.path).unlink()
                    removed += 1
    return removed


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []
