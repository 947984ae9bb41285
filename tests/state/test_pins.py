"""Pins in two places: what outlives the database, and what is done while it is down."""

from __future__ import annotations

from pathlib import Path

import pytest

from goproxy_mirror.errors import StorageError
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileKind, Home
from goproxy_mirror.state.opening import State
from goproxy_mirror.storage.ledger import FolderLedger
from tests.state.conftest import OpenState

ORIGIN = Home("origin", "https://corp.test/Secret")
OTHER = Home("origin", "https://other.test")
DOWN = "postgresql://modules@127.0.0.1:1/none"


def version(number: str) -> ModuleVersion:
    return ModuleVersion(ModulePath("corp.test/Secret"), Version(number))


@pytest.fixture
def ledger(tmp_path: Path) -> FolderLedger:
    return FolderLedger(tmp_path / "store")


async def test_pin_outlives_the_database(tmp_path: Path, ledger: FolderLedger) -> None:
    """A new database in the place of a lost one changes no pin; `restore` puts all of them into it."""
    async with State(tmp_path / "one", ledger=ledger) as state:
        pin = await state.pins.pin(version("v1.0.0"), FileKind.ZIP, "h1:one=", ORIGIN)
    async with State(tmp_path / "two", ledger=ledger) as state:
        assert await state.pins.get(version("v1.0.0"), FileKind.ZIP) == pin
        assert await state.pins.pin(version("v1.0.0"), FileKind.ZIP, "h1:two=", OTHER) == pin
        assert await state.pins.of(version("v1.0.0").path) == []
        assert await state.pins.restore() == 1
        (restored,) = await state.pins.of(version("v1.0.0").path)
    assert (restored.mv, restored.kind, restored.pin) == (version("v1.0.0"), FileKind.ZIP, pin)


async def test_older_pins_are_copied(open_state: OpenState, tmp_path: Path, ledger: FolderLedger) -> None:
    """Pins of before there was a second place stand there too after a while."""
    async with open_state() as state:
        for number in range(40):
            for kind in (FileKind.MOD, FileKind.ZIP):
                await state.pins.pin(version(f"v1.{number}.0"), kind, f"h1:{number}=", ORIGIN)
        state.pins._ledger = ledger
        await state.catch_up()
    async with State(tmp_path / "other", ledger=ledger) as state:
        assert await state.pins.restore() == 80
        assert len(await state.pins.of(version("v1.0.0").path)) == 80


async def test_without_the_database(tmp_path: Path, ledger: FolderLedger) -> None:
    """Whoever does not know that all pins stand beside the files pins nothing while the database is down; whoever does, goes on
    with those, and the database gets what is new when it is back."""
    async with State(tmp_path / "one", ledger=ledger) as state:
        known = await state.pins.pin(version("v1.0.0"), FileKind.ZIP, "h1:known=", ORIGIN)
        await state.catch_up()
        back = state._database
        async with State(tmp_path / "two", DOWN, ledger) as other:
            with pytest.raises(StorageError):
                await other.pins.pin(version("v1.1.0"), FileKind.ZIP, "h1:new=", ORIGIN)
            state.pins._database = other._database
            assert await state.pins.pin(version("v1.0.0"), FileKind.ZIP, "h1:false=", OTHER) == known
            new = await state.pins.pin(version("v1.1.0"), FileKind.ZIP, "h1:new=", ORIGIN)
            assert await state.pins.pin(version("v1.1.0"), FileKind.ZIP, "h1:false=", OTHER) == new
        state.pins._database = back
        await state.catch_up()
        assert [each.pin for each in await state.pins.of(version("v1.0.0").path)] == [known, new]


async def test_damaged_pin_is_not_believed(tmp_path: Path, ledger: FolderLedger) -> None:
    """A pin that cannot be read stops what it is of, and says where it stands."""
    await ledger.create("pins/corp.test/!secret@v1.0.0.zip", b"{")
    async with State(tmp_path / "one", ledger=ledger) as state:
        with pytest.raises(StorageError, match="_state/pins"):
            await state.pins.pin(version("v1.0.0"), FileKind.ZIP, "h1:x=", ORIGIN)
