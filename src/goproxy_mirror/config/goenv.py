"""The Go settings that the user made, in the environment or by `go env -w`; not the toolchain's defaults."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class GoSetting:
    """A value that the user gave to the go command, and where: `environment` or `go env -w`."""

    value: str
    origin: str


class GoEnvironment:
    """What the go command would find, without asking it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._written = _written(environ)

    def get(self, key: str) -> GoSetting | None:
        """The value, if the user set it. Empty means not set, as the go command has it."""
        if value := self._environ.get(key):
            return GoSetting(value, f"{key} in the environment")
        if value := self._written.get(key):
            return GoSetting(value, f"{key} by go env -w")
        return None

    def module_cache(self) -> Path | None:
        """GOMODCACHE, else `pkg/mod` below the first folder of GOPATH; None where no home folder is known."""
        if found := self.get("GOMODCACHE"):
            return Path(found.value)
        if found := self.get("GOPATH"):
            separator = ";" if sys.platform == "win32" else ":"
            return Path(found.value.split(separator)[0]) / "pkg" / "mod"
        home = self._environ.get("USERPROFILE" if sys.platform == "win32" else "HOME")
        return Path(home) / "go" / "pkg" / "mod" if home else None


def user_config_folder(environ: Mapping[str, str]) -> Path | None:
    """Where the user's settings of programs are (Go's `os.UserConfigDir`)."""
    if sys.platform == "win32":
        return _folder(environ.get("APPDATA"))
    home = _folder(environ.get("HOME"))
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" if home else None
    if configured := environ.get("XDG_CONFIG_HOME"):
        folder = Path(configured)
        return folder if folder.is_absolute() else None
    return home / ".config" if home else None


def user_data_folder(environ: Mapping[str, str]) -> Path | None:
    """Where programs keep the user's data (XDG, and what macOS and Windows have in its place)."""
    if sys.platform == "win32":
        return _folder(environ.get("LOCALAPPDATA"))
    home = _folder(environ.get("HOME"))
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" if home else None
    configured = _folder(environ.get("XDG_DATA_HOME"))
    if configured and configured.is_absolute():
        return configured
    return home / ".local" / "share" if home else None


def _folder(text: str | None) -> Path | None:
    return Path(text) if text else None


def _written(environ: Mapping[str, str]) -> Mapping[str, str]:
    """The file of `go env -w`, of lines KEY=VALUE; go passes over other lines and an unreadable file."""
    if named := environ.get("GOENV"):
        file = None if named == "off" else Path(named)
    else:
        folder = user_config_folder(environ)
        file = folder / "go" / "env" if folder else None
    if file is None:
        return {}
    try:
        text = file.read_bytes().decode("utf-8", "replace")
    except OSError:
        return {}
    pairs = (line.partition("=") for line in text.split("\n") if line[:1].isascii() and line[:1].isupper())
    return {key: value.rstrip("\r") for key, equals, value in pairs if equals}
