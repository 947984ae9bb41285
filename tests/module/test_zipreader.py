"""Zips that can be read in two ways, each by the id it has in the list of bad inputs (group Z)."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest

from goproxy_mirror.module.modzip import ZipWriter
from goproxy_mirror.module.zipreader import MAX_BYTES, InvalidZip, ZipReader
from tests.module.zipkit import Pipe, archive, deflated, end, entry, with_attributes

PREFIX = "example.com/m@v1.0.0/"
GO_MOD = b"module example.com/m\n"


def read(path: Path, data: bytes) -> dict[str, bytes]:
    path.write_bytes(data)
    with ZipReader(path) as reader:
        return {member.name: b"".join(reader.read(member)) for member in reader.members}


A, B = entry(b"a"), entry(b"b", b"yy")
LYING_LOCAL = (entry(b"a")[0], entry(b"b")[1])
OVERLAP = (A[0] + B[0], lambda offset: A[1](0) + B[1](len(A[0]) - 1))
BOMB = entry(b"a", size=10, packed=deflated(bytes(1 << 20)), method=8)
ZIP64_ENTRY = entry(b"a", size=0xFFFFFFFF, extra=struct.pack("<2H2Q", 1, 16, 1, 1))

BAD = {
    "html": b"<html>no zip</html>" * 10,
    "empty": b"",
    "short": b"PK\5\6",
    "Z04 a name cut at NUL is another name": archive((A[0].replace(b"a", b"\0", 1), A[1])),
    "Z05 two entries of one name": archive(A, A),
    "Z08 symbolic link": archive(with_attributes(b"a", 0o120777 << 16)),
    "Z08 symbolic link of macOS": archive(with_attributes(b"a", 0o120777 << 16, system=19)),
    "Z08 device": archive(with_attributes(b"a", 0o020666 << 16)),
    "Z09 overlap": A[0] + B[0] + A[1](0) + B[1](0) + end(2, 94, len(A[0] + B[0])),
    "Z09 one body for two": A[0] + A[1](0) + A[1](0) + end(2, 94, len(A[0])),
    "Z10 bomb": archive(BOMB),
    "Z11 larger than said": archive(entry(b"a", b"xx", size=1, packed=deflated(b"xx"), method=8)),
    "Z11 smaller than said": archive(entry(b"a", b"xx", size=3, packed=deflated(b"xx"), method=8)),
    "Z11 stored with two sizes": archive(entry(b"a", b"xx", size=1)),
    "Z11 wrong checksum": archive(entry(b"a", crc=1)),
    "Z11 surplus packed bytes": archive(entry(b"a", packed=deflated(b"x") + b"surplus", method=8)),
    "Z11 not deflated": archive(entry(b"a", packed=b"\xff\xff\xff", method=8)),
    "Z11 cut deflate stream": archive(entry(b"a", b"x" * 99, packed=deflated(b"x" * 99)[:-1], method=8)),
    "Z12 something in front": b"#!/bin/sh\n" + archive(A),
    "Z12 something in front, offsets right": b"junk" + A[0] + A[1](4) + end(1, 47, len(A[0]) + 4),
    "Z12 something behind": archive(A) + b"\n",
    "Z12 something between": A[0]
    + b"junk"
    + B[0]
    + A[1](0)
    + B[1](len(A[0]) + 4)
    + end(2, 94, len(A[0] + B[0]) + 4),
    "Z12 something before the directory": A[0] + b"junk" + A[1](0) + end(1, 47, len(A[0]) + 4),
    "Z13 two ends": archive(A) + end(0, 0, 0),
    "Z13 two ends, the second fits": archive(A) + end(0, 0, len(archive(A))),
    "Z14 header with another name": archive(LYING_LOCAL),
    "Z14 header with another size": archive((entry(b"a", b"yy")[0], entry(b"a", b"y")[1])),
    "Z14 header with another method": archive((entry(b"a", method=8)[0], A[1])),
    "Z15 ZIP64 sizes": archive(ZIP64_ENTRY),
    "Z15 ZIP64 records that lie": A[0]
    + A[1](0)
    + b"PK\6\6"
    + struct.pack("<Q2H2L4Q", 44, 45, 45, 0, 0, 2, 2, 47, len(A[0]))
    + b"PK\6\7"
    + struct.pack("<LQL", 0, len(A[0]) + 47, 1)
    + end(1, 47, len(A[0])),
    "Z16 fewer entries than counted": archive(A, count=2),
    "Z16 more entries than counted": archive(A, B, count=1),
    "Z17 encrypted": archive(entry(b"a", flags=1)),
    "unknown method": archive(entry(b"a", method=12)),
    "Z20 comment": archive(A, comment=b"PK\5\6" + bytes(18)),
    "second name": archive(entry(b"a", extra=struct.pack("<2H", 0x7075, 6) + b"\1\0\0\0\0b")),
    "damaged extra field": archive(entry(b"a", extra=b"\x99\x99\xff\x00x")),
    "short extra field": archive(entry(b"a", extra=b"\x99")),
    "name that is not UTF-8": archive(entry(b"\xff")),
    "folder with content": archive(entry(b"a/")),
    "one part of several": archive(A)[:-18] + struct.pack("<4H2LH", 1, 1, 1, 1, 47, len(A[0]), 0),
    "directory damaged": archive((A[0], lambda offset: b"XX" + A[1](offset)[2:])),
    "too many bytes": archive(entry(b"a", size=MAX_BYTES + 1, packed=deflated(b"x"), method=8)),
}


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in BAD.items()])
def test_refused(tmp_path: Path, data: bytes) -> None:
    """Whatever could be read in two ways, or does not hold what it says, is refused."""
    with pytest.raises(InvalidZip):
        read(tmp_path / "x.zip", data)


def test_a_sound_zip_is_read(tmp_path: Path) -> None:
    """The parts of which the bad ones are made are good: the tests above fail for the right reason."""
    packed = entry(b"c", b"z" * 99, packed=deflated(b"z" * 99), method=8)
    assert read(tmp_path / "x.zip", archive(A, B, packed)) == {"a": b"x", "b": b"yy", "c": b"z" * 99}
    assert read(tmp_path / "y.zip", archive(with_attributes(b"a", 0o100755 << 16))) == {"a": b"x"}
    assert read(tmp_path / "z.zip", archive()) == {}


def test_our_own_zips_are_read(tmp_path: Path) -> None:
    """What this program writes, it reads, whole and in order."""
    path = tmp_path / "x.zip"
    contents = {"go.mod": GO_MOD, "big": bytes(3 << 20), "empty": b""}
    with ZipWriter(path, PREFIX) as writer:
        for name, content in contents.items():
            writer.add(name, [content])
    assert read(tmp_path / "y.zip", path.read_bytes()) == {
        PREFIX + name: content for name, content in contents.items()
    }


@pytest.mark.parametrize("seekable", [True, False])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_other_programs_zips_are_read(tmp_path: Path, method: int, seekable: bool) -> None:
    """Zips with folders, permissions and times, with sizes before or behind the data, are as good."""

    pipe = Pipe()
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path if seekable else pipe, "w", method) as made:  # type: ignore[call-overload]
        made.writestr("m/", b"")
        made.writestr("m/a", b"abc" * 100)
    data = path.read_bytes() if seekable else pipe.data
    assert read(tmp_path / "y.zip", data) == {"m/": b"", "m/a": b"abc" * 100}


def test_every_damaged_byte_is_refused_or_does_not_matter(tmp_path: Path) -> None:
    """A zip with one wrong byte is refused, or holds the same files."""
    path = tmp_path / "x.zip"
    with ZipWriter(path, "m/") as writer:
        writer.add("a", [b"abc" * 20])
        writer.add("b", [b"x"])
    data = path.read_bytes()
    expected = read(path, data)
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 0x55
        try:
            found = read(path, bytes(damaged))
        except InvalidZip:
            continue
        assert found == expected, position


def test_every_cut_is_refused(tmp_path: Path) -> None:
    """A zip that lacks its end is none."""
    data = archive(A, B)
    for length in range(len(data)):
        with pytest.raises(InvalidZip):
            read(tmp_path / "x.zip", data[:length])
