"""`config` and `env`."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from goproxy_mirror.cli.main import status_of


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home folder without settings."""
    for name in (
        "GOPROXY",
        "GOPRIVATE",
        "GONOPROXY",
        "GONOSUMDB",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "SSL_CERT_FILE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GOENV", "off")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    """`config show` prints a settings file with the place of each setting, and no password."""
    assert (
        status_of(
            [
                "config",
                "show",
                "--upstream",
                "https://u:hunter2@a.example,direct",
                "--mirror",
                "a.b/{r}=/g/{r}",
            ]
        )
        == 0
    )
    text = capsys.readouterr().out
    assert 'upstream = "https://***@a.example,direct"  # --upstream' in text
    assert "hunter2" not in text
    assert tomllib.loads(text)["mirrors"] == {"a.b/{r}": ["file:///g/{r}"]}


def test_check(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`config check` says that all is well, names the file, and writes nothing."""
    file = home / "mine.toml"
    file.write_text("workers = 3\n")
    assert status_of(["config", "check", "--config", str(file)]) == 0
    assert str(file) in capsys.readouterr().out
    assert list(home.iterdir()) == [file]


def test_check_of_the_store(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`config check` refuses what `serve` would refuse."""
    assert status_of(["config", "check", "--store", str(home / "go" / "pkg" / "mod" / "x")]) == 2
    assert "module cache" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--shell", "sh"], "export GOPROXY=http://127.0.0.1:8081\n"),
        (["--shell", "fish"], "set -gx GOPROXY http://127.0.0.1:8081\n"),
        (["--shell", "powershell"], '$env:GOPROXY = "http://127.0.0.1:8081"\n'),
        (["--shell", "cmd"], "set GOPROXY=http://127.0.0.1:8081\n"),
        (
            ["--shell", "sh", "--listen", ":80", "--path-prefix", "x"],
            "export GOPROXY=http://127.0.0.1:80/x\n",
        ),
        (
            [
                "--shell",
                "sh",
                "--socket",
                "/run/x.sock",
                "--public-url",
                "https://go.example/",
                "--path-prefix",
                "x",
            ],
            "export GOPROXY=https://go.example/x\n",
        ),
        (["--shell", "sh", "--listen", "[::]:80"], "export GOPROXY=http://[::1]:80\n"),
        (["--shell", "sh", "--listen", "proxy.example:80"], "export GOPROXY=http://proxy.example:80\n"),
    ],
)
def test_env(flags: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`env` prints the line for a shell, with an address that clients can connect to."""
    assert status_of(["env", *flags]) == 0
    assert capsys.readouterr().out == expected


def test_env_with_a_certificate(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A server with a certificate is asked by https."""
    (home / "x.pem").touch()
    assert (
        status_of(
            ["env", "--shell", "sh", "--tls-cert", str(home / "x.pem"), "--tls-key", str(home / "x.pem")]
        )
        == 0
    )
    assert capsys.readouterr().out == "export GOPROXY=https://127.0.0.1:8081\n"
