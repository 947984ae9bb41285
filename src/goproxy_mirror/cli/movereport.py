"""How the commands that move stores show how far they are: a line at a terminal, else one now and then."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from goproxy_mirror.cli.plain import files, size

_EVERY = 30.0
"""Seconds between two lines on the progress where there is no terminal."""


class Counter:
    """Counts on stderr, since what is moved may go through stdout. `what` is done."""

    def __init__(self, what: str, *, err: Console | None = None) -> None:
        self._what = what
        self._err = err or Console(stderr=True, highlight=False)
        self._told = time.monotonic()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn(what),
            TextColumn("{task.fields[so_far]}"),
            TimeElapsedColumn(),
            console=self._err,
            transient=True,
            disable=not self._err.is_terminal,
        )
        self._task = self._progress.add_task(what, total=None, so_far="")

    def show(self, count: int, amount: int) -> None:
        """So many files, and bytes, are done."""
        so_far = f"{files(count)}, {size(amount)}"
        self._progress.update(self._task, so_far=so_far)
        now = time.monotonic()
        if not self._err.is_terminal and now - self._told >= _EVERY:
            self._told = now
            self._err.print(f"goproxy-mirror: {self._what}: {so_far}", soft_wrap=True)

    def say(self, line: str) -> None:
        """A line that stays."""
        self._progress.console.print(line, soft_wrap=True, markup=False)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()


def end_on_sigterm() -> None:
    """End as an interrupt does: with a summary, and nothing lost of what was done."""
    task = asyncio.current_task()
    if task is not None and sys.platform != "win32":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
