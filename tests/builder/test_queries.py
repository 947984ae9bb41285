"""What `@latest`, `v1` and `v1.2` stand for."""

from __future__ import annotations

import pytest

from goproxy_mirror.builder.resolve import ModuleBuilder
from goproxy_mirror.errors import NotFound
from tests.builder.memory import PATH, Content, MemoryRepository, go_mod

MOD: dict[str, Content] = {"go.mod": go_mod(rest="go 1.21\n")}
FAKE: dict[str, Content] = {"go.mod": go_mod()}
BARE: dict[str, Content] = {"a.go": b"package m\n"}


def retracting(*versions: str) -> dict[str, Content]:
    return {"go.mod": go_mod(rest="".join(f"retract {version}\n" for version in versions))}


async def latest(builder: ModuleBuilder) -> str:
    return (await builder.latest()).version.value


async def test_latest_is_the_highest_release() -> None:
    """A prerelease is not chosen while there is a release."""
    repository = MemoryRepository()
    repository.add(MOD, "v1.9.0", "v1.10.0", "v1.11.0-rc.1")
    repository.add(MOD)
    assert await latest(repository.builder()) == "v1.10.0"


async def test_latest_is_a_prerelease_where_there_is_no_release() -> None:
    """The highest prerelease is better than the default branch."""
    repository = MemoryRepository()
    repository.add(MOD, "v0.1.0-alpha", "v0.1.0-beta")
    repository.add(MOD)
    assert await latest(repository.builder()) == "v0.1.0-beta"


async def test_latest_is_the_default_branch_where_there_are_no_versions() -> None:
    """Without tags of the module it is HEAD, under a pseudo-version."""
    repository = MemoryRepository()
    commit = repository.add(MOD, "nightly", "v3.0.0")
    assert await latest(repository.builder()) == f"v0.0.0-20240101000000-{commit.id[:12]}"


async def test_latest_is_never_retracted() -> None:
    """What the latest version itself retracts is passed over, the default branch included."""
    repository = MemoryRepository()
    repository.add(MOD, "v1.0.0")
    repository.add(retracting("v1.1.0", "v1.2.0"), "v1.1.0", "v1.2.0")
    assert await latest(repository.builder()) == "v1.0.0"
    repository.add(retracting("[v0.0.0, v1.3.0]"), "v1.3.0")
    after = repository.add(MOD)
    assert await latest(repository.builder()) == f"v0.0.0-20240104000000-{after.id[:12]}"
    repository = MemoryRepository()
    repository.add(retracting("[v0.0.0-0, v0.9.9]"))
    with pytest.raises(NotFound, match="retracted"):
        await latest(repository.builder())


async def test_a_latest_that_is_no_version_of_the_module_is_not_found() -> None:
    """The highest tag decides: if the module is not there, no lower one is taken in its place."""
    repository = MemoryRepository()
    repository.add(MOD, "v1.0.0")
    repository.add({"go.mod": go_mod(f"{PATH}/v3")}, "v1.1.0")
    with pytest.raises(NotFound, match="post-v1 module path"):
        await latest(repository.builder())


async def test_an_empty_repository_has_no_latest() -> None:
    """No commits, no version."""
    with pytest.raises(NotFound, match="no commits"):
        await latest(MemoryRepository().builder())


async def test_incompatible_majors_are_latest_only_without_a_go_mod() -> None:
    """+incompatible wins over v1 where the highest v1 has no go.mod of its own, retractions considered."""
    repository = MemoryRepository()
    repository.add(BARE, "v1.0.0", "v2.0.0")
    assert await latest(repository.builder()) == "v2.0.0+incompatible"
    repository.add(MOD, "v1.1.0")
    assert await latest(repository.builder()) == "v1.1.0"


async def test_a_prefix_is_the_highest_version_that_begins_so() -> None:
    """`v1` and `v1.2` choose as the go command does: no prerelease of the prefix itself, releases first."""
    repository = MemoryRepository()
    repository.add(MOD, "v1.2.0-rc.1", "v1.2.0", "v1.2.9", "v1.2.10-rc.1", "v1.20.0", "v0.1.0-beta")
    builder = repository.builder()
    assert (await builder.resolve("v1.2")).version.value == "v1.2.9"
    assert (await builder.resolve("v1")).version.value == "v1.20.0"
    with pytest.raises(NotFound, match=r'no versions match "v0\.1"'):
        await builder.resolve("v0.1")


async def test_a_prefix_is_no_branch_or_tag() -> None:
    """A branch `v1` or a tag `v1.2` is not what a prefix means."""
    repository = MemoryRepository()
    repository.branch("v1", repository.add(MOD, "v1.2"))
    for query in ("v1", "v1.2"):
        with pytest.raises(NotFound, match="no versions match"):
            await repository.builder().resolve(query)


async def test_a_prefix_passes_over_retracted_versions() -> None:
    """As `@latest` does."""
    repository = MemoryRepository()
    repository.add(MOD, "v1.2.0", "v1.2.1")
    repository.add(retracting("v1.2.1"), "v1.3.0")
    assert (await repository.builder().resolve("v1.2")).version.value == "v1.2.0"


async def test_a_prefix_of_a_higher_major_may_be_incompatible() -> None:
    """Only the tags that begin so are looked at, so a go.mod in v1 does not hide them."""
    repository = MemoryRepository()
    repository.add(BARE, "v2.0.0", "v2.1.0")
    repository.add(MOD, "v1.0.0")
    assert (await repository.builder().resolve("v2")).version.value == "v2.1.0+incompatible"
    assert [v.value for v in await repository.builder().versions()] == ["v1.0.0"]


@pytest.mark.parametrize("query", ["latest", "upgrade", "patch"])
async def test_words_for_a_build_list_are_no_revisions(query: str) -> None:
    """A branch of such a name cannot be asked for, as the go command cannot ask for it."""
    repository = MemoryRepository()
    repository.branch(query, repository.add(MOD))
    with pytest.raises(NotFound, match="@latest"):
        await repository.builder().resolve(query)


async def test_a_go_mod_that_says_only_its_path_counts_as_none() -> None:
    """The go command compares with what it would make up, so retracting the better one lets +incompatible in."""
    repository = MemoryRepository()
    repository.add(BARE, "v2.0.0")
    repository.add(FAKE, "v1.0.0")
    repository.add({"a.go": b"", "b.go": b""}, "v1.1.0")
    assert await latest(repository.builder()) == "v2.0.0+incompatible"
