"""Changes that wait for the database, on the disk too, so that they outlive their process. All of it blocks."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog
from filelock import FileLock, Timeout

from goproxy_mirror.state.said import Said

log = structlog.get_logger(__name__)

MOST_LEFT = 100
"""Files that may be left over in a folder; a process that leaves one more removes the oldest."""


@dataclass(frozen=True, slots=True)
class LeftOver:
    """What ended processes have left in a file, which nobody else takes before `end`."""

    path: Path
    lock: FileLock
    changes: Sequence[Said]

    def end(self, *, written: bool) -> None:
        """It was written, or is left to whoever comes next."""
        if written:
            _remove(self.path)
        self.lock.release()


class Spool:
    """One file of lines for each process that has something waiting, in a folder that all processes of a node share.

    A process holds a lock on its file for as long as it lives; what nobody holds is left over, for whoever comes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name()

    def add(self, said: Said) -> bool:
        """Keep the change; whether it is kept. A disk that cannot is told of, and stops nobody."""
        try:
            if not self._lock.is_locked:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._lock.acquire()
            with self._path.open("a", encoding="utf-8") as file:
                # The line's end comes first, so that one that was torn by a full disk tears no other.
                file.write("\n" + json.dumps(said))
        except (OSError, Timeout) as error:
            log.warning("a change that waits is not on the disk", reason=str(error))
            return False
        return True

    def clear(self) -> None:
        """Everything was written."""
        if self._lock.is_locked:
            _remove(self._path)
            self._lock.release()

    def leave(self) -> None:
        """What still waits is left over from now on: the process ends, or keeps no more in memory. The next is put elsewhere."""
        if not self._lock.is_locked:
            return
        self._lock.release()
        self._name()
        for path in self.left_over()[:-MOST_LEFT]:
            _remove(path)
            log.error(
                "changes were lost: too much had to wait for the state database",
                instead="goproxy-mirror reindex makes anew what can be read from the store",
            )

    def left_over(self) -> Sequence[Path]:
        """The files with what waits, the oldest first; those of living processes are among them."""
        found = []
        for path in self._folder.glob("*.jsonl") if self._folder.is_dir() else []:
            with suppress(OSError):
                found.append((path.stat().st_mtime_ns, path))
        return [path for _, path in sorted(found) if path != self._path]

    def take(self, path: Path) -> LeftOver | None:
        """What is in a file that is left over, for this process alone; None where another has it."""
        lock = FileLock(_lock_of(path), timeout=0, thread_local=False)
        try:
            lock.acquire()
        except (OSError, Timeout):
            return None
        lines: list[str] = []
        with suppress(OSError):  # another has taken it meanwhile
            lines = path.read_text("utf-8", "replace").splitlines()
        return LeftOver(path, lock, [said for line in lines if (said := _parsed(line))])

    def _name(self) -> None:
        self._path = self._folder / f"{os.getpid()}-{secrets.token_hex(4)}.jsonl"
        self._lock = FileLock(_lock_of(self._path), timeout=0, thread_local=False)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
        _lock_of(path).unlink(missing_ok=True)


def _lock_of(path: Path) -> Path:
    return path.with_suffix(".lock")


def _parsed(line: str) -> Said | None:
    """None for a line that was torn."""
    with suppress(ValueError):
        said = json.loads(line)
        if isinstance(said, dict):
            return said
    return None
