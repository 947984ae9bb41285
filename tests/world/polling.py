"""Waiting for something to come true, without fixed pauses."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(look: Callable[[], T], *, within: float = 60.0, what: str = "the condition") -> T:
    """The first true value that `look` returns; `AssertionError` when none came within `within` seconds."""
    end = time.monotonic() + within
    pause = threading.Event()
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true within {within:g} s; last seen: {found!r}")
        pause.wait(0.02)
