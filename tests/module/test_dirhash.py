"""The hashes were made by golang.org/x/mod/sumdb/dirhash, and are as the sha256sum command makes them."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from goproxy_mirror.module.dirhash import go_mod_hash, hash1, hash_zip
from goproxy_mirror.module.zipreader import InvalidZip

EMPTY = "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


def digest(content: str) -> bytes:
    return hashlib.sha256(content.encode()).digest()


def summary(*lines: str) -> str:
    """The hash from its definition."""
    import base64

    return "h1:" + base64.b64encode(hashlib.sha256("".join(lines).encode()).digest()).decode()


def test_hash1() -> None:
    """The hash is over the sorted names with the hashes of their contents."""
    lines = [f"{digest('data for abc').hex()}  abc\n", f"{digest('data for xyz').hex()}  xyz\n"]
    assert hash1([("xyz", digest("data for xyz")), ("abc", digest("data for abc"))]) == summary(*lines)
    assert hash1([]) == EMPTY


def test_names_sort_as_bytes() -> None:
    """Names beyond ASCII sort as their UTF-8 does."""
    names = ["z", "Z", "é", "\U0001f600", "\uffee"]
    expected = sorted(names, key=str.encode)
    assert hash1((name, digest("")) for name in names) == summary(
        *(f"{digest('').hex()}  {name}\n" for name in expected)
    )


def test_a_newline_in_a_name_is_refused() -> None:
    """Two sets of files could have one hash if names had newlines."""
    with pytest.raises(ValueError, match="newline"):
        hash1([("a\nb", digest(""))])


def test_go_mod_hash() -> None:
    """A go.mod file's hash is that of a folder with nothing else."""
    assert go_mod_hash(b"module x\n") == hash1([("go.mod", digest("module x\n"))])


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_hash_zip(tmp_path: Path, method: int) -> None:
    """Order, compression and time stamps of a zip do not count."""
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("m@v/xyz", "data for xyz")
        archive.writestr("m@v/abc", "data for abc")
    assert hash_zip(path) == hash1([("m@v/abc", digest("data for abc")), ("m@v/xyz", digest("data for xyz"))])


def test_hash_of_no_zip(tmp_path: Path) -> None:
    """What is no zip has no hash."""
    path = tmp_path / "x.zip"
    path.write_text("<html>")
    with pytest.raises(InvalidZip):
        hash_zip(path)
