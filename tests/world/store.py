"""Looking into a store from outside, for what must never be there."""

from __future__ import annotations

import json
import re
from pathlib import Path

KINDS = {".info", ".mod", ".zip"}


def published_files(store: Path) -> list[str]:
    """The keys of all published module files."""
    found = (path for path in store.rglob("@v/*") if path.suffix in KINDS and ".tmp" not in path.parts)
    return sorted(str(path.relative_to(store)) for path in found)


def damaged_files(store: Path, tree: Path) -> list[str]:
    """Published files that are not, byte for byte, those of the GOPROXY tree that they came from.

    An `.info` may be written anew, so it is compared by what it says; a pseudo-version's time is the one in the version, which
    some that are really published contradict.
    """
    damaged = []
    for key in published_files(store):
        ours, theirs = (store / key).read_bytes(), (tree / key).read_bytes()
        if ours == theirs or (
            key.endswith(".info") and _said(ours) in (_said(theirs), _said_by_the_version(theirs))
        ):
            continue
        damaged.append(key)
    return damaged


def _said(info: bytes) -> object:
    try:
        read = json.loads(info)
        return read["Version"], read["Time"]
    except (ValueError, KeyError, TypeError):
        return info


def _said_by_the_version(info: bytes) -> object:
    version = str(json.loads(info)["Version"])
    match = re.search(r"[.-](\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)-[0-9a-f]{12}$", version)
    if match is None:
        return None
    year, month, day, hour, minute, second = match.groups()
    return version, f"{year}-{month}-{day}T{hour}:{minute}:{second}Z"
