"""How `import` shows what it takes, and what it refuses."""

from __future__ import annotations

import sys
from collections import Counter
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.text import Text

from goproxy_mirror.cli.plain import amount, files, say_json, size
from goproxy_mirror.cli.progress import ProgressLine
from goproxy_mirror.errors import SettingError
from goproxy_mirror.module.tarreader import InvalidTar
from goproxy_mirror.ports.moving import Outcome, Taken


class ImportReport:
    """Tells on stdout at once what was refused, and why; then a summary. `whole` is set when everything was looked at."""

    def __init__(self, *, as_json: bool) -> None:
        self.whole = False
        self.source = ""
        self._json = as_json
        self._counts: Counter[Taken] = Counter()
        self._size = 0
        self._expected: int | None = None
        self._out = Console(highlight=False)
        self._progress = ProgressLine("import", "importing")

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
        self._progress.show(amount(self._counts.total(), self._size, self._expected))
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
            self._progress.say(line, self._out)

    def __enter__(self) -> Self:
        self._progress.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.__exit__(kind, error, trace)
        damaged = isinstance(error, InvalidTar)
        if (damaged or isinstance(error, SettingError)) and not self._counts:
            return  # nothing has begun
        if self._json:
            counts = {taken.value: self._counts[taken] for taken in Taken}
            say_json({"summary": counts, "bytes": self._size, "whole": self.whole})
        else:
            self._summary(damaged=damaged)
        sys.stdout.flush()

    def _summary(self, *, damaged: bool) -> None:
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
            parts.append(f"{count[Taken.STRAY]:,} that can be no module's passed over (--json names them)")
        self._out.print(f"{files(count.total())}: {', '.join(parts)}", soft_wrap=True)
        if self.whole and not count.total():
            self._out.print(
                "Nothing there is named like a file of a module: @v/VERSION.{info,mod,zip}, or Athens' VERSION/go.mod",
                soft_wrap=True,
            )
        if not self.whole:
            rest = (
                "a good copy of the bundle adds the rest" if damaged else "the same command goes on from here"
            )
            self._out.print(f"Not finished: {rest}.", soft_wrap=True)
