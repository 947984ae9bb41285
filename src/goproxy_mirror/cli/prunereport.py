"""How `prune` shows what goes: a line for each version, a bar at a terminal, a summary."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.text import Text

from goproxy_mirror.cli.plain import at, day, say_json, size, versions
from goproxy_mirror.cli.progress import ProgressLine
from goproxy_mirror.mirror.pruning import Chosen, Outcome, Plan
from goproxy_mirror.ports import StoreSize

_DAY = 86400.0


class PruneReport:
    """Versions go to stdout, the progress to stderr. `whole` is set when everything was worked on."""

    def __init__(
        self,
        plan: Plan,
        store: StoreSize,
        *,
        removing: bool,
        as_json: bool,
        out: Console | None = None,
        err: Console | None = None,
    ) -> None:
        self.whole = False
        self.failed = 0
        self._plan = plan
        self._store = store
        self._removing = removing
        self._json = as_json
        self._gone = self._kept = self._freed = 0
        self._out = out or Console(highlight=False)
        self._progress = ProgressLine("prune", "removing", total=plan.versions, shown=removing, err=err)

    def would_go(self, chosen: Chosen) -> None:
        """Show what would be removed."""
        self._say("would go", "yellow", chosen)

    def done(self, outcome: Outcome) -> None:
        """Show what became of a batch."""
        for each in outcome.gone:
            self._gone += 1
            self._freed += each.size
            self._say("removed", "green", each)
        for each in outcome.kept:
            self._kept += 1
            self._say("kept", "dim", each, "it was asked for meanwhile")
        for each, problem in outcome.failed:
            self.failed += 1
            self._say("failed", "bold red", each, problem)
        worked = self._gone + self._kept + self.failed
        self._progress.show(f"{worked:,} of {versions(self._plan.versions)}", worked)

    def _say(self, word: str, style: str, chosen: Chosen, reason: str = "") -> None:
        if self._json:
            said = {
                "version": chosen.name,
                "verdict": word,
                "reason": reason or None,
                "bytes": chosen.size,
                "used": None if self._plan.rules.by_age else at(chosen.last),
                "seen": at(chosen.seen),
            }
            say_json(said)
            return
        unused = "" if self._plan.rules.by_age else f", not used since {day(chosen.last)}"
        about = reason or f"{size(chosen.size)}, here since {day(chosen.seen)}{unused}"
        what = ".zip" if self._plan.rules.zips_only else ""
        line = Text.assemble((f"{word:<9}", style), f"{chosen.name}{what}: {about}")
        self._progress.say(line, self._out)

    def __enter__(self) -> Self:
        self._progress.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.__exit__(kind, error, trace)
        if self._json:
            self._say_json()
        else:
            for line in self._summary():
                self._out.print(line, soft_wrap=True)
        sys.stdout.flush()

    def _say_json(self) -> None:
        plan, store = self._plan, self._store
        say_json(
            {
                "summary": {
                    "chosen": plan.versions,
                    "removed": self._gone,
                    "kept": self._kept,
                    "failed": self.failed,
                    "pinned": plan.pinned,
                },
                "bytes": self._freed if self._removing else plan.size,
                "store": {"versions": store.versions, "bytes": store.size},
                "whole": self.whole,
            }
        )

    def _summary(self) -> list[str]:
        plan = self._plan
        what = "zips of " if plan.rules.zips_only else ""
        whole = f"of {versions(self._store.versions)} with {size(self._store.size)} in the store"
        lines = []
        if not plan.versions:
            lines.append(f"Nothing fits, {whole}.")
            since = (self._store.tracked or 0) * _DAY
            if plan.rules.unused_for is not None and plan.made - since < plan.rules.unused_for:
                lines.append(
                    f"Not before {day(since)} was every use written down, so all count as used then."
                )
        elif not self._removing:
            lines.append(f"Would go: {what}{versions(plan.versions)} with {size(plan.size)}, {whole}.")
        else:
            lines.append(f"Removed: {what}{versions(self._gone)} with {size(self._freed)}, {whole}.")
        if self._kept:
            lines.append(f"Kept: {versions(self._kept)} that somebody has asked for meanwhile.")
        if self.failed:
            lines.append(f"Not removed: {versions(self.failed)}; the same command tries again.")
        if plan.pinned:
            lines.append(
                f"{versions(plan.pinned)} would fit too, but pinned versions stay: no checksum database knows them."
            )
        limit = plan.rules.max_size
        if limit is not None and self._store.size - plan.size > limit:
            lines.append(
                f"The store stays larger than {size(limit)}: {size(self._store.size - plan.size)} do not fit."
            )
        if plan.versions and not self._removing:
            lines.append("Nothing was removed; the same command with --yes removes it.")
        if self._removing and not self.whole:
            lines.append("Not finished: the same command goes on from here.")
        return lines
