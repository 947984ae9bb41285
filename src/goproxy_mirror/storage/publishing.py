"""How files become visible in a folder: whole, once, and durable before anybody is told. All of it blocks.

Small files are published many at a time. What they share is done once for all: a folder and its parents are synced once for
all files that came into it. What fails for one file fails for those alone that depend on it.
"""

from __future__ import annotations

import errno
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR
from typing import TypeVar

from goproxy_mirror.ports import StoredFile

T = TypeVar("T")

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS, errno.EXDEV}

_MOST_FOLDERS = 65_536
"""Folders that are remembered to be durable."""

_TRIES = 16
"""How often a folder is made, where others remove it while it is empty."""

_AT_ONCE = 8
_SLOW = 0.001
"""Seconds that one sync takes where the disk is waited for: then several wait together."""


@dataclass(frozen=True, slots=True)
class Small:
    """A small file to publish: where, and what. `anew`: it takes the place of what is there, instead of giving way to it."""

    target: Path
    body: bytes
    anew: bool = False


@dataclass(slots=True)
class _Written:
    """A file that is written, and not visible yet."""

    item: Small
    temporary: str
    file: StoredFile


class Publisher:
    """Publishes in the folder `root`; `name` gives a new file's path outside of what is visible, on the same file system.

    `removals` grows before any process removes an empty folder: what was known to be durable need not be so any more. For one
    thread at a time: `small`. For any: the others.
    """

    def __init__(self, root: Path, name: Callable[[], Path], removals: Path) -> None:
        self._root = str(root)
        self._name = name
        self._removals = str(removals)
        self._known = self._removed()
        self._durable: OrderedDict[str, None] = OrderedDict()
        self._together = ThreadPoolExecutor(_AT_ONCE, "store-sync")

    def small(self, items: Sequence[Small]) -> Sequence[tuple[StoredFile, bool] | Exception]:
        """For each file, in their order: what is published then, and whether it has these bytes; or the `OSError`."""
        written = self._write(items)
        removed = self._begin()
        ready = [each for each in written if isinstance(each, _Written)]
        try:
            folders = self._make_folders({os.path.dirname(each.item.target) for each in ready})
            outcomes = [
                each if isinstance(each, Exception) else self._show(each, folders) for each in written
            ]
        finally:
            for each in ready:
                with suppress(OSError):
                    os.unlink(each.temporary)
        shown = {
            os.path.dirname(item.target)
            for item, outcome in zip(items, outcomes, strict=True)
            if not isinstance(outcome, Exception)
        }
        failures = self._sync(shown) | self._end(shown, removed)
        for mine, outcome in zip(written, outcomes, strict=True):
            if isinstance(mine, _Written) and not isinstance(outcome, Exception) and not mine.item.anew:
                folder = os.path.dirname(mine.item.target)
                if folder in failures and outcome[0] is mine.file:
                    _take_back(str(mine.item.target))
        return [
            outcome if isinstance(outcome, Exception) else failures.get(os.path.dirname(item.target), outcome)
            for item, outcome in zip(items, outcomes, strict=True)
        ]

    def staged(self, staged: Path, target: Path) -> None:
        """Publish a file that was written already, unless there is one. Raises `OSError`."""
        sync(staged)
        removed = self._begin()
        folder = os.path.dirname(target)
        made = self._make_folders([folder])[folder]
        ours = self._in(folder, made, lambda: _link(str(staged), str(target)))
        try:
            sync(folder)
            for failure in self._end([folder], removed).values():
                raise failure
        except OSError:
            if ours:
                _take_back(str(target))
            raise

    def clear(self, folder: str) -> None:
        """Remove a folder that nothing is in, and then its parents; what cannot be removed stays."""
        with suppress(OSError):
            while len(folder) > len(self._root):
                with os.scandir(folder) as entries:
                    if next(entries, None) is not None:
                        return
                self._say_removal()
                os.rmdir(folder)
                self._forget(folder)
                folder = os.path.dirname(folder)

    def _say_removal(self) -> None:
        descriptor = os.open(self._removals, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(descriptor, b".")
        finally:
            os.close(descriptor)

    def _removed(self) -> tuple[int, int] | None:
        """Another value, whenever a folder may have been removed."""
        try:
            status = os.stat(self._removals)
        except OSError:
            return None
        return status.st_ino, status.st_size

    def _begin(self) -> tuple[int, int] | None:
        removed = self._removed()
        if removed != self._known:
            self._durable.clear()
            self._known = removed
        return removed

    def _end(self, folders: Iterable[str], removed: tuple[int, int] | None) -> dict[str, OSError]:
        """A folder may have been removed, and made anew by another process, since `removed`; what failed for each."""
        if self._removed() == removed:
            return {}
        folders = list(folders)
        for folder in folders:
            self._forget(folder)
        return {folder: error for folder, error in self._make_folders(folders).items() if error is not None}

    def _write(self, items: Sequence[Small]) -> list[_Written | Exception]:
        """Write all, then let all of them reach the disk."""
        written: list[_Written | Exception] = []
        descriptors: dict[int, int] = {}
        try:
            for number, item in enumerate(items):
                temporary = str(self._name())
                try:
                    descriptors[number] = os.open(
                        temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o644
                    )
                    _write_all(descriptors[number], item.body)
                    status = os.fstat(descriptors[number])
                    written.append(
                        _Written(item, temporary, StoredFile(item.target, status.st_size, status.st_mtime))
                    )
                except OSError as error:
                    with suppress(OSError):
                        os.unlink(temporary)
                    written.append(error)
            whole = [number for number, each in enumerate(written) if isinstance(each, _Written)]
            for number, failure in zip(
                whole, self._each(os.fsync, [descriptors[n] for n in whole]), strict=True
            ):
                each = written[number]
                if failure is not None and isinstance(each, _Written):
                    with suppress(OSError):
                        os.unlink(each.temporary)
                    written[number] = failure
        finally:
            for descriptor in descriptors.values():
                os.close(descriptor)
        return written

    def _show(
        self, written: _Written, folders: Mapping[str, OSError | None]
    ) -> tuple[StoredFile, bool] | Exception:
        folder = os.path.dirname(written.item.target)
        try:
            return self._in(folder, folders[folder], lambda: _shown(written))
        except OSError as error:
            return error

    def _in(self, folder: str, failure: OSError | None, show: Callable[[], T]) -> T:
        """Make a file visible in a folder, which is made again where somebody has removed it since it was made; `failure` is what
        hindered that. Raises `OSError`."""
        left = _TRIES
        while True:
            try:
                if failure is not None:
                    raise failure
                return show()
            except FileNotFoundError:
                left -= 1
                if not left:
                    raise
            self._forget(folder)
            failure = self._make_folders([folder])[folder]

    def _make_folders(self, folders: Iterable[str]) -> dict[str, OSError | None]:
        """Make folders with their parents, and let the name of each reach the disk; what failed for each of them.

        A folder that is there counts as little as a new one until this process has synced its parent: another process may
        have made it a moment ago, and not come to that yet.
        """
        wanted: dict[str, list[str]] = {}
        outcomes: dict[str, OSError | None] = {}
        for folder in folders:
            outcomes[folder] = None
            try:
                wanted[folder] = self._made(folder)
            except OSError as error:
                outcomes[folder] = error
        failures = self._sync({os.path.dirname(made) for each in wanted.values() for made in each})
        for folder, made in wanted.items():
            failed = [failures[parent] for parent in map(os.path.dirname, made) if parent in failures]
            outcomes[folder] = failed[0] if failed else None
            if not failed:
                self._durable.update(dict.fromkeys(made))
        while len(self._durable) > _MOST_FOLDERS:
            self._durable.popitem(last=False)
        return outcomes

    def _made(self, folder: str) -> list[str]:
        """Make the folder with its parents; those of them that are not known to be durable, the outermost first."""
        made: list[str] = []
        here = folder
        while here not in self._durable and len(here) > len(self._root):
            made.append(here)
            here = os.path.dirname(here)
        made.reverse()
        for each in made:
            _make(each)
        return made

    def _forget(self, folder: str) -> None:
        """The folder may be gone, and its parents too."""
        while len(folder) > len(self._root):
            self._durable.pop(folder, None)
            folder = os.path.dirname(folder)

    def _sync(self, folders: Iterable[str]) -> dict[str, OSError]:
        wanted = list(folders)
        failures = zip(wanted, self._each(sync, wanted), strict=True)
        return {folder: failure for folder, failure in failures if failure is not None}

    def _each(self, sync: Callable[..., None], things: Sequence[object]) -> list[OSError | None]:
        """Sync each; what failed. Where the disk takes its time the others wait for it together."""

        def outcome(thing: object) -> OSError | None:
            try:
                sync(thing)
            except OSError as error:
                return error
            return None

        if not things:
            return []
        began = time.monotonic()
        first = outcome(things[0])
        if len(things) > 2 and time.monotonic() - began > _SLOW:
            with suppress(RuntimeError):  # where no thread could be started, one does it all
                return [first, *self._together.map(outcome, things[1:])]
        return [first, *map(outcome, things[1:])]


def sync(path: str | Path) -> None:
    """Let what is in a file, or the names in a folder, reach the disk. Raises `OSError`."""
    if os.name == "nt" and os.path.isdir(path):
        return  # a folder cannot be opened there; NTFS journals the entry
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make(folder: str) -> None:
    try:
        os.mkdir(folder)
    except FileExistsError:
        if not S_ISDIR(os.stat(folder).st_mode):
            raise


def _shown(written: _Written) -> tuple[StoredFile, bool]:
    item, target = written.item, written.item.target
    if item.anew:
        os.replace(written.temporary, target)
    elif not _link(written.temporary, str(target)):
        with open(target, "rb") as opened:
            same = opened.read(len(item.body) + 1) == item.body
        status = os.stat(target)
        return StoredFile(target, status.st_size, status.st_mtime), same
    return written.file, True


def _link(temporary: str, target: str) -> bool:
    """Make a file visible; False where there is one. Raises `OSError`."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A file system without hard links: the turn per key keeps two writers apart, and both would bring the same bytes.
        if os.path.exists(target):
            return False
        os.rename(temporary, target)
    return True


def _take_back(target: str) -> None:
    """Remove a file again whose name the disk did not keep: who comes next publishes it, instead of believing it durable."""
    with suppress(OSError):
        os.unlink(target)


def _write_all(descriptor: int, body: bytes) -> None:
    rest = memoryview(body)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
