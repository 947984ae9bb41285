"""The store in a local folder: one file per key, created once, durable before anybody is told.

The folder is a valid `GOPROXY=file://…` tree and can be served by any static file server. Beside published files and the
derived `@v/list` it holds `.tmp/`, and in `_state/` the records that must outlive the database. Many processes may share it:
`link` decides who was first.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG

from goproxy_mirror.errors import StorageError, StorageFull
from goproxy_mirror.gathering import Gathering
from goproxy_mirror.ports import StoredFile
from goproxy_mirror.storage.publishing import Publisher, Small, sync

_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}
_FULL = {errno.ENOSPC, errno.EDQUOT}
BESIDE = "_state"
"""The folder of `storage/ledger.py`: no module path begins so, and no key."""

_REMOVALS = "removals"
"""In `.tmp/`: a byte for each empty folder that was removed."""

_FORGOTTEN = 24 * 3600
"""Seconds after which a temporary file is nobody's, whoever made it."""


class LocalStorage:
    """`ports.Storage` in a folder. `StorageError` where the folder cannot be read or written."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._text_root = str(root)
        self._tmp = root / ".tmp"
        self._host = _host()
        self._owner = f"{self._host}-{os.getpid()}"
        self._publisher = Publisher(root, self._fresh, self._tmp / _REMOVALS)
        self._small = Gathering("store-write", self._publisher.small)

    def open(self) -> None:
        """Make the folder and take back what dead processes left in `.tmp/`. Blocks; call it before serving."""
        try:
            self._tmp.mkdir(parents=True, exist_ok=True)
            for left in self._tmp.iterdir():
                if left.name != _REMOVALS and self._is_forgotten(left):
                    left.unlink(missing_ok=True)
            probe = self._fresh()
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise _said(error, "open the store") from error

    def look(self, key: str) -> StoredFile | None:
        path = f"{self._text_root}/{_checked(key)}"
        try:
            status = os.stat(path)  # noqa: PTH116 - the hot path of every hit; Path costs as much as the call
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise _said(error, f"look for {key}") from error
        if not S_ISREG(status.st_mode):
            return None
        return StoredFile(_as_path(path), status.st_size, status.st_mtime)

    async def find(self, key: str) -> StoredFile | None:
        return self.look(key)

    async def offer(self, key: str) -> StoredFile | None:
        return self.look(key)

    async def measure(self, key: str) -> tuple[int, float] | None:
        stored = self.look(key)
        return None if stored is None else (stored.size, stored.modified)

    async def ready(self) -> None:
        async with self.stage() as staged:
            try:
                await asyncio.to_thread(staged.write_bytes, b"ready")
            except OSError as error:
                raise _said(error, "be written to") from error

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[Path]:
        path = self._fresh()
        try:
            await asyncio.to_thread(path.touch, 0o644, exist_ok=False)
        except OSError as error:
            raise _said(error, "begin a file") from error
        try:
            yield path
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    async def create(self, key: str, staged: Path) -> StoredFile:
        target = self._root / _checked(key)
        try:
            await asyncio.to_thread(self._publisher.staged, staged, target)
        except OSError as error:
            raise _said(error, f"publish {key}") from error
        stored = self.look(key)
        if stored is None:
            raise StorageError(
                f"{key} was published and is gone: is another program removing files from the store?"
            )
        return stored

    async def publish(self, key: str, body: bytes) -> tuple[StoredFile, bool]:
        target = _as_path(f"{self._text_root}/{_checked(key)}")
        try:
            return await self._small.do(Small(target, body))
        except OSError as error:
            raise _said(error, f"publish {key}") from error

    async def replace(self, key: str, body: bytes) -> None:
        target = self._root / _checked(key)
        try:
            await self._small.do(Small(target, body, anew=True))
        except OSError as error:
            raise _said(error, f"replace {key}") from error

    async def list(self, prefix: str) -> AsyncIterator[str]:
        names = self._names(prefix)
        while batch := await asyncio.to_thread(_take, names, 1000):
            for name in batch:
                yield name

    async def delete(self, key: str) -> None:
        target = self._root / _checked(key)
        try:
            await asyncio.to_thread(self._delete, target)
        except OSError as error:
            raise _said(error, f"delete {key}") from error

    def _names(self, prefix: str) -> Iterator[str]:
        folder, _, start = prefix.rpartition("/")
        pending = [folder]
        while pending:
            here = pending.pop()
            try:
                entries = list(os.scandir(self._root / here if here else self._root))
            except OSError as error:
                if error.errno in _ABSENT:
                    continue
                raise _said(error, f"list {here}") from error
            for entry in entries:
                name = f"{here}/{entry.name}" if here else entry.name
                if (here == folder and not entry.name.startswith(start)) or name in {".tmp", BESIDE}:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    pending.append(name)
                elif entry.is_file(follow_symlinks=False):
                    yield name

    def _delete(self, target: Path) -> None:
        target.unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            sync(target.parent)
            self._publisher.clear(str(target.parent))

    def _fresh(self) -> Path:
        return self._tmp / f"{self._owner}-{secrets.token_hex(8)}"

    def _is_forgotten(self, left: Path) -> bool:
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _FORGOTTEN:
                return True
        host, _, rest = left.name.partition("-")
        pid = rest.partition("-")[0]
        if host != self._host or not pid.isdigit():
            return False
        if int(pid) == os.getpid():
            return True  # nothing of ours is staged yet: an earlier process had our number
        return not _is_alive(int(pid))


def _host() -> str:
    """Where our number means this process: containers of one name have numbers of their own."""
    try:
        numbers = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        numbers = 0
    return sha256(f"{socket.gethostname()} {numbers}".encode()).hexdigest()[:8]


def _take(names: Iterator[str], count: int) -> list[str]:
    return [name for _, name in zip(range(count), names, strict=False)]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


_as_path = lru_cache(maxsize=8192)(Path)
"""Making a `Path` costs several times what the `stat` before it costs."""


def _checked(key: str) -> str:
    """The key, which the protocol's parser has already checked; said again here since what follows touches the disk."""
    if (
        not key
        or key[0] == "/"
        or "\\" in key
        or "\0" in key
        or ".." in key.split("/")
        or key.startswith((".tmp", BESIDE))
    ):
        raise StorageError(f"{key!r} is no key of a published file")
    return key


def _said(error: OSError, task: str) -> StorageError:
    reason = error.strerror or type(error).__name__
    if error.errno in _FULL:
        return StorageFull(f"the store is full: could not {task} ({reason})")
    return StorageError(f"the store could not {task}: {reason}")
