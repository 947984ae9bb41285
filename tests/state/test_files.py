"""Answers, provenance, turns and the instance's name in plain files."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
from pathlib import Path

from goproxy_mirror.ports import Home, Kept
from goproxy_mirror.state.files import FileAnswers, FileTurns, Journal, instance_id


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


async def test_provenance_lines_do_not_mix(tmp_path: Path) -> None:
    """Each record is one line of JSON, whoever writes at the same time."""
    journal = Journal(tmp_path / "provenance.jsonl")
    await asyncio.gather(
        *(journal.record(f"k{n}", Home("mirror", "https://m.test/"), size=n, proof=None) for n in range(100))
    )
    lines = [json.loads(line) for line in (tmp_path / "provenance.jsonl").read_text().splitlines()]
    assert sorted(line["size"] for line in lines) == list(range(100))
    assert {(line["home"], line["kind"], line["proven"]) for line in lines} == {
        ("https://m.test/", "mirror", False)
    }


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
