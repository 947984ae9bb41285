"""Distributions, and the toolchain modules that are made of them."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from goproxy_mirror.builder.toolchain import TOOLCHAIN, Distribution, read_info, write_module
from goproxy_mirror.errors import InvalidVersion, SourceUnavailable
from goproxy_mirror.module.dirhash import hash_zip
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.module.zipcheck import check_members
from goproxy_mirror.module.zipreader import ZipReader
from tests.world.distributions import FILES, RELEASE, TIME, module_hash, tar_gz, version_of, windows_zip

LINUX, WINDOWS = version_of(), version_of("windows-amd64")


def toolchain(version: str) -> ModuleVersion:
    """A version of the module."""
    return ModuleVersion(TOOLCHAIN, Version.parse(version))


def converted(folder: Path, packed: bytes, version: str = LINUX) -> Path:
    """The module that is made of an archive."""
    archive, into = folder / "archive", folder / "module.zip"
    archive.write_bytes(packed)
    write_module(archive, toolchain(version), into, lambda: True)
    return into


@pytest.mark.parametrize(
    ("version", "release", "file"),
    [
        ("v0.0.1-go1.21.0.linux-amd64", "go1.21.0", "go1.21.0.linux-amd64.tar.gz"),
        ("v0.0.1-go1.22rc1.darwin-arm64", "go1.22rc1", "go1.22rc1.darwin-arm64.tar.gz"),
        ("v0.0.1-go1.21.0.windows-386", "go1.21.0", "go1.21.0.windows-386.zip"),
        ("v0.0.1-go1.21.0.linux-arm", "go1.21.0", "go1.21.0.linux-armv6l.tar.gz"),
        ("v0.0.1-go1.21.0.freebsd-arm", "go1.21.0", "go1.21.0.freebsd-arm.tar.gz"),
    ],
)
def test_names_of_distributions(version: str, release: str, file: str) -> None:
    """A version names its archive; only that for Linux on ARM is called otherwise than the go command has it."""
    assert Distribution.of(Version.parse(version)) == Distribution(release, file)


@pytest.mark.parametrize(
    "version",
    [
        "v0.0.1",
        "v0.0.2-go1.21.0.linux-amd64",
        "v0.0.1-go1.21.0",
        "v0.0.1-go1.21.0.linux",
        "v0.0.1-gox.linux-amd64",
        "v0.0.1-go1.21.0.linux-amd64.x",
        "v0.0.1-20240102030405-0123456789ab",
    ],
)
def test_no_toolchain(version: str) -> None:
    """Other versions of the module do not exist."""
    with pytest.raises(InvalidVersion, match=r"v0\.0\.1-goVERSION\.GOOS-GOARCH"):
        Distribution.of(Version.parse(version))


@pytest.mark.parametrize(("version", "packed"), [(LINUX, tar_gz()), (WINDOWS, windows_zip())])
def test_the_module_of_a_distribution(tmp_path: Path, version: str, packed: bytes) -> None:
    """A tar and a zip come to the module with the hash that its files give, and the go command can unpack it."""
    made = converted(tmp_path, packed, version)
    assert hash_zip(made) == module_hash(version)
    with ZipReader(made) as reader:
        check_members(toolchain(version), reader.members)


def test_what_is_left_out_and_renamed(tmp_path: Path) -> None:
    """Documentation and tests are not in the module, every go.mod is _go.mod, vendored packages stay."""
    with zipfile.ZipFile(converted(tmp_path, tar_gz())) as made:
        names = {name.removeprefix(f"golang.org/toolchain@{LINUX}/") for name in made.namelist()}
    assert not {name for name in names if name.startswith(("api/", "doc/", "misc/", "test/"))}
    assert {"src/_go.mod", "src/cmd/_go.mod", "src/cmd/vendor/golang.org/x/mod/LICENSE", "VERSION"} <= names
    assert "src/go.mod" not in names


@pytest.mark.parametrize(("version", "packed"), [(LINUX, tar_gz()), (WINDOWS, windows_zip())])
def test_the_info_of_a_beginning(version: str, packed: bytes) -> None:
    """The first bytes of either kind of archive are enough for the .info, whose time is that of VERSION."""
    larger = {**FILES, "bin/go": bytes(range(256)) * 4096}
    for beginning in (packed, (tar_gz(larger) if version == LINUX else windows_zip(larger))[:1200]):
        info = read_info(beginning, toolchain(version))
        assert info.time == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        assert info.body == f'{{"Version":"{version}","Time":"{TIME}"}}'.encode()


@pytest.mark.parametrize(
    "text", [RELEASE, f"{RELEASE}\ntime today\n", f"{RELEASE}\ntime 2026-13-40T00:00:00Z\n"]
)
def test_a_version_without_a_time(text: str) -> None:
    """Releases before go1.21 say no time, and neither does their .info; what is none is left out too."""
    info = read_info(tar_gz({"VERSION": text.encode()}), toolchain(LINUX))
    assert (info.time, info.body) == (None, f'{{"Version":"{LINUX}"}}'.encode())


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"VERSION": b"go1.99.2\n"}, "says that it is 'go1.99.2', not go1.99.1"),
        ({"VERSION": b"x" * 5000}, "VERSION is none"),
        ({"LICENSE": b"x"}, "no go/VERSION"),
        ({"src/GO.MOD": b""}, "go.mod file not in module root"),
        ({"src/a.go": b"", "src/A.go": b""}, "collision"),
        ({"src/go.mod": b"", "src/_go.mod": b""}, "multiple entries"),
        ({"src/con.txt": b"", "src/a:b": b""}, "disallowed"),
    ],
)
def test_no_distribution(tmp_path: Path, files: Mapping[str, bytes], reason: str) -> None:
    """Another release, an archive of something else, and names that no module can have make no module."""
    assert converted(tmp_path, tar_gz())
    whole = files if "VERSION" in files or "LICENSE" in files else {"VERSION": FILES["VERSION"], **files}
    with pytest.raises(SourceUnavailable, match=reason):
        converted(tmp_path, tar_gz(whole))


@pytest.mark.parametrize("read", [True, False])
def test_another_root(tmp_path: Path, read: bool) -> None:
    """An archive whose files do not lie below go/ is none."""
    packed = gzip.compress(gzip.decompress(tar_gz({"VERSION": b"x"})).replace(b"go/VERSION", b"ho/VERSION"))
    with pytest.raises(SourceUnavailable):
        _ = read_info(packed, toolchain(LINUX)) if read else converted(tmp_path, packed)


@pytest.mark.parametrize("version", [LINUX, WINDOWS])
@pytest.mark.parametrize(
    "beginning", [b"", b"<html>log in</html>", b"PK\3\4", b"\x1f\x8b", b"PK\3\4" + bytes(26)]
)
def test_no_beginning(version: str, beginning: bytes) -> None:
    """What is the beginning of no archive is said to be none."""
    with pytest.raises(SourceUnavailable):
        read_info(beginning, toolchain(version))


def test_it_ends_when_nobody_waits(tmp_path: Path) -> None:
    """The work stops between two files once it is told to."""
    archive = tmp_path / "archive"
    archive.write_bytes(tar_gz())
    asked: list[int] = []

    def go_on() -> bool:
        asked.append(1)
        return len(asked) < 3

    with pytest.raises(SourceUnavailable, match="nobody waits"):
        write_module(archive, toolchain(LINUX), tmp_path / "module.zip", go_on)
    assert len(asked) == 3
