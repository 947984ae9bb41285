"""The commands: parse, ask `app`, print. What takes long to import is imported by the command that needs it."""

from __future__ import annotations

from goproxy_mirror.cli.main import main

__all__ = ["main"]
