"""The records beside the published files."""

from __future__ import annotations

from pathlib import Path

import pytest

from goproxy_mirror.errors import StorageError
from goproxy_mirror.storage.ledger import FolderLedger
from goproxy_mirror.storage.local import LocalStorage


async def test_records_are_no_part_of_the_store(tmp_path: Path) -> None:
    """The store neither lists nor serves them, and no other user of the machine may read them."""
    storage = LocalStorage(tmp_path)
    storage.open()
    await storage.publish("x.test/m/@v/v1.0.0.mod", b"module x.test/m\n")
    await FolderLedger(tmp_path).create("pins/a", b"secret")
    assert [key async for key in storage.list("")] == ["x.test/m/@v/v1.0.0.mod"]
    assert (tmp_path / "_state/pins/a").exists()
    with pytest.raises(StorageError, match="no key"):
        storage.look("_state/pins/a")
    assert (tmp_path / "_state").stat().st_mode & 0o077 == 0


async def test_reading_makes_nothing(tmp_path: Path) -> None:
    """Where there is no record, looking for one leaves the store as it is."""
    ledger = FolderLedger(tmp_path)
    assert await ledger.get("pins/a") is None
    assert [name async for name in ledger.list("pins/")] == []
    assert list(tmp_path.iterdir()) == []
