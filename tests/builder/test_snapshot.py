"""Names are looked up in the go command's order."""

from __future__ import annotations

import pytest

from goproxy_mirror.builder.snapshot import Snapshot
from goproxy_mirror.errors import NotFound
from tests.builder.memory import MemoryRepository


async def look(repository: MemoryRepository) -> Snapshot:
    return Snapshot(repository, await repository.refs())


async def test_a_tag_comes_before_a_branch_of_the_same_name() -> None:
    """A tag wins over a branch, and is remembered as what was asked for."""
    repository = MemoryRepository()
    tagged = repository.add({}, "v1.0.0")
    repository.branch("v1.0.0", repository.add({}))
    revision = await (await look(repository)).revision("v1.0.0")
    assert revision.commit == tagged
    assert revision.asked_tag == "v1.0.0"


async def test_a_branch_comes_before_a_commit_whose_id_begins_so() -> None:
    """A branch named like a commit's prefix is the branch."""
    repository = MemoryRepository()
    repository.add({}, commit_id="abcdef1")
    other = repository.add({})
    repository.branch("abcdef1", other)
    assert (await (await look(repository)).revision("abcdef1")).commit == other


async def test_head_is_the_default_branch() -> None:
    """HEAD names the commit that the remote advertises for it."""
    repository = MemoryRepository()
    repository.add({})
    last = repository.add({})
    snapshot = await look(repository)
    assert (await snapshot.revision("HEAD")).commit == last
    assert (await snapshot.head()).commit == last


async def test_an_empty_repository_has_no_head() -> None:
    """Without commits nothing is found, HEAD neither."""
    snapshot = await look(MemoryRepository())
    for name in ("HEAD", "main", "1234567", "v1.0.0"):
        with pytest.raises(NotFound, match="unknown revision"):
            await snapshot.revision(name)
    with pytest.raises(NotFound, match="no commits"):
        await snapshot.head()


async def test_a_prefix_that_a_ref_begins_with_needs_no_history() -> None:
    """A prefix of a tip's id is that tip, also where commits inside the history begin so too."""
    repository = MemoryRepository()
    repository.add({}, commit_id="abcdef1200")
    tip = repository.add({}, commit_id="abcdef1211")
    assert (await (await look(repository)).revision("abcdef12")).commit == tip
    assert "find" not in repository.asked


async def test_a_prefix_of_two_refs_is_ambiguous() -> None:
    """Two tips that begin so are one too many."""
    repository = MemoryRepository()
    repository.add({}, commit_id="abcdef1200")
    repository.branch("other", repository.add({}, commit_id="abcdef1211", branch="dev"))
    with pytest.raises(NotFound, match="ambiguous revision abcdef12"):
        await (await look(repository)).revision("abcdef12")


async def test_a_prefix_inside_the_history_is_found() -> None:
    """A commit that no ref names is looked for in the history."""
    repository = MemoryRepository()
    inner = repository.add({}, commit_id="abcdef1200")
    repository.add({})
    assert (await (await look(repository)).revision("abcdef1")).commit == inner


@pytest.mark.parametrize("name", ["abcdef", "ABCDEF12", "abcdefg1", "", "refs/heads/main", "a" * 41])
async def test_what_is_no_prefix_is_unknown(name: str) -> None:
    """Six digits, capitals, other letters and more digits than an id has find nothing."""
    repository = MemoryRepository()
    repository.add({}, commit_id="abcdef1200")
    repository.add({})
    with pytest.raises(NotFound, match="unknown revision"):
        await (await look(repository)).revision(name)


async def test_the_id_of_an_annotated_tag_stands_for_its_commit() -> None:
    """git takes a tag object for the commit that it leads to."""
    repository = MemoryRepository()
    commit = repository.add({})
    tag_id = repository.annotate("v1.0.0", commit)
    snapshot = await look(repository)
    assert (await snapshot.revision(tag_id)).commit == commit
    assert (await snapshot.revision(tag_id[:9])).commit == commit


async def test_all_tags_of_a_commit_are_known() -> None:
    """Plain and annotated tags of the commit are named in order, however it was asked for."""
    repository = MemoryRepository()
    commit = repository.add({}, "v1.0.1", "other")
    repository.annotate("v1.0.0", commit)
    repository.add({}, "v2.0.0")
    revision = await (await look(repository)).revision(commit.id)
    assert revision.tags == ("other", "v1.0.0", "v1.0.1")
    assert revision.asked_tag is None


async def test_the_short_name_has_twelve_digits_for_long_ids_too() -> None:
    """A SHA-256 id is shortened to twelve digits, and may be asked for in full."""
    repository = MemoryRepository(id_length=64)
    commit = repository.add({})
    revision = await (await look(repository)).revision(commit.id)
    assert len(commit.id) == 64
    assert revision.short == commit.id[:12]


async def test_a_blob_is_read_once() -> None:
    """What was read for one question serves the next."""
    repository = MemoryRepository()
    commit = repository.add({"go.mod": b"module m\n"})
    snapshot = await look(repository)
    assert await snapshot.blob(commit, "go.mod", 100) == b"module m\n"
    repository.add({})
    repository._trees[commit.id]["go.mod"] = b"other"
    assert await snapshot.blob(commit, "go.mod", 100) == b"module m\n"
