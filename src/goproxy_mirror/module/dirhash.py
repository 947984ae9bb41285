"""The `h1:` hashes of go.sum files and checksum databases (golang.org/x/mod/sumdb/dirhash).

A hash covers names and contents and nothing else, so two zips of different compression, order or time stamps
have the same one: `h1:` and the base64 of the SHA-256 of these lines, sorted by name.

    <hexadecimal SHA-256 of the content>  <name>
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path

from goproxy_mirror.module.zipreader import ZipReader


def hash1(digests: Iterable[tuple[str, bytes]]) -> str:
    """The hash over files, each with its name and the SHA-256 digest of its content.

    Raises ValueError for a name with a newline, since two sets of files could then have the same lines.
    """
    summary = hashlib.sha256()
    for name, digest in sorted(digests):
        if "\n" in name:
            raise ValueError(f"the file name {name!a} has a newline")
        summary.update(f"{digest.hex()}  {name}\n".encode(errors="surrogateescape"))
    return "h1:" + base64.b64encode(summary.digest()).decode()


def go_mod_hash(data: bytes) -> str:
    """The hash that stands behind `/go.mod` in go.sum."""
    return hash1([("go.mod", hashlib.sha256(data).digest())])


def hash_zip(path: Path) -> str:
    """The hash of a zip's files, as go.sum has it for a module; reads piece by piece.

    Raises InvalidZip where programs could disagree on what the zip holds. Not for the event loop.
    """
    with ZipReader(path) as reader:
        return hash_members(reader)


def hash_members(reader: ZipReader) -> str:
    """The same for a zip that is open."""
    digests = []
    for member in reader.members:
        digest = hashlib.sha256()
        for piece in reader.read(member):
            digest.update(piece)
        digests.append((member.name, digest.digest()))
    return hash1(digests)
