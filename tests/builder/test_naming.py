"""Versions of revisions, and revisions of versions."""

from __future__ import annotations

import pytest

from goproxy_mirror.builder.resolve import ModuleBuilder
from goproxy_mirror.errors import NotFound, SourceUnavailable
from goproxy_mirror.module.version import Version
from goproxy_mirror.ports import Commit
from tests.builder.memory import PATH, Content, MemoryRepository, go_mod

MOD: dict[str, Content] = {"go.mod": go_mod(), "a.go": b"package m\n"}
BARE: dict[str, Content] = {"a.go": b"package m\n"}


def pseudo(prefix: str, commit: Commit) -> str:
    return f"{prefix}{commit.time:%Y%m%d%H%M%S}-{commit.id[:12]}"


async def versions(builder: ModuleBuilder) -> list[str]:
    return [version.value for version in await builder.versions()]


async def resolve(builder: ModuleBuilder, query: str) -> str:
    return (await builder.resolve(query)).version.value


async def test_the_list_has_canonical_versions_of_the_path_in_order() -> None:
    """Shortened, decorated, pseudo and other majors' tags are no versions; order is precedence."""
    repository = MemoryRepository()
    repository.add(
        MOD, "v1.10.0", "v1.9.0", "v1.9.0-rc.1", "v1", "v1.2", "v1.0.0+meta", "1.0.0", "V1.0.0", "v2.0.0"
    )
    repository.add(
        MOD, "v0.0.0-20200101000000-abcdefabcdef", "sub/v1.0.0", "v01.0.0", "v1.0.0-01", "v1.2.3.4"
    )
    assert await versions(repository.builder()) == ["v1.9.0-rc.1", "v1.9.0", "v1.10.0"]
    assert await versions(repository.builder(f"{PATH}/v2")) == ["v2.0.0"]
    assert await versions(repository.builder(f"{PATH}/sub")) == ["v1.0.0"]
    assert await versions(repository.builder(f"{PATH}/v3")) == []


async def test_a_long_list_is_the_same_list() -> None:
    """Many tags are sorted in a thread, with the same outcome."""
    repository = MemoryRepository()
    repository.add(MOD, *(f"v1.{minor}.{patch}" for minor in range(80) for patch in range(80)))
    listed = await repository.builder().versions()
    assert len(listed) == 6400
    assert list(listed) == sorted(listed)


async def test_unstable_gopkg_in_has_no_versions() -> None:
    """The tags are those of the stable path."""
    repository = MemoryRepository()
    repository.add(BARE, "v2.0.0")
    path = "gopkg.in/m.v2-unstable"
    assert await versions(repository.builder(path, root=path)) == []
    path = "gopkg.in/m.v2"
    assert await versions(repository.builder(path, root=path)) == ["v2.0.0"]


async def test_incompatible_majors_stand_and_fall_together() -> None:
    """A major is listed as +incompatible if its highest tag has no go.mod, and then with all its tags."""
    repository = MemoryRepository()
    repository.add(BARE, "v1.0.0", "v2.0.0", "v3.0.0")
    repository.add({"go.mod": go_mod(f"{PATH}/v3")}, "v2.1.0", "v3.1.0")
    repository.add(BARE, "v3.2.0")
    assert await versions(repository.builder()) == [
        "v1.0.0",
        "v3.0.0+incompatible",
        "v3.1.0+incompatible",
        "v3.2.0+incompatible",
    ]


async def test_no_incompatible_versions_once_a_compatible_one_has_a_go_mod() -> None:
    """The author has taken to modules with v1, so v2 without a suffix is left out."""
    repository = MemoryRepository()
    repository.add(BARE, "v2.0.0")
    repository.add(MOD, "v1.0.0")
    assert await versions(repository.builder()) == ["v1.0.0"]
    assert await resolve(repository.builder(), "v2.0.0") == "v2.0.0+incompatible"


async def test_a_version_that_is_a_branch_only_is_refused() -> None:
    """A canonical version must be a tag."""
    repository = MemoryRepository()
    repository.branch("v1.5.0", repository.add(MOD))
    with pytest.raises(NotFound, match=r"v1\.5\.0 is not a tag"):
        await resolve(repository.builder(), "v1.5.0")


async def test_a_commit_has_the_name_of_its_highest_tag() -> None:
    """A branch or commit with version tags is the highest one that fits."""
    repository = MemoryRepository()
    commit = repository.add(MOD, "v1.2.0", "v1.10.0", "v1.11.0+meta", "v2.0.0", "nightly")
    assert await resolve(repository.builder(), "main") == "v1.10.0"
    assert await resolve(repository.builder(), "nightly") == "v1.10.0"
    assert await resolve(repository.builder(), commit.id) == "v1.10.0"


async def test_a_commit_without_tags_before_it_gets_the_zero_version() -> None:
    """No tag of the module's: v0.0.0, or the major's zero; and history is not asked for in vain."""
    repository = MemoryRepository()
    repository.add({**MOD, "v2/go.mod": go_mod(f"{PATH}/v2")}, "v1", "release")
    last = repository.add({**MOD, "v2/go.mod": go_mod(f"{PATH}/v2")})
    assert await resolve(repository.builder(), "main") == pseudo("v0.0.0-", last)
    assert await resolve(repository.builder(f"{PATH}/v2"), "main") == pseudo("v2.0.0-", last)
    assert "merged_tags" not in repository.asked


async def test_the_base_is_the_highest_tag_before_the_commit() -> None:
    """By precedence, not by distance; a prerelease and build metadata count, other branches' tags do not."""
    repository = MemoryRepository()
    first = repository.add(MOD, "v1.5.0")
    repository.add(MOD, "v1.4.9")
    middle = repository.add(MOD)
    repository.add(MOD, "v1.9.0", branch="side", parents=[first])
    assert await resolve(repository.builder(), middle.id) == pseudo("v1.5.1-0.", middle)
    repository.add(MOD, "v1.6.0-rc.1")
    later = repository.add(MOD)
    assert await resolve(repository.builder(), later.id) == pseudo("v1.6.0-rc.1.0.", later)
    decorated = repository.add(MOD, "v1.7.0+meta")
    assert await resolve(repository.builder(), decorated.id) == pseudo("v1.7.1-0.", decorated)
    assert await resolve(repository.builder(), "v1.7.0+meta") == pseudo("v1.7.1-0.", decorated)


async def test_build_metadata_may_be_left_away() -> None:
    """Where no tag has the metadata that was asked for, the version without it is meant."""
    repository = MemoryRepository()
    repository.add(MOD, "v1.0.0", "v1.1.0", "v1.1.0+meta")
    assert await resolve(repository.builder(), "v1.0.0+any") == "v1.0.0"
    assert await resolve(repository.builder(), "v1.1.0+meta") == "v1.1.0"
    with pytest.raises(NotFound, match=r"unknown revision v1\.2\.0\+any"):
        await resolve(repository.builder(), "v1.2.0+any")


async def test_retracted_versions_name_nothing() -> None:
    """The highest release's go.mod retracts; such tags name no commit and are no base, but can be asked for."""
    repository = MemoryRepository()
    repository.add(MOD, "v1.0.0")
    withdrawn = repository.add(MOD, "v1.1.0")
    repository.add({"go.mod": go_mod(rest="retract [v1.1.0, v1.1.9]\n")}, "v1.2.0")
    assert await resolve(repository.builder(), withdrawn.id) == pseudo("v1.0.1-0.", withdrawn)
    assert await resolve(repository.builder(), "v1.1.0") == "v1.1.0"


async def test_retractions_that_cannot_be_read_retract_nothing() -> None:
    """A highest release with a broken go.mod, or none of this module, does not get in the way."""
    repository = MemoryRepository()
    commit = repository.add(MOD, "v1.0.0")
    repository.add({"go.mod": go_mod(rest="retract v1.0.0\nrequire (\n")}, "v1.1.0")
    assert await resolve(repository.builder(), commit.id) == "v1.0.0"
    repository.add({"go.mod": go_mod(f"{PATH}/v7")}, "v1.2.0")
    assert await resolve(repository.builder(), commit.id) == "v1.0.0"


async def test_a_tag_below_a_folder_that_looks_like_a_pseudo_version_misleads() -> None:
    """The go command takes such a tag for a version of the folder's module, and then fails to find its commit."""
    repository = MemoryRepository()
    files: dict[str, Content] = {**MOD, "sub/go.mod": go_mod(f"{PATH}/sub")}
    commit = repository.add(
        files, "sub/v0.0.0-20200101000000-abcdefabcdef", "v0.0.0-20200101000000-abcdefabcdef"
    )
    assert await resolve(repository.builder(), "main") == pseudo("v0.0.0-", commit)
    with pytest.raises(NotFound, match="unknown revision abcdefabcdef"):
        await resolve(repository.builder(f"{PATH}/sub"), "main")


async def test_a_major_folder_claims_the_tags_of_its_major() -> None:
    """`v2/go.mod` forbids v2 tags without a suffix, except where +incompatible is asked for in so many words."""
    repository = MemoryRepository()
    commit = repository.add({**BARE, "v2/go.mod": go_mod(f"{PATH}/v2")}, "v2.0.0")
    with pytest.raises(NotFound, match=r"the module path of that major version is \"example\.com/m/v2\""):
        await resolve(repository.builder(), "v2.0.0")
    assert await resolve(repository.builder(), "v2.0.0+incompatible") == "v2.0.0+incompatible"
    assert await resolve(repository.builder(), "main") == pseudo("v0.0.0-", commit)


async def pseudo_repository() -> tuple[MemoryRepository, Commit, Commit]:
    repository = MemoryRepository()
    base = repository.add(MOD, "v1.1.0", "v1.2.0-rc.1")
    commit = repository.add(MOD)
    repository.add(MOD, "v1.9.0", branch="side", parents=[])
    return repository, base, commit


@pytest.mark.parametrize("prefix", ["v0.0.0-", "v1.1.1-0.", "v1.2.0-rc.1.0."])
async def test_a_pseudo_version_may_have_any_base_before_it(prefix: str) -> None:
    """Any tag that is an ancestor will do, or none."""
    repository, _, commit = await pseudo_repository()
    assert await resolve(repository.builder(), pseudo(prefix, commit)) == pseudo(prefix, commit)


@pytest.mark.parametrize(
    ("prefix", "cut", "why"),
    [
        ("v1.1.1-0.", -1, "revision is shorter than canonical"),
        ("v1.9.1-0.", None, r"not a descendant of preceding tag \(v1\.9\.0\)"),
        ("v1.3.1-0.", None, r"preceding tag \(v1\.3\.0\) not found"),
        ("v1.0.0-", None, "must be v0, not v1"),
        ("v1.3.0-0.", None, "negative patch number"),
        ("v2.0.1-0.", None, "there is a go.mod"),
    ],
)
async def test_a_pseudo_version_that_does_not_fit_its_commit_is_refused(
    prefix: str, cut: int | None, why: str
) -> None:
    """The reason says what is wrong."""
    repository, _, commit = await pseudo_repository()
    with pytest.raises(NotFound, match=why):
        await resolve(repository.builder(), pseudo(prefix, commit)[:cut])


async def test_a_pseudo_version_must_have_the_commits_time_and_name() -> None:
    """Another second, a longer or unknown name, and needless +incompatible are refused."""
    repository, base, commit = await pseudo_repository()
    good = pseudo("v1.1.1-0.", commit)
    for bad, why in (
        (good.replace("20240102000000", "20240102000001"), r"timestamp \(expected 20240102000000\)"),
        (good.replace("20240102000000", "20241302000000"), "malformed time"),
        (good + commit.id[12], "revision is longer than canonical"),
        (good.replace(commit.id[:12], "abcdefabcdef"), "unknown revision abcdefabcdef"),
        (good + "+incompatible", "does not belong here: major version v1 is compatible"),
        (pseudo("v1.1.1-0.", base), r"tag \(v1\.1\.0\) on revision \S+ is canonical"),
    ):
        with pytest.raises(NotFound, match=why):
            await resolve(repository.builder(), bad)


async def test_gopkg_in_v1_without_a_tag_before_it() -> None:
    """A path that demands a major version has it in its pseudo-versions, v1 too."""
    repository = MemoryRepository()
    commit = repository.add(BARE)
    builder = repository.builder("gopkg.in/m.v1", root="gopkg.in/m.v1")
    assert await resolve(builder, "main") == pseudo("v1.0.0-", commit)
    assert await resolve(builder, pseudo("v1.0.0-", commit)) == pseudo("v1.0.0-", commit)


async def test_tags_that_lead_to_no_commit_are_listed_and_not_found() -> None:
    """A tag of a blob stands in the list, cannot be asked for, and is no base."""
    repository = MemoryRepository()
    commit = repository.add(MOD)
    repository.tag_blob("v1.0.0")
    assert await versions(repository.builder()) == ["v1.0.0"]
    with pytest.raises(NotFound):
        await repository.builder().info(Version("v1.0.0"))
    with pytest.raises(NotFound, match="not a descendant"):
        await resolve(repository.builder(), pseudo("v1.0.1-0.", commit))


async def test_an_outage_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the repository cannot say is passed on as such."""
    repository = MemoryRepository()
    repository.add(MOD, "v1.0.0")

    async def fail(*_: object) -> bytes:
        raise SourceUnavailable("the host did not finish")

    monkeypatch.setattr(repository, "blob", fail)
    for query in ("v1.0.0", "main", "v1"):
        with pytest.raises(SourceUnavailable):
            await resolve(repository.builder(), query)
