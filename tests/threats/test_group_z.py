"""Group Z: zips that programs read in different ways, or that are made to hurt: by our reader, and through the running server.

An upstream has them for versions whose record in the checksum database is the honest zip's hash, and for versions whose record
is the hash of what a lenient reader finds in them. In both cases they are refused for what they are.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.module.zipcheck import check_members
from goproxy_mirror.module.zipreader import InvalidZip, ZipReader
from tests.threats.hostile_zips import HOSTILE, go_mod, honest
from tests.threats.proving import Proving, file_of, proving, write_version
from tests.world.store import published_files
from tests.world.zips import h1, mod_h1

MB = 1 << 20
NUMBERS = {name: number for number, name in enumerate(HOSTILE)}
NOT_WHOLE = {"Z12", "Z12 counted", "Z12 behind"}
READ_BY_FEW = {"Z09", "Z10", "Z10 said", "Z11", "Z11 checksum", "Z14", "Z16", "Z17"}
"""What Python's own reader refuses too, in one version or another. The last but one takes it too long."""


def version(name: str, path: str = "hostile.test/m") -> ModuleVersion:
    """The version that stands for a hostile zip."""
    return ModuleVersion(ModulePath.parse(path), Version(f"v1.{NUMBERS[name]}.0"))


@pytest.fixture(scope="module")
def hostile() -> dict[str, bytes]:
    """Each hostile zip for its version."""
    return {name: build(version(name)) for name, (build, _) in HOSTILE.items()}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, hostile: dict[str, bytes]) -> Iterator[Proving]:
    """The liar has the hostile zips, and everything is recorded."""
    with proving(tmp_path_factory.mktemp("zips")) as world:
        for name, data in hostile.items():
            mv = version(name)
            world.publish(mv, go_mod(mv), honest(mv), lie=data)
            signed = version(name, "signed.test/m")
            read = None if name == "Z16" else _leniently(HOSTILE[name][0](signed))
            if read is not None:
                world.database.add(str(signed.path), str(signed.version), read, mod_h1(go_mod(signed)))
                write_version(world.liar.tree, signed, go_mod(signed), HOSTILE[name][0](signed))
        yield world


def _leniently(data: bytes) -> str | None:
    """The hash of what Python's own reader finds; None where it finds nothing."""
    try:
        return h1(data)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, ValueError, OSError):
        return None


def read(file: Path, mv: ModuleVersion) -> dict[str, bytes]:
    """What our reader finds in a module zip."""
    with ZipReader(file) as reader:
        check_members(mv, reader.members)
        return {member.name: b"".join(reader.read(member)) for member in reader.members}


@pytest.mark.parametrize("name", HOSTILE)
def test_z01_to_z20__refused_by_the_reader(name: str, hostile: dict[str, bytes], tmp_path: Path) -> None:
    """No such zip is read, and the reason is said."""
    file = tmp_path / "x.zip"
    file.write_bytes(hostile[name])
    with pytest.raises(InvalidZip):
        read(file, version(name))
    # Positive control: the same module without that.
    file.write_bytes(honest(version(name)))
    assert len(read(file, version(name))) == 2


@pytest.mark.parametrize("name", HOSTILE)
def test_z01_to_z20__refused_by_the_server(name: str, world: Proving) -> None:
    """502 with the reason, whatever the record says; nothing is published, no file lies where it should not."""
    server = world.server("liar")
    before = server.peak()
    signed = version(name, "signed.test/m")
    is_signed = (world.liar.tree / file_of(signed, "zip")[1:]).exists()
    assert is_signed or name in READ_BY_FEW
    for mv in (version(name), *([signed] if is_signed else [])):
        published = published_files(server.store)
        answer = server.get(file_of(mv, "zip"))
        assert answer.status == 502, answer.text
        assert re.search(HOSTILE[name][1], answer.text), answer.text
        assert "its hash is" not in answer.text
        assert "no-store" in answer.headers["cache-control"]
        assert str(server.data) not in answer.text
        assert published_files(server.store) == published
    assert server.peak() - before < 200 * MB
    assert not list((server.store / ".tmp").iterdir())
    # Positive control: the version's go.mod, from the same upstream, is the recorded one.
    assert server.get(file_of(version(name), "mod")).status == 200


@pytest.mark.parametrize("separator", ["|", ","])
@pytest.mark.parametrize("name", HOSTILE)
def test_z01_to_z20__another_upstream_is_asked(name: str, separator: str, world: Proving) -> None:
    """Within the same request the next upstream's zip is fetched, proven, published and answered."""
    mv = version(name)
    server = world.server("liar", "honest", separator=separator)
    answer = server.get(file_of(mv, "zip"))
    if separator == "," and name in NOT_WHOLE:
        # By its looks no zip at all, which is a failure: a comma goes on after a no and after a lie.
        assert answer.status == 502
        assert not (server.store / file_of(mv, "zip")[1:]).exists()
        return
    assert (answer.status, answer.body) == (200, honest(mv))
    assert (server.store / file_of(mv, "zip")[1:]).read_bytes() == honest(mv)


@pytest.mark.parametrize("name", HOSTILE)
def test_z01_to_z20__refused_without_a_database(name: str, world: Proving) -> None:
    """Where nothing is proven, no such zip is stored either: 502, and another upstream's takes its place."""
    mv = version(name)
    assert world.server("liar", proven=False).get(file_of(mv, "zip")).status == 502
    answer = world.server("liar", "honest", proven=False).get(file_of(mv, "zip"))
    assert (answer.status, answer.body) == (200, honest(mv))
