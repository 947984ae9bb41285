"""Where the tests keep what is dear to make: the real modules, and compiled packages."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/goproxy-mirror-tests`, or the same below `~/.cache`; kept from one run to the next."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base) / "goproxy-mirror-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
