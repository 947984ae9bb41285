"""How `fetch` shows its progress: a bar at a terminal, one line for each module, a summary."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.filesize import decimal
from rich.text import Text

from goproxy_mirror.cli.fetching import Outcome
from goproxy_mirror.cli.progress import ProgressLine


class FetchReport:
    """Shows outcomes as they come; the bar is seen at a terminal only, and gone at the end."""

    def __init__(self, total: int, console: Console | None = None) -> None:
        self.failed = 0
        self._total = total
        self._done = self._fetched = 0
        self._size = 0
        self._console = console or Console(highlight=False)
        self._progress = ProgressLine("fetch", "fetching", total=total)

    def done(self, outcome: Outcome) -> None:
        """Show one more."""
        self._done += 1
        self._progress.show(f"{self._done:,} of {_modules(self._total)}", self._done)
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
        self._progress.say(line, self._console)

    def __enter__(self) -> Self:
        self._progress.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.__exit__(kind, error, trace)
        if kind is None:
            here = self._total - self._fetched - self.failed
            parts = (
                f"{self._fetched} fetched ({decimal(self._size)})",
                f"{here} here already",
                f"{self.failed} failed",
            )
            self._console.print(f"{_modules(self._total)}: {', '.join(parts)}", soft_wrap=True)


def _modules(count: int) -> str:
    return "1 module" if count == 1 else f"{count:,} modules"
