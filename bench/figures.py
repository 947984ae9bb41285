"""Figures with their spread, and the targets that ratios of them are held against."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Figure:
    """The repeats of one quantity of one server in one measure."""

    measure: str
    quantity: str
    server: str
    unit: str
    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)

    def told(self) -> dict[str, Any]:
        """For the JSON file."""
        return {
            "measure": self.measure,
            "quantity": self.quantity,
            "server": self.server,
            "unit": self.unit,
            "median": self.median,
            "low": self.low,
            "high": self.high,
            "values": self.values,
        }


@dataclass(frozen=True)
class Target:
    """`ours` against another server (a ratio), or alone (a bound in the figure's unit)."""

    measure: str
    quantity: str
    bound: float
    against: str | None = None
    at_least: bool = False
    server: str = "ours"


@dataclass(frozen=True)
class Verdict:
    """A target and what was found: None where one of the two could not be measured."""

    target: Target
    found: float | None

    @property
    def met(self) -> bool | None:
        if self.found is None:
            return None
        return self.found >= self.target.bound if self.target.at_least else self.found <= self.target.bound

    @property
    def word(self) -> str:
        """`met`, `missed` or `not measured`."""
        return {True: "met", False: "missed", None: "not measured"}[self.met]

    def told(self) -> dict[str, Any]:
        """For the JSON file."""
        target = self.target
        return {
            "measure": target.measure,
            "quantity": target.quantity,
            "server": target.server,
            "against": target.against,
            "bound": target.bound,
            "at_least": target.at_least,
            "found": self.found,
            "verdict": self.word,
        }


class Figures:
    """All that was measured so far."""

    def __init__(self) -> None:
        self.all: dict[tuple[str, str, str], Figure] = {}
        self.notes: list[str] = []

    def add(self, measure: str, server: str, unit: str, **quantities: float) -> None:
        """One repeat; several quantities of one unit."""
        for quantity, value in quantities.items():
            name = quantity.replace("_", " ")
            key = (measure, name, server)
            self.all.setdefault(key, Figure(measure, name, server, unit)).values.append(value)

    def note(self, text: str) -> None:
        """Something that the reader of the figures has to know; said once."""
        if text not in self.notes:
            self.notes.append(text)
            print(f"  note: {text}", flush=True)

    def find(self, measure: str, quantity: str, server: str) -> Figure | None:
        return self.all.get((measure, quantity, server))

    def of(self, measure: str) -> list[Figure]:
        return [each for each in self.all.values() if each.measure == measure]

    def judge(self, target: Target) -> Verdict:
        """Hold what was found against a target. The ratio is that of the medians."""
        mine = self.find(target.measure, target.quantity, target.server)
        if mine is None:
            return Verdict(target, None)
        if target.against is None:
            return Verdict(target, mine.median)
        other = self.find(target.measure, target.quantity, target.against)
        if other is None or not other.median:
            return Verdict(target, None)
        return Verdict(target, mine.median / other.median)


def show(figures: Sequence[Figure]) -> None:
    """Print figures, one line each."""
    for each in figures:
        spread = f"({shown(each.low)}–{shown(each.high)}, {len(each.values)} runs)"
        print(
            f"  {each.server:15} {each.quantity:22} {shown(each.median):>10} {each.unit:9} {spread}",
            flush=True,
        )


def show_verdicts(verdicts: Sequence[Verdict]) -> None:
    """Print what became of the targets."""
    for each in verdicts:
        target = each.target
        sign = "≥" if target.at_least else "≤"
        whose = f"{target.server} / {target.against}" if target.against else target.server
        found = "–" if each.found is None else shown(each.found)
        print(
            f"  {target.measure:24} {target.quantity:20} {whose:22} {found:>9}  target {sign} {target.bound:<7g} {each.word}",
            flush=True,
        )


def shown(value: float) -> str:
    """Three significant digits, or all before the point."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


@dataclass(frozen=True)
class Measure:
    """A named part of the run. `run` adds to the figures what it finds."""

    name: str
    about: str
    run: Callable[..., None]
    targets: Sequence[Target] = ()
