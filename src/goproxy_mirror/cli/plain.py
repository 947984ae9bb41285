"""Figures in words that fit a line: times, ages, sizes, counts."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

import typer
from rich.filesize import decimal


def took(seconds: float | None) -> str:
    """A duration: `0.42 s`, or a dash where there is none."""
    if seconds is None:
        return "–"
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"


def ago(at: float) -> str:
    """How long ago a time was (seconds since the epoch)."""
    passed = max(0.0, time.time() - at)
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if passed >= length:
            return f"{int(passed // length)} {unit} ago"
    return f"{int(passed)} s ago"


def at(when: float | None) -> str | None:
    """A time as machines read it (RFC 3339), or None."""
    return None if when is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))


def date(when: float) -> str:
    """A time as people read it."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(when))


def day(when: float) -> str:
    """A day as people read it."""
    return time.strftime("%Y-%m-%d", time.gmtime(when))


def versions(count: int) -> str:
    """`1 version`, `2 versions`."""
    return "1 version" if count == 1 else f"{count:,} versions"


def files(count: int) -> str:
    """`1 file`, `2 files`."""
    return "1 file" if count == 1 else f"{count:,} files"


def amount(count: int, size_: int, expected: int | None = None) -> str:
    """So many files with so many bytes in all, of as many files as are expected."""
    return f"{f'{count:,} of {files(expected)}' if expected else files(count)}, {size(size_)}"


def size(count: int) -> str:
    """Bytes as people read them."""
    return decimal(count)


def say_json(value: Mapping[str, object]) -> None:
    """One line of JSON on stdout, without what is not known."""
    known = {name: each for name, each in value.items() if each is not None}
    typer.echo(json.dumps(known, ensure_ascii=False))
