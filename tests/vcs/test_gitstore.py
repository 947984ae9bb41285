"""What is fetched, and how the copies survive: `goproxy_mirror.vcs.gitstore`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from goproxy_mirror.errors import SourceUnavailable, Unbuildable
from goproxy_mirror.process import Runner
from goproxy_mirror.vcs import gitcontents, gitfetch, gitrepo, gitstore
from goproxy_mirror.vcs.git import GitRepositories
from goproxy_mirror.vcs.gitcmd import Remote
from tests.vcs.gitkit import Repo, Served, serve
from tests.vcs.test_gitrepo import read

NewRepo = Callable[..., Repo]
MANY = {f"d{number % 7}/f{number}.go": f"package p{number}\n" + "// x\n" * 1000 for number in range(100)}
PARTIAL = {"uploadpack.allowFilter": "true", "uploadpack.allowAnySHA1InWant": "true"}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A server of the folder `remotes`, that can leave files out and give them by themselves."""
    (tmp_path / "remotes").mkdir()
    with serve(tmp_path / "remotes") as served:
        served.config = dict(PARTIAL)
        yield served


@pytest.fixture
def repositories(tmp_path: Path, runner: Runner) -> GitRepositories:
    """Copies for which every remote repository is too large to be fetched whole; tests/vcs/test_gitwhole.py has the others."""
    return GitRepositories(tmp_path / "state" / "repositories", runner, whole_up_to=0)


def packs(repositories: GitRepositories, name: str = "objects.git") -> list[Path]:
    return [*repositories._folder.glob(f"*/{name}/objects/pack/*.pack")]


async def held(repositories: GitRepositories, oid: str, runner: Runner) -> bool:
    """Whether the only copy holds an object."""
    (objects,) = repositories._folder.glob("*/objects.git")
    done = await runner.run(["git", "cat-file", "-e", oid], cwd=objects, timeout=60, output_limit=100)
    return done.returncode == 0


async def test_remote__folders_first_files_for_a_zip(
    new_repo: NewRepo, served: Served, repositories: GitRepositories, runner: Runner
) -> None:
    """A large repository gives commit, folders and go.mod for a start; all files of one folder when it is listed."""
    repo = new_repo("m.git")
    large = "module m/d3\n" + "// x\n" * 1000
    mods = {"go.mod": "module m\n", "d3/go.mod": large}
    repo.commit({**MANY, **mods}, tags=("v1.0.0",))
    repository = repositories.open(f"{served.base}/m.git", trusted=True)
    commit = await repository.commit("refs/tags/v1.0.0")
    fetches = len(served.posts(b"command=fetch"))
    assert await repository.blob(commit, "go.mod", 100) == b"module m\n"
    assert await repository.blob(commit, "d3/go.mod", 9999) == large.encode()
    assert await repository.blob(commit, "d4/go.mod", 100) is None
    assert len(served.posts(b"command=fetch")) == fetches == 2
    inside, outside = repo.blob(MANY["d1/f1.go"]), repo.blob(MANY["d2/f2.go"])
    assert not await held(repositories, inside, runner)
    assert await read(repository, commit, "d1") == {
        path.removeprefix("d1/"): data.encode()
        for path, data in sorted(MANY.items())
        if path.startswith("d1/")
    }
    assert not await held(repositories, outside, runner)
    assert len(served.posts(b"command=fetch")) == 3
    assert len(await read(repository, commit)) == 102
    assert len(served.posts(b"command=fetch")) == 4
    assert await repository.blob(commit, "d2/f2.go", 9999) == MANY["d2/f2.go"].encode()
    assert len(served.posts(b"command=fetch")) == 4, "what is here is never fetched again"


async def test_remote__a_single_file_later(
    new_repo: NewRepo, served: Served, repositories: GitRepositories
) -> None:
    """A LICENSE at the root of a repository whose subfolder is wanted comes by itself."""
    new_repo("m.git").commit({**MANY, "LICENSE": "L" * 5000, "l": ("120000", "LICENSE")}, tags=("v1.0.0",))
    repository = repositories.open(f"{served.base}/m.git", trusted=True)
    commit = await repository.commit("refs/tags/v1.0.0")
    assert await repository.blob(commit, "LICENSE", 9999) == b"L" * 5000
    assert await repository.blob(commit, "l", 100) == b"LICENSE"
    with pytest.raises(Unbuildable):
        await repository.blob(commit, "d1/f1.go", 3)


async def test_remote__attributes_above_a_folder(
    new_repo: NewRepo, served: Served, repositories: GitRepositories
) -> None:
    """They are fetched with the folder, since they say how its files come out."""
    new_repo("m.git").commit({**MANY, ".gitattributes": "*.go eol=crlf\n"}, tags=("v1.0.0",))
    repository = repositories.open(f"{served.base}/m.git", trusted=True)
    commit = await repository.commit("refs/tags/v1.0.0")
    assert (await read(repository, commit, "d1"))["f1.go"].startswith(b"package p1\r\n")


async def test_remote__small_files_at_once(
    new_repo: NewRepo, served: Served, repositories: GitRepositories
) -> None:
    """They come with the folders: for a small module no other fetch is needed, for none a second one for go.mod."""
    new_repo("m.git").commit({"go.mod": "module m\n", "a.go": "package a\n"}, tags=("v1.0.0",))
    repository = repositories.open(f"{served.base}/m.git", trusted=True)
    commit = await repository.commit("refs/tags/v1.0.0")
    assert await read(repository, commit) == {"a.go": b"package a\n", "go.mod": b"module m\n"}
    assert len(served.posts(b"command=fetch")) == 1


async def test_remote__changes_to_files_that_were_left_out(
    new_repo: NewRepo, served: Served, repositories: GitRepositories
) -> None:
    """A server that thinks that a file is here sends what changed in it; that is made whole."""
    repo = new_repo("m.git")
    lines = [f"line {number} {hash(str(number)) % 10**9}\n" for number in range(400)]
    repo.commit({**MANY, "f": "".join(lines)}, tags=("v1.0.0",))
    repo.commit({**MANY, "f": "".join(lines[:180])}, tags=("v1.0.1",))
    repo.git("repack", "-adfq", "--depth=50", "--window=50")
    repository = repositories.open(f"{served.base}/m.git", trusted=True)
    await repository.commit("refs/tags/v1.0.0")
    commit = await repository.commit("refs/tags/v1.0.1")
    assert await repository.blob(commit, "f", 9999) == "".join(lines[:180]).encode()
    assert len(await read(repository, commit)) == 101


async def test_remote__git_fetches_nothing_by_itself(
    new_repo: NewRepo, served: Served, repositories: GitRepositories
) -> None:
    """git could fetch what it misses one by one, and a server could make each such fetch start another."""
    repo = new_repo("m.git")
    repo.commit(MANY, tags=("v1.0.0",))
    repository = repositories.open(f"{served.base}/m.git", trusted=True)
    await repository.commit("refs/tags/v1.0.0")
    (copy,) = repositories._folder.glob("*/objects.git")
    asked = len(served.requests)
    remote = Remote(f"{served.base}/m.git", "http", promising=True)
    done = await repositories._git.run(copy, ("cat-file", "-p", repo.blob(MANY["d1/f1.go"])), remote=remote)
    assert done.returncode != 0
    assert b"from promisor remote" in done.stderr, "git meant to"
    assert len(served.requests) == asked


@pytest.mark.parametrize("form", ["sha1", "sha256"])
@pytest.mark.parametrize(
    "config",
    [
        {},
        {"uploadpack.allowFilter": "true"},
        {"protocol.version": "0", **PARTIAL},
        {"protocol.version": "0", "uploadpack.allowFilter": "true"},
        {"protocol.version": "0"},
    ],
    ids=["no filter", "filter alone", "v0", "v0, filter alone", "v0, no filter"],
)
async def test_remote__servers_of_all_ages(
    new_repo: NewRepo, served: Served, repositories: GitRepositories, config: dict[str, str], form: str
) -> None:
    """Whatever a server can, the files are the same, also of a commit that no ref names."""
    repo = new_repo("m.git", form=form)
    first = repo.commit({**MANY, "go.mod": "module m\n"}, tags=("v1.0.0",))
    second = repo.commit({**MANY, "go.mod": "module m\n", "more": "1"})
    repo.commit({**MANY, "go.mod": "module m\n", "more": "2"})
    served.config = config
    if config.get("protocol.version") == "0":
        served.drop_protocol = True
    repository = repositories.open(f"{served.base}/m.git", trusted=True)
    for commit in (await repository.commit("refs/tags/v1.0.0"), await repository.find(second)):
        assert await repository.blob(commit, "go.mod", 100) == b"module m\n"
        assert len(await read(repository, commit)) == (101 if commit.id == first else 102)
    assert await repository.merged_tags(await repository.find(second)) == ["v1.0.0"]


async def test_remote__a_server_that_refuses_depth(
    new_repo: NewRepo, served: Served, repositories: GitRepositories
) -> None:
    """A dumb server gives everything or nothing; everything is taken, as the go command does."""
    repo = new_repo("m.git")
    repo.commit({"go.mod": "module m\n"}, tags=("v1.0.0",))
    second = repo.commit({"go.mod": "module m\n", "b": "b"})
    repo.git("gc", "-q")
    repo.git("update-server-info")
    served.dumb = True
    repository = repositories.open(f"{served.base}/m.git", trusted=True)
    commit = await repository.commit("refs/tags/v1.0.0")
    assert await read(repository, commit) == {"go.mod": b"module m\n"}
    assert (await repository.find(second[:10])).id == second


async def test_local__one_fetch_and_no_more(new_repo: NewRepo, repositories: GitRepositories) -> None:
    """A repository on a path of this machine is read at once; the next version brings only what is new."""
    repo = new_repo()
    repo.commit(MANY, tags=("v1.0.0",))
    repo.commit({**MANY, "new": "x" * 5000}, tags=("v1.0.1",))
    repository = repositories.open(repo.url, trusted=True)
    assert len(await read(repository, await repository.commit("refs/tags/v1.0.0"))) == 100
    (first,) = packs(repositories)
    assert len(await read(repository, await repository.commit("refs/tags/v1.0.1"))) == 101
    (second,) = set(packs(repositories)) - {first}
    assert second.stat().st_size < 7000


async def test_history__commits_without_files(new_repo: NewRepo, repositories: GitRepositories) -> None:
    """Ancestry is fetched without a single file or folder."""
    repo = new_repo()
    for number in range(5):
        repo.commit({**MANY, "n": str(number)}, tags=(f"v1.0.{number}",))
    repository = repositories.open(repo.url, trusted=True)
    assert len(await repository.merged_tags(await repository.commit("refs/tags/v1.0.3"))) == 4
    (pack,) = packs(repositories, "history.git")
    assert pack.stat().st_size < 2000


async def test_largest__is_not_even_fetched(
    new_repo: NewRepo, repositories: GitRepositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that no module can hold is left out, and named with a size that says so (G03)."""
    monkeypatch.setattr(gitstore, "_BUT_THE_LARGEST", "blob:limit=1000")
    monkeypatch.setattr(gitrepo, "LARGEST_FILE", 1000)
    repo = new_repo()
    repo.commit({"a": "a", "big": bytes(5000), "go.mod": "module m\n"}, tags=("v1.0.0",))
    repository = repositories.open(repo.url, trusted=True)
    commit = await repository.commit("refs/tags/v1.0.0")
    entries = await repository.tree(commit, "")
    assert [(entry.path, entry.size) for entry in entries] == [(b"a", 1), (b"big", 1001), (b"go.mod", 9)]
    async with repository.contents(commit, "", [entries[0], entries[2]]) as files:
        assert [entry.path async for entry, _ in files] == [b"a", b"go.mod"]


async def test_largest__is_not_fetched_from_elsewhere_either(
    new_repo: NewRepo, served: Served, repositories: GitRepositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most of a revision comes with the largest left out, and those are not asked for again."""
    monkeypatch.setattr(gitstore, "_BUT_THE_LARGEST", "blob:limit=20000")
    monkeypatch.setattr(gitrepo, "LARGEST_FILE", 20000)
    monkeypatch.setattr(gitcontents, "LARGEST_FILE", 20000)
    repo = new_repo("m.git")
    big = repo.blob(bytes(50_000))
    repo.commit({**MANY, "big": bytes(50_000)}, tags=("v1.0.0",))
    repository = repositories.open(f"{served.base}/m.git", trusted=True)
    commit = await repository.commit("refs/tags/v1.0.0")
    for _ in range(2):
        sizes = {entry.path: entry.size for entry in await repository.tree(commit, "")}
        assert sizes[b"big"] == 20001
        assert len(served.posts(b"command=fetch")) == 2
    assert not [body for body in served.posts(b"command=fetch") if big.encode() in body]
    chosen = [entry for entry in await repository.tree(commit, "") if entry.path == b"big"]
    with pytest.raises(Unbuildable, match="larger than"):
        async with repository.contents(commit, "", chosen) as files:
            await anext(files)


async def test_fifty__versions_at_once(
    new_repo: NewRepo, served: Served, repositories: GitRepositories
) -> None:
    """Fifty tasks on one repository, several on each version: few fetches, right files for all."""
    repo = new_repo("m.git")
    for number in range(10):
        repo.commit({**MANY, "go.mod": f"module m // {number}\n"}, tags=(f"v1.0.{number}",))
    repository = repositories.open(f"{served.base}/m.git", trusted=True)

    async def build(number: int) -> None:
        commit = await repository.commit(f"refs/tags/v1.0.{number}")
        assert await repository.blob(commit, "go.mod", 100) == f"module m // {number}\n".encode()
        assert len(await read(repository, commit)) == 101
        assert len(await repository.merged_tags(commit)) == number + 1

    await asyncio.gather(*(build(number % 10) for number in range(50)))
    assert len([path for path, _ in served.requests if path.endswith("git-upload-pack")]) < 90
    assert len(served.posts(b"command=ls-refs")) < 30


WORKER = """
import asyncio, json, sys
from pathlib import Path
from goproxy_mirror.process import Runner
from goproxy_mirror.vcs.git import GitRepositories
from goproxy_mirror.vcs.gitcmd import Remote

async def main():
    folder, state, url = sys.argv[1:]
    repository = GitRepositories(Path(folder), Runner(Path(state)), refs_ttl=60).open(url, trusted=True)
    async def build(number):
        commit = await repository.commit(f"refs/tags/v1.0.{number}")
        tags = await repository.merged_tags(commit)
        return commit.id, len(await repository.tree(commit, "")), len(tags)
    print(json.dumps(await asyncio.gather(*(build(number) for number in range(8)))))

asyncio.run(main())
"""


async def test_processes__share_a_folder(new_repo: NewRepo, tmp_path: Path, runner: Runner) -> None:
    """Three processes on one empty folder: all get the same answers, and no copy is damaged."""
    repo = new_repo()
    ids = [repo.commit({**MANY, "n": str(number)}, tags=(f"v1.0.{number}",)) for number in range(8)]
    argv = [sys.executable, "-c", WORKER, str(tmp_path / "copies"), str(tmp_path / "workers"), repo.url]
    env = {"PYTHONPATH": str(Path(gitstore.__file__).parents[2])}
    done = await asyncio.gather(
        *(runner.run(argv, cwd=tmp_path, env=env, timeout=120, output_limit=1 << 20) for _ in range(3))
    )
    expected = [[oid, 101, number + 1] for number, oid in enumerate(ids)]
    for one in done:
        assert one.returncode == 0, one.stderr.decode()
        assert json.loads(one.stdout) == expected
    for copy in ("objects.git", "history.git"):
        (path,) = (tmp_path / "copies").glob(f"*/{copy}")
        checked = await runner.run(
            ["git", "fsck", "--connectivity-only"], cwd=path, timeout=60, output_limit=1 << 20
        )
        assert b"corrupt" not in checked.stderr


async def test_killed__in_the_middle_of_fetches(new_repo: NewRepo, tmp_path: Path, runner: Runner) -> None:
    """A process that is killed at any moment leaves a folder that the next one can use."""
    repo = new_repo()
    for number in range(8):
        repo.commit({**MANY, "n": str(number)}, tags=(f"v1.0.{number}",))
    argv = [sys.executable, "-c", WORKER, str(tmp_path / "copies"), str(tmp_path / "workers"), repo.url]
    env = {"PYTHONPATH": str(Path(gitstore.__file__).parents[2])}
    for number in range(6):
        async with runner.stream(argv, cwd=tmp_path, env=env, timeout=60) as running:
            running.stdin.close()
            deadline = 0.2 + 0.06 * number
            try:
                async with asyncio.timeout(deadline):
                    await running.wait()
            except TimeoutError:
                pass
    repositories = GitRepositories(tmp_path / "copies", runner)
    repository = repositories.open(repo.url, trusted=True)
    for number in range(8):
        commit = await repository.commit(f"refs/tags/v1.0.{number}")
        assert len(await read(repository, commit)) == 101
        assert len(await repository.merged_tags(commit)) == number + 1


LEFT_BEHIND = [
    "objects.git/shallow.lock",
    "objects.git/config.lock",
    "objects.git/refs/at/x.lock",
    "objects.git/packed-refs.lock",
    "objects.git/objects/pack/tmp_pack_x",
]


async def test_healed__what_a_killed_fetch_left_behind(
    new_repo: NewRepo, tmp_path: Path, runner: Runner
) -> None:
    """Lock files and half-written packs are cleared away before the next fetch."""
    repo = new_repo()
    repo.commit(tags=("v1.0.0",))
    second = repo.commit(tags=("v1.0.1",))
    await GitRepositories(tmp_path / "copies", runner).open(repo.url, trusted=True).commit("refs/tags/v1.0.0")
    (folder,) = (path for path in (tmp_path / "copies").iterdir() if path.is_dir())
    for name in LEFT_BEHIND:
        (folder / name).write_bytes(b"x")
    (folder / "busy").touch()
    (folder / "making-x").mkdir()
    repository = GitRepositories(tmp_path / "copies", runner).open(repo.url, trusted=True)
    assert (await repository.commit("refs/tags/v1.0.1")).id == second
    assert not [name for name in [*LEFT_BEHIND, "busy", "making-x"] if (folder / name).exists()]


def cut_packs(copy: Path) -> None:
    for pack in copy.glob("objects/pack/*.pack"):
        pack.chmod(0o644)
        pack.write_bytes(pack.read_bytes()[:50])


def lose_indexes(copy: Path) -> None:
    for index in copy.glob("objects/pack/*.idx"):
        index.unlink()


def spoil_marks(copy: Path) -> None:
    for mark in copy.glob("refs/at/*"):
        mark.write_bytes(b"x")


DAMAGE: dict[str, Callable[[Path], object]] = {
    "packs": cut_packs,
    "indexes": lose_indexes,
    "marks": spoil_marks,
    "shallow": lambda copy: (copy / "shallow").write_bytes(b"rubbish\n"),
    "head": lambda copy: (copy / "HEAD").write_bytes(b"\0"),
    "config": lambda copy: (copy / "config").write_bytes(b"[core\n"),
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_damaged__a_copy_is_made_anew(
    new_repo: NewRepo, tmp_path: Path, runner: Runner, damage: str
) -> None:
    """Names, folders and files are read again from a fresh copy; only a file that is being read may fail once."""
    repo = new_repo()
    for number in range(3):
        repo.commit({**MANY, "n": str(number)}, tags=(f"v1.0.{number}",))
    await GitRepositories(tmp_path / "copies", runner).open(repo.url, trusted=True).commit("refs/tags/v1.0.0")
    (copy,) = (tmp_path / "copies").glob("*/objects.git")
    DAMAGE[damage](copy)
    repository = GitRepositories(tmp_path / "copies", runner).open(repo.url, trusted=True)
    failed = 0
    for tag in ("v1.0.0", "v1.0.0", "v1.0.1", "v1.0.2", "v1.0.0"):
        try:
            commit = await repository.commit(f"refs/tags/{tag}")
            assert len(await read(repository, commit)) == 101
        except SourceUnavailable:
            failed += 1
    assert failed <= 1


async def test_pruned__while_it_is_open(new_repo: NewRepo, repositories: GitRepositories) -> None:
    """A copy that another process removed is fetched again."""
    import shutil

    repo = new_repo()
    repo.commit(MANY, tags=("v1.0.0",))
    repository = repositories.open(repo.url, trusted=True)
    commit = await repository.commit("refs/tags/v1.0.0")
    (folder,) = (path for path in repositories._folder.iterdir() if path.is_dir())
    shutil.rmtree(folder)
    assert len(await read(repository, commit)) == 100
    assert await repository.merged_tags(commit) == ["v1.0.0"]
    shutil.rmtree(folder)
    assert await repository.merged_tags(commit) == ["v1.0.0"]
    assert await repository.blob(commit, "d1/f1.go", 9999) == MANY["d1/f1.go"].encode()


async def test_marks__stay_few(
    new_repo: NewRepo, repositories: GitRepositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many versions are fetched, only the newest are told to the server; all stay readable."""
    monkeypatch.setattr(gitstore, "_MARKS", 2)
    monkeypatch.setattr(gitfetch, "_PACKS", 3)
    repo = new_repo()
    for number in range(8):
        repo.commit({"n": str(number)}, tags=(f"v1.0.{number}",))
    repository = repositories.open(repo.url, trusted=True)
    for number in range(8):
        await repository.commit(f"refs/tags/v1.0.{number}")
    (copy,) = repositories._folder.glob("*/objects.git")
    assert len([*copy.glob("refs/at/*")]) <= 4
    assert [*copy.glob("objects/pack/multi-pack-index")]
    for number in range(8):
        commit = await repository.commit(f"refs/tags/v1.0.{number}")
        assert await read(repository, commit) == {"n": str(number).encode()}
