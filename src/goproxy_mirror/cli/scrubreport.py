"""How `verify` shows what it finds: a bar at a terminal, else a line now and then; what is wrong at once; a summary."""

from __future__ import annotations

import sys
import time
from collections import Counter
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.text import Text

from goproxy_mirror.cli.plain import date, files, say_json, size
from goproxy_mirror.cli.progress import ProgressLine
from goproxy_mirror.mirror.scrub import Checked, Verdict

_STYLES = {
    Verdict.QUARANTINED: "bold red",
    Verdict.UNREADABLE: "bold red",
    Verdict.UNPROVEN: "yellow",
    Verdict.DERIVED: "green",
    Verdict.FOREIGN: "dim",
}


class ScrubReport:
    """Findings go to stdout, the progress to stderr. `whole` is set when everything was looked at."""

    def __init__(
        self,
        total: int,
        *,
        as_json: bool,
        went_on: float | None,
        out: Console | None = None,
        err: Console | None = None,
    ) -> None:
        self.whole = False
        self._total = total
        self._json = as_json
        self._went_on = went_on
        self._counts: Counter[Verdict] = Counter()
        self._size = 0
        self._began = time.monotonic()
        self._out = out or Console(highlight=False)
        self._progress = ProgressLine("verify", "verifying", total=total, err=err)

    @property
    def quarantined(self) -> int:
        return self._counts[Verdict.QUARANTINED]

    @property
    def unproven(self) -> int:
        """Files that nobody could vouch for, or that could not be read."""
        return self._counts[Verdict.UNPROVEN] + self._counts[Verdict.UNREADABLE]

    def done(self, checked: Checked) -> None:
        """Show one more."""
        self._counts[checked.verdict] += 1
        self._size += checked.size if checked.verdict is not Verdict.SKIPPED else 0
        if checked.verdict in _STYLES:
            self._say(checked)
        self._progress.show(f"{self._looked_at:,} of {files(self._total)}", self._looked_at)

    def _say(self, checked: Checked) -> None:
        if self._json:
            say_json({"file": checked.key, "verdict": checked.verdict.value, "reason": checked.reason})
            return
        word = checked.verdict.value
        line = Text.assemble((f"{word:<12}", _STYLES[checked.verdict]), f"{checked.key}: {checked.reason}")
        self._progress.say(line, self._out)

    @property
    def _looked_at(self) -> int:
        return sum(self._counts.values()) - self._counts[Verdict.DERIVED] - self._counts[Verdict.FOREIGN]

    def __enter__(self) -> Self:
        if self._went_on is not None and not self._json:
            since = date(self._went_on)
            self._progress.say(f"Going on with the run that began at {since}; --anew begins anew.")
        self._progress.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.__exit__(kind, error, trace)
        if self._json:
            self._say_json()
        else:
            self._say_summary()
        sys.stdout.flush()

    def _say_json(self) -> None:
        counts = {verdict.value: self._counts[verdict] for verdict in Verdict}
        say_json(
            {
                "summary": counts,
                "files": self._total,
                "bytes": self._size,
                "seconds": round(time.monotonic() - self._began, 3),
                "whole": self.whole,
            }
        )

    def _say_summary(self) -> None:
        count = self._counts
        parts = [f"{count[Verdict.PROVEN]:,} proven", f"{count[Verdict.SOUND]:,} .info in order"]
        if count[Verdict.SKIPPED]:
            parts.append(f"{count[Verdict.SKIPPED]:,} skipped as verified before")
        parts.append(f"{self.quarantined:,} quarantined")
        parts.append(f"{count[Verdict.UNPROVEN]:,} that nobody could vouch for")
        if count[Verdict.UNREADABLE]:
            parts.append(f"{count[Verdict.UNREADABLE]:,} that could not be read")
        if count[Verdict.DERIVED]:
            lists = "list" if count[Verdict.DERIVED] == 1 else "lists"
            parts.append(f"{count[Verdict.DERIVED]:,} {lists} made anew")
        seconds = time.monotonic() - self._began
        self._out.print(
            f"{files(self._looked_at)} ({size(self._size)} hashed in {seconds:.1f} s): {', '.join(parts)}",
            soft_wrap=True,
        )
        if not self.whole:
            left = self._total - self._looked_at
            self._out.print(
                f"Not finished: {files(left)} left. The same command goes on from here, without --anew.",
                soft_wrap=True,
            )
