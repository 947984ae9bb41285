"""Hits behind a front: the same web server serving the same files alone is the limit."""

from __future__ import annotations

from functools import partial

from bench.figures import Measure, Target
from bench.filled import LARGE, MEDIUM, SMALL, SMALL_COUNT
from bench.setting import Setting
from bench.warm import hits, paths_of

SERVERS = ("behind nginx", "nginx", "behind caddy", "caddy", "go files")


def _load(name: str, paths: list[str], setting: Setting) -> None:
    hits(name, paths, SERVERS, setting)


def _measure(kind: str, paths: list[str], quantity: str, *more: Target) -> Measure:
    name = f"front {kind}"
    targets = [
        Target(name, quantity, 0.9, front, at_least=True, server=f"behind {front}")
        for front in ("nginx", "caddy")
    ]
    return Measure(name, f"hits behind a front: {kind}", partial(_load, name, paths), (*targets, *more))


MEASURES = (
    _measure(".mod", paths_of(SMALL, ".mod", SMALL_COUNT), "requests"),
    _measure(
        "zip 300 kB",
        paths_of(MEDIUM, ".zip", 8),
        "bytes",
        Target("front zip 300 kB", "bytes", 1.0, "go files", at_least=True, server="behind nginx"),
    ),
    _measure("zip 20 MB", paths_of(LARGE, ".zip", 4), "bytes"),
)
