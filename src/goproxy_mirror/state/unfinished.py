"""Runs over the whole store that were interrupted, so that the next one goes on where they ended."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from goproxy_mirror.errors import disk_failures

_MOST = 100
"""Runs that are remembered; the oldest are forgotten first."""

_LASTS = 7 * 86400.0
"""Seconds after which what an interrupted run has found says too little about the store of today."""


class Unfinished:
    """When each run began that has not ended, by its name (what it was to look at), in a file of the state folder.

    What the file says only saves work: one that cannot be read means that nothing was begun. All of it blocks.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._file = folder / "unfinished.json"
        self._clock = clock

    def since(self, name: str) -> float | None:
        """When the run began that goes on now (seconds since the epoch); None where there is none."""
        began = self._read().get(name)
        return began if began is not None and began + _LASTS > self._clock() else None

    def begin(self, name: str) -> float:
        """A run begins, now. Raises `StorageError`."""
        now = self._clock()
        runs = self._read()
        runs.pop(name, None)
        self._write({**runs, name: now})
        return now

    def end(self, name: str) -> None:
        """The run has come to its end. Raises `StorageError`."""
        runs = self._read()
        if runs.pop(name, None) is not None:
            self._write(runs)

    def _read(self) -> dict[str, float]:
        try:
            said = json.loads(self._file.read_bytes())
            return {str(name): float(at) for name, at in said.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def _write(self, runs: dict[str, float]) -> None:
        kept = dict(list(runs.items())[-_MOST:])
        fresh = self._file.with_name(f".{self._file.name}-{os.getpid()}-{secrets.token_hex(4)}")
        with disk_failures("remember how far the run has come"):
            try:
                fresh.write_text(json.dumps(kept))
                fresh.replace(self._file)
            finally:
                fresh.unlink(missing_ok=True)
