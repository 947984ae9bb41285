"""How `fetch` shows its progress: a bar at a terminal, one line for each module, a summary."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from goproxy_mirror.cli.fetching import Outcome


class Report:
    """Shows outcomes as they come; the bar is seen at a terminal only, and gone at the end."""

    def __init__(self, total: int, console: Console | None = None) -> None:
        self.failed = 0
        self._total = total
        self._fetched = 0
        self._size = 0
        self._console = console or Console(highlight=False)
        self._progress = Progress(
            TextColumn("fetching"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._bar = self._progress.add_task("fetching", total=total)

    def done(self, outcome: Outcome) -> None:
        """Show one more."""
        self._progress.advance(self._bar)
        if outcome.problem is not None:
            self.failed += 1
            self._print("failed", "bold red", f"{outcome.name}: {outcome.problem}")
        elif outcome.homes:
            self._fetched += 1
            self._size += outcome.size
            self._print(
                "fetched", "green", f"{outcome.name}  {decimal(outcome.size)}  {', '.join(outcome.homes)}"
            )
        else:
            self._print("here", "dim", f"{outcome.name}  {decimal(outcome.size)}")

    def _print(self, word: str, style: str, text: str) -> None:
        line = Text.assemble((f"{word:<8}", style), text)
        self._progress.console.print(line, soft_wrap=True)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        if kind is None:
            here = self._total - self._fetched - self.failed
            modules = "1 module" if self._total == 1 else f"{self._total} modules"
            parts = (
                f"{self._fetched} fetched ({decimal(self._size)})",
                f"{here} here already",
                f"{self.failed} failed",
            )
            self._console.print(f"{modules}: {', '.join(parts)}", soft_wrap=True)
