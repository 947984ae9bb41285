"""What is moved from one store to another: published files of all layouts, and what is known of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from goproxy_mirror.module.version import ModuleVersion
from goproxy_mirror.ports.files import FileKind


class Offered(Protocol):
    """A file that is offered by whoever has it. Raises `NotFound` where it is not there after all, `SourceUnavailable` where it
    cannot be read."""

    async def read(self, limit: int) -> bytes:
        """Its content, of at most `limit` bytes."""
        ...

    async def copy(self, into: Path, limit: int) -> None:
        """Write its content to the existing file `into`. Raises `StorageError` too."""
        ...


def _nothing() -> None:
    """Nothing is held for the lot."""


@dataclass(frozen=True, slots=True)
class Lot:
    """The files of one version that are offered; `release` is called when nobody needs them any more, and may block.

    `near`: they lie on this machine, so that they can as well be compared with what is held already.
    """

    mv: ModuleVersion
    files: Mapping[FileKind, Offered]
    release: Callable[[], None] = _nothing
    near: bool = False


class Taken(Enum):
    """What became of a file. `UNPROVEN`: nobody could vouch for it now; `ALONE`: an `.info` whose `.mod` is nowhere; `STRAY`:
    it can be no version's file."""

    IMPORTED = "imported"
    HERE = "here"
    REFUSED = "refused"
    UNPROVEN = "unproven"
    ALONE = "alone"
    STRAY = "stray"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One file that was offered; `size` in bytes where it was imported, `reason` where it was not."""

    name: str
    taken: Taken
    size: int = 0
    reason: str = ""


class Tables(Protocol):
    """What is known, table by table, as rows of plain values (bytes as `{"base64": …}`). Raises `StorageError`."""

    async def of_files(self, keys: Sequence[str]) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """What is known of some published files, by table."""
        ...

    def others(self) -> AsyncIterator[tuple[str, Sequence[Mapping[str, Any]]]]:
        """All that is known of nothing that is published, some rows of one table at a time."""
        ...

    async def put(self, name: str, rows: Sequence[Mapping[str, Any]], *, beside: bool) -> int:
        """Add the rows that are not there yet, and leave alone what is; how many were added. `beside`: there may be others.

        Raises ValueError for what is no row of the table, and for a table that is not known.
        """
        ...

    async def has(self, name: str) -> bool:
        """Whether the table has any row; a table that is not known has none."""
        ...
