"""The verifier: hashes held against records and pins."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from pathlib import Path

import pytest

from goproxy_mirror.errors import MirrorError, NotRecorded, SecurityError, StorageError, Unproven
from goproxy_mirror.module.dirhash import go_mod_hash, hash_zip
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileKind, Home, Lie, Pin, Record, Witness
from goproxy_mirror.verify.checker import OUT_FOR, Checker
from tests.fakes.proof import FakeLies, FakePins, FakeRecords

MV = ModuleVersion(ModulePath.parse("example.com/m"), Version.parse("v1.0.0"))
TOOL = ModuleVersion(ModulePath.parse("golang.org/toolchain"), Version.parse("v0.0.1-go1.99.1.linux-amd64"))
MOD = b"module example.com/m\n"
OTHER = b"module example.com/other\n"
MIRROR = Witness(Home("mirror", "https://mirror.test/m"), named=True, authority=False)
STRANGER = Witness(Home("mirror", "https://stranger.test/m"), named=False, authority=False)
UPSTREAM = Witness(Home("upstream", "https://up.test"), named=True)
ORIGIN = Witness(Home("origin", "https://example.com/m"), named=True)
NOW = 1_800_000_000.0


class Bench:
    """A checker over a database that has a record of `MV`."""

    def __init__(self, *, outside: str = "", lenient: bool = False, off: bool = False) -> None:
        self.records = FakeRecords({str(MV): Record(3, go_mod_hash(MOD), None, 7)})
        self.pins, self.lies = FakePins(), FakeLies()
        self.now = NOW
        self.checker = Checker(
            database=None if off else self.records,
            toolchains=self.records,
            outside=outside,
            pins=self.pins,
            lies=self.lies,
            lenient=lenient,
            clock=lambda: self.now,
        )

    def record_zip(self, hash_: str) -> None:
        self.records.records[str(MV)] = dataclasses.replace(self.records.records[str(MV)], zip=hash_)


def zip_file(folder: Path, *names: str) -> Path:
    """A zip of small files; names are below the module's prefix unless they begin with a slash."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name[1:] if name[0] == "/" else f"{MV}/{name}"), name)
    path = folder / "m.zip"
    path.write_bytes(made.getvalue())
    return path


async def test_recorded_file_is_proven() -> None:
    """The proof says by whom, and in which tree."""
    proof = await Bench().checker.go_mod(MV, MOD, UPSTREAM)
    assert (proof.hash, proof.by, proof.tree) == (go_mod_hash(MOD), "sum.test", 7)


async def test_wrong_file_is_a_lie() -> None:
    """It is refused with both hashes, and who had it is remembered."""
    bench = Bench()
    with pytest.raises(SecurityError, match="not what was published") as refused:
        await bench.checker.go_mod(MV, OTHER, UPSTREAM)
    assert go_mod_hash(MOD) in refused.value.message
    assert go_mod_hash(OTHER) in refused.value.message
    (lie,) = bench.lies.told
    assert (lie.home, lie.mv, lie.kind, lie.known, lie.brought, lie.at) == (
        UPSTREAM.home,
        MV,
        ".mod",
        go_mod_hash(MOD),
        go_mod_hash(OTHER),
        NOW,
    )


async def test_lying_mirror_is_out_for_that_module() -> None:
    """For a day, and for no other module; also where another process has caught it. An upstream is not taken out."""
    bench = Bench()
    for witness in (MIRROR, UPSTREAM):
        with pytest.raises(SecurityError):
            await bench.checker.go_mod(MV, OTHER, witness)
    assert "is not asked for example.com/m" in (bench.checker.distrusted(MIRROR.home, MV.path) or "")
    assert bench.checker.distrusted(UPSTREAM.home, MV.path) is None
    assert bench.checker.distrusted(MIRROR.home, ModulePath.parse("example.com/n")) is None
    other = Bench()
    other.lies.told = [*bench.lies.told, Lie(STRANGER.home, MV, ".zip", "x", "y", NOW - OUT_FOR - 1)]
    await other.checker.refresh()
    assert other.checker.distrusted(MIRROR.home, MV.path)
    assert other.checker.distrusted(STRANGER.home, MV.path) is None
    other.now += OUT_FOR + 1
    assert other.checker.distrusted(MIRROR.home, MV.path) is None


async def test_state_that_fails_stops_no_proof() -> None:
    """Who lied cannot be written down, but the lie is refused, and its mirror is out all the same."""
    bench = Bench()
    bench.lies.failing = StorageError("the state database is gone")
    await bench.checker.refresh()
    with pytest.raises(SecurityError):
        await bench.checker.go_mod(MV, OTHER, MIRROR)
    assert bench.checker.distrusted(MIRROR.home, MV.path)


async def test_zip_is_proven(tmp_path: Path) -> None:
    """By the hash of its content."""
    bench = Bench()
    path = zip_file(tmp_path, "go.mod", "a.go")
    bench.record_zip(hash_zip(path))
    assert (await bench.checker.zip(MV, path, UPSTREAM)).by == "sum.test"
    bench.record_zip("h1:other")
    with pytest.raises(SecurityError, match="not what was published"):
        await bench.checker.zip(MV, path, UPSTREAM)


@pytest.mark.parametrize("names", [("/example.com/n@v1.0.0/a.go",), ("a/../b.go",), ("a.go", "A.go")])
async def test_zip_that_is_none_of_a_module(tmp_path: Path, names: tuple[str, ...]) -> None:
    """It is refused before its hash counts, even if the record had that hash."""
    bench = Bench()
    path = zip_file(tmp_path, *names)
    bench.record_zip(hash_zip(path))
    with pytest.raises(SecurityError, match="is refused"):
        await bench.checker.zip(MV, path, MIRROR)
    assert bench.lies.told[0].kind == ".zip"


async def test_record_without_the_file() -> None:
    """A record that has no hash of a file vouches for none."""
    bench = Bench()
    bench.records.records[str(MV)] = Record(3, None, "h1:x", 7)
    with pytest.raises(NotRecorded, match="no hash of that file"):
        await bench.checker.go_mod(MV, MOD, UPSTREAM)


@pytest.mark.parametrize(
    "failing", [Unproven("no answer"), NotRecorded("no record"), SecurityError("a fork")]
)
async def test_nobody_vouches(failing: MirrorError) -> None:
    """Without a record nothing is proven, and nobody is called a liar."""
    bench = Bench()
    bench.records.failing = failing
    with pytest.raises(type(failing)):
        await bench.checker.go_mod(MV, MOD, UPSTREAM)
    assert bench.lies.told == []


async def test_operator_accepts_silence() -> None:
    """With `verify = "prefer"`, a database that cannot be reached is no obstacle; a contradiction and a missing record are."""
    bench = Bench(lenient=True)
    with pytest.raises(SecurityError):
        await bench.checker.go_mod(MV, OTHER, UPSTREAM)
    bench.records.failing = NotRecorded("no record")
    with pytest.raises(NotRecorded):
        await bench.checker.go_mod(MV, MOD, UPSTREAM)
    with pytest.raises(NotRecorded):
        await bench.checker.vouched(MV)
    bench.records.failing = Unproven("no answer")
    assert (await bench.checker.go_mod(MV, MOD, UPSTREAM)).by == ""
    await bench.checker.vouched(MV)
    with pytest.raises(Unproven):
        await bench.checker.go_mod(TOOL, MOD, UPSTREAM)
    with pytest.raises(Unproven):
        await bench.checker.recorded(MV)


@pytest.mark.parametrize("bench", [Bench(outside="example.com"), Bench(off=True)], ids=["named", "off"])
async def test_outside_is_pinned_at_first_sight(bench: Bench) -> None:
    """What no database is asked about has to stay what it was; the database hears nothing of it."""
    assert (await bench.checker.go_mod(MV, OTHER, ORIGIN)).by == "pin"
    assert (await bench.checker.go_mod(MV, OTHER, STRANGER)).by == "pin"
    with pytest.raises(SecurityError, match="not what was first seen"):
        await bench.checker.go_mod(MV, MOD, ORIGIN)
    assert bench.lies.told[0].home == ORIGIN.home
    assert bench.records.asked == []
    await bench.checker.vouched(MV)
    assert not await bench.checker.recorded(MV)


async def test_pin_is_kept(tmp_path: Path) -> None:
    """The first sight counts, whoever comes later; the `.mod` and the `.zip` are pinned apart."""
    bench = Bench(off=True)
    path = zip_file(tmp_path, "a.go")
    await bench.checker.go_mod(MV, MOD, UPSTREAM)
    await bench.checker.zip(MV, path, ORIGIN)
    assert {kind: pin.hash for (_, kind), pin in bench.pins.pins.items()} == {
        FileKind.MOD: go_mod_hash(MOD),
        FileKind.ZIP: hash_zip(path),
    }


async def test_stranger_shows_nothing_first() -> None:
    """A mirror that the operator did not name cannot be where something outside the database is first seen."""
    bench = Bench(outside="example.com")
    with pytest.raises(Unproven, match="never seen at its origin"):
        await bench.checker.go_mod(MV, MOD, STRANGER)
    assert bench.pins.pins == {}
    bench.pins.pins[str(MV), FileKind.MOD] = Pin(go_mod_hash(MOD), "https://example.com/m", NOW)
    assert (await bench.checker.go_mod(MV, MOD, STRANGER)).by == "pin"


async def test_toolchains_are_always_proven() -> None:
    """Neither GONOSUMDB nor GOSUMDB=off counts for programs that the go command runs by itself."""
    for bench in (Bench(outside="golang.org/*"), Bench(off=True)):
        assert not bench.checker.outside(TOOL.path)
        with pytest.raises(NotRecorded):
            await bench.checker.go_mod(TOOL, MOD, UPSTREAM)
        bench.records.records[str(TOOL)] = Record(4, go_mod_hash(MOD), None, 7)
        assert (await bench.checker.go_mod(TOOL, MOD, UPSTREAM)).by == "sum.test"


async def test_what_is_stored_has_no_witness() -> None:
    """A stored file that is wrong is nobody's lie; one outside the database is pinned as it is."""
    bench = Bench()
    with pytest.raises(SecurityError, match="the store"):
        await bench.checker.go_mod(MV, OTHER, None)
    assert bench.lies.told == []
    assert (await Bench(off=True).checker.go_mod(MV, OTHER, None)).by == "pin"
