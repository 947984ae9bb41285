"""Progress on stderr: what moves at a terminal and is gone at the end, else a line now and then."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from types import TracebackType
from typing import Self

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_EVERY = 30.0
"""Seconds between two lines where there is no terminal."""


class ProgressLine:
    """How far a command is, for as long as the block lasts.

    `command` is named in the lines, `doing` at a terminal: `verify`, `verifying`. With `total` that is a bar. Not
    `shown` at all where nothing takes long.
    """

    def __init__(
        self,
        command: str,
        doing: str,
        *,
        total: int | None = None,
        shown: bool = True,
        err: Console | None = None,
    ) -> None:
        self.err = err or Console(stderr=True, highlight=False)
        self._command = command
        self._told = time.monotonic()
        columns: list[ProgressColumn] = [
            SpinnerColumn(),
            TextColumn(doing),
            TextColumn("{task.fields[text]}"),
        ]
        columns.append(TimeElapsedColumn())
        if total is not None:
            columns = [TextColumn(doing), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
        self._shown = shown
        self._progress = Progress(
            *columns, console=self.err, transient=True, disable=not (shown and self.err.is_terminal)
        )
        self._task = self._progress.add_task(doing, total=total, text="")

    def show(self, text: str, done: int | None = None) -> None:
        """How far it is: in words, and as a part of the `total`."""
        self._progress.update(self._task, completed=done, text=text)
        now = time.monotonic()
        if self._shown and not self.err.is_terminal and now - self._told >= _EVERY:
            self._told = now
            typer.echo(f"goproxy-mirror: {self._command}: {text}", err=True)

    def say(self, line: str | Text, out: Console | None = None) -> None:
        """A line that stays, on `out` or stderr: above what moves, where both are the same terminal."""
        console = self.err if out is None or (self.err.is_terminal and out.is_terminal) else out
        console.print(line, soft_wrap=True, markup=False)

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
