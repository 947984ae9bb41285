"""What is moved from one store to another: published files of all layouts, and what is known of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from goproxy_mirror.module.version import ModuleVersion
from goproxy_mirror.ports.files import FileKind


class Offered(Protocol):
    """A file that is offered by whoever has it. Raises `SourceUnavailable` where it cannot be read."""

    async def copy(self, into: Path) -> None:
        """Write its content to the existing empty file `into`."""
        ...


@dataclass(frozen=True, slots=True)
class Lot:
    """The files of one version that are offered."""

    mv: ModuleVersion
    files: Mapping[FileKind, Offered]


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
