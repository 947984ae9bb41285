"""How git is started: `goproxy_mirror.vcs.gitcmd`."""

from __future__ import annotations

from pathlib import Path

import pytest

from goproxy_mirror.errors import NeedsTool
from goproxy_mirror.process import Runner
from goproxy_mirror.vcs import gitcmd
from goproxy_mirror.vcs.gitcmd import REMOTE, Git, Remote, check_git, git_version


async def test_git_version__of_the_git_that_runs(runner: Runner) -> None:
    """The version is three numbers, and new enough for these tests."""
    version = await git_version(runner)
    assert len(version) == 3
    assert await check_git(runner) == version


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ("git version 2.39.5", (2, 39, 5)),
        ("git version 2.50.1 (Apple Git-155)", (2, 50, 1)),
        ("git version 2.47.0.windows.2", (2, 47, 0)),
        ("git version 2.52-rc1", (2, 52, 0)),
        ("git version 3.0.GIT", (3, 0, 0)),
    ],
)
async def test_check_git__new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, version: tuple[int, ...]
) -> None:
    """Vendors add words of their own."""
    assert await check_git(fake(tmp_path, monkeypatch, says)) == version


async def test_check_git__too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The person who starts the program reads which git is needed."""
    with pytest.raises(NeedsTool, match=r"git 2\.36\.9 is too old: 2\.37 or newer is needed"):
        await check_git(fake(tmp_path, monkeypatch, "git version 2.36.9"))
    with pytest.raises(NeedsTool, match="does not say which version"):
        await check_git(fake(tmp_path, monkeypatch, "hello"))


async def test_check_git__missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server without git says so."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NeedsTool, match="git is needed"):
        await check_git(Runner(tmp_path / "state"))


def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str) -> Runner:
    """A runner that finds a program named git that says just this."""
    (tmp_path / "git").write_text(f"#!/bin/sh\necho '{says}'\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return Runner(tmp_path / "state")


async def test_configuration__is_ours_alone(tmp_path: Path, runner: Runner) -> None:
    """Every value that git knows comes from our file or from the command; a file of an older version is replaced."""
    (tmp_path / "gitconfig").write_text("[core]\n\tpager = less\n")
    git = Git(runner, tmp_path)
    listed = await git.run(None, ("config", "--list", "--show-origin"))
    origins = {line.split(b"\t")[0] for line in listed.stdout.splitlines()}
    assert origins == {f"file:{tmp_path}/gitconfig".encode()}
    assert b"pager" not in listed.stdout
    remote = Remote("https://user:pw@x.test/r", "https", "x.test:443:192.0.2.1")
    listed = await git.run(None, ("config", "--list", "--show-origin"), remote=remote)
    own = [line for line in listed.stdout.splitlines() if line.startswith(b"command line:")]
    assert b"command line:\thttp.curloptresolve=x.test:443:192.0.2.1" in own
    assert len(own) == 3


async def test_remote__is_not_in_the_command_line(tmp_path: Path, runner: Runner) -> None:
    """Credentials travel where other users of the machine cannot read them."""
    git = Git(runner, tmp_path)
    remote = Remote("https://user:pw@127.0.0.1:1/r", "https")
    # This one needs no repository and waits for its input, so it is there to be looked at.
    async with git.stream(None, ("hash-object", "--stdin"), remote=remote) as running:
        command = Path(f"/proc/{running.pid}/cmdline").read_bytes()
    assert b"pw" not in command


@pytest.mark.parametrize(
    "url",
    ["ext::touch evil", "file:///etc", "ssh://127.0.0.1:1/x", "git://127.0.0.1:1/x", "http://127.0.0.1:1/"],
)
async def test_protocols__none_but_the_one_of_the_moment(tmp_path: Path, runner: Runner, url: str) -> None:
    """Even if a URL of another kind reached git, git would refuse it; without a remote it refuses all."""
    git = Git(runner, tmp_path)
    for remote in (Remote(url, "https"), None):
        arguments = ("ls-remote", "--end-of-options", url if remote is None else REMOTE)
        done = await git.run(None, arguments, remote=remote)
        assert done.returncode != 0
        assert b"not allowed" in done.stderr
    assert not (tmp_path / "evil").exists()


def test_minimum__is_what_the_features_need() -> None:
    """`http.curloptResolve` came with 2.37; without it a vetted address could not be held."""
    assert gitcmd.MINIMUM == (2, 37)
