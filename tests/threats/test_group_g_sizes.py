"""Group G: repositories that are too much. Memory, time and disk stay bounded, and the answer says whose bound it was.

Each runs in a process of its own, since a process's peak of memory never sinks.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path

from goproxy_mirror.errors import NotFound
from tests.threats.hostile import (
    GO_MOD,
    ROOT,
    Direct,
    Ours,
    seen,
    store_commit,
    store_tree,
    zeros,
)
from tests.threats.measured import LIST, measure
from tests.vcs.gitkit import Repo, serve

MB = 1 << 20
TOO_LARGE = "module source tree too large (max size is 524288000 bytes)"
"""What go 1.27.3 says of each tree below in direct mode; where it takes more than some seconds it is not asked here."""


def disk(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(size for size, _, _ in seen(folder, but=folder / "nothing").values())


def test_g03__a_file_of_10_gb(repo: Repo, direct: Direct, tmp_path: Path) -> None:
    """It is not fetched; a module that it is no part of is built, and one that it is part of is refused."""
    module = {"go.mod": f"module {ROOT}/m\n", "m.go": "package m\n"}
    repo.commit({f"m/{name}": data for name, data in module.items()}, tags=("m/v1.0.0",))
    (there,) = direct.says(repo, "v1.0.0", path=f"{ROOT}/m")
    files = [("100644", name.encode(), repo.blob(data)) for name, data in module.items()]
    blob = zeros(repo, 10 << 30)
    tree = [
        ("100644", b"big", blob),
        ("100644", b"go.mod", repo.blob(GO_MOD)),
        ("40000", b"m", store_tree(repo, files)),
    ]
    commit = store_commit(repo, store_tree(repo, tree), ref="v1.0.0")
    repo.git("update-ref", "refs/tags/m/v1.0.0", commit)
    assert disk(repo.folder) < 100 * MB
    state = tmp_path / "measured"
    whole = measure(repo.url, state, "v1.0.0")
    assert (whole.kind, whole.refused) == ("NotFound", f"create zip: {TOO_LARGE}")
    part = measure(repo.url, state, "v1.0.0", path=f"{ROOT}/m")
    assert part.h1 == there.h1 != ""
    assert max(whole.peak, part.peak) < 300 * MB
    assert disk(state) < 10 * MB


def test_g04__trees_of_more_than_500_mib(repo: Repo, direct: Direct, tmp_path: Path) -> None:
    """A file of 600 MB that a server insists on sending, and a hundred of 6 MB: refused, and never in memory."""
    go_mod = ("100644", b"go.mod", repo.blob(GO_MOD))
    store_commit(repo, store_tree(repo, [("100644", b"big", zeros(repo, 600 * MB)), go_mod]), ref="v1.0.0")
    part = zeros(repo, 6 * MB)
    many = [("100644", b"f%02d" % number, part) for number in range(100)]
    store_commit(repo, store_tree(repo, [*many, go_mod]), ref="v1.1.0")
    with serve(repo.folder.parent) as served:
        served.config["uploadpack.allowFilter"] = "false"
        one = measure(f"{served.base}/r.git", tmp_path / "one", "v1.0.0")
    hundred = measure(repo.url, tmp_path / "hundred", "v1.1.0")
    (there,) = direct.says(repo, "v1.1.0")
    assert TOO_LARGE in there.refused
    for each in (one, hundred):
        assert (each.kind, each.refused) == ("NotFound", f"create zip: {TOO_LARGE}")
        assert each.mod
        assert each.peak < 300 * MB


async def test_g05__a_go_mod_of_more_than_16_mib(repo: Repo, direct: Direct, ours: Ours) -> None:
    """No version has such a go.mod; one byte less than the limit is well."""
    exact = GO_MOD + "/" * (16 * MB - len(GO_MOD) - 1) + "\n"
    repo.commit({"go.mod": exact}, tags=("v1.0.0",))
    repo.commit({"go.mod": exact + "\n"}, tags=("v1.1.0",))
    repo.commit({"go.mod": exact + "/" * 17 * MB}, tags=("v1.2.0",))
    theirs = direct.says(repo, "v1.0.0", "v1.1.0", "v1.2.0")
    said = [await ours.says(repo.url, query) for query in ("v1.0.0", "v1.1.0", "v1.2.0")]
    assert said[0].facts == theirs[0].facts
    for here, there in zip(said[1:], theirs[1:], strict=True):
        assert "go.mod file too large" in there.refused
        assert isinstance(here.error, NotFound)
        assert "are allowed" in here.refused or "are not read" in here.refused


def test_g06__very_many_tags(repo: Repo, tmp_path: Path) -> None:
    """100,000 tags are listed (a million take ten times as long, and 650 MB); more bytes of them than are read are an outage."""
    commit = repo.commit({"go.mod": GO_MOD}, tags=("v1.0.0",))
    packed = repo.folder / "packed-refs"
    head = "# pack-refs with: peeled fully-peeled sorted \n"
    packed.write_text(head + "".join(f"{commit} refs/tags/v1.{each}.0\n" for each in range(100_000, 200_000)))
    listed = measure(repo.url, tmp_path / "listed", LIST)
    assert listed.versions == 100_001
    assert listed.peak < 500 * MB
    one = measure(repo.url, tmp_path / "listed", "v1.123456.0")
    assert one.h1
    assert one.peak < 500 * MB
    names = (f"{'x' * 240}/{'y' * 240}{each}" for each in range(100_000, 240_000))
    packed.write_text(head + "".join(f"{commit} refs/tags/{name}\n" for name in names))
    refused = measure(repo.url, tmp_path / "refused", LIST)
    assert refused.kind == "SourceUnavailable"
    assert "bytes of heads and tags" in refused.refused
    assert refused.peak < 500 * MB


def test_g20__a_tree_of_a_billion_files(repo: Repo, tmp_path: Path) -> None:
    """Ten folders that are each ten folders, and so on: our own bound, so an outage and no absence."""
    mode, oid = "100644", repo.blob("x")
    for _ in range(9):
        mode, oid = "40000", store_tree(repo, [(mode, b"%d" % number, oid) for number in range(10)])
    store_commit(repo, store_tree(repo, [("40000", b"d", oid), ("100644", b"go.mod", repo.blob(GO_MOD))]))
    bomb = measure(repo.url, tmp_path / "measured", "v1.0.0")
    assert bomb.mod
    assert bomb.kind == "SourceUnavailable"
    assert bomb.peak < 600 * MB


def test_g20__folders_in_folders(repo: Repo, direct: Direct, tmp_path: Path) -> None:
    """Thousands of folders in each other, a file in each, take time by their bytes and not by their square."""
    blob = repo.blob("x")
    trees = [store_tree(repo, [("100644", b"f", blob)])]
    for _ in range(3000):
        trees.append(store_tree(repo, [("40000", b"d", trees[-1]), ("100644", b"f", blob)]))
    go_mod = ("100644", b"go.mod", repo.blob(GO_MOD))
    store_commit(repo, store_tree(repo, [("40000", b"d", trees[800]), go_mod]), ref="v1.0.0")
    store_commit(repo, store_tree(repo, [("40000", b"d", trees[3000]), go_mod]), ref="v1.1.0")
    (there,) = direct.says(repo, "v1.0.0")
    assert measure(repo.url, tmp_path / "measured", "v1.0.0").h1 == there.h1 != ""
    deep = measure(repo.url, tmp_path / "measured", "v1.1.0")
    assert deep.h1
    assert deep.peak < 500 * MB
    assert deep.seconds < 20


async def test_g21__a_delta_bomb(repo: Repo, tmp_path: Path) -> None:
    """A pack of some kilobytes with an object of 6 GB: git is given less memory than that, and the rest goes on."""
    good = repo.commit({"go.mod": GO_MOD, "a.go": "package a\n"}, tags=("v1.0.0",))
    base, bomb = _delta_bomb(repo, 6 << 30)
    files = [(b"base", base), (b"big", bomb), (b"go.mod", repo.blob(GO_MOD))]
    store_commit(repo, store_tree(repo, [("100644", name, oid) for name, oid in files]), ref="v1.1.0")
    with serve(repo.folder.parent) as served:
        served.config["uploadpack.allowFilter"] = "false"
        url = f"{served.base}/r.git"
        state = tmp_path / "measured"
        refused = measure(url, state, "v1.1.0")
        assert (refused.kind, "more room" in refused.refused) == ("TooMuch", True)
        assert refused.peak < 300 * MB
        assert disk(state) < 50 * MB
        assert measure(url, state, "v1.0.0").h1
    assert good


def _delta_bomb(repo: Repo, size: int) -> tuple[str, str]:
    """A block of zeros, and an object of so many as a delta that copies the block again and again; its id is made up."""
    block = (1 << 24) - 1
    base = b"blob %d\0" % block + bytes(block)
    base_id = hashlib.sha1(base).digest()
    times = size // block
    copy = b"\xf0\xff\xff\xff"  # from the beginning, so many bytes
    delta = _varint(block) + _varint(block * times) + copy * times
    oid = hashlib.sha1(b"bomb").digest()
    body = b"PACK" + struct.pack(">LL", 2, 2)
    first = len(body)
    packed_base = _entry_head(3, block) + zlib.compress(bytes(block), 1)
    body += packed_base
    second = len(body)
    packed_delta = _entry_head(7, len(delta)) + base_id + zlib.compress(delta)
    body += packed_delta
    pack = body + hashlib.sha1(body).digest()
    offsets = {base_id: (first, packed_base), oid: (second, packed_delta)}
    ids = sorted(offsets)
    fanout = [sum(each[0] <= number for each in ids) for number in range(256)]
    index = b"\xfftOc" + struct.pack(">L", 2) + struct.pack(">256L", *fanout) + b"".join(ids)
    index += b"".join(struct.pack(">L", zlib.crc32(offsets[each][1])) for each in ids)
    index += b"".join(struct.pack(">L", offsets[each][0]) for each in ids) + pack[-20:]
    name = repo.folder / "objects" / "pack" / f"pack-{hashlib.sha1(pack).hexdigest()}"
    name.parent.mkdir(exist_ok=True)
    name.with_suffix(".pack").write_bytes(pack)
    name.with_suffix(".idx").write_bytes(index + hashlib.sha1(index).digest())
    return base_id.hex(), oid.hex()


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _entry_head(kind: int, size: int) -> bytes:
    first, size = kind << 4 | size & 0xF, size >> 4
    out = bytearray()
    while size:
        out.append(first | 0x80)
        first, size = size & 0x7F, size >> 7
    return bytes([*out, first])
