"""Answers, turns and the instance's name in plain files."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from goproxy_mirror.ports import Home, Kept
from goproxy_mirror.state import files
from goproxy_mirror.state.files import FileAnswers, FileTurns, instance_id


async def test_answer_is_kept(tmp_path: Path) -> None:
    """An answer comes back whole, with its time and its home."""
    answers = FileAnswers(tmp_path)
    kept = Kept(b"v1.0.0\nv1.1.0\n", 1700000000.25, Home("origin", "https://x.test/m"))
    assert await answers.get("x.test/m/@v/list") is None
    await answers.put("x.test/m/@v/list", kept)
    assert await FileAnswers(tmp_path).get("x.test/m/@v/list") == kept


async def test_damaged_answer_is_none(tmp_path: Path) -> None:
    """A cut or foreign file is as good as none."""
    answers = FileAnswers(tmp_path)
    await answers.put("k", Kept(b"v1.0.0\n", 1.0, None))
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    for damage in (file.read_bytes()[:-1], b"", b"\x00\xff", b"{}\n", b"[]\nx"):
        file.write_bytes(damage)
        assert await answers.get("k") is None


async def test_unwritable_answer_is_no_error(tmp_path: Path) -> None:
    """An answer that cannot be kept costs a fetch later and nothing now."""
    (tmp_path / "file").write_text("")
    await FileAnswers(tmp_path / "file").put("k", Kept(b"", 1.0, None))


async def test_old_answers_are_removed(tmp_path: Path) -> None:
    """Answers that were fetched more than 30 days ago go, and files that a dead process was writing; the others stay."""
    answers = FileAnswers(tmp_path)
    now = time.time()
    for name, days in {"old": 31, "young": 29, ".dead": 2, ".alive": 0.5}.items():
        await answers.put(name, Kept(name.encode(), now - days * 86400, None))
        file = answers._path(name)
        if name.startswith("."):
            file = file.rename(file.with_name(name))
        os.utime(file, (now - days * 86400,) * 2)
    assert await answers.prune() == 2
    left = {path.read_bytes().split(b"\n")[1] for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {b"young", b".alive"}


async def test_answers_are_looked_through_once_a_day(tmp_path: Path) -> None:
    """Who asks again within the day costs nothing; another process looks for itself."""
    answers = FileAnswers(tmp_path / "none")
    assert await answers.prune() == 0
    await answers.put("old", Kept(b"", 1.0, None))
    os.utime(answers._path("old"), (1.0, 1.0))
    assert await answers.prune() == 0
    assert await answers.get("old") is not None
    assert await FileAnswers(tmp_path / "none").prune() == 1
    assert await answers.get("old") is None


async def test_one_holder_at_a_time(tmp_path: Path) -> None:
    """Of many tasks one holds the turn of a key."""
    turns = FileTurns(tmp_path, wait=30)
    inside = most = 0

    async def work() -> None:
        nonlocal inside, most
        async with turns.hold("key"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.001)
            inside -= 1

    await asyncio.gather(*(work() for _ in range(20)))
    assert most == 1


async def test_open_files_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many files are waited for, some hundred turns are open; a derived list always has its own."""
    monkeypatch.setattr(files, "_MOST_OPEN", 4)
    turns = FileTurns(tmp_path, wait=30)
    async with AsyncExitStack() as stack:
        for number in range(20):
            await stack.enter_async_context(turns.hold(f"m{number}/@v/v1.0.0.mod"))
        assert turns._open == 4
        await stack.enter_async_context(turns.hold("m/@v"))
        assert turns._open == 5
    assert turns._open == 0


def _hold(folder: str, held: object, release: object) -> None:
    async def run() -> None:
        async with FileTurns(Path(folder), wait=5).hold("key"):
            held.set()  # type: ignore[attr-defined]
            await asyncio.to_thread(release.wait, 30)  # type: ignore[attr-defined]

    asyncio.run(run())


async def test_turns_across_processes(tmp_path: Path) -> None:
    """Another process's turn is waited for, for a bounded time; when it dies its turn is free."""
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(str(tmp_path), held, release))
    other.start()
    try:
        assert await asyncio.to_thread(held.wait, 30)
        entered = []

        async def enter() -> None:
            async with FileTurns(tmp_path, wait=60).hold("key"):
                entered.append("after")

        waiting = asyncio.create_task(enter())
        async with FileTurns(tmp_path, wait=0.05).hold("key"):
            entered.append("without a turn")
        assert entered == ["without a turn"]
        other.kill()
        await waiting
        assert entered == ["without a turn", "after"]
    finally:
        other.kill()
        other.join()


def test_instance_keeps_its_name(tmp_path: Path) -> None:
    """The name is the same after a restart, and another for another folder."""
    assert instance_id(tmp_path / "a") == instance_id(tmp_path / "a")
    assert instance_id(tmp_path / "a") != instance_id(tmp_path / "b")
