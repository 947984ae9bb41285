"""Archives of plain files, and what else a tar could be."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable

import pytest

from goproxy_mirror.module import tarreader
from goproxy_mirror.module.tarreader import InvalidTar, TarReader
from tests.world.distributions import FILES, entry, tar_gz

WHOLE = tar_gz()


def gz(content: bytes) -> bytes:
    """Compressed, with the same bytes at every run: they are in the names of tests."""
    return gzip.compress(content, mtime=0)


def read(packed: bytes, limit: int = 1 << 20) -> dict[str, bytes]:
    """All files of an archive."""
    reader = TarReader(io.BytesIO(packed), limit=limit)
    return {file.name: b"".join(reader.read()) for file in reader}


def with_header(change: Callable[[bytearray], None]) -> bytes:
    """The archive with its first file's header changed, and its checksum made right again."""
    raw = bytearray(gzip.decompress(tar_gz({"VERSION": b"x" * 600})))
    header = raw[512:1024]
    change(header)
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    raw[512:1024] = header
    return gz(bytes(raw))


def setting(start: int, data: bytes) -> Callable[[bytearray], None]:
    """A change of some bytes of a header."""

    def change(header: bytearray) -> None:
        header[start : start + len(data)] = data

    return change


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT])
def test_every_file_is_read(form: int) -> None:
    """Files come with their names and contents, folders are passed over, long names are whole in both formats."""
    out = io.BytesIO()
    long = "go/" + "a" * 90 + "/" + "b" * 90
    with tarfile.open(fileobj=out, mode="w:gz", format=form) as packed:
        packed.addfile(entry("go", kind=tarfile.DIRTYPE))
        packed.addfile(entry("go/x", size=700), io.BytesIO(b"x" * 700))
        packed.addfile(entry(long, size=3), io.BytesIO(b"abc"))
    assert read(out.getvalue()) == {"go/x": b"x" * 700, long: b"abc"}


def test_files_may_be_passed_over() -> None:
    """A file that is not read does not stand in the way of the next one."""
    reader = TarReader(io.BytesIO(WHOLE), limit=1 << 20)
    assert [file.name for file in reader] == [f"go/{name}" for name in FILES]


@pytest.mark.parametrize(
    "extra",
    [
        entry("go/link", kind=tarfile.SYMTYPE, link="/etc/passwd"),
        entry("go/link", kind=tarfile.LNKTYPE, link="go/VERSION"),
        entry("go/device", kind=tarfile.CHRTYPE),
        entry("go/pipe", kind=tarfile.FIFOTYPE),
        entry("go/sparse", kind=tarfile.GNUTYPE_SPARSE),
        entry("go/long", kind=tarfile.GNUTYPE_LONGNAME),
        entry("go/../../etc/passwd"),
        entry("/etc/passwd"),
        entry("go//x"),
        entry("go/./x"),
        entry("go\\x"),
        entry("../x"),
    ],
    ids=lambda each: f"{each.type!r} {each.name}",
)
def test_only_plain_files(extra: tarfile.TarInfo) -> None:
    """Links, devices, and names that lead elsewhere are refused; the same archive without the entry is read."""
    assert read(tar_gz())
    with pytest.raises(InvalidTar):
        read(tar_gz(extra=[extra]))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (setting(0, b"go/\xff"), "not UTF-8"),
        (setting(124, b"-0000000001\0"), "damaged header"),
        (setting(124, b"\x80" + b"\0" * 10 + b"\x05"), "damaged header"),
        (setting(124, b"77777777777\0"), "cut off"),
        (setting(156, b"V"), "link or another special file"),
        (setting(156, b"x"), "damaged extended header"),
    ],
)
def test_headers_that_lie(change: Callable[[bytearray], None], reason: str) -> None:
    """Sizes below zero, in binary, or beyond the archive are refused, as are kinds that no archive of files has."""
    with pytest.raises(InvalidTar, match=reason):
        read(with_header(change), limit=1 << 40)


def test_a_checksum_that_is_wrong() -> None:
    """A header whose checksum is not its own is refused; with the right one it is read."""
    assert read(with_header(setting(100, b"0000600\0")))
    raw = bytearray(gzip.decompress(WHOLE))
    raw[600] ^= 1
    with pytest.raises(InvalidTar, match="no archive, or a damaged one"):
        read(gz(bytes(raw)))


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (b"", "cut off"),
        (b"<html>log in</html>", "no gzipped archive"),
        (gz(b"<html>log in</html>" * 100), "damaged header"),
        (WHOLE[:-200], "cut off"),
        (WHOLE[:100] + b"\xff" * 20 + WHOLE[120:], "damaged"),
        (WHOLE + b"x", "behind its end"),
        (WHOLE + gz(b""), "behind its end"),
        (gz(gzip.decompress(WHOLE) + b"x" * 512), "behind its end"),
    ],
)
def test_what_is_no_whole_archive(packed: bytes, reason: str) -> None:
    """Pages, cut and damaged files, and files with something behind them are refused."""
    with pytest.raises(InvalidTar, match=reason):
        read(packed)


def test_a_bomb() -> None:
    """An archive that unpacks to more than the limit is refused before that is in memory."""
    bomb = tar_gz({"VERSION": bytes(64 << 20)})
    assert len(bomb) < 1 << 20
    with pytest.raises(InvalidTar, match="unpacks to more than 8388608 bytes"):
        read(bomb, limit=8 << 20)


def test_very_many_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive of more entries than any distribution has is refused."""
    monkeypatch.setattr(tarreader, "MOST_FILES", 10)
    with pytest.raises(InvalidTar, match="more than 10 entries"):
        read(WHOLE)


def records(text: bytes) -> bytes:
    """An archive with an extended header of that text before its only file."""
    head = entry("PaxHeader", kind=b"x", size=len(text))
    file = entry("go/VERSION")
    raw = head.tobuf(tarfile.USTAR_FORMAT) + text.ljust(-(-len(text) // 512) * 512, b"\0")
    return gz(raw + file.tobuf(tarfile.USTAR_FORMAT) + bytes(1024))


def test_a_name_in_an_extended_header() -> None:
    """The name of an extended header counts for the one file behind it."""
    assert read(records(b"16 path=go/long\n")) == {"go/long": b""}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"12 size=700\n", "do not need: b'size'"),
        (b"26 GNU.sparse.name=go/abc\n", "do not need"),
        (b"99 path=go/long\n", "damaged extended header"),
        (b"-1 path=go/long\n", "damaged extended header"),
        (b"16 path=go/long\n" * 2, "damaged extended header"),
        (b"path", "damaged extended header"),
        (b"20 path=go/../../x\n\n", "no plain way"),
        (b"0" * 70000, "more than 65536 bytes"),
    ],
)
def test_extended_headers(text: bytes, reason: str) -> None:
    """An extended header that says another size, or is damaged or endless, is refused."""
    with pytest.raises(InvalidTar, match=reason):
        read(records(text))
