"""Looking into a store from outside, for what must never be there."""

from __future__ import annotations

import json
from pathlib import Path

KINDS = {".info", ".mod", ".zip"}


def published_files(store: Path) -> list[str]:
    """The keys of all published module files."""
    found = (path for path in store.rglob("@v/*") if path.suffix in KINDS and ".tmp" not in path.parts)
    return sorted(str(path.relative_to(store)) for path in found)


def damaged_files(store: Path, tree: Path) -> list[str]:
    """Published files that are not, byte for byte, those of the GOPROXY tree that they came from.

    An `.info` may be written anew, so it is compared by what it says.
    """
    damaged = []
    for key in published_files(store):
        ours, theirs = (store / key).read_bytes(), (tree / key).read_bytes()
        same = _said(ours) == _said(theirs) if key.endswith(".info") else ours == theirs
        if not same:
            damaged.append(key)
    return damaged


def _said(info: bytes) -> object:
    try:
        read = json.loads(info)
        return read["Version"], read["Time"]
    except (ValueError, KeyError, TypeError):
        return info
