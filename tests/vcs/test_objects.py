"""What git prints about objects: `goproxy_mirror.vcs.objects`."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from goproxy_mirror.errors import SourceUnavailable, Unbuildable
from goproxy_mirror.ports import TreeEntry
from goproxy_mirror.process import Runner
from goproxy_mirror.vcs import objects
from tests.vcs.gitkit import Repo

HEAD = b"tree 1\nauthor A <a> 1 +0000\n"


@pytest.mark.parametrize(
    ("committer", "seconds"),
    [
        (b"C <c@x> 1700000000 +0000", 1700000000),
        (b"C <c@x> 1700000000 -0530", 1700000000),
        (b"C <c@x> 0 +0000", 0),
        (b"C > <c> 5 +0000", 5),
        (b"C <c@x>  7 +0000", 7),
        (b"<> 253402300799 +0000", 253402300799),
    ],
)
def test_parse_commit__committer_time(committer: bytes, seconds: int) -> None:
    """The committer's time in UTC, whatever zone it was made in; the author's does not count."""
    commit = objects.parse_commit("x", HEAD + b"committer " + committer + b"\n\nm\ncommitter D <d> 9 +0000\n")
    assert commit.time == datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize(
    "committer",
    [
        b"C <c@x>",
        b"C <c@x> 7",
        b"C <c@x> 7 +",
        b"C <c@x> soon",
        b"C <c@x> -1 +0000",
        b"C <c@x> 253402300800 +0000",
        b"C <c> " + b"9" * 300,
    ],
)
def test_parse_commit__absurd_dates(committer: bytes) -> None:
    """A commit without a time that a version could carry builds no module."""
    with pytest.raises(Unbuildable, match="no committer time"):
        objects.parse_commit("x", HEAD + b"committer " + committer + b"\n\nm\n")


def test_parse_tree__with_and_without_sizes() -> None:
    """Paths are bytes; a gitlink and a file that is not here have no size."""
    a = b"a" * 40
    lines = (b"100644 blob %b      12\tx y\n", b"160000 commit %b       -\tsub", b"120000 blob %b BAD\t\xff")
    listing = b"".join(line % a + b"\x00" for line in lines)
    assert list(objects.parse_tree(listing)) == [
        TreeEntry(b"x y\n", 0o100644, "a" * 40, 12),
        TreeEntry(b"sub", 0o160000, "a" * 40, None),
        TreeEntry(b"\xff", 0o120000, "a" * 40, None),
    ]
    (entry,) = objects.parse_tree(b"100755 blob %b\td/go.mod\x00" % a)
    assert entry.size is None
    assert objects.is_named(entry, b"go.mod")
    assert not objects.is_named(entry, b"o.mod")
    assert not objects.is_blob(TreeEntry(b"d", 0o040000, "a" * 40, None))


def test_find_in_tree__by_its_exact_name(tmp_path: Path) -> None:
    """Raw trees have binary ids, which may hold anything, of one length or another."""
    for form, size in (("sha1", 20), ("sha256", 32)):
        repo = Repo(tmp_path / form, form=form)
        tree = repo.tree({"a": "x", "b c": ("100755", "y"), "d/e": "z", "l": ("120000", "a")})
        raw = subprocess.run(
            ["git", "cat-file", "tree", tree], cwd=repo.folder, capture_output=True, check=True
        ).stdout
        found = objects.find_in_tree(raw, b"b c", size)
        assert found == TreeEntry(b"b c", 0o100755, repo.blob("y"), None)
        folder = objects.find_in_tree(raw, b"d", size)
        assert folder is not None
        assert not objects.is_blob(folder)
        assert objects.find_in_tree(raw, b"e", size) is None
        assert objects.find_in_tree(b"", b"e", size) is None


async def test_batch__bodies_of_all_sizes(tmp_path: Path) -> None:
    """Empty, with newlines, larger than any buffer; a body that is not read is skipped; what is missing is said."""
    repo = Repo(tmp_path / "r.git")
    bodies = [b"", b"\n", b"x" * objects.CHUNK, b"y\n" * 500_000, b"z" * (objects.CHUNK - 1), b"last"]
    ids = [repo.blob(body) for body in bodies]
    asked = [ids[0], ids[1], "f" * 40, ids[2], ids[3], ids[3], ids[4], ids[5]]
    runner = Runner(tmp_path / "state")
    got: list[bytes | None] = []
    async with runner.stream(["git", "cat-file", "--batch"], cwd=repo.folder, timeout=60) as running:
        running.feed("".join(f"{oid}\n" for oid in asked).encode())
        batch = objects.Batch(running)
        for number, oid in enumerate(asked):
            answer = await batch.next()
            if answer is None:
                got.append(None)
                continue
            assert answer[:2] == (oid, "blob")
            if number == 4:
                continue
            got.append(b"".join([chunk async for chunk in batch.body()]))
        with pytest.raises(SourceUnavailable):
            await batch.next()
    assert got == [bodies[0], bodies[1], None, bodies[2], bodies[3], bodies[4], bodies[5]]
