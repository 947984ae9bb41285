"""The program as a whole: what is wrong gives one line and a status."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from goproxy_mirror import __version__
from goproxy_mirror.cli.goproxyio import REPLACEMENTS
from goproxy_mirror.cli.main import main, status_of
from goproxy_mirror.errors import StorageError

COMMANDS = (
    *(["serve"], ["run"], ["fetch"], ["config", "show"], ["config", "check"], ["env"], ["verify"]),
    *(["mirrors", "list"], ["mirrors", "test"], ["sumdb", "status"], ["sumdb", "forget-fork"]),
    *(["build"], ["import"], ["export"], ["backup"], ["restore"], ["prune"], ["reindex"]),
    ["version"],
)


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of whoever runs the tests, and nothing of theirs to write to."""
    for name in list(os.environ):
        if name.startswith(("GOPROXY", "GOPRIVATE", "GONO", "GOMODCACHE", "XDG_")) or name.lower().endswith(
            "_proxy"
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GOENV", "off")
    monkeypatch.setenv("HOME", str(tmp_path))


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str], status: int = 2) -> str:
    """The one line on stderr with which the program ends."""
    assert status_of(arguments) == status
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("goproxy-mirror: ")
    assert said.err.count("\n") == 1
    return said.err


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_unknown_flag(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A flag that does not exist gives one line, which names the help to look at."""
    line = refusal([*command, "--nonsense"], capsys)
    assert "--nonsense" in line
    assert f"(see goproxy-mirror {' '.join(command)} --help)" in line


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["serve", "--listen", "8081"], 'listen = "8081" (from --listen): allowed is host:port'),
        (["serve", "--lisen", ":1"], "--listen"),
        (["serve", "extra"], "extra"),
        (["serve", "--workers"], "--workers"),
        (["serve", "--config", "/missing.toml"], "No such file"),
        (["run"], "COMMAND"),
        (["run", "--upstream", "drect", "true"], "upstream"),
        (["fetch"], "--go-mod"),
        (["fetch", "golang.org/x/text@"], "after the @"),
        (["fetch", "not a module"], "allowed is MODULE or MODULE@VERSION"),
        (["fetch", "--go-mod", "/missing"], "No such file"),
        (["fetch", "--go-sum", "/missing"], "No such file"),
        (["config"], "Missing command"),
        (["config", "shw"], "show"),
        (["config", "show", "--order", "x"], "origin,mirrors"),
        (["config", "check", "--listen", ":80", "--private", "corp.example"], "--private-to-all"),
        (["env", "--shell", "zsh"], "fish"),
        (["env", "--socket", "/run/x.sock"], "Unix socket"),
        (["verify", "golang.org/x/text@"], "allowed are MODULE, MODULE@VERSION"),
        (["verify", "https://golang.org"], "allowed are MODULE"),
        (["verify", "--older-than", "soon"], "allowed is a time"),
        (["verify", "--older-than", "1h", "--anew"], "two different things"),
        (["verify", "--data", "/missing"], "there is no such folder"),
        (["mirrors"], "Missing command"),
        (["mirrors", "list", "absent.example/*"], "no rule is named so"),
        (["mirrors", "list", "a", "b"], "b"),
        (["mirrors", "test", "--timeout", "0s"], "allowed is a time from 1s"),
        (["mirrors", "test", "Not.Example/m!"], "invalid"),
        (["sumdb", "statsu"], "status"),
        (["sumdb", "forget-fork"], "NAME"),
        (["sumdb", "forget-fork", "sum.golang.org"], "no evidence"),
        (["build"], "DIR|URL"),
        (["build", "/missing"], 'there is no folder "/missing"'),
        (["import", "/missing"], "the URL of a server with an index"),
        (["import", "ftp://old.example"], "the https:// URL of a server with an index"),
        (["export", "bundle.tar.zst"], "nothing was named"),
        (["prune"], "it has to be said what is to go"),
        (["prune", "--max-size", "lots"], "allowed is a number of bytes"),
        (["reindex", "x"], "x"),
        (["serve", "--store", "s3://b"], "3 to 63 letters"),
        (["version", "x"], "x"),
        (["srve"], "serve"),
        (["--nonsense"], "--nonsense"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_argument(arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is wrong, one readable line says what, and the status is 2."""
    assert expected in refusal(arguments, capsys)


@pytest.mark.parametrize("flag", REPLACEMENTS)
@pytest.mark.parametrize("form", ["-{}", "-{}=x"])
def test_flags_of_goproxyio(flag: str, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A flag of goproxyio's is answered with what takes its place."""
    for arguments in ([form.format(flag), "x"], ["serve", form.format(flag), "x"]):
        line = refusal(arguments, capsys)
        assert "goproxyio" in line
        assert "serve --" in line


def test_flags_of_other_programs(tmp_path: Path) -> None:
    """What follows `run` is another program's business."""
    mark = tmp_path / "mark"
    assert status_of(["run", "--", "/missing/program", "-listen", str(mark)]) == 127


def test_no_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    """Without arguments the help is shown."""
    assert status_of([]) == 0
    assert "serve" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["version"], ["--version"]])
def test_version(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The version is said in either way."""
    assert status_of(arguments) == 0
    assert capsys.readouterr().out == f"goproxy-mirror {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS[:-1], ids=" ".join)
def test_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Every command's help has an example."""
    assert status_of([*command, "--help"]) == 0
    assert f"goproxy-mirror {' '.join(command)}" in capsys.readouterr().out.split("xample")[1]


@pytest.mark.parametrize("command", [[], *COMMANDS, *(["mirrors"], ["sumdb"], ["config"])], ids=" ".join)
def test_help_reads_well(
    command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No type of Python stands in a help, and a sentence is broken by the terminal alone."""
    monkeypatch.setenv("COLUMNS", "1000")
    assert status_of([*command, "--help"]) == 0
    said = capsys.readouterr().out
    assert re.findall(r"<(?:bool|str|list|int|path)\b.*?>", said) == []
    above = [line.strip() for line in re.split("Examples?:|\u256d", said)[0].splitlines()]
    assert [line for line in above if line and not line.endswith((".", ":")) and "Usage" not in line] == []


def test_detail_is_for_who_runs_a_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What answers to clients leave out, the line of a command tells."""

    def fail(*_: object, **__: object) -> None:
        raise StorageError("the state database cannot be reached", detail="no route to db.corp.example")

    monkeypatch.setattr("goproxy_mirror.cli.prune.quietly", fail)
    line = refusal(["prune", "--older-than", "1d"], capsys, 1)
    assert line == "goproxy-mirror: the state database cannot be reached: no route to db.corp.example\n"


def test_folder_without_a_repository(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`build` names the folder as it was said."""
    assert f'there is no git repository in "{tmp_path}"' in refusal(["build", str(tmp_path)], capsys, 1)


def test_exit_status_of_the_process() -> None:
    """The status becomes the process's."""
    with pytest.raises(SystemExit) as end:
        main(["--nonsense"])
    assert end.value.code == 2


def test_a_start_imports_what_serving_needs() -> None:
    """Other commands, and libraries that are needed later or never, do not delay it."""
    late = ["jinja2", "sqlalchemy", "alembic", "http.client", "obstore", "goproxy_mirror.cli.verify"]
    code = (
        "import sys; from goproxy_mirror.cli.main import program_for; program_for(['serve']); import goproxy_mirror.app; "
        f"sys.exit(str([name for name in {late} if name in sys.modules] or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.stderr.strip() == b""


def test_help_imports_no_server() -> None:
    """The help is quick: it loads neither the HTTP server nor its client."""
    code = (
        "import sys; from goproxy_mirror.cli.main import status_of; status_of(['serve', '--help']); "
        "sys.exit(any(name.partition('.')[0] in {'granian', 'pyreqwest'} for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
