"""One writer at a time: `goproxy_mirror.vcs.gitlock`."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

import pytest

from goproxy_mirror.errors import SourceTimeout, StorageError
from goproxy_mirror.process import Runner
from goproxy_mirror.vcs.gitlock import FolderLock, try_lock


async def test_hold__tasks_take_turns(tmp_path: Path) -> None:
    """Never two in the block, be they on one lock or on two for the same folder."""
    locks = [FolderLock(tmp_path / "f" / "lock", wait=30), FolderLock(tmp_path / "f" / "lock", wait=30)]
    inside: list[int] = []

    async def work(number: int) -> None:
        async with locks[number % 2].hold():
            inside.append(number)
            await asyncio.sleep(0.001)
            assert inside.pop() == number

    await asyncio.gather(*(work(number) for number in range(10)))


async def test_hold__the_wait_is_bounded(tmp_path: Path) -> None:
    """Who waits too long is told what for, on the same lock and on another."""
    held = FolderLock(tmp_path / "lock", wait=0.1)
    async with held.hold():
        for lock in (held, FolderLock(tmp_path / "lock", wait=0.1)):
            with pytest.raises(SourceTimeout, match="another fetch of the same repository"):
                async with lock.hold():
                    pass
        with try_lock(tmp_path / "lock") as mine:
            assert not mine
    with try_lock(tmp_path / "lock") as mine:
        assert mine


async def test_hold__a_program_keeps_the_lock_of_a_killed_process(tmp_path: Path) -> None:
    """A fetch that outlives the process that started it still holds the lock, until it ends."""
    script = (
        "import fcntl, os, subprocess, sys\n"
        f"fd = os.open({str(tmp_path / 'lock')!r}, os.O_RDWR | os.O_CREAT)\n"
        "fcntl.flock(fd, fcntl.LOCK_EX)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE, pass_fds=[fd])\n"
        "print(child.pid, flush=True)\nos.kill(os.getpid(), 9)\n"
    )
    runner = Runner(tmp_path / "state")
    async with runner.stream([sys.executable, "-c", script], cwd=tmp_path, timeout=60) as running:
        await running.stdout.readline()
        # The killed process was the only one at the other end of its child's stdin, so the child ends by itself.
        async with FolderLock(tmp_path / "lock", wait=30).hold():
            pass


async def test_hold__a_folder_that_was_removed_meanwhile(tmp_path: Path) -> None:
    """Who waited for the lock of a folder that is gone does not write beside the one who has the new folder."""
    lock = FolderLock(tmp_path / "f" / "lock", wait=30)
    async with lock.hold():
        waiting = asyncio.create_task(self_check(tmp_path / "f" / "lock"))
        await asyncio.sleep(0.05)
        shutil.rmtree(tmp_path / "f")
        async with FolderLock(tmp_path / "f" / "lock", wait=30).hold():
            assert not waiting.done()
    await waiting


async def self_check(path: Path) -> None:
    async with FolderLock(path, wait=30).hold() as descriptor:
        import os

        assert os.path.samestat(os.fstat(descriptor), path.stat())


async def test_hold__a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A store's failure, no outage of the remote."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        async with FolderLock(tmp_path / "file" / "lock", wait=1).hold():
            pass
    with try_lock(tmp_path / "file" / "lock") as mine:
        assert not mine
