"""`python -m goproxy_mirror` is `goproxy-mirror`."""

from __future__ import annotations

from goproxy_mirror.cli import main

if __name__ == "__main__":
    main()
