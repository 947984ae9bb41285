"""Progress at a terminal and elsewhere."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from goproxy_mirror.cli.progress import ProgressLine


def test_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nobody watches, a line is told once in 30 s, on stderr, and none by what has nothing to show."""
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with (
        ProgressLine("verify", "verifying", total=3) as progress,
        ProgressLine("prune", "removing", total=3, shown=False) as silent,
    ):
        for now, text in ((110.0, "1 of 3"), (131.0, "2 of 3"), (140.0, "3 of 3")):  # noqa: B007
            progress.show(text)
            silent.show(text)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "goproxy-mirror: verify: 2 of 3\n")


@pytest.mark.parametrize("total", [None, 3])
def test_at_a_terminal(total: int | None) -> None:
    """It moves, and is gone at the end; a line that stays goes to where it belongs."""
    screen, out = io.StringIO(), io.StringIO()
    err = Console(file=screen, force_terminal=True, width=80, highlight=False)
    with ProgressLine("import", "importing", total=total, err=err) as progress:
        progress.show("2 of 3", 2)
        progress.say("refused  [a]", Console(file=out, width=20))
        progress.say("refused  [b]", Console(file=out, force_terminal=True))
    assert out.getvalue() == "refused  [a]\n"
    shown = screen.getvalue()
    assert "importing" in shown
    assert "refused  [b]\n" in shown
    assert shown.endswith("\x1b[2K")
