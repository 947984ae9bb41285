"""The three files of a module version."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from goproxy_mirror.builder.assemble import info_of
from goproxy_mirror.builder.layout import Layout, Place
from goproxy_mirror.builder.naming import Named
from goproxy_mirror.builder.snapshot import Revision
from goproxy_mirror.errors import NotFound, SourceUnavailable, StorageFull, Unbuildable
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import Version
from goproxy_mirror.ports import Commit, RepoRoot
from tests.builder.memory import FILE, GITLINK, LINK, PATH, SCRIPT, Content, MemoryRepository, go_mod

V1 = Version("v1.0.0")


async def made(
    repository: MemoryRepository, into: Path, path: str = PATH, version: Version = V1
) -> dict[str, bytes]:
    """The zip's files by name, in order."""
    await repository.builder(path).zip(version, into)
    with zipfile.ZipFile(into) as archive:
        prefix = f"{path}@{version}/"
        return {name.removeprefix(prefix): archive.read(name) for name in archive.namelist()}


@pytest.fixture
def into(tmp_path: Path) -> Path:
    """Where the zip goes."""
    return tmp_path / "module.zip"


async def test_info_of_a_tag_is_written_as_go_writes_it() -> None:
    """No spaces, fields in order, the tag named, the origin's URL even when a mirror was read."""
    repository = MemoryRepository("https://mirror.test/m")
    commit = repository.add({"go.mod": go_mod()}, "v1.0.0")
    info = await repository.builder().info(V1)
    assert info.body == (
        b'{"Version":"v1.0.0","Time":"2024-01-01T00:00:00Z","Origin":{"VCS":"git","URL":"https://origin.test/m",'
        b'"Hash":"' + commit.id.encode() + b'","Ref":"refs/tags/v1.0.0"}}'
    )
    assert (info.version, info.time) == (V1, datetime(2024, 1, 1, tzinfo=UTC))


async def test_info_of_a_commit_names_no_ref() -> None:
    """The branch that was asked for does not matter to the version."""
    repository = MemoryRepository()
    commit = repository.add({"sub/go.mod": go_mod(f"{PATH}/sub")})
    builder = repository.builder(f"{PATH}/sub")
    info = await builder.resolve("main")
    assert info == await builder.resolve(commit.id)
    assert info == await builder.info(info.version)
    assert info.body.endswith(b'"Subdir":"sub","Hash":"' + commit.id.encode() + b'"}}')


async def test_info_of_a_tag_is_the_same_however_it_was_asked_for() -> None:
    """An incompatible version names the tag that it is."""
    repository = MemoryRepository()
    commit = repository.add({"a.go": b""}, "v2.0.0", "other")
    answers = {
        (await repository.builder().resolve(query)).body for query in ("main", "v2.0.0", "other", commit.id)
    }
    assert len(answers) == 1
    assert b'"Version":"v2.0.0+incompatible"' in (answer := answers.pop())
    assert b'"Ref":"refs/tags/v2.0.0"' in answer


def test_json_escapes_what_go_escapes() -> None:
    """Angle brackets, ampersands and line separators are written as escapes; other letters as they are."""
    commit = Commit("0" * 40, datetime(987, 6, 5, 4, 3, 2, tzinfo=UTC))
    named = Named("v1.0.0", Revision(commit, (), None), Place("", None))
    root = RepoRoot(PATH, "git", "https://origin.test/<m>&\u2028é")
    body = info_of(named, root, Layout(root, ModulePath(PATH))).body
    assert rb'"URL":"https://origin.test/\u003cm\u003e\u0026\u2028' + "é".encode() in body
    assert b'"Time":"0987-06-05T04:03:02Z"' in body
    assert b"Ref" not in body


async def test_a_missing_go_mod_is_made_up() -> None:
    """The `.mod` is one line; the zip has no such file."""
    repository = MemoryRepository()
    repository.add({"a.go": b""}, "v1.0.0")
    assert await repository.builder().go_mod(V1) == b"module example.com/m\n"


async def test_go_mod_is_the_raw_blob(into: Path) -> None:
    """The zip has the converted go.mod, the `.mod` the stored one."""
    repository = MemoryRepository()
    repository.add({"go.mod": go_mod()}, "v1.0.0")
    repository.converted["go.mod"] = go_mod().replace(b"\n", b"\r\n")
    assert await repository.builder().go_mod(V1) == go_mod()
    assert await made(repository, into) == {"go.mod": go_mod().replace(b"\n", b"\r\n")}


async def test_links_and_submodules_are_left_out(into: Path) -> None:
    """Regular files only, executable ones among them, in the tree's order."""
    repository = MemoryRepository()
    files: dict[str, Content] = {
        "b.sh": (SCRIPT, b"#!"),
        "a.go": (FILE, b"package m\n"),
        "link": (LINK, b"a.go"),
        "m": (GITLINK, b""),
        "empty": b"",
    }
    repository.add(files, "v1.0.0")
    assert await made(repository, into) == {"b.sh": b"#!", "a.go": b"package m\n", "empty": b""}


SUB = f"{PATH}/sub"


@pytest.mark.parametrize(
    ("files", "licence"),
    [
        ({"LICENSE": b"root"}, {"LICENSE": b"root"}),
        ({"LICENSE": (LINK, b"COPYING")}, {"LICENSE": b"COPYING"}),
        ({"LICENSE": b"root", "sub/LICENSE": b"own"}, {"LICENSE": b"own"}),
        ({"LICENSE": b"root", "sub/LICENSE": (LINK, b"../LICENSE")}, {}),
        ({"LICENSE.md": b"root"}, {}),
    ],
)
async def test_the_licence_is_inherited(
    files: dict[str, Content], licence: dict[str, bytes], into: Path
) -> None:
    """A module below the root without a LICENSE of its own gets the root's, last and as it is stored."""
    repository = MemoryRepository()
    repository.add({**files, "sub/go.mod": go_mod(SUB), "sub/a.go": b""}, "sub/v1.0.0")
    repository.converted["LICENSE"] = b"converted"
    found = await made(repository, into, SUB)
    assert {name: data for name, data in found.items() if name.startswith("LICENSE")} == licence
    if licence == {"LICENSE": b"root"}:
        assert list(found)[-1] == "LICENSE"


async def test_an_inherited_licence_may_collide(into: Path) -> None:
    """A `License` of the module's own forbids the zip."""
    repository = MemoryRepository()
    repository.add({"LICENSE": b"x", "sub/License": b"y", "sub/go.mod": go_mod(SUB)}, "sub/v1.0.0")
    with pytest.raises(Unbuildable, match="case-insensitive file name collision"):
        await made(repository, into, SUB)


async def test_the_root_does_not_inherit_from_itself(into: Path) -> None:
    """A LICENSE in the root is one of its files."""
    repository = MemoryRepository()
    repository.add({"LICENSE": b"x", "go.mod": go_mod()}, "v1.0.0")
    assert list(await made(repository, into)) == ["LICENSE", "go.mod"]


async def test_the_vendor_rule_follows_the_archived_go_mod(into: Path) -> None:
    """What `git archive` makes of go.mod says which rule holds; what it cannot parse has the old rule."""
    repository = MemoryRepository()
    files: dict[str, Content] = {
        "go.mod": go_mod(rest="go 1.24\n"),
        "vendor/modules.txt": b"",
        "p/vendor/x.go": b"",
    }
    repository.add(files, "v1.0.0")
    assert list(await made(repository, into)) == ["go.mod", "p/vendor/x.go"]
    repository.converted["go.mod"] = go_mod(rest="go 1.24\n").decode().encode("utf-16")
    assert list(await made(repository, into)) == ["go.mod", "vendor/modules.txt"]


async def test_a_tree_without_files_makes_an_empty_zip(into: Path) -> None:
    """No files, no go.mod: still a module."""
    repository = MemoryRepository()
    repository.add({}, "v1.0.0")
    assert await made(repository, into) == {}


@pytest.mark.parametrize(
    "files", [{"a:b": b""}, {"README": b"", "readme": b""}, {"caf\udce9": b""}, {"con.txt": (LINK, b"x")}]
)
async def test_a_bad_name_leaves_info_and_mod(files: dict[str, Content], into: Path) -> None:
    """`.info` and `.mod` may be had where no zip can be made."""
    repository = MemoryRepository()
    repository.add({"go.mod": go_mod(), **files}, "v1.0.0")
    builder = repository.builder()
    assert (await builder.info(V1)).version == V1
    assert await builder.go_mod(V1) == go_mod()
    with pytest.raises(Unbuildable, match=r"^create zip: "):
        await builder.zip(V1, into)


async def test_limits(monkeypatch: pytest.MonkeyPatch, into: Path) -> None:
    """A large go.mod has an `.info` only; a large LICENSE and a large tree forbid the zip; conversions count."""
    repository = MemoryRepository()
    large = b"x" * ((16 << 20) + 1)
    repository.add({"go.mod": go_mod() + large}, "v1.0.0")
    assert (await repository.builder().info(V1)).version == V1
    with pytest.raises(Unbuildable, match=r"go\.mod has"):
        await repository.builder().go_mod(V1)
    with pytest.raises(Unbuildable, match=r"go\.mod file too large"):
        await repository.builder().zip(V1, into)
    repository.add({"LICENSE": large, "sub/go.mod": go_mod(SUB)}, "sub/v1.0.0")
    with pytest.raises(Unbuildable, match="LICENSE"):
        await repository.builder(SUB).zip(V1, into)
    monkeypatch.setattr("goproxy_mirror.module.modzip.MAX_ZIP", 1000)
    repository.add({"a": b"x" * 600, "b": b"x" * 600}, "v1.1.0")
    with pytest.raises(Unbuildable, match="too large"):
        await repository.builder().zip(Version("v1.1.0"), into)
    repository.add({"a": b"x"}, "v1.2.0")
    repository.converted["a"] = b"x" * 1001
    with pytest.raises(Unbuildable, match="too large"):
        await repository.builder().zip(Version("v1.2.0"), into)


async def test_large_files_go_through_in_pieces(into: Path) -> None:
    """Several batches reach the zip in order."""
    repository = MemoryRepository()
    files: dict[str, Content] = {f"f{number}": bytes([number]) * 700_000 for number in range(6)}
    repository.add(files, "v1.0.0")
    assert await made(repository, into) == files


async def test_a_source_that_breaks_off_is_an_outage(monkeypatch: pytest.MonkeyPatch, into: Path) -> None:
    """What the repository raises half-way is passed on."""
    repository = MemoryRepository()
    repository.add({"a": b"x" * 3_000_000}, "v1.0.0")

    @asynccontextmanager
    async def broken(*_: object) -> AsyncIterator[AsyncIterator[object]]:
        async def files() -> AsyncIterator[object]:
            async def body() -> AsyncIterator[bytes]:
                yield b"x" * 2_000_000
                raise SourceUnavailable("git ended in the middle of a file")

            (entry,) = await repository.tree(await repository.commit("HEAD"), "")
            yield entry, body()

        yield files()

    monkeypatch.setattr(repository, "contents", broken)
    with pytest.raises(SourceUnavailable, match="middle of a file"):
        await repository.builder().zip(V1, into)


async def test_whoever_goes_away_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, into: Path) -> None:
    """A build that is cancelled waits for the writing thread and no longer, and says nothing more."""
    repository = MemoryRepository()
    repository.add({"a": b"x"}, "v1.0.0")
    arrived = asyncio.Event()

    @asynccontextmanager
    async def endless(*_: object) -> AsyncIterator[AsyncIterator[object]]:
        async def files() -> AsyncIterator[object]:
            async def body() -> AsyncIterator[bytes]:
                for _ in range(5):
                    yield b"x" * 1_500_000
                arrived.set()
                await asyncio.Event().wait()

            (entry,) = await repository.tree(await repository.commit("HEAD"), "")
            yield entry, body()

        yield files()

    monkeypatch.setattr(repository, "contents", endless)
    building = asyncio.create_task(repository.builder().zip(V1, into))
    await arrived.wait()
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_full_disk_is_noticed(monkeypatch: pytest.MonkeyPatch, into: Path) -> None:
    """What goes wrong in the writing thread is raised."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    repository = MemoryRepository()
    repository.add({"a": b"x"}, "v1.0.0")
    monkeypatch.setattr("goproxy_mirror.module.modzip.ZipWriter.write", full)
    with pytest.raises(StorageFull, match="could not write the zip: No space left"):
        await repository.builder().zip(V1, into)


async def test_a_version_is_answered_exactly(into: Path) -> None:
    """A version that is another one in truth has no files under the first name."""
    repository = MemoryRepository()
    repository.add({"a.go": b""}, "v2.0.0")
    builder = repository.builder()
    assert (await builder.resolve("v2.0.0")).version == Version("v2.0.0+incompatible")
    for question in (builder.info, builder.go_mod, lambda v: builder.zip(v, into)):
        with pytest.raises(NotFound, match=r"it is v2\.0\.0\+incompatible"):
            await question(Version("v2.0.0"))
