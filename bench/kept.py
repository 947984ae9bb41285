"""Where the benchmarks keep what is dear to make: built peers, downloaded modules, generated stores."""

from __future__ import annotations

import os
from pathlib import Path

FORMAT = 2
"""Raise this when the layout of what is kept changes."""


def kept_folder(name: str) -> Path:
    """`$XDG_CACHE_HOME/goproxy-mirror-bench/NAME`, or the same below `~/.cache`; kept from one run to the next."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base) / "goproxy-mirror-bench" / f"{name}-{FORMAT}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
