"""Our reader of zips beside Go's: what ours takes, Go reads as the same files. Go takes far more than ours."""

from __future__ import annotations

import random
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from isal import isal_zlib

from goproxy_mirror.module.dirhash import hash_members
from goproxy_mirror.module.modzip import ZipWriter
from goproxy_mirror.module.path import ModulePath, unescape
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.module.zipcheck import check_members
from goproxy_mirror.module.zipreader import InvalidZip, ZipReader
from tests.module.zipkit import Part, Pipe, archive, deflated, entry, with_attributes
from tests.world.modules import Modules
from tests.world.readzip import Files, GoReader, digest
from tests.world.zips import h1

Check = Callable[[bytes], bool]


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoReader]:
    """Go's reader."""
    with closing(GoReader(tmp_path_factory.mktemp("readzip"))) as go:
        yield go


@pytest.fixture(scope="module")
def check(go: GoReader, tmp_path_factory: pytest.TempPathFactory) -> Check:
    """Read a zip; whether ours takes it. `AssertionError` where it does, and Go finds something else."""
    file = tmp_path_factory.mktemp("zips") / "x.zip"

    def check(data: bytes) -> bool:
        file.write_bytes(data)
        try:
            found = read(file)
        except InvalidZip:
            return False
        assert found == go.read(data), data
        return True

    return check


def read(file: Path) -> Files:
    """What ours finds."""
    with ZipReader(file) as reader:
        return [(member.name.encode(), digest(b"".join(reader.read(member)))) for member in reader.members]


def _ours(folder: Path) -> bytes:
    with ZipWriter(folder / "x.zip", "m@v1/") as writer:
        writer.add("go.mod", [b"module m\n"])
        writer.add("a", [b"abc" * 20])
    return (folder / "x.zip").read_bytes()


def _piped() -> bytes:
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as made:  # type: ignore[call-overload]
        made.writestr("m/", b"")
        made.writestr("m/a", b"abc" * 9)
    return pipe.data


SMALL: dict[str, Callable[[Path], bytes]] = {
    "ours": _ours,
    "sizes behind": lambda _: _piped(),
    "stored": lambda _: archive(entry(b"m/a", b"xyz"), with_attributes(b"m/b", 0o100644 << 16)),
    "empty": lambda _: archive(),
}


@pytest.mark.parametrize("name", SMALL)
def test_every_byte_changed(name: str, check: Check, tmp_path: Path) -> None:
    """Each byte of a small zip with each bit flipped, and at its extremes: refused, or Go reads what ours does."""
    whole = SMALL[name](tmp_path)
    assert check(whole)
    taken = 0
    data = bytearray(whole)
    for place, true in enumerate(whole):
        for value in {true ^ 1 << bit for bit in range(8)} | {0, 0x84, 0xFF}:
            if value != true:
                data[place] = value
                taken += check(bytes(data))
        data[place] = true
    # Times, versions and the like are bytes that mean nothing, in an archive of nothing too: only its end's are looked at.
    assert (taken > 0) == (name != "empty")


def test_every_part_left_out_or_doubled(check: Check, tmp_path: Path) -> None:
    """Slices of a zip that are missing, or come twice."""
    for name in ("ours", "sizes behind"):
        whole = SMALL[name](tmp_path)
        for start in range(len(whole)):
            for size in (1, 4, 46):
                check(whole[:start] + whole[start + size :])
                check(whole[: start + size] + whole[start:])


NAMES = st.sampled_from(
    [b"m/a", b"m/b", b"m/", b"a", b"", b"m/\xc3\xa9", b"\xff", b"m\\a", b"../a", b"m/a\0b", b"M/A"]
)
CONTENTS = st.binary(max_size=40)
EXTRAS = st.sampled_from(
    [b"", b"\x55\x54\x05\0\1\0\0\0\0", b"\1\0\0\0", b"\1\0\x10\0" + bytes(16), b"\x99", b"\x75\x70\1\0\1"]
)


@st.composite
def parts(draw: st.DrawFn) -> Part:
    """A file that is right in most of its fields."""
    content = draw(CONTENTS)
    method = draw(st.sampled_from([0, 8, 8, 8, 9]))
    packed = deflated(content) if method == 8 else content
    packed = draw(st.sampled_from([packed] * 6 + [packed + b"x", packed[:-1], deflated(packed)]))
    wrong = draw(st.sampled_from([None] * 8 + ["size", "crc"]))
    return entry(
        draw(NAMES),
        content,
        flags=draw(st.sampled_from([0, 0, 0, 0x800, 0x2, 0x1, 0x8, 0x40])),
        method=method,
        packed=packed,
        crc=1 if wrong == "crc" else None,
        size=len(content) + 1 if wrong == "size" else None,
        extra=draw(EXTRAS),
    )


@st.composite
def zips(draw: st.DrawFn) -> bytes:
    """Files one behind the other, seldom with a wrong count or a comment; then perhaps bytes that are changed, cut or added."""
    made = draw(st.lists(parts(), max_size=4))
    count = draw(st.sampled_from([None] * 8 + [0, 1, 2]))
    data = bytearray(
        archive(*made, count=count, comment=draw(st.sampled_from([b""] * 8 + [b"c", b"PK\5\6" + bytes(18)])))
    )
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2, 3]))):
        place = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["set", "cut", "add"])):
            case "set" if place < len(data):
                data[place] = draw(st.integers(0, 255))
            case "cut":
                del data[place : place + draw(st.integers(1, 60))]
            case _:
                data[place:place] = draw(st.binary(max_size=60))
    return bytes(data)


@settings(
    max_examples=1000,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=zips())
def test_any_zip(check: Check, data: bytes) -> None:
    """Whatever is made of files, right and wrong, is refused, or Go reads what ours does."""
    check(data)


def test_damaged_deflate_streams(check: Check) -> None:
    """Ours unpacks with another library than Go does: streams that are damaged are refused by it too, or hold the same."""
    rng = random.Random(20)
    taken = 0
    for _ in range(3000):
        content = bytes(
            rng.choice([rng.randrange(3), rng.randrange(256)]) for _ in range(rng.choice([5, 20, 100]))
        )
        damaged = bytearray(deflated(content))
        for _ in range(rng.randrange(3)):
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        with suppress(zlib.error):
            content = zlib.decompressobj(-15).decompress(damaged)
        taken += check(archive(entry(b"m/a", content, method=8, packed=bytes(damaged))))
    assert 0 < taken < 3000


def test_a_stream_that_no_go_command_unpacks(check: Check) -> None:
    """An incomplete set of distances, which faster libraries let pass: refused, or the version could never be used."""
    packed = bytearray.fromhex("05c101010000004084adf8ff41" + "611886" * 5 + "0d")
    content = b"abc" * 20
    assert isal_zlib.decompressobj(-15).decompress(bytes(packed)) == content
    assert not check(archive(entry(b"m/a", content, method=8, packed=bytes(packed))))
    packed[8] = 0xA0
    assert check(archive(entry(b"m/a", content, method=8, packed=bytes(packed))))


@pytest.mark.parametrize("surplus", [b"\0", bytes(2 << 20)])
def test_a_stream_that_ends_early(surplus: bytes, check: Check) -> None:
    """Packed bytes behind the stream's end are refused, however many and however far behind."""
    for content in (b"", b"x", bytes(3 << 20)):
        assert not check(archive(entry(b"m/a", content, method=8, packed=deflated(content) + surplus)))
        assert check(archive(entry(b"m/a", content, method=8, packed=deflated(content))))


def test_published_zips(modules: Modules, go: GoReader) -> None:
    """Zips that others made of published modules are taken, as modules of their version, with the hash of go.sum."""
    sums = {tuple(line.split()[:2]): line.split()[2] for line in modules.go_sum.splitlines()}
    checked = compared = 0
    for escaped, version, file in modules.zips():
        path = unescape(escaped)
        mv = ModuleVersion(ModulePath.parse(path), Version.parse(unescape(version)))
        with ZipReader(file) as reader:
            check_members(mv, reader.members)
            hashed = hash_members(reader)
        assert hashed == h1(file) == sums.get((path, str(mv.version)), hashed)
        assert read(file) == go.read(file.read_bytes())
        checked += 1
        compared += (path, str(mv.version)) in sums
    assert checked >= compared > 3
