"""What the user told the go command."""

from __future__ import annotations

from pathlib import Path

import pytest

from goproxy_mirror.config.goenv import GoEnvironment, GoSetting


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A file as `go env -w` writes it, with lines that the go command passes over."""
    file = tmp_path / "env"
    file.write_text(
        "GOPROXY=https://written.example\n# note\n=x\nlower=1\nGOPRIVATE=a.example,b.example\nGOFLAGS\n"
    )
    return file


def test_environment_wins(written: Path) -> None:
    """The environment stands above what `go env -w` wrote."""
    go = GoEnvironment({"GOENV": str(written), "GOPROXY": "off"})
    assert go.get("GOPROXY") == GoSetting("off", "GOPROXY in the environment")


def test_written_value(written: Path) -> None:
    """What `go env -w` wrote counts where the environment is silent or empty."""
    go = GoEnvironment({"GOENV": str(written), "GOPROXY": ""})
    assert go.get("GOPROXY") == GoSetting("https://written.example", "GOPROXY by go env -w")
    assert go.get("GOPRIVATE") == GoSetting("a.example,b.example", "GOPRIVATE by go env -w")
    assert go.get("GOFLAGS") is None


@pytest.mark.parametrize("variable", ["HOME", "XDG_CONFIG_HOME"])
def test_usual_place(tmp_path: Path, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without GOENV, the file is in the user's configuration folder."""
    monkeypatch.setattr("sys.platform", "linux")
    folder = tmp_path / ".config" if variable == "HOME" else tmp_path
    (folder / "go").mkdir(parents=True)
    (folder / "go" / "env").write_text("GOPROXY=direct\n")
    assert GoEnvironment({variable: str(tmp_path)}).get("GOPROXY") is not None


def test_switched_off(tmp_path: Path) -> None:
    """GOENV=off means that nothing was written."""
    (tmp_path / ".config" / "go").mkdir(parents=True)
    (tmp_path / ".config" / "go" / "env").write_text("GOPROXY=direct\n")
    assert GoEnvironment({"HOME": str(tmp_path), "GOENV": "off"}).get("GOPROXY") is None


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"GOMODCACHE": "/m"}, "/m"),
        ({"GOPATH": "/a:/b", "HOME": "/h"}, "/a/pkg/mod"),
        ({"HOME": "/h"}, "/h/go/pkg/mod"),
    ],
)
def test_module_cache(environ: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module cache is where the go command has it."""
    monkeypatch.setattr("sys.platform", "linux")
    assert GoEnvironment({"GOENV": "off", **environ}).module_cache() == Path(expected)
