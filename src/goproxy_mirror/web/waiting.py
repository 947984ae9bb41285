"""What the main process does while its workers serve: it waits, and looks after what runs beside them."""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Callable

from goproxy_mirror.web.front.life import Front


class Wakeup:
    """What the main process waits for, in place of a `threading.Event`.

    A signal handler may set it: that takes no lock, which the interrupted thread could be holding. And a signal that
    comes in the instant before the wait begins, or to another thread, is noticed within a second.
    """

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._awaited: tuple[Callable[[], bool], Callable[[], None]] | None = None
        self._front: tuple[Front, Callable[[], bool], float] | None = None

    def watch(self, happened: Callable[[], bool], then: Callable[[], None]) -> None:
        """Call `then` once `happened` is true: asked again and again while the main process waits."""
        self._awaited = happened, then

    def look_after(self, front: Front, ending: Callable[[], bool], drain: float) -> None:
        """Hand on what a front says, wake up when it has failed, and end it before the workers when `ending` says so."""
        self._front = front, ending, drain

    def set(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._writer.send(b"!")

    def clear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._reader.recv(4096):
                pass

    def wait(self) -> None:
        while not self._happened():
            if self._awaited is not None and self._awaited[0]():
                then, self._awaited = self._awaited[1], None
                then()
        if self._front is not None:
            front, ending, drain = self._front
            if ending():
                front.stop(drain)

    def _happened(self) -> bool:
        pause = 1.0 if self._awaited is None else 0.01
        if self._front is None:
            return bool(select.select([self._reader], [], [], pause)[0])
        front = self._front[0]
        files = [each for each in (self._reader.fileno(), front.fileno()) if each is not None]
        ready = select.select(files, [], [], pause)[0]
        return not front.attend() or self._reader.fileno() in ready
