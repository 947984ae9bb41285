"""Small records that stand beside the published files, and outlive every database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol


class Ledger(Protocol):
    """What cannot be made again from the published files, kept where they are, below `_state/`; nobody is served from there.

    Names are paths (`pins/corp.test/m@v1.0.0.zip`). A record is created once and never changed. Raises `StorageError`.
    """

    async def create(self, name: str, body: bytes) -> bytes:
        """Keep the record unless there is one of that name; durable before it returns. The record that holds."""
        ...

    async def get(self, name: str) -> bytes | None:
        """The record; None where there is none."""
        ...

    def list(self, prefix: str) -> AsyncIterator[str]:
        """The names that begin with `prefix`, in no order."""
        ...
