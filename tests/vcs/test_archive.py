"""Files as `git archive` converts them: `goproxy_mirror.vcs.archive`, held against git's own archive."""

from __future__ import annotations

import io
import random
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from goproxy_mirror.errors import Unbuildable
from goproxy_mirror.vcs import gitrepo
from goproxy_mirror.vcs.archive import converts
from goproxy_mirror.vcs.git import GitRepositories
from goproxy_mirror.vcs.gitcmd import Git
from tests.vcs.gitkit import Files, Repo
from tests.vcs.test_gitrepo import read

NewRepo = Callable[..., Repo]

CONVERTING = [
    "*.txt eol=crlf", "*.txt text eol=crlf", "*.txt crlf", "*.txt ident", "* text=auto eol=crlf",
    "*.txt text working-tree-encoding=UTF-16LE-BOM", "[attr]dos eol=crlf\n*.txt dos", "sub/*.txt eol=crlf",
    "*.txt encoding=latin1 eol=crlf", "*.txt -crlf", "*.txt crlf=input",
]  # fmt: skip
HARMLESS = [
    "", "* text", "* text=auto", "* eol=lf", "* -text", "*.txt binary", "* export-ignore", "*.txt export-subst",
    "*.txt filter=lfs diff=lfs merge=lfs -text", "* linguist-generated=true", "# comment", "*.txt filter=evil",
]  # fmt: skip
FILES: Files = {
    "a.txt": "one\ntwo\n", "b.txt": "one\r\ntwo\r\n", "c.txt": "mixed\r\nx\n", "d.txt": "$Id$\n$Id: old $\n",
    "e.txt": "$Format:%H$\n", "f.bin": b"\0\r\n\n\xff", "sub/a.txt": "x\n$Id$\n", "sub/deep/a.txt": "y\n", "z": "",
}  # fmt: skip


def archive(repo: Repo, rev: str, subdir: str = "") -> dict[str, bytes]:
    """What the go command gets from git, by name."""
    (repo.folder / "info").mkdir(exist_ok=True)
    (repo.folder / "info" / "attributes").write_text("\n* -export-subst -export-ignore\n")
    command = ["git", "-c", "core.autocrlf=input", "-c", "core.eol=lf", "archive", "--format=tar", rev]
    done = subprocess.run(
        [*command, *([subdir] if subdir else [])], cwd=repo.folder, capture_output=True, check=True
    )
    found = {}
    with tarfile.open(fileobj=io.BytesIO(done.stdout), encoding="utf-8", errors="surrogateescape") as tar:
        for member in tar:
            if member.isreg():
                file = tar.extractfile(member)
                assert file is not None
                found[member.name.removeprefix(f"{subdir}/") if subdir else member.name] = file.read()
    return found


@pytest.mark.parametrize("attributes", [*CONVERTING, *HARMLESS])
async def test_contents__equal_to_gits_archive(
    new_repo: NewRepo, repositories: GitRepositories, attributes: str
) -> None:
    """Whatever .gitattributes say, at the root, in a folder, above the folder that is asked for."""
    repo = new_repo()
    repo.commit({**FILES, ".gitattributes": attributes + "\n"}, tags=("root",))
    repo.commit({**FILES, "sub/deep/.gitattributes": attributes + "\n", "q.txt": "q"}, tags=("deep",))
    repository = repositories.open(repo.url, trusted=True)
    for tag, subdirs in {"root": ("", "sub"), "deep": ("sub", "sub/deep")}.items():
        commit = await repository.commit(f"refs/tags/{tag}")
        for subdir in subdirs:
            assert await read(repository, commit, subdir) == archive(repo, tag, subdir), (tag, subdir)


async def test_contents__long_names_and_no_utf8(new_repo: NewRepo, repositories: GitRepositories) -> None:
    """Names that no tar header holds, and bytes that are no text, in a tree that must be archived."""
    repo = new_repo()
    long = "/".join(["d" * 90] * 3)
    files = {
        f"{long}/{'n' * 120}.txt": "1\n",
        f"{'x' * 300}.txt": "2\n",
        "caf\udce9.txt": "3\n",
        "日本.txt": "4\n",
    }
    repo.commit(
        {**files, ".gitattributes": "*.txt eol=crlf\n", "exec.txt": ("100755", "5\n")}, tags=("v1.0.0",)
    )
    repository = repositories.open(repo.url, trusted=True)
    commit = await repository.commit("refs/tags/v1.0.0")
    got = await read(repository, commit)
    assert got == archive(repo, "v1.0.0")
    assert got["exec.txt"] == b"5\r\n"
    assert await read(repository, commit, long) == archive(repo, "v1.0.0", long)


async def test_contents__symlinks_and_submodules_are_passed_over(
    new_repo: NewRepo, repositories: GitRepositories
) -> None:
    """They stand in the archive between the files, and a symlink named .gitattributes changes nothing."""
    repo = new_repo()
    repo.commit(
        {"a.txt": "a\n", "b": ("120000", "a.txt"), "c": ("160000", "1" * 40), "d.txt": "d\n",
         ".gitattributes": "*.txt eol=crlf\n", "sub/.gitattributes": ("120000", "../.gitattributes"), "sub/e.txt": "e\n"},
        tags=("v1.0.0",),
    )  # fmt: skip
    repository = repositories.open(repo.url, trusted=True)
    commit = await repository.commit("refs/tags/v1.0.0")
    assert await read(repository, commit) == archive(repo, "v1.0.0")


@pytest.mark.parametrize("name", ["s*", "[s]", ":(glob)x", "--output=x", "-x", "a b", "é"])
async def test_contents__a_folders_name_is_no_pattern(
    new_repo: NewRepo, repositories: GitRepositories, name: str
) -> None:
    """Names that mean something to git stand for themselves."""
    repo = new_repo()
    repo.commit(
        {f"{name}/a.txt": "1\n", "s/b.txt": "2\n", ".gitattributes": "* eol=crlf\n"}, tags=("v1.0.0",)
    )
    repository = repositories.open(repo.url, trusted=True)
    commit = await repository.commit("refs/tags/v1.0.0")
    assert await read(repository, commit, name) == {"a.txt": b"1\r\n"}


async def test_converts__in_doubt_git_decides(new_repo: NewRepo, runner: object, tmp_path: Path) -> None:
    """Attributes that are huge are not read to the end; those that are not there might say anything."""
    from goproxy_mirror.process import Runner

    assert isinstance(runner, Runner)
    repo = new_repo()
    git = Git(runner, tmp_path)
    harmless, huge, ident = repo.blob("* text\n"), repo.blob("# x\n" * (2 << 20)), repo.blob("* ident\n")
    assert not await converts(git, repo.folder, [])
    assert not await converts(git, repo.folder, [harmless, harmless])
    assert await converts(git, repo.folder, [harmless, huge])
    assert await converts(git, repo.folder, [harmless, ident])
    assert await converts(git, repo.folder, [harmless, "1" * 40])


async def test_contents__the_go_commands_own_archive_is_too_large(
    new_repo: NewRepo, repositories: GitRepositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes all files, compressed, with those that no module zip would hold; not more than 500 MiB of them."""
    monkeypatch.setattr(gitrepo, "LARGEST_ARCHIVE", 100_000)
    noise = random.Random(1).randbytes(150_000)
    repo = new_repo()
    repo.commit(
        {"a.go": "package a\n", "nested/go.mod": "module x\n", "nested/noise": noise}, tags=("v1.0.0",)
    )
    repo.commit(
        {"a.go": "package a\n", "nested/go.mod": "module x\n", "nested/0": bytes(150_000)}, tags=("v1.1.0",)
    )
    repository = repositories.open(repo.url, trusted=True)
    for tag, refused in (("v1.0.0", True), ("v1.1.0", False)):
        commit = await repository.commit(f"refs/tags/{tag}")
        chosen = [entry for entry in await repository.tree(commit, "") if entry.path == b"a.go"]
        if refused:
            with pytest.raises(Unbuildable, match=r"^downloaded zip file too large"):
                async with repository.contents(commit, "", chosen):
                    pass
        else:
            async with repository.contents(commit, "", chosen) as files:
                assert [entry.path async for entry, _ in files] == [b"a.go"]
