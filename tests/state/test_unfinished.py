"""Runs that were interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest

from goproxy_mirror.errors import StorageError
from goproxy_mirror.state.unfinished import Unfinished

DAY = 86400.0


class Clock:
    """The time that a test says."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_interrupted_run_goes_on_in_the_next_process(tmp_path: Path) -> None:
    """When it began is known until it ends, each run by its name."""
    clock = Clock()
    runs = Unfinished(tmp_path, clock)
    assert runs.since("") is None
    assert runs.begin("") == clock.now
    clock.now += DAY
    runs.begin("golang.org/*")
    later = Unfinished(tmp_path, clock)
    assert later.since("") == clock.now - DAY
    later.end("")
    assert later.since("") is None
    assert later.since("golang.org/*") == clock.now
    later.end("never begun")


def test_old_run_is_none(tmp_path: Path) -> None:
    """What was verified more than a week ago says too little."""
    clock = Clock()
    runs = Unfinished(tmp_path, clock)
    runs.begin("")
    clock.now += 8 * DAY
    assert runs.since("") is None


@pytest.mark.parametrize("content", ["", "[]", "null", '{"": "x"}', "\xff"])
def test_damaged_memory_is_none(tmp_path: Path, content: str) -> None:
    """What cannot be read costs a run from the beginning."""
    (tmp_path / "unfinished.json").write_text(content, "latin-1")
    runs = Unfinished(tmp_path)
    assert runs.since("") is None
    runs.begin("")
    assert runs.since("") is not None


def test_many_names(tmp_path: Path) -> None:
    """The file does not grow without bound; the newest run is remembered."""
    runs = Unfinished(tmp_path)
    for number in range(300):
        runs.begin(f"m{number}")
    assert runs.since("m299") is not None
    assert runs.since("m0") is None
    assert (tmp_path / "unfinished.json").stat().st_size < 5000
    assert [file.name for file in tmp_path.iterdir()] == ["unfinished.json"]


def test_folder_that_is_gone(tmp_path: Path) -> None:
    """It is said as the state's failure."""
    with pytest.raises(StorageError, match="how far"):
        Unfinished(tmp_path / "absent").begin("")
