"""A bounded folder in front of a store that is elsewhere: what was used last, whole and verified when it came in.

It may be deleted at any time, by anybody, and is shared by the worker processes. A file's place is its key; the time of its
last use is its `atime`, which is set here and not left to the file system.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
import zipfile
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from stat import S_ISREG

from goproxy_mirror.errors import disk_failures
from goproxy_mirror.ports import StoredFile
from goproxy_mirror.storage.local import LocalStorage
from goproxy_mirror.storage.remote import Damaged

_TOUCH = 30.0
"""Seconds: a use is noted again after them."""
_GRACE = 120.0
"""Seconds after its last use during which a file stays, since somebody may be about to send it."""
_LOOKED = ".looked"
"""A file that is no copy of an object: its time says up to when the folder has let go of what was removed from the store."""


class Tier:
    """The folder; `size` bounds its bytes, but for what is in use just now."""

    def __init__(self, folder: Path, size: int) -> None:
        self._folder = folder
        self._text_folder = str(folder)
        self._scratch = LocalStorage(folder)
        self.size = size
        self._added = size  # so that the first file that comes in makes it look
        self._sweeping = asyncio.Lock()

    def open(self) -> None:
        """Make the folder, and take back what dead processes left. Blocks. Raises `StorageError`."""
        self._scratch.open()

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[Path]:
        """An empty private file in the same file system."""
        with disk_failures("begin a file"):  # the whole folder may have been deleted
            await asyncio.to_thread((self._folder / ".tmp").mkdir, parents=True, exist_ok=True)
        async with self._scratch.stage() as staged:
            yield staged

    def look(self, key: str) -> StoredFile | None:
        """The file, where it is here; one `stat`, and now and then a note of its use."""
        path = f"{self._text_folder}/{key}"
        try:
            status = os.stat(path)  # noqa: PTH116 - the hot path of every hit
            if not S_ISREG(status.st_mode):
                return None
            if abs(time.time() - status.st_atime) > _TOUCH:
                os.utime(path, ns=(time.time_ns(), status.st_mtime_ns))
        except OSError:
            return None  # whatever is wrong with the tier, the store has it
        return StoredFile(_as_path(path), status.st_size, status.st_mtime)

    async def place(self, key: str, staged: Path, modified: float) -> StoredFile:
        """Give a whole staged file its place; `modified` is the object's. Raises `StorageError`."""
        path = self._folder / key
        with _kept():
            stored = await asyncio.to_thread(_place, staged, path, modified)
        self._added += stored.size
        if self._added > self.size // 16:
            await self.sweep()
        return stored

    async def drop(self, key: str, *, until: float | None = None) -> None:
        """Let go of a file, if it is here; with `until` only where the object is no younger than that."""
        with suppress(OSError):
            await asyncio.to_thread(_drop, self._folder / key, until)

    async def empty(self) -> None:
        """Let go of everything."""
        await asyncio.to_thread(_sweep, self._folder, 0, grace=0.0)

    def looked(self) -> float | None:
        """When somebody last heeded what was removed from the store, in seconds since the epoch. Blocks."""
        try:
            return (self._folder / _LOOKED).stat().st_mtime
        except OSError:
            return None

    def note_look(self, at: float) -> None:
        """What was removed before that is not here any more. Blocks."""
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / _LOOKED).touch()
            os.utime(self._folder / _LOOKED, (at, at))

    async def sweep(self, *, half: bool = False) -> None:
        """Delete what was used longest ago, until the rest fits; with `half`, until half of it is gone."""
        if self._sweeping.locked():
            return
        async with self._sweeping:
            self._added = 0
            await asyncio.to_thread(_sweep, self._folder, self.size, half=half)


async def receive(pieces: AsyncIterator[bytes], staged: Path, *, size: int, digest: str | None) -> None:
    """Write what arrives to a file, and see that it is what was published. Raises `Damaged`.

    By its digest where that was kept; else by its length, and a zip by its own checksums.
    """
    seen = hashlib.sha256()
    with _kept():
        with staged.open("wb") as file:
            async for piece in pieces:
                await asyncio.to_thread(_write, file.fileno(), seen, piece)
        arrived = (await asyncio.to_thread(staged.stat)).st_size
    if arrived != size:
        raise Damaged(f"the object store promised {size} bytes and sent {arrived}")
    if digest is not None:
        if seen.hexdigest() != digest:
            raise Damaged("the object store sent other bytes than were published")
    elif not await asyncio.to_thread(_sound, staged):
        raise Damaged("the object store sent a damaged zip")


def is_inside(key: str) -> bool:
    """Whether a key names a file below the folder that it is taken in."""
    parts = key.split("/")
    return "\\" not in key and "\0" not in key and all(parts) and not {".", ".."} & set(parts)


_as_path = lru_cache(maxsize=8192)(Path)


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, in hex. Blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _kept() -> Iterator[None]:
    """Failures of this machine's disk; what was deleted meanwhile can be brought again."""
    with disk_failures("keep a file of the object store on this machine"):
        try:
            yield
        except FileNotFoundError:
            raise Damaged("what had arrived was deleted meanwhile; ask again") from None


def _write(descriptor: int, seen: hashlib._Hash, piece: bytes) -> None:
    seen.update(piece)
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sound(path: Path) -> bool:
    """Whether a zip is whole; everything else is taken as it is."""
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            return True
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, NotImplementedError):
        return False


def _place(staged: Path, path: Path, modified: float) -> StoredFile:
    descriptor = os.open(staged, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)  # or else a power cut might leave its name, and not its bytes
    finally:
        os.close(descriptor)
    os.utime(staged, (time.time(), modified))
    path.parent.mkdir(parents=True, exist_ok=True)
    staged.replace(path)
    status = path.stat()
    return StoredFile(path, status.st_size, status.st_mtime)


def _drop(path: Path, until: float | None) -> None:
    if until is None or path.stat().st_mtime <= until:
        path.unlink(missing_ok=True)


def _sweep(folder: Path, size: int, *, half: bool = False, grace: float = _GRACE) -> None:
    # What takes more than half of the room would push everything else out, and goes first.
    files = sorted(_files(folder), key=lambda file: (file[1] <= size // 2, file))
    held = sum(each for _, each, _ in files)
    size = min(size, held // 2) if half else size
    now = time.time()
    for used, each, path in files:
        if held <= size:
            return
        with suppress(OSError):
            if now - used < grace or now - path.stat().st_atime < grace:
                continue
            path.unlink()
        held -= each


def _files(folder: Path) -> Iterator[tuple[float, int, Path]]:
    for root, folders, names in os.walk(folder):
        if Path(root) == folder:
            folders[:] = [each for each in folders if each != ".tmp"]
            names = [each for each in names if each != _LOOKED]  # noqa: PLW2901
        for name in names:
            path = Path(root, name)
            with suppress(OSError):
                status = path.stat()
                yield status.st_atime, status.st_size, path
