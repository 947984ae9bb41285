"""Whoever waits for a fetch hears that its pack grows: `goproxy_mirror.vcs.gitprogress`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from goproxy_mirror import observe
from goproxy_mirror.vcs import gitprogress
from goproxy_mirror.vcs.gitprogress import pack_progress


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    """The folder of a repository's packs."""
    folder = tmp_path / "objects" / "pack"
    folder.mkdir(parents=True)
    return folder


async def test_a_pack_that_grows(tmp_path: Path, packs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each growth is told once; a pack that stands still is not, and neither are those that are there already."""
    monkeypatch.setattr(gitprogress, "_LOOK", 0.001)
    told = asyncio.Queue[None]()
    observe.progress.set(lambda: told.put_nowait(None))
    (packs / "pack-1234.pack").write_bytes(b"x" * 100)
    async with asyncio.timeout(60), pack_progress(tmp_path):
        for size in (10, 20, 30):
            (packs / "tmp_pack_AbCdEf").write_bytes(b"x" * size)
            await told.get()
        assert told.empty()
    assert len(asyncio.all_tasks()) == 1


async def test_nobody_waits(tmp_path: Path, packs: Path) -> None:
    """Where nobody wants to know, nobody looks."""
    async with pack_progress(tmp_path):
        assert len(asyncio.all_tasks()) == 1


async def test_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository that is not made yet, or is being made anew, says nothing."""
    monkeypatch.setattr(gitprogress, "_LOOK", 0.001)
    observe.progress.set(lambda: pytest.fail("nothing has grown"))
    async with pack_progress(tmp_path / "none"):
        for _ in range(20):
            await asyncio.sleep(0.001)
