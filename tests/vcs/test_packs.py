"""Packs read without git: `goproxy_mirror.vcs.packs` and `packtrees`. What git says of the same objects is the truth."""

from __future__ import annotations

import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from goproxy_mirror.vcs import packs as packs_module
from goproxy_mirror.vcs.packs import LARGEST_HELD, BadPack, Packs, lacking
from goproxy_mirror.vcs.packtrees import Ask, commit_in, file_in
from tests.vcs.gitkit import Repo

NewRepo = Callable[..., Repo]


def lines(number: int) -> str:
    return "".join(f"line {each} {hash((each, each % 7 == number)) % 10**12}\n" for each in range(300))


def packed(new_repo: NewRepo, form: str = "sha1", *, versions: int = 12, by_offset: bool = True) -> Repo:
    """A repository of one pack, in which most objects are differences to others."""
    repo = new_repo(form=form)
    for number in range(versions):
        files = {f"d{each}/f.go": lines(number * (each % 3)) for each in range(8)}
        repo.commit({**files, "go.mod": f"module m // {number}\n", "empty": "", "link": ("120000", "go.mod")})
    repo.git("config", "repack.useDeltaBaseOffset", str(by_offset).lower())
    repo.git("repack", "-adfq", "--depth=50", "--window=50")
    return repo


def objects(repo: Repo) -> dict[str, tuple[str, bool]]:
    """All objects by id: their kinds, and whether they are stored as differences."""
    said = repo.git(
        "cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype) %(deltabase)"
    )
    words = [line.split() for line in said.splitlines()]
    return {oid: (kind, base.strip("0") != "") for oid, kind, base in words}


def raw(repo: Repo, oid: str, kind: str) -> bytes:
    return subprocess.run(
        ["git", "-c", "safe.directory=*", "cat-file", kind, oid],
        cwd=repo.folder,
        capture_output=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("form", ["sha1", "sha256"])
@pytest.mark.parametrize("by_offset", [True, False])
def test_read__as_git_reads_it(new_repo: NewRepo, form: str, by_offset: bool) -> None:
    """Every object of a pack, whole or as a difference; a file that is stored whole brings its deflate stream."""
    repo = packed(new_repo, form, by_offset=by_offset)
    known = objects(repo)
    assert sum(delta for _, delta in known.values()) > 10
    opened = Packs.open(repo.folder, 32 if form == "sha256" else 20)
    assert opened is not None
    with opened as packs:
        whole = 0
        for oid, (kind, delta) in known.items():
            place = packs.place(oid)
            assert place is not None
            assert place.kind == kind
            data, deflated = place.load()
            assert data == raw(repo, oid, kind)
            assert (deflated is None) is delta
            if deflated is not None:
                assert zlib.decompress(deflated, -15) == data
                whole += 1
        assert whole
        assert packs.lacks([*known, "1" * len(oid)]) == ["1" * len(oid)]


def test_read__no_more_than_there_is_room_for(new_repo: NewRepo, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would take much memory or work is git's: large objects, and more differences than a bound allows."""
    repo = packed(new_repo)
    big = repo.blob(bytes(LARGEST_HELD + 1))
    repo.commit({"big": bytes(LARGEST_HELD + 1)})
    repo.git("repack", "-adq")
    known = objects(repo)
    monkeypatch.setattr(packs_module, "_DELTA_ROOM", 40_000)
    opened = Packs.open(repo.folder, 20)
    assert opened is not None
    with opened as packs:
        assert packs.place(big) is None
        placed = {oid for oid in known if packs.place(oid)}
    refused = known.keys() - placed - {big}
    assert refused
    assert all(known[oid][1] for oid in refused)
    assert any(known[oid][1] for oid in placed)


def test_open__many_packs(new_repo: NewRepo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where objects lie in many packs git finds them faster; one that cannot be read leaves all to git."""
    repo = packed(new_repo, versions=1)
    monkeypatch.setattr(packs_module, "_MOST_PACKS", 1)
    oid = repo.git("rev-parse", "main")
    assert lacking(repo.folder, [oid, "1" * 40]) == ["1" * 40]
    repo.commit()
    repo.git("repack", "-dq")
    assert Packs.open(repo.folder, 20) is None
    assert lacking(repo.folder, [oid]) is None
    assert lacking(repo.folder / "none", [oid]) is None
    monkeypatch.setattr(packs_module, "_MOST_PACKS", 64)
    assert lacking(repo.folder, [oid]) == []
    monkeypatch.setattr(packs_module, "_MOST_INDEXES", 2000)
    assert lacking(repo.folder, [oid]) is None


def spoil(path: Path, change: Callable[[bytes], bytes]) -> None:
    data = change(path.read_bytes())
    path.chmod(0o644)
    path.unlink()
    path.write_bytes(data)


@pytest.mark.parametrize("ending", [".pack", ".idx"])
@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"",
        lambda data: data[:50],
        lambda data: data[: len(data) // 2],
        lambda data: data[:12] + bytes(len(data) - 12),
        lambda data: data[:12] + b"\xff" * (len(data) - 12),
        lambda data: data[:1040] + b"\x9d" * (len(data) - 1040),
    ],
    ids=["empty", "head alone", "half", "zeros", "ones", "rubbish"],
)
def test_read__damage(new_repo: NewRepo, ending: str, change: Callable[[bytes], bytes]) -> None:
    """A pack that was cut or overwritten gives an object as it was, or none; never another one, and no other error."""
    repo = packed(new_repo, versions=4)
    known = {oid: raw(repo, oid, kind) for oid, (kind, _) in objects(repo).items()}
    (path,) = repo.folder.glob(f"objects/pack/*{ending}")
    spoil(path, change)
    opened = Packs.open(repo.folder, 20)
    if opened is None:
        return
    with opened as packs:
        for oid, data in known.items():
            try:
                found = packs.read(oid)
            except BadPack:
                continue
            assert found is None or found[1] == data


def test_file_in__by_its_path(new_repo: NewRepo) -> None:
    """Files and symlinks; folders and what is not there are nothing; what is too large or oddly named is git's."""
    repo = packed(new_repo)
    head = repo.git("rev-parse", "main")
    assert file_in(repo.folder, head, "go.mod", 100) == b"module m // 11\n"
    assert file_in(repo.folder, head, "link", 100) == b"go.mod"
    assert file_in(repo.folder, head, "empty", 0) == b""
    assert file_in(repo.folder, head, "d5/f.go", 1 << 20) == raw(repo, f"{head}:d5/f.go", "blob")
    for path in ("d5", "d5/f", "d5/f.go/x", "d", "z", "go.mod\x01"):
        assert file_in(repo.folder, head, path, 1 << 20) is None, path
    for path in ("d5/f.go", "d5//f.go", "./go.mod", "d5/../go.mod", "go.mod/"):
        assert file_in(repo.folder, head, path, 10) is Ask.GIT, path
    assert file_in(repo.folder, "1" * 40, "go.mod", 100) is Ask.GIT
    assert (commit_in(repo.folder, head) or b"").startswith(b"tree ")
    assert commit_in(repo.folder, repo.git("rev-parse", "main^{tree}")) is None
    assert commit_in(repo.folder, "1" * 40) is None
