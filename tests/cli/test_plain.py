"""Figures in words."""

from __future__ import annotations

import time

import pytest

from goproxy_mirror.cli import plain


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (0.004, "0.00 s"), (0.42, "0.42 s"), (9.999, "10.00 s"), (71.4, "71 s")],
)
def test_durations(seconds: float | None, words: str) -> None:
    """Short ones with two digits behind the point."""
    assert plain.took(seconds) == words


@pytest.mark.parametrize(
    ("passed", "words"),
    [(5, "5 s ago"), (125, "2 min ago"), (7300, "2 h ago"), (3 * 86400 + 5, "3 d ago"), (-60, "0 s ago")],
)
def test_ages(passed: float, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the largest unit; a clock that went back makes no future."""
    monkeypatch.setattr(time, "time", lambda: 1_000_000.0)
    assert plain.ago(1_000_000.0 - passed) == words


def test_times() -> None:
    """For machines and for people; what is not known stays so."""
    assert (plain.at(0.0), plain.at(None)) == ("1970-01-01T00:00:00Z", None)
    assert plain.date(0.0) == "1970-01-01 00:00 UTC"


def test_json_leaves_out_what_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    """A false value is known; and nothing is cut or escaped that need not be."""
    plain.say_json({"a": None, "b": False, "c": 0, "d": "中"})
    assert capsys.readouterr().out == '{"b": false, "c": 0, "d": "中"}\n'
