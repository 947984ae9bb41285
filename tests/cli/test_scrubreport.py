"""How `verify` shows what it finds."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from goproxy_mirror.cli.scrubreport import ScrubReport
from goproxy_mirror.mirror.scrub import Checked, Verdict

KEY = f"example.com/{'long/' * 40}m/@v/v1.0.0.zip"


def shown(
    *found: Checked, width: int = 80, whole: bool = True, went_on: float | None = None
) -> tuple[str, str]:
    """Stdout and stderr of a report, where neither is a terminal."""
    out, err = io.StringIO(), io.StringIO()
    consoles = {"out": Console(file=out, width=width), "err": Console(file=err, width=width)}
    with ScrubReport(3, as_json=False, went_on=went_on, **consoles) as report:
        for each in found:
            report.done(each)
        report.whole = whole
    return out.getvalue(), err.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_lines_are_whole(width: int) -> None:
    """One line for what is not in order, however narrow the terminal; none for what is; and a summary."""
    out, err = shown(
        Checked(KEY, Verdict.QUARANTINED, "it [is] wrong"),
        Checked("b", Verdict.PROVEN, size=1000),
        width=width,
    )
    assert out.splitlines()[0] == f"quarantined {KEY}: it [is] wrong"
    assert out.splitlines()[1].startswith("2 files (1.0 kB hashed in ")
    assert "1 proven, 0 .info in order, 1 quarantined, 0 that nobody could vouch for" in out
    assert err == ""


def test_what_is_counted() -> None:
    """Files that cannot be proven and files that cannot be read are both open; a list and a stranger are no files."""
    report = ScrubReport(4, as_json=False, went_on=None, out=Console(file=io.StringIO()))
    for verdict in (Verdict.UNPROVEN, Verdict.UNREADABLE, Verdict.DERIVED, Verdict.FOREIGN, Verdict.SKIPPED):
        report.done(Checked("x", verdict, "why", size=10))
    assert (report.quarantined, report.unproven) == (0, 2)


def test_run_that_ended_early() -> None:
    """It says how much is left, and how to go on; one that goes on says since when."""
    out, err = shown(Checked("a", Verdict.PROVEN), whole=False, went_on=0.0)
    assert (
        out.splitlines()[-1]
        == "Not finished: 2 files left. The same command goes on from here, without --anew."
    )
    assert "began at 1970-01-01 00:00 UTC" in err


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each finding, and a summary with every verdict."""
    with ScrubReport(1, as_json=True, went_on=0.0) as report:
        report.done(Checked(KEY, Verdict.UNPROVEN, "nobody could say"))
        report.whole = True
    first, last = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert first == {"file": KEY, "verdict": "unproven", "reason": "nobody could say"}
    assert last["summary"] == {verdict.value: int(verdict is Verdict.UNPROVEN) for verdict in Verdict}
    assert (last["files"], last["whole"]) == (1, True)
