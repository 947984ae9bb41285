"""What a `.info` says beyond its version and time."""

from __future__ import annotations

import json


def commit_of(info: bytes) -> str | None:
    """The commit that a `.info` names as its origin, or None where it names none."""
    try:
        said = json.loads(info)
    except ValueError:
        return None
    origin = said.get("Origin") if isinstance(said, dict) else None
    commit = origin.get("Hash") if isinstance(origin, dict) else None
    return commit if isinstance(commit, str) and commit else None
