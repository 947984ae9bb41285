"""Standard input and output as streams that can be left: whoever waits for a silent pipe ends at once when it is closed.

The system's own call cannot be interrupted, and a program that ends waits for its threads. So a thread that nobody waits for
makes the calls, and hands over what it reads, or takes what is to be written, some pieces at a time.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from types import TracebackType
from typing import Self

_PIECE = 1 << 18
_PIECES = 8
"""Pieces that wait, at most."""


class Left(Exception):
    """The stream was closed while somebody waited for it."""


class _Pipe:
    """What both have in common. `problem` is the error that the system's call ended with."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._changed = threading.Condition()
        self._pieces: deque[bytes] = deque()
        self._closed = self._ended = False
        self._problem: OSError | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _started(self) -> None:
        """Only now, so that nothing is taken from a stream that nobody reads."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def _wait(self) -> None:
        """Until something changes; the lock is held. Raises `Left`."""
        if self._closed:
            raise Left
        self._changed.wait()

    def _run(self) -> None:
        try:
            self._work()
        except Left:
            pass
        except OSError as error:
            self._problem = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _work(self) -> None:
        raise AssertionError


class Inflow(_Pipe):
    """What can be read from a descriptor, by one reader. Raises OSError, and `Left` once it is closed."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self._piece, self._at = b"", 0

    def read(self, size: int = -1, /) -> bytes:
        """Some bytes, at most `size` of them where that is not negative; none at the end."""
        if self._at == len(self._piece):
            self._piece, self._at = self._next(), 0
        part = self._piece[self._at :] if size < 0 else self._piece[self._at : self._at + size]
        self._at += len(part)
        return part

    def _next(self) -> bytes:
        self._started()
        with self._changed:
            while not self._pieces:
                if self._problem is not None:
                    raise self._problem
                if self._ended:
                    return b""
                self._wait()
            self._changed.notify_all()
            return self._pieces.popleft()

    def _work(self) -> None:
        while piece := os.read(self._descriptor, _PIECE):
            with self._changed:
                while len(self._pieces) >= _PIECES:
                    self._wait()
                self._pieces.append(piece)
                self._changed.notify_all()


class Outflow(_Pipe):
    """What can be written to a descriptor, by one writer. Raises OSError, of an earlier piece too, and `Left` once it is
    closed."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self._gathered = bytearray()

    def write(self, data: bytes, /) -> int:
        """Have all of it written, soon."""
        self._gathered += data
        if len(self._gathered) >= _PIECE:
            self._hand_over()
        return len(data)

    def flush(self) -> None:
        """Wait until all of it is written."""
        if self._gathered:
            self._hand_over()
        with self._changed:
            while self._pieces and not self._ended:
                self._wait()
            self._check()

    def _hand_over(self) -> None:
        self._started()
        with self._changed:
            while len(self._pieces) >= _PIECES and not self._ended:
                self._wait()
            self._check()
            self._pieces.append(bytes(self._gathered))
            self._gathered.clear()
            self._changed.notify_all()

    def _check(self) -> None:
        if self._problem is not None:
            raise self._problem
        if self._closed:
            raise Left

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._pieces:
                    self._wait()
                piece = memoryview(self._pieces[0])
            while piece:
                piece = piece[os.write(self._descriptor, piece) :]
            with self._changed:
                self._pieces.popleft()
                self._changed.notify_all()
