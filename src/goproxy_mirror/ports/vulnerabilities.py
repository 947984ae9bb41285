"""A vulnerability database, wherever it can be had."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from goproxy_mirror.module.vulndb import VulnIndex
from goproxy_mirror.ports.modules import Found


@dataclass(frozen=True, slots=True)
class VulnEntry:
    """One entry: gzipped JSON, and when it was changed."""

    packed: bytes
    modified: datetime


class VulnDatabase(Protocol):
    """The outside of one vulnerability database. Both raise `SourceUnavailable`, `Blocked` or `Loop`."""

    async def index(self, held: datetime | None) -> Found[VulnIndex] | None:
        """The index; None where the one that was changed at the time `held` is still the newest."""
        ...

    async def entry(self, name: str, promised: datetime | None) -> Found[VulnEntry]:
        """An entry that is not older than the index says (`promised`). Raises `NotFound`, unless it was promised."""
        ...
