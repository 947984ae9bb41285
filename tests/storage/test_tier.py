"""The bounded folder in front of a bucket."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import time
import zipfile
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest

from goproxy_mirror.errors import StorageError
from goproxy_mirror.ports import StoredFile
from goproxy_mirror.storage import tier as room
from goproxy_mirror.storage.objects import ObjectStorage
from goproxy_mirror.storage.remote import Damaged, Remote
from goproxy_mirror.storage.tier import Tier, digest_of, receive
from tests.contracts.stores import found, publish

LONG_AGO = 100_000.0


@pytest.fixture
def tier(tmp_path: Path) -> Tier:
    """A folder for ten files of 100 bytes."""
    tier = Tier(tmp_path / "tier", 1000)
    tier.open()
    return tier


async def place(tier: Tier, key: str, *, used: float = 0.0) -> Path:
    """Put 100 bytes into the folder that were last used so many seconds ago."""
    async with tier.stage() as staged:
        staged.write_bytes(bytes(100))
        path = (await tier.place(key, staged, 1_700_000_000.0)).path
    os.utime(path, (time.time() - used, 1_700_000_000.0))
    return path


async def test_what_was_used_longest_ago_goes_first(tier: Tier) -> None:
    """The folder keeps to its size; a use counts, and the time of publication does not change with it."""
    paths = [await place(tier, f"a/@v/v{n}.zip", used=LONG_AGO - n) for n in range(10)]
    stored = tier.look("a/@v/v0.zip")
    assert stored is not None
    assert (stored.modified, stored.path.stat().st_mtime) == (1_700_000_000.0, 1_700_000_000.0)
    paths.append(await place(tier, "a/@v/v10.zip"))
    await tier.sweep()
    assert [path.exists() for path in paths] == [True, False, *[True] * 9]


async def test_giant_does_not_push_the_rest_out(tmp_path: Path) -> None:
    """A file of more than half of the room goes before the others, although it was used last."""
    tier = Tier(tmp_path / "tier", 150)
    tier.open()
    giant, small = (
        await place(tier, "a/@v/v1.zip", used=LONG_AGO - 1),
        await place(tier, "a/@v/v1.mod", used=LONG_AGO),
    )
    small.write_bytes(bytes(60))
    os.utime(small, (time.time() - LONG_AGO, 1))
    await tier.sweep()
    assert (giant.exists(), small.exists()) == (False, True)


async def test_what_is_in_use_stays(tier: Tier) -> None:
    """Somebody may be about to send what was just looked at, however small the folder."""
    paths = [await place(tier, f"a/@v/v{n}.zip") for n in range(20)]
    await tier.sweep()
    assert all(path.exists() for path in paths)


async def test_folder_may_go_at_any_time(tmp_path: Path) -> None:
    """With the folder deleted, everything is brought again, and new files are published."""
    store = ObjectStorage(Remote("memory://", {}), Tier(tmp_path / "tier", 1000), instance="x")
    async with store:
        await publish(store, "a.b/m/@v/v1.0.0.mod", b"one")
        shutil.rmtree(tmp_path / "tier")
        assert store.look("a.b/m/@v/v1.0.0.mod") is None
        assert await found(store, "a.b/m/@v/v1.0.0.mod") == b"one"
        shutil.rmtree(tmp_path / "tier")
        assert await publish(store, "a.b/m/@v/v1.1.0.mod", b"two") == b"two"


async def test_full_disk_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk is full, half of what is kept goes, and the file is brought after all."""
    tier = Tier(tmp_path / "tier", 10_000)
    async with ObjectStorage(Remote("memory://", {}), tier, instance="x") as store:
        await publish(store, "a.b/m/@v/v1.0.0.mod", bytes(100))
        await tier.drop("a.b/m/@v/v1.0.0.mod")
        old = [await place(tier, f"a/@v/v{n}.zip", used=LONG_AGO - n) for n in range(10)]
        write = room._write

        def full(*arguments: object) -> None:
            if all(path.exists() for path in old):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            write(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(room, "_write", full)
        assert await found(store, "a.b/m/@v/v1.0.0.mod") == bytes(100)
        assert [path.exists() for path in old] == [*[False] * 5, *[True] * 5]


async def test_an_older_look_is_no_absence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks while another looks, which began before a node published the file, is told of the file all the same."""
    key, slow, looked = "a.b/m/@v/v1.0.0.mod", asyncio.Event(), asyncio.Event()
    async with ObjectStorage(Remote("memory://", {}), Tier(tmp_path / "tier", 1000), instance="x") as store:
        bring = store._bring

        async def late(key: str) -> StoredFile | None:
            found = await bring(key)
            looked.set()
            await slow.wait()
            return found

        monkeypatch.setattr(store, "_bring", late)
        early = asyncio.create_task(store.find(key))
        await looked.wait()
        await store._remote.put(key, b"one")  # as another node does
        later = asyncio.create_task(store.find(key))
        await asyncio.sleep(0)
        slow.set()
        assert await early is None
        assert await later is not None


async def test_shared_by_processes_that_die(tmp_path: Path) -> None:
    """What a dead process was about to bring is taken away by the next one that opens the folder."""
    left = tmp_path / "tier/.tmp/x-1"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    os.utime(left, (1, 1))
    Tier(tmp_path / "tier", 1000).open()
    assert not left.exists()


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    """What arrives."""
    for part in parts:
        await asyncio.sleep(0)
        yield part


async def test_what_arrives_is_held_against_what_was_published(tmp_path: Path) -> None:
    """By its digest; where none was kept, by its length, and a zip by its own checksums."""
    held = tmp_path / "held"
    held.write_bytes(b"hello")
    digest, staged = digest_of(held), tmp_path / "staged"
    await receive(pieces(b"hel", b"lo"), staged, size=5, digest=digest)
    assert staged.read_bytes() == b"hello"
    await receive(pieces(b"hel", b"lo"), staged, size=5, digest=None)
    for parts, size in (((b"hel", b"lO"), 5), ((b"hel",), 5), ((b"hello", b"!"), 5)):
        with pytest.raises(Damaged):
            await receive(pieces(*parts), staged, size=size, digest=digest)
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.b/m@v1.0.0/go.mod", b"module a.b/m\n" * 100)
    whole = buffer.getvalue()
    await receive(pieces(whole), staged, size=len(whole), digest=None)
    for broken in (whole[:50] + b"\xff" + whole[51:], whole[:-30] + bytes(30)):
        with pytest.raises(Damaged):
            await receive(pieces(broken), staged, size=len(whole), digest=None)


async def test_failure_names_no_place(tmp_path: Path) -> None:
    """A folder that cannot be written to is said without its path."""
    (tmp_path / "tier").write_bytes(b"")
    with pytest.raises(StorageError) as caught:
        Tier(tmp_path / "tier", 1000).open()
    assert str(tmp_path) not in str(caught.value)
