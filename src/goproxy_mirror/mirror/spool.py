"""A long list on the disk, so that it takes no memory: written once, read in pieces."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, TextIO


class Spool:
    """Rows of what JSON knows, in the order in which they were added. All of it blocks."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def add(self, *row: Any) -> None:
        self._file.write(json.dumps(row))
        self._file.write("\n")

    def batches(self, size: int) -> Iterator[list[list[Any]]]:
        """All rows, so many at once; it may be asked for again."""
        self._file.seek(0)
        while lines := list(islice(self._file, size)):
            yield [json.loads(line) for line in lines]


@contextmanager
def spooled() -> Iterator[Spool]:
    """A list that is gone at the end."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        yield Spool(file)
