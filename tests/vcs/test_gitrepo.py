"""What a repository is asked for: `goproxy_mirror.vcs.gitrepo`, on repositories on a local path."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from goproxy_mirror.errors import NotFound, Unbuildable
from goproxy_mirror.ports import Commit, Repository, TreeEntry
from goproxy_mirror.process import Runner
from goproxy_mirror.vcs.git import GitRepositories
from tests.vcs.gitkit import START, Files, Repo

NewRepo = Callable[..., Repo]


async def read(repository: Repository, commit: Commit, subdir: str = "") -> dict[str, bytes]:
    """All regular files below a folder, as they come."""
    entries = [entry for entry in await repository.tree(commit, subdir) if entry.mode in {0o100644, 0o100755}]
    found: dict[str, bytes] = {}
    async with repository.contents(commit, subdir, entries) as files:
        async for entry, chunks in files:
            found[entry.path.decode("utf-8", "surrogateescape")] = b"".join([chunk async for chunk in chunks])
    assert list(found) == [entry.path.decode("utf-8", "surrogateescape") for entry in entries]
    return found


async def test_refs__heads_and_tags_only(new_repo: NewRepo, repositories: GitRepositories) -> None:
    """Other refs (pull requests, changes) are not there; annotated tags say where they lead."""
    repo = new_repo()
    first = repo.commit(tags=("v1.0.0",))
    made = repo.annotate("v1.1.0", first)
    repo.git("update-ref", "refs/pull/1/head", first)
    refs = await repositories.open(repo.url, trusted=True).refs()
    assert refs.head == first
    assert refs.heads == {"main": first}
    assert refs.tags == {"v1.0.0": first, "v1.1.0": made}
    assert refs.peeled == {"v1.1.0": first}


async def test_refs__an_empty_repository(new_repo: NewRepo, repositories: GitRepositories) -> None:
    """It has no refs, which is no failure."""
    repository = repositories.open(new_repo().url, trusted=True)
    refs = await repository.refs()
    assert (refs.head, dict(refs.heads), dict(refs.tags)) == (None, {}, {})
    with pytest.raises(NotFound):
        await repository.commit("HEAD")
    with pytest.raises(NotFound):
        await repository.find("abcdef12")


@pytest.mark.parametrize("form", ["sha1", "sha256"])
async def test_commit__by_every_name(new_repo: NewRepo, repositories: GitRepositories, form: str) -> None:
    """Tags (plain, annotated, nested), branches with a slash, HEAD, an advertised id; the committer's time."""
    repo = new_repo(form=form)
    first = repo.commit(tags=("v1.0.0",))
    repo.annotate("v1.0.2", repo.annotate("v1.0.1", first), "tag")
    second = repo.commit(branch="feature/x", parent=first, date="1710000000 -0500")
    repository = repositories.open(repo.url, trusted=True)
    expected = Commit(first, datetime.fromtimestamp(START, UTC))
    for name in (
        "refs/tags/v1.0.0",
        "refs/tags/v1.0.1",
        "refs/tags/v1.0.2",
        "refs/heads/main",
        "HEAD",
        first,
    ):
        assert await repository.commit(name) == expected
    other = await repository.commit("refs/heads/feature/x")
    assert other == Commit(second, datetime(2024, 3, 9, 16, 0, tzinfo=UTC))
    assert await read(repository, expected) == {"a.txt": f"{START}\n".encode()}


async def test_commit__what_is_not_there(new_repo: NewRepo, repositories: GitRepositories) -> None:
    """Names without refs/, refs outside heads and tags, ids that are not advertised: an authority says no."""
    repo = new_repo()
    first = repo.commit()
    repo.commit()
    loose = repo.commit(branch="gone")
    repo.git("update-ref", "refs/pull/1/head", loose)
    repo.git("update-ref", "-d", "refs/heads/gone")
    repository = repositories.open(repo.url, trusted=True)
    for name in (
        "refs/tags/v1",
        "refs/heads/x",
        "main",
        "refs/pull/1/head",
        "--upload-pack=x",
        "",
        first,
        loose,
    ):
        with pytest.raises(NotFound):
            await repository.commit(name)


async def test_commit__a_tag_on_a_file_or_a_folder(new_repo: NewRepo, repositories: GitRepositories) -> None:
    """It is advertised, but leads to no commit; that is no outage, and does not disturb others."""
    repo = new_repo()
    first = repo.commit(tags=("v1.0.0",))
    blob, tree = repo.blob("x"), repo.git("rev-parse", f"{first}^{{tree}}")
    repo.git("update-ref", "refs/tags/v1.1.0", blob)
    repo.git("update-ref", "refs/tags/v1.2.0", tree)
    repo.annotate("v1.3.0", blob, "blob")
    repository = repositories.open(repo.url, trusted=True)
    for tag in ("v1.1.0", "v1.2.0", "v1.3.0"):
        with pytest.raises(NotFound, match="is no commit"):
            await repository.commit(f"refs/tags/{tag}")
    assert (await repository.commit("refs/tags/v1.0.0")).id == first
    assert await repository.merged_tags(await repository.commit("refs/heads/main")) == ["v1.0.0"]


async def test_commit__an_absurd_date(new_repo: NewRepo, repositories: GitRepositories) -> None:
    """A time beyond the year 9999 makes no version."""
    repo = new_repo()
    first = repo.commit()
    body = repo.git("cat-file", "commit", first).replace(f"> {START} ", "> 999999999999999 ") + "\n"
    odd = repo.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=body)
    repo.git("update-ref", "refs/tags/v1.0.0", odd)
    with pytest.raises(Unbuildable):
        await repositories.open(repo.url, trusted=True).commit("refs/tags/v1.0.0")


async def test_commit__a_moved_tag(new_repo: NewRepo, tmp_path: Path, runner: Runner) -> None:
    """Refs are believed for their time to live; when the remote no longer has what they say, they are read again."""
    repo = new_repo()
    first = repo.commit(tags=("v1.0.0",))
    repositories = GitRepositories(tmp_path / "copies", runner, refs_ttl=3600)
    repository = repositories.open(repo.url, trusted=True)
    await repository.refs()
    second = repo.commit(tags=("v1.0.0",))
    others = GitRepositories(tmp_path / "others", runner, refs_ttl=3600).open(repo.url, trusted=True)
    assert (await others.commit("refs/tags/v1.0.0")).id == second
    (repo.folder / "objects" / first[:2] / first[2:]).unlink()
    repo.git("update-ref", "refs/heads/main", second)
    assert (await repository.commit("refs/tags/v1.0.0")).id == second
    repo.git("update-ref", "-d", "refs/heads/main")
    third = repo.commit(branch="other", parent=second)
    await repository.refs()
    with pytest.raises(NotFound):
        await repository.commit("refs/heads/other")
    assert third


async def test_refs__time_to_live(new_repo: NewRepo, tmp_path: Path, runner: Runner) -> None:
    """Kept in memory and on disk for other processes; not beyond the time to live."""
    repo = new_repo()
    repo.commit()
    kept = GitRepositories(tmp_path / "copies", runner, refs_ttl=3600)
    assert not (await kept.open(repo.url, trusted=True).refs()).tags
    repo.commit(tags=("v1.0.0",))
    assert not (await kept.open(repo.url, trusted=True).refs()).tags
    other_process = GitRepositories(tmp_path / "copies", runner, refs_ttl=3600)
    assert not (await other_process.open(repo.url, trusted=True).refs()).tags
    impatient = GitRepositories(tmp_path / "copies", runner, refs_ttl=0)
    assert (await impatient.open(repo.url, trusted=True).refs()).tags


async def test_find__among_what_heads_and_tags_reach(
    new_repo: NewRepo, repositories: GitRepositories
) -> None:
    """Tips, their ancestors, annotated tags by their own id; not what only other refs reach, nor files."""
    repo = new_repo()
    commits = [repo.commit() for _ in range(4)]
    tagged = repo.commit(branch="side", parent=commits[0], tags=("v1.0.0",))
    repo.git("update-ref", "-d", "refs/heads/side")
    made = repo.annotate("v0.9.0", commits[1])
    pull = repo.commit(branch="pull", parent=commits[2])
    repo.git("update-ref", "refs/pull/1/head", pull)
    repo.git("update-ref", "-d", "refs/heads/pull")
    repository = repositories.open(repo.url, trusted=True)
    for oid in (*commits, tagged):
        assert (await repository.find(oid[:7])).id == oid
        assert (await repository.find(oid)).id == oid
    assert (await repository.find(made[:12])).id == commits[1]
    assert (await read(repository, await repository.find(commits[2])))["a.txt"]
    blob = repo.blob("x")
    tree = repo.git("rev-parse", f"{commits[0]}^{{tree}}")
    for name in (
        pull,
        pull[:8],
        blob,
        tree,
        tree[:9],
        commits[0][:6],
        "0" * 40,
        commits[0].upper(),
        commits[0] + "0",
        "",
    ):
        with pytest.raises(NotFound):
            await repository.find(name)


async def test_find__ambiguous(new_repo: NewRepo, repositories: GitRepositories) -> None:
    """Two commits whose ids begin alike: neither is meant."""
    repo = new_repo()
    tree = repo.tree({"a": "x"})
    seen: dict[str, str] = {}
    # Seven digits of a birthday would take thousands of commits; the rule is the same for fewer.
    import hashlib

    def body(number: int) -> str:
        return f"tree {tree}\nauthor A <a> {number} +0000\ncommitter A <a> {number} +0000\n\nm\n"

    pair: tuple[str, str] | None = None
    number = 0
    while pair is None:
        text = body(number)
        oid = hashlib.sha1(f"commit {len(text)}\0{text}".encode()).hexdigest()
        if oid[:7] in seen:
            pair = (seen[oid[:7]], text)
        seen[oid[:7]] = text
        number += 1
    ids = [repo.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=text) for text in pair]
    top = repo.git("commit-tree", tree, "-p", ids[0], "-p", ids[1], "-m", "m")
    repo.git("update-ref", "refs/heads/main", top)
    repository = repositories.open(repo.url, trusted=True)
    assert (await repository.find(ids[0])).id == ids[0]
    with pytest.raises(NotFound):
        await repository.find(ids[0][:7])
    repo.git("update-ref", "refs/tags/a", ids[0])
    tips = GitRepositories(Path(repo.folder.parent / "copies"), Runner(repo.folder.parent / "state"))
    # As for the go command, what is advertised goes before what is only reachable.
    assert (await tips.open(repo.url, trusted=True).find(ids[0][:7])).id == ids[0]
    repo.git("update-ref", "refs/tags/b", ids[1])
    both = GitRepositories(Path(repo.folder.parent / "copies2"), Runner(repo.folder.parent / "state"))
    with pytest.raises(NotFound):
        await both.open(repo.url, trusted=True).find(ids[0][:7])


async def test_find__formerly_reachable(new_repo: NewRepo, tmp_path: Path, runner: Runner) -> None:
    """A commit that a branch was rewound from is not found, though a copy of it is still here."""
    repo = new_repo()
    first = repo.commit()
    second = repo.commit()
    third = repo.commit()
    repository = GitRepositories(tmp_path / "copies", runner, refs_ttl=0).open(repo.url, trusted=True)
    assert (await repository.find(second)).id == second
    repo.git("update-ref", "refs/heads/main", first)
    for oid in (second, third):
        with pytest.raises(NotFound):
            await repository.find(oid)
    assert (await repository.find(first)).id == first


async def test_merged_tags_and_is_ancestor(new_repo: NewRepo, repositories: GitRepositories) -> None:
    """Tags on the commit and before it, over merges; not those of other branches or of later commits."""
    repo = new_repo()
    first = repo.commit(tags=("v1.0.0",))
    repo.annotate("v1.0.1", first)
    side = repo.commit(branch="side", parent=first, tags=("v1.1.0",))
    other = repo.commit(branch="other", parent=first, tags=("v9.0.0",))
    main = repo.commit()
    merge = repo.git("commit-tree", repo.tree({"m": "m"}), "-p", main, "-p", side, "-m", "m")
    repo.git("update-ref", "refs/heads/main", merge)
    later = repo.commit(tags=("v2.0.0",))
    repository = repositories.open(repo.url, trusted=True)
    commit = await repository.find(merge)
    assert sorted(await repository.merged_tags(commit)) == ["v1.0.0", "v1.0.1", "v1.1.0"]
    assert sorted(await repository.merged_tags(await repository.commit(other))) == [
        "v1.0.0",
        "v1.0.1",
        "v9.0.0",
    ]
    for tag, expected in {
        "v1.0.0": True,
        "v1.0.1": True,
        "v1.1.0": True,
        "v9.0.0": False,
        "v2.0.0": False,
    }.items():
        assert await repository.is_ancestor(tag, commit) is expected
    assert await repository.is_ancestor("v2.0.0", await repository.commit(later))
    assert not await repository.is_ancestor("v0.0.1", commit)
    assert not await repository.is_ancestor("main", commit)


async def test_blob__files_symlinks_and_nothing(new_repo: NewRepo, repositories: GitRepositories) -> None:
    """The raw bytes; a symlink's target text; None for folders, gitlinks and what is not there."""
    repo = new_repo()
    repo.commit(
        {
            "go.mod": b"module x\r\n",
            "link": ("120000", "go.mod"),
            "d/f": "f",
            "m": ("160000", "1" * 40),
            "empty": "",
        },
        tags=("v1.0.0",),
    )
    repository = repositories.open(repo.url, trusted=True)
    commit = await repository.commit("refs/tags/v1.0.0")
    for path, expected in {
        "go.mod": b"module x\r\n", "link": b"go.mod", "d/f": b"f", "empty": b"",
        "d": None, "m": None, "none": None, "d/none": None, "go.mod/x": None, "link/x": None,
        "": None, "go.mod\nHEAD": None, "./go.mod": None, "../x": None, "a\0b": None, "*": None, ":(glob)*": None,
    }.items():  # fmt: skip
        assert await repository.blob(commit, path, 100) == expected, path
    with pytest.raises(Unbuildable, match="10 bytes; more than 9"):
        await repository.blob(commit, "go.mod", 9)


async def test_tree__every_kind_of_entry(new_repo: NewRepo, repositories: GitRepositories) -> None:
    """In git's order, with modes, ids and sizes, relative to the folder; a folder that is not there is NotFound."""
    repo = new_repo()
    files: Files = {
        "a.b/x": ("100755", "22"), "a/y": "333", "l": ("120000", "a"), "m": ("160000", "1" * 40),
        "caf\udce9": "", "n\nl": "", "sub/deep/f": "4444", "sub/g": "",
    }  # fmt: skip
    repo.commit(files, tags=("v1.0.0",))
    repository = repositories.open(repo.url, trusted=True)
    commit = await repository.commit("refs/tags/v1.0.0")
    listed = await repository.tree(commit, "")
    assert [(entry.path, oct(entry.mode), entry.size) for entry in listed] == [
        (b"a.b/x", "0o100755", 2), (b"a/y", "0o100644", 3), (b"caf\xe9", "0o100644", 0), (b"l", "0o120000", 1),
        (b"m", "0o160000", None), (b"n\nl", "0o100644", 0), (b"sub/deep/f", "0o100644", 4), (b"sub/g", "0o100644", 0),
    ]  # fmt: skip
    assert [entry.path for entry in await repository.tree(commit, "sub")] == [b"deep/f", b"g"]
    assert [entry.path for entry in await repository.tree(commit, "sub/deep")] == [b"f"]
    for folder in ("none", "sub/g", "l", "m", "s*", "--help", "sub\ndeep"):
        with pytest.raises(NotFound):
            await repository.tree(commit, folder)


async def test_tree__an_empty_one(new_repo: NewRepo, repositories: GitRepositories) -> None:
    """A commit without files is a commit."""
    repo = new_repo()
    repo.commit({}, tags=("v1.0.0",))
    repository = repositories.open(repo.url, trusted=True)
    commit = await repository.commit("refs/tags/v1.0.0")
    assert await repository.tree(commit, "") == []
    assert await read(repository, commit) == {}


async def test_contents__chosen_files_and_bodies_left_unread(
    new_repo: NewRepo, repositories: GitRepositories
) -> None:
    """Only what was chosen comes; a body that is not read is passed over."""
    repo = new_repo()
    files = {f"f{number}": f"{number}" * 100_000 for number in range(9)}
    repo.commit(files, tags=("v1.0.0",))
    repo.commit({**files, ".gitattributes": "* ident\n"}, tags=("v1.1.0",))
    repository = repositories.open(repo.url, trusted=True)
    for tag in ("v1.0.0", "v1.1.0"):
        commit = await repository.commit(f"refs/tags/{tag}")
        chosen: list[TreeEntry] = [
            entry for entry in await repository.tree(commit, "") if entry.path in {b"f2", b"f7"}
        ]
        async with repository.contents(commit, "", chosen) as found:
            first, _ = await anext(found)
            second, chunks = await anext(found)
            assert (first.path, second.path) == (b"f2", b"f7")
            assert b"".join([chunk async for chunk in chunks]) == b"7" * 100_000
            with pytest.raises(StopAsyncIteration):
                await anext(found)
