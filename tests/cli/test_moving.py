"""What `import`, `export`, `backup` and `restore` say to who names the wrong thing."""

from __future__ import annotations

from pathlib import Path

import pytest

from goproxy_mirror.cli.main import status_of

CASES = {
    "nothing named": (["export", "{tmp}/x"], 2, "nothing was named"),
    "no such place": (["export", "{tmp}/no/x", "a.example/m@v1.0.0"], 1, "cannot be written"),
    "no toolchain": (["export", "{tmp}/x", "--toolchain", "1.27"], 2, "go1.27.3"),
    "no go.mod": (["export", "{tmp}/x", "--go-mod", "{tmp}/go.mod"], 2, "cannot be read"),
    "not to be had": (["export", "{tmp}/x", "a.example/m@v1.0.0"], 1, "--keep-going"),
    "no source": (["import", "{tmp}/absent"], 2, "cannot be read"),
    "no layout": (["import", "{tmp}", "--layout", "maven"], 2, "allowed are goproxy and athens"),
    "no bundle": (["import", "{tmp}/file"], 1, "no backup and no bundle"),
    "itself": (["import", "{tmp}/data"], 2, "this very store"),
    "no store": (["backup"], 2, "there is no such folder"),
}


@pytest.mark.parametrize("case", CASES)
def test_wrong_arguments(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence says what is wrong and what is allowed; nothing is left behind where the bundle would have been."""
    arguments, status, said = CASES[case]
    (tmp_path / "file").write_bytes(b"no bundle" * 200)
    if case == "itself":
        (tmp_path / "data" / "store").mkdir(parents=True)
    line = [each.format(tmp=tmp_path) for each in arguments]
    found = status_of([*line, "--data", str(tmp_path / "data"), "--upstream", "off", "--gosumdb", "off"])
    told = capsys.readouterr()
    last = told.err.splitlines()[-1]
    assert told.out == ""  # no summary of what has not begun
    assert (found, last.startswith("goproxy-mirror: "), said in last) == (status, True, True), last
    assert not list(tmp_path.glob("x*"))


def test_restore_of_what_is_no_backup(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so, and speaks of no rest that a good copy would add."""
    (tmp_path / "file").write_bytes(b"no backup" * 200)
    with (tmp_path / "file").open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert status_of(["restore", "--data", str(tmp_path / "data")]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "this is no backup and no bundle of goproxy-mirror" in told.err
    assert "--merge" not in told.err
