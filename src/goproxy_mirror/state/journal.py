"""What earlier versions recorded, line by line, in `provenance.jsonl`: taken over into the database once. Blocks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import structlog

from goproxy_mirror.errors import disk_failures
from goproxy_mirror.ports import Home
from goproxy_mirror.state.filerows import FileRows, home_of

log = structlog.get_logger(__name__)

_BATCH = 10_000
_LONGEST = 65_536
"""Bytes of a line; a longer one is garbage."""

_KEY = re.compile(r"[!-~]{1,2048}/@v/[!-~]{1,255}\.(?:info|mod|zip)")
_KINDS = frozenset({"upstream", "origin", "mirror"})

_Line = tuple[str, Home, int, float]


def import_journal(path: Path, writing: Callable[[], AbstractContextManager[FileRows]]) -> None:
    """Take over every line of the journal, then rename it, so that it is not looked at again.

    Whoever is killed in the middle begins again from the first line: what is known by then stays as it is. Lines that say
    nothing (the last one may be torn) are skipped and counted. Raises `StorageError`.
    """
    taken = skipped = 0
    with disk_failures("read provenance.jsonl in the state folder"):
        with path.open("rb") as journal:
            lines = _lines(journal)
            while batch := list(islice(lines, _BATCH)):
                rows = [row for row in map(_parsed, batch) if row is not None]
                taken += len(rows)
                skipped += len(batch) - len(rows)
                if rows:
                    with writing() as session:
                        session.add_files(rows)
        path.replace(path.with_name(f"{path.name}.imported"))
    log.info("provenance of an earlier version taken over", lines=taken)
    if skipped:
        log.warning("lines of provenance.jsonl could not be read", skipped=skipped)


def _lines(journal: BinaryIO) -> Iterator[bytes]:
    """The lines, of which none takes more memory than a line may; the rest of a longer one counts as further lines."""
    while line := journal.readline(_LONGEST):
        yield line


def _parsed(line: bytes) -> _Line | None:
    try:
        said = json.loads(line)
        key, kind, home, size, at = (said[name] for name in ("key", "kind", "home", "size", "at"))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not (isinstance(key, str) and isinstance(kind, str) and isinstance(home, str)):
        return None
    if not (_KEY.fullmatch(key) and kind in _KINDS):
        return None
    if not (type(size) is int and 0 <= size < 2**63 and type(at) in {int, float} and 0 <= at < 2**40):
        return None
    return key, home_of(kind, home), size, float(at)
