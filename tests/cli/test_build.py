"""`build`, run as a user runs it, with the real go command beside it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from goproxy_mirror.cli import building
from goproxy_mirror.cli.main import status_of
from tests.world.go import clean_environment
from tests.world.repositories import Commit, write_repository
from tests.world.server import program
from tests.world.zips import contents, h1, mod_h1

ROOT_MOD = b"module corp.test/mono\n\ngo 1.21\n"
SUB_MOD = b"module corp.test/mono/sub\n"
V2_MOD = b"module corp.test/mono/v2\n"
FILES = {"go.mod": ROOT_MOD, "a.go": b"package mono\n", "LICENSE": b"free\n", "sub/x.go": b"package sub\n"}
WITH_SUB = {**FILES, "sub/go.mod": SUB_MOD}


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it printed."""

    status: int
    lines: Sequence[str]
    errors: str


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two modules, one below the other; the newest commit is of the next major version."""
    commits = [
        Commit(FILES, "2024-01-01T00:00:00Z", tags=("v0.9.0",)),
        Commit(WITH_SUB, "2024-01-02T00:00:00Z", tags=("v1.0.0", "sub/v0.1.0")),
        Commit({**WITH_SUB, "go.mod": V2_MOD}, "2024-01-03T00:00:00Z", tags=("v2.0.0",), branches=("next",)),
        Commit({**WITH_SUB, "go.mod": V2_MOD, "b.go": b"package mono\n"}, "2024-01-04T00:00:00Z"),
    ]
    return write_repository(tmp_path_factory.mktemp("build") / "mono.git", commits)


def build(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Said:
    """Run `goproxy-mirror build` in a folder."""
    environment = clean_environment(folder) | dict(env or {})
    done = subprocess.run(
        program("build", *arguments), cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return Said(done.returncode, done.stdout.splitlines(), done.stderr)


def test_the_latest_version_of_the_module_that_go_mod_names(repository: Path, tmp_path: Path) -> None:
    """The `.info`, and the very lines that go.sum will have; the zip is written where it was asked for."""
    said = build(repository, ".", "--zip", str(tmp_path / "out.zip"), "--compare-with-go")
    assert (said.status, said.errors) == (0, "")
    info, zip_line, mod_line, verdict = said.lines
    assert json.loads(info) == {"Version": "v2.0.0", "Time": "2024-01-03T00:00:00Z"}
    assert zip_line == f"corp.test/mono/v2 v2.0.0 {h1(tmp_path / 'out.zip')}"
    assert mod_line == f"corp.test/mono/v2 v2.0.0/go.mod {mod_h1(V2_MOD)}"
    assert verdict == "the go command makes the same of it"
    assert [*contents(tmp_path / "out.zip", "corp.test/mono/v2@v2.0.0")] == ["LICENSE", "a.go", "go.mod"]
    assert list(tmp_path.iterdir()) == [tmp_path / "out.zip"]


@pytest.mark.parametrize(
    ("arguments", "built"),
    [
        (("--version", "v1.0.0"), "corp.test/mono v1.0.0"),
        (("--version", "v0"), "corp.test/mono v0.9.0"),
        (("--version", "next"), "corp.test/mono/v2 v2.0.0"),
        (("--version", "main"), "corp.test/mono/v2 v2.0.1-0.20240104000000-"),
        (("--module", "corp.test/mono/sub"), "corp.test/mono/sub v0.1.0"),
        (("--module", "corp.test/mono/sub", "--version", "sub/v0.1.0"), "corp.test/mono/sub v0.1.0"),
        (("--module", "corp.test/mono", "--version", "v1"), "corp.test/mono v1.0.0"),
        (("--module", "github.com/some/fork/v2"), "github.com/some/fork/v2 v2.0.0"),
        (("--module", "elsewhere.test/fork", "--version", "v0.9.0"), "elsewhere.test/fork v0.9.0"),
    ],
)
def test_what_is_named_is_built_as_the_go_command_builds_it(
    repository: Path, tmp_path: Path, arguments: tuple[str, ...], built: str
) -> None:
    """Versions, prefixes of them, branches, modules in folders, and other paths for the same repository."""
    said = build(tmp_path, repository.as_uri(), *arguments, "--compare-with-go")
    assert said.errors == ""
    assert said.lines[1].startswith(built)
    assert said.lines[-1] == "the go command makes the same of it"
    assert said.status == 0


def test_a_tag_of_a_folder_says_what_to_name(repository: Path, tmp_path: Path) -> None:
    """The root's go.mod does not know how the module in a folder is called."""
    said = build(tmp_path, str(repository), "--version", "sub/v0.1.0")
    assert said.status == 1
    assert "in the folder sub" in said.errors
    assert "--module" in said.errors
    assert "--version v0.1.0" in said.errors


def test_without_go_mod_the_module_must_be_named(tmp_path: Path) -> None:
    """What stands in for a missing go.mod is made as the go command makes it."""
    old = write_repository(
        tmp_path / "old.git", [Commit({"x.go": b"package x\n"}, "2014-01-01T00:00:00Z", tags=("v3.0.0",))]
    )
    said = build(tmp_path, str(old))
    assert said.status == 1
    assert "there is no go.mod in the repository's root: name the module with --module" in said.errors
    said = build(tmp_path, str(old), "--module", "github.com/an/old", "--compare-with-go")
    assert said.lines[1].startswith("github.com/an/old v3.0.0+incompatible h1:")
    assert said.status == 0


@pytest.mark.parametrize(
    ("place", "arguments", "status", "error"),
    [
        ("nosuch", (), 2, 'there is no folder "nosuch"'),
        (".", (), 1, "there is no git repository"),
        ("mono.git", ("--version", "nosuch"), 1, "unknown revision nosuch"),
        ("mono.git", ("--module", "not a path"), 1, "not a path"),
        ("mono.git", ("--module", "corp.test/mono/nothing"), 1, "nothing/go.mod"),
        ("mono.git", ("--zip", "no/such/folder.zip"), 1, "no/such/folder.zip"),
    ],
)
def test_what_cannot_be_built_is_one_line(
    repository: Path, tmp_path: Path, place: str, arguments: tuple[str, ...], status: int, error: str
) -> None:
    """The line says what is wrong; a wrong command line is status 2, all else 1."""
    (tmp_path / "mono.git").symlink_to(repository)
    said = build(tmp_path, place, *arguments)
    assert said.status == status
    assert error in said.errors
    assert len(said.errors.splitlines()) == 1


def test_comparing_needs_go(repository: Path, tmp_path: Path) -> None:
    """Without the go command the module is built, and nothing is compared."""
    bare = tmp_path / "bin"
    bare.mkdir()
    (bare / "git").symlink_to("/usr/bin/git")
    said = build(tmp_path, str(repository), "--compare-with-go", env={"PATH": str(bare)})
    assert said.status == 1
    assert len(said.lines) == 3
    assert "go is needed for this" in said.errors


def test_differences_are_shown(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """One line for each, and the status is 1."""
    for name, value in clean_environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(building, "hash_zip", lambda _: "h1:other")
    monkeypatch.setattr(building, "_names", lambda file: ["a", "b"] if "compare" in str(file) else ["a", "c"])
    assert status_of(["build", str(repository), "--version", "v1.0.0"]) == 0
    assert status_of(["build", str(repository), "--version", "v1.0.0", "--compare-with-go"]) == 1
    found = [line for line in capsys.readouterr().out.splitlines() if line.startswith("differs: ")]
    assert len(found) == 2
    assert found[0].startswith("differs: zip hash: ours is 'h1:other', the go command's 'h1:")
    assert found[1] == "differs: files: only ours has ['c'], only the go command's ['b']"
    assert os.environ["HOME"] == str(tmp_path)
