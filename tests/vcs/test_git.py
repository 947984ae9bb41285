"""All repositories together, and hostile ones: `goproxy_mirror.vcs.git`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from goproxy_mirror.errors import MirrorError, SourceUnavailable
from goproxy_mirror.process import Runner
from goproxy_mirror.vcs import gitremoterefs
from goproxy_mirror.vcs.git import GitRepositories
from goproxy_mirror.vcs.gitlock import FolderLock
from tests.vcs.gitkit import Repo
from tests.vcs.test_gitrepo import read

NewRepo = Callable[..., Repo]


def folders(repositories: GitRepositories) -> dict[str, Path]:
    """The folders of all copies by the last word of their names."""
    return {path.name.rpartition("-")[2]: path for path in repositories._folder.iterdir() if path.is_dir()}


def test_open__the_same_url_is_the_same_repository(repositories: GitRepositories) -> None:
    """What is known of a repository is shared; whether the operator named it makes a difference."""
    first = repositories.open("https://x.test/a", trusted=True)
    assert repositories.open("https://x.test/a", trusted=True) is first
    assert repositories.open("https://x.test/b", trusted=True) is not first


async def test_prune__longest_unused_first(new_repo: NewRepo, repositories: GitRepositories) -> None:
    """Copies go until the rest fits; not those in use, nor one that is being written."""
    for number, name in enumerate(("one", "two", "three", "four")):
        repo = new_repo(name)
        repo.commit({"f": os.urandom(100_000)}, tags=("v1.0.0",))
        await repositories.open(repo.url, trusted=True).commit("refs/tags/v1.0.0")
        age = 10_000 - number
        os.utime(
            folders(repositories)[name] / "used", (1, 2_000_000_000 if name == "four" else 1_000_000 - age)
        )
    total = await repositories.prune(10**9)
    assert 400_000 < total < 900_000
    assert set(folders(repositories)) == {"one", "two", "three", "four"}
    async with FolderLock(folders(repositories)["one"] / "lock", wait=5).hold():
        assert await repositories.prune(total - 1) < total
        assert set(folders(repositories)) == {"one", "three", "four"}
    await repositories.prune(0)
    assert set(folders(repositories)) == {"four"}
    again = repositories.open(new_repo("five").url, trusted=True)
    await again.refs()
    commit = await repositories.open((repo.folder.parent / "one").as_uri(), trusted=True).commit(
        "refs/tags/v1.0.0"
    )
    assert commit.id


HOSTILE = [
    "--upload-pack=touch${IFS}evil", "$(touch${IFS}evil)", "`touch${IFS}evil`", "-x", "<script>", "ｖ１.０.０",
    "v1.0.0;id", "a|b", "'", '"', "%2e", "&&", "!x", "v1.0.0\N{RIGHT-TO-LEFT OVERRIDE}",
]  # fmt: skip


async def test_names__that_look_like_something_else(new_repo: NewRepo, repositories: GitRepositories) -> None:
    """G07 to G10: tags and branches of any name git permits are data, and lead to their commits."""
    repo = new_repo()
    commits = {}
    for name in HOSTILE:
        commits[name] = repo.commit({"f": name}, tags=(name,), branch=f"b/{name}")
    repository = repositories.open(repo.url, trusted=True)
    refs = await repository.refs()
    assert set(refs.tags) == set(HOSTILE)
    for name, oid in commits.items():
        for ref in (f"refs/tags/{name}", f"refs/heads/b/{name}"):
            commit = await repository.commit(ref)
            assert commit.id == oid
        assert await repository.merged_tags(commit) == [name]
        assert await repository.is_ancestor(name, commit)
    assert not list(repo.folder.parent.parent.rglob("evil*"))


EVIL = """
[core]
	fsmonitor = touch evil; false
	hooksPath = {folder}/hooks
	alternateRefsCommand = touch evil
	sshCommand = touch evil
	gitProxy = touch evil
	pager = touch evil
	askPass = touch evil
	attributesFile = {folder}/attributes
[uploadpack]
	packObjectsHook = touch evil; exec git
[filter "evil"]
	smudge = touch evil; cat
	process = touch evil
	clean = touch evil
	required = true
[diff "evil"]
	textconv = touch evil
[tar "tar"]
	command = touch evil
[credential]
	helper = !touch evil
[alias]
	archive = !touch evil
[remote "origin"]
	uploadpack = touch evil
	url = ext::touch evil
[url "ext::touch evil "]
	insteadOf = file://
	insteadOf = /
[submodule]
	recurse = true
"""


async def test_configuration__of_the_user_and_of_a_repository_runs_nothing(
    new_repo: NewRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G14, G17 to G19: hooks, filters, helpers and commands, configured wherever git might look."""
    home = tmp_path / "users-home"
    (home / "git").mkdir(parents=True)
    repo = new_repo("r")
    text = EVIL.format(folder=tmp_path)
    for place in (home / ".gitconfig", home / "git" / "config", tmp_path / "system"):
        place.write_text(text)
    for name, value in {
        "HOME": str(home), "XDG_CONFIG_HOME": str(home), "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_CONFIG_SYSTEM": str(tmp_path / "system"), "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.fsmonitor",
        "GIT_CONFIG_VALUE_0": "touch evil", "GIT_SSH_COMMAND": "touch evil", "GIT_EXTERNAL_DIFF": "touch evil",
        "GIT_PROXY_COMMAND": "touch evil", "GIT_DIR": str(repo.folder), "GIT_ASKPASS": "touch evil",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(repo.folder / "objects"), "GIT_TRACE": str(tmp_path / "evil-trace"),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    repo.commit(
        {".gitattributes": "* filter=evil diff=evil ident\n", "a": "$Id$\n", "m": ("160000", "1" * 40),
         ".gitmodules": '[submodule "m"]\n\tpath = m\n\turl = ext::touch evil\n\tupdate = !touch evil\n',
         ".lfsconfig": "[lfs]\n\turl = ext::x\n", ".git-blame-ignore-revs": "x",
         "p": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"},
        tags=("v1.0.0",),
    )  # fmt: skip
    (tmp_path / "hooks").mkdir()
    (repo.folder / "hooks").mkdir()
    for folder in (tmp_path / "hooks", repo.folder / "hooks"):
        for hook in (
            "reference-transaction",
            "post-checkout",
            "pre-auto-gc",
            "post-index-change",
            "fsmonitor-watchman",
        ):
            (folder / hook).write_text("#!/bin/sh\ntouch evil\n")
            (folder / hook).chmod(0o755)
    with (repo.folder / "config").open("a") as config:
        config.write(text.replace('[url "ext::touch evil "]\n\tinsteadOf = file://\n\tinsteadOf = /\n', ""))
    repositories = GitRepositories(tmp_path / "copies", Runner(tmp_path / "state"))
    for url in (repo.url, str(repo.folder)):
        repository = repositories.open(url, trusted=True)
        commit = await repository.commit("refs/tags/v1.0.0")
        files = await read(repository, commit)
        assert files["a"].startswith(b"$Id: ")
        assert files["p"].startswith(b"version https://git-lfs")
        assert await repository.merged_tags(commit) == ["v1.0.0"]
        assert (await repository.find(commit.id[:8])) == commit
    assert not list(tmp_path.rglob("evil*"))


async def test_alternates__of_a_repository(
    new_repo: NewRepo, tmp_path: Path, repositories: GitRepositories
) -> None:
    """G30: objects that a local repository borrows are the operator's own; ours borrow from nobody."""
    lender, borrower = new_repo("lender"), new_repo("borrower")
    commit = lender.commit({"f": "lent"}, tags=("v1.0.0",))
    (borrower.folder / "objects" / "info").mkdir(exist_ok=True)
    (borrower.folder / "objects" / "info" / "alternates").write_text(
        f"{lender.folder}/objects\n/etc\n../../../..\n"
    )
    borrower.git("update-ref", "refs/tags/v1.0.0", commit)
    repository = repositories.open(borrower.url, trusted=True)
    assert await read(repository, await repository.commit("refs/tags/v1.0.0")) == {"f": b"lent"}
    assert not [*repositories._folder.rglob("alternates")]


async def test_trees__that_no_checkout_survives(new_repo: NewRepo, repositories: GitRepositories) -> None:
    """G20: `..`, duplicates and slashes in a tree are listed as they are; nothing leaves the copy."""
    repo = new_repo()
    blob = repo.blob("x")
    raw = b"".join(mode + b" " + name + b"\0" + bytes.fromhex(blob) for mode, name in [
        (b"100644", b".."), (b"100644", b"a"), (b"100644", b"a"), (b"100644", b"x/../../y"),
    ])  # fmt: skip
    tree = repo.git("hash-object", "-t", "tree", "-w", "--stdin", "--literally", stdin=raw)
    repo.git("update-ref", "refs/tags/v1.0.0", repo.git("commit-tree", tree, "-m", "m"))
    repository = repositories.open(repo.url, trusted=True)
    commit = await repository.commit("refs/tags/v1.0.0")
    entries = await repository.tree(commit, "")
    assert [entry.path for entry in entries] == [b"..", b"a", b"a", b"x/../../y"]
    async with repository.contents(commit, "", entries) as files:
        assert [b"".join([chunk async for chunk in chunks]) async for _, chunks in files] == [b"x"] * 4


async def test_tags__that_lead_to_each_other(new_repo: NewRepo, repositories: GitRepositories) -> None:
    """G22: a chain of tags is followed; one that ends nowhere is an outage of that tag alone."""
    repo = new_repo()
    commit = repo.commit(tags=("v1.0.0",))
    oid, kind = commit, "commit"
    chain = []
    for number in range(30):
        oid, kind = repo.annotate(f"t{number}", oid, kind), "tag"
        chain.append(oid)
    repository = repositories.open(repo.url, trusted=True)
    assert (await repository.commit("refs/tags/t29")).id == commit
    broken = repo.folder / "objects" / chain[3][:2] / chain[3][2:]
    broken.unlink()
    fresh = repositories.open(str(repo.folder), trusted=True)
    with pytest.raises(MirrorError):
        await fresh.commit("refs/tags/t29")
    assert (await fresh.commit("refs/tags/v1.0.0")).id == commit


async def test_refs__without_end(
    new_repo: NewRepo, repositories: GitRepositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G06, G23: what is read of a remote's refs is bounded, and too much is said to be that."""
    repo = new_repo()
    commit = repo.commit(tags=("v1.0.0",))
    with (repo.folder / "packed-refs").open("w") as packed:
        packed.write("# pack-refs with: peeled fully-peeled sorted \n")
        packed.writelines(f"{commit} refs/tags/t{number:06}\n" for number in range(20_000))
    assert len((await repositories.open(repo.url, trusted=True).refs()).tags) == 20_001
    monkeypatch.setattr(gitremoterefs, "_LIMIT", 100_000)
    with pytest.raises(SourceUnavailable, match="more than 100000 bytes of heads and tags"):
        await repositories.open(str(repo.folder), trusted=True).refs()


async def test_delta_bomb__memory_is_bounded(new_repo: NewRepo, tmp_path: Path) -> None:
    """G21: a small pack that unpacks to more than a fetch may use fails by itself, with nothing left behind."""
    from goproxy_mirror.process import Limits

    repo = new_repo()
    repo.commit({f"f{number}": bytes([number]) * 30_000_000 for number in range(3)}, tags=("v1.0.0",))
    runner = Runner(tmp_path / "state")
    small = GitRepositories(tmp_path / "small", runner, limits=Limits(memory=24 << 20, file_size=1 << 30))
    with pytest.raises(MirrorError):
        await small.open(repo.url, trusted=True).commit("refs/tags/v1.0.0")
    tight = GitRepositories(tmp_path / "tight", runner, limits=Limits(file_size=10_000))
    with pytest.raises(MirrorError):
        await tight.open(repo.url, trusted=True).commit("refs/tags/v1.0.0")
    assert (
        await GitRepositories(tmp_path / "large", runner)
        .open(repo.url, trusted=True)
        .commit("refs/tags/v1.0.0")
    )
