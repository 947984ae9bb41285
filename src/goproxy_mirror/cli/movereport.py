"""How the commands that move stores show how far they are: a line at a terminal, else one now and then."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections import Counter as Counter_
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from goproxy_mirror.cli.plain import files, say_json, size
from goproxy_mirror.errors import SettingError
from goproxy_mirror.ports.moving import Outcome, Taken

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

    def show(self, count: int, amount: int, expected: int | None = None) -> None:
        """So many files, and bytes, are done, of as many as are `expected`."""
        of = f"{count:,} of {files(expected)}" if expected else files(count)
        so_far = f"{of}, {size(amount)}"
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


class ImportReport:
    """Tells on stdout at once what was refused, and why; then a summary. `whole` is set when everything was looked at."""

    def __init__(self, *, as_json: bool) -> None:
        self.whole = False
        self.source = ""
        self._json = as_json
        self._counts: Counter_[Taken] = Counter_()
        self._size = 0
        self._expected: int | None = None
        self._out = Console(highlight=False)
        self._counter = Counter("importing")

    @property
    def refused(self) -> int:
        return self._counts[Taken.REFUSED]

    @property
    def unproven(self) -> int:
        """Files that nobody could vouch for now."""
        return self._counts[Taken.UNPROVEN]

    def expect(self, count: int | None) -> None:
        """So many files come, where that is known."""
        if count is not None:
            self._expected = (self._expected or 0) + count

    def done(self, outcome: Outcome) -> None:
        """Show one more."""
        self._counts[outcome.taken] += 1
        self._size += outcome.size
        self._counter.show(sum(self._counts.values()), self._size, self._expected)
        if outcome.taken in {Taken.IMPORTED, Taken.HERE}:
            return
        source = f"{self.source}: " if self.source else ""
        if self._json:
            said = {"file": outcome.name, "verdict": outcome.taken.value, "reason": outcome.reason}
            say_json({**said, "source": self.source or None})
        elif outcome.taken in {Taken.REFUSED, Taken.UNPROVEN}:
            style = "bold red" if outcome.taken is Taken.REFUSED else "yellow"
            line = Text.assemble(
                (f"{outcome.taken.value:<9}", style), f"{source}{outcome.name}: {outcome.reason}"
            )
            self._out.print(line, soft_wrap=True)

    def __enter__(self) -> Self:
        self._counter.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._counter.__exit__(kind, error, trace)
        if isinstance(error, SettingError) and not self._counts:
            return  # nothing has begun
        if self._json:
            counts = {taken.value: self._counts[taken] for taken in Taken}
            say_json({"summary": counts, "bytes": self._size, "whole": self.whole})
        else:
            self._summary()
        sys.stdout.flush()

    def _summary(self) -> None:
        count = self._counts
        parts = [
            f"{count[Taken.IMPORTED]:,} imported ({size(self._size)})",
            f"{count[Taken.HERE]:,} here already",
            f"{count[Taken.REFUSED]:,} refused",
        ]
        if count[Taken.UNPROVEN]:
            parts.append(f"{count[Taken.UNPROVEN]:,} that nobody could vouch for")
        if count[Taken.ALONE]:
            parts.append(f"{count[Taken.ALONE]:,} .info left out that have no .mod")
        if count[Taken.STRAY]:
            parts.append(f"{count[Taken.STRAY]:,} passed over")
        self._out.print(f"{files(count.total())}: {', '.join(parts)}", soft_wrap=True)
        if not self.whole:
            self._out.print("Not finished: the same command goes on from here.", soft_wrap=True)


def end_on_sigterm() -> None:
    """End as an interrupt does: with a summary, and nothing lost of what was done."""
    task = asyncio.current_task()
    if task is not None and sys.platform != "win32":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
