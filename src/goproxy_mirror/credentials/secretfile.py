"""Secrets that are kept in files, and read again when the files change, so that they can be rotated under a running server."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from goproxy_mirror.errors import SettingError

T = TypeVar("T")

_MOST = 1 << 20
_MOST_SECRET = 16 << 10


class Watched(Generic[T]):
    """What `read` makes of a file's bytes, made anew whenever the file is another one. Asking costs one `stat`."""

    def __init__(self, path: Path, read: Callable[[bytes], T]) -> None:
        self.path = path
        self._read = read
        self._seen: tuple[int, ...] | None = None
        self._value: T | None = None

    def get(self) -> T:
        """The present value. Raises `OSError`, and what `read` raises."""
        found = self.path.stat()
        seen = (found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)
        if self._seen != seen or self._value is None:
            with self.path.open("rb") as file:
                # The file that was opened may be a newer one than that which was looked at.
                opened = os.fstat(file.fileno())
                self._value = self._read(file.read(_MOST))
            self._seen = (opened.st_mtime_ns, opened.st_size, opened.st_ino, opened.st_dev)
        return self._value


def secret_text(data: bytes) -> str:
    """The secret in a file: its text without blanks around. Raises `ValueError`, which never repeats it."""
    if len(data) > _MOST_SECRET:
        raise ValueError("it is too large to be a token or a password")
    try:
        text = data.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise ValueError("it is no text") from None
    check_secret(text)
    return text


def check_secret(text: str) -> None:
    """Refuse what can be no token and no password. Raises `ValueError`."""
    if not text:
        raise ValueError("it is empty")
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise ValueError("it has several lines, or control characters")


def is_open_to_all(path: Path) -> bool:
    """Whether every user of the machine can read the file. On Windows nothing is known of that."""
    if os.name == "nt":
        return False
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def check_key_mode(name: str, path: Path) -> None:
    """Refuse an SSH key that ssh would refuse: its own user's, and open to others. Raises `SettingError`."""
    if os.name == "nt":
        return
    found = path.stat()
    if found.st_uid == os.getuid() and found.st_mode & 0o077:
        raise SettingError(
            f'{name} = "{path}": others can read the key (mode {stat.S_IMODE(found.st_mode):o}), so ssh would not use it; '
            "allowed is a file that its owner alone can read (chmod 600)"
        )
