"""`prune` and `reindex` as they are typed, and what they say."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from goproxy_mirror.cli.main import status_of


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a store of three versions, of which one is pinned."""
    for name, size in (("m/@v/v1.0.0", 1000), ("m/@v/v1.1.0", 3000), ("p/@v/v1.0.0", 500)):
        for ending in ("info", "mod"):
            file = tmp_path / "data/store/x.test" / f"{name}.{ending}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"x" * (size // 2))
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("prune",), "allowed are --older-than, --unused-for, --max-size and --match"),
        (("prune", "--keep", "x.test"), "it has to be said what is to go"),
        (("prune", "--older-than", "soon"), '--older-than "soon": allowed is a time'),
        (("prune", "--max-size", "10x"), '--max-size "10x": allowed is a number of bytes'),
        (("prune", "--match", "a:b"), '"a:b" names no module'),
        (("prune", "--match", "x.test/m@v2.0.0"), '"x.test/m@v2.0.0": '),
        (("prune", "x.test/m", "--max-size", "1"), "unexpected extra argument"),
        (("prune", "--max-size", "1"), "reindex` writes down what it holds"),
        (("prune", "--unused-for", "1d", "--config", "front.toml"), 'with front = "nginx" most requests'),
        (("prune", "--unused-for", "1d", "--no-track-use"), "with track_use = false nobody counts"),
        (("reindex", "x.test/m"), "unexpected extra argument"),
        (("reindex", "--store", "nowhere"), "there is no such folder"),
    ],
)
def test_what_cannot_be_meant(
    data: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    said: str,
) -> None:
    """Status 2, and one line that says what is allowed."""
    monkeypatch.chdir(data.parent)
    Path("front.toml").write_text('front = "nginx"\n')
    assert status_of([*arguments, "--data", str(data)]) == 2
    err = capfd.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1


def test_what_they_say(data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A line for each version, the longest unused first, and a summary in which nothing is left out; as JSON too."""

    def run(*arguments: str, status: int = 0) -> str:
        assert status_of([*arguments, "--data", str(data)]) == status
        return capfd.readouterr().out

    assert run("reindex").startswith("6 files in ")
    with closing(sqlite3.connect(data / "state/state.db")) as state:
        state.execute("UPDATE provenance SET proven_by = 'pin' WHERE key = 'x.test/p/@v/v1.0.0.mod'")
        state.execute("UPDATE provenance SET first_seen = 86400 WHERE key LIKE 'x.test/m/@v/v1.1.0.%'")
        state.commit()
    lines = run("prune", "--max-size", "400").splitlines()
    assert lines[0] == "would go x.test/m@v1.1.0: 3.0 kB, here since 1970-01-02, not used since 1970-01-02"
    assert lines[1].startswith("would go x.test/m@v1.0.0: 1.0 kB, here since ")
    assert lines[2:] == [
        "Would go: 2 versions with 4.0 kB, of 3 versions with 4.5 kB in the store.",
        "1 version would fit too, but pinned versions stay: no checksum database knows them.",
        "The store stays larger than 400 bytes: 500 bytes do not fit.",
        "Nothing was removed; the same command with --yes removes it.",
    ]
    assert run("prune", "--unused-for", "1d", status=2) == ""
    said = [json.loads(line) for line in run("prune", "--older-than", "90d", "--yes", "--json").splitlines()]
    assert said == [
        {
            "version": "x.test/m@v1.1.0",
            "verdict": "removed",
            "bytes": 3000,
            "used": "1970-01-02T00:00:00Z",
            "seen": "1970-01-02T00:00:00Z",
        },
        {
            "summary": {"chosen": 1, "removed": 1, "kept": 0, "failed": 0, "pinned": 0},
            "bytes": 3000,
            "store": {"versions": 3, "bytes": 4500},
            "whole": True,
        },
    ]
    shown = run("prune", "--older-than", "90d", "--json").splitlines()
    assert json.loads(shown[-1])["whole"] is True
    assert run("prune", "--older-than", "90d") == "Nothing fits, of 2 versions with 1.5 kB in the store.\n"
    assert json.loads(run("reindex", "--json"))["summary"] == {
        "files": 4,
        "recorded": 0,
        "dropped": 0,
        "lists": 0,
        "entered": 0,
        "missing": 0,
        "unreadable": 0,
    }
