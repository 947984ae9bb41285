"""Module zips as the tests make and read them, written apart from the program's own code so that both can be compared."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path


def h1(zip_file: Path | bytes) -> str:
    """The go.sum hash of a module zip."""
    opened = io.BytesIO(zip_file) if isinstance(zip_file, bytes) else zip_file
    with zipfile.ZipFile(opened) as archive:
        lines = sorted(
            (name.encode(), hashlib.sha256(archive.read(name)).hexdigest()) for name in archive.namelist()
        )
    text = b"".join(digest.encode() + b"  " + name + b"\n" for name, digest in lines)
    return "h1:" + base64.b64encode(hashlib.sha256(text).digest()).decode()


def mod_h1(go_mod: bytes) -> str:
    """The go.sum hash of a go.mod file."""
    line = f"{hashlib.sha256(go_mod).hexdigest()}  go.mod\n".encode()
    return "h1:" + base64.b64encode(hashlib.sha256(line).digest()).decode()


def contents(zip_file: Path | bytes, prefix: str) -> dict[str, bytes]:
    """The files of a module zip by their name below `module@version/`, in the archive's order."""
    opened = io.BytesIO(zip_file) if isinstance(zip_file, bytes) else zip_file
    with zipfile.ZipFile(opened) as archive:
        return {name.removeprefix(prefix + "/"): archive.read(name) for name in archive.namelist()}


def write_zip(path: Path, prefix: str, files: Mapping[str, bytes]) -> None:
    """Write a module zip that the go command takes: every name below `module@version/`, nothing else."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(f"{prefix}/{name}")
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
