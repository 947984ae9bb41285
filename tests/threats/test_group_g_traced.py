"""Group G: which programs are started and which files are written for a hostile repository, as the kernel saw it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.threats.hostile import GO_MOD, ROOT, canary, point
from tests.vcs.gitkit import Repo, serve

STRACE = shutil.which("strace")
CALLS = "execve,open,openat,creat,mkdir,mkdirat,unlink,unlinkat,rename,renameat,renameat2,link,linkat,symlink,symlinkat"
PROGRAMS = {"git", "git-upload-pack", "git-remote-http", "git-remote-https", Path(sys.executable).name}
_CALL = re.compile(r"^\d+ +(\w+)\((.*)\) = (?!-1)")
_NAME = re.compile(r'"((?:[^"\\]|\\.)*)"')
_WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND")

pytestmark = pytest.mark.skipif(STRACE is None, reason="strace is not on this machine")


def astray(argv: Sequence[str], *, within: Path, folder: Path) -> list[str]:
    """Run a program; every other program than git that it started, and every file outside of a folder that it wrote."""
    assert STRACE is not None
    trace = folder / "trace"
    done = subprocess.run(
        [STRACE, "-f", "-qq", "-s", "4096", "-o", str(trace), "-e", f"trace={CALLS}", *argv],
        cwd=Path(__file__).parents[2],
        env={"PATH": os.environ["PATH"], "HOME": str(within), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    found = []
    for line in trace.read_text("utf-8", "replace").splitlines():
        match = _CALL.match(line)
        if match is None:
            continue
        call, arguments = match.groups()
        names = _NAME.findall(arguments)
        if call == "execve":
            if Path(names[0]).name not in PROGRAMS:
                found.append(f"ran {names[0]}")
        elif not call.startswith("open") or _WRITES.search(arguments):
            inside = [str(within), "/dev/null", "/proc/"]
            # A relative name is one of git's own, in the folder that it was started in.
            wild = [
                name for name in names if name.startswith(("/", "..")) and not name.startswith(tuple(inside))
            ]
            found += [f"{call} {name}" for name in wild]
    return found


def test_g19__only_git_runs_and_only_the_state_folder_is_written(repo: Repo, tmp_path: Path) -> None:
    """Building a module of a repository full of traps starts git alone, and writes below the state folder alone."""
    program, left = canary(tmp_path)
    commit = repo.commit(
        {
            "go.mod": GO_MOD,
            "a.go": "package a // $Id$\n",
            ".gitattributes": "* filter=evil ident\n",
            ".gitmodules": f'[submodule "x"]\n\tpath = x\n\turl = ext::{program}\n',
            "x": ("160000", "1" * 40),
            "out": ("120000", str(tmp_path / "outside")),
        },
        tags=("v1.0.0",),
    )
    point(repo, {f"refs/tags/--upload-pack={program}": commit, f"refs/tags/$({program})": commit})
    repo.git("config", "filter.evil.smudge", str(program))
    state = tmp_path / "measured"
    state.mkdir()
    # Not from a local path, where git itself runs its other side by a shell.
    with serve(tmp_path / "remotes") as served:
        url = f"{served.base}/r.git"
        build = [sys.executable, "-m", "tests.threats.measured", url, str(state), "v1.0.0", ROOT]
        assert astray(build, within=state, folder=tmp_path) == []
    assert not left.exists()
    # Positive control: the same eyes see a program that runs and a file that it writes.
    seen = astray([str(program)], within=state, folder=tmp_path)
    assert any(each.startswith("ran ") for each in seen)
    assert any(str(left) in each for each in seen)
