"""Folders of other programs, as they are found."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from goproxy_mirror.errors import SourceUnavailable
from goproxy_mirror.ports import FileKind
from goproxy_mirror.ports.moving import Lot, Outcome, Taken
from goproxy_mirror.sources.trees import LocalTree, is_folder, lots_of


def write(root: Path, *names: str) -> None:
    """Files with something in them."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("content")


async def test_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused by its name, and everything beside it is offered."""
    write(tmp_path, "a.example/a/@v/v1.0.0.mod", "b.example/b/@v/v1.0.0.mod", "c.example/c/@v/v1.0.0.mod")
    scandir = os.scandir

    def closed(path: str) -> Iterator[os.DirEntry[str]]:
        if str(path).endswith("b.example/b"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    found = [each async for each in lots_of(LocalTree(tmp_path))]
    assert sorted(str(each.mv) for each in found if isinstance(each, Lot)) == [
        "a.example/a@v1.0.0",
        "c.example/c@v1.0.0",
    ]
    assert [each for each in found if isinstance(each, Outcome)] == [
        Outcome("b.example/b", Taken.REFUSED, reason="the folder cannot be read (Permission denied)")
    ]


async def test_links(tmp_path: Path) -> None:
    """A link to a file is refused for what it is, one to a folder is passed over; the folder that was named may be one."""
    write(tmp_path, "elsewhere/secret", "elsewhere/d.example/d/@v/v1.0.0.mod")
    (tmp_path / "tree/a.example/a/@v").mkdir(parents=True)
    (tmp_path / "tree/a.example/a/@v/v1.0.0.mod").symlink_to(tmp_path / "elsewhere/secret")
    (tmp_path / "tree/d.example").symlink_to(tmp_path / "elsewhere/d.example")
    (tmp_path / "named").symlink_to(tmp_path / "tree")
    (lot,) = [each async for each in lots_of(LocalTree(tmp_path / "named"))]
    assert isinstance(lot, Lot)
    with pytest.raises(SourceUnavailable, match="is a symbolic link"):
        await lot.files[FileKind.MOD].read(100)


def test_folder_that_is_behind_a_closed_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is none that could be read, and no error of its own."""
    assert is_folder(tmp_path)

    def closed(self: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "is_dir", closed)
    assert not is_folder(tmp_path)
