"""Files kept as zips hold them: `goproxy_mirror.vcs.packedfiles`."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from goproxy_mirror.module.zipmember import packed, unpacked
from goproxy_mirror.vcs.git import GitRepositories
from goproxy_mirror.vcs.packedfiles import PackedFiles
from goproxy_mirror.vcs.packs import Packs, Place
from tests.vcs.gitkit import Repo
from tests.vcs.test_gitrepo import read

NewRepo = Callable[..., Repo]


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 1000])
def test_packed__and_back(data: bytes) -> None:
    """What a zip holds is the file."""
    assert unpacked(packed(data)) == data


def test_keep__no_more_than_the_bound() -> None:
    """What was not asked for for longest is let go; a large file is never kept."""
    files = PackedFiles(3000)
    member = packed(b"x")
    for number in range(9):
        files.keep(("r", str(number)), member)
        assert files.get(("r", "0")) == member
    files.keep(("r", "large"), packed(random.Random(1).randbytes(300_000)))
    assert [key[1] for key in files._kept] == ["3", "4", "5", "6", "7", "8", "0"][-len(files._kept) :]
    assert files.get(("r", "1")) is None
    assert files.get(("other", "0")) is None
    assert files._size <= 3000


async def test_contents__unchanged_files_are_not_read_again(
    new_repo: NewRepo, repositories: GitRepositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next version reads what changed, and has the same bytes; another repository's are never taken."""
    files = {f"f{number}": f"{number}\n" * 500 for number in range(30)}
    repo, other = new_repo(), new_repo("other.git")
    repo.commit(files, tags=("v1.0.0",))
    repo.commit({**files, "f7": "changed\n"}, tags=("v1.1.0",))
    other.commit(files, tags=("v1.0.0",))
    placed: list[str] = []
    place = Packs.place

    def seen(packs: Packs, oid: str) -> Place | None:
        placed.append(oid)
        return place(packs, oid)

    monkeypatch.setattr(Packs, "place", seen)

    async def packed_files(url: str, tag: str) -> int:
        repository = repositories.open(url, trusted=True)
        commit = await repository.commit(f"refs/tags/{tag}")
        entries = await repository.tree(commit, "")
        placed.clear()
        async with repository.contents(commit, "", entries) as found:
            members = {entry.path.decode(): body.load() async for entry, body in found}  # type: ignore[attr-defined]
        content = await read(repository, commit)
        assert {name: unpacked(member) for name, member in members.items()} == content
        return len([oid for oid in placed if oid in {entry.id for entry in entries}])

    assert await packed_files(repo.url, "v1.0.0") == 30
    assert await packed_files(repo.url, "v1.1.0") == 1
    assert await packed_files(other.url, "v1.0.0") == 30
