"""What a developer's own programs would use to open private repositories, for a command that runs in their name.

A server uses nothing that was not named in its settings; `run` and `fetch` do for their user what git and the go command
would have done.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from goproxy_mirror.config.goenv import GoEnvironment
from goproxy_mirror.config.settings import Settings
from goproxy_mirror.module.sshaddress import is_plain_file

_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


def with_own_credentials(settings: Settings, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings, and the user's netrc file, SSH agent, known hosts and key where nothing was said of those.

    The netrc file is what NETRC names, else `.netrc` (on Windows also `_netrc`) in the home folder; not where GOAUTH
    takes the go command away from it.
    """
    environ = os.environ if environ is None else environ
    home = environ.get("USERPROFILE" if sys.platform == "win32" else "HOME")
    found: dict[str, Path | None] = {"netrc": _netrc(environ, home)}
    if sys.platform != "win32":
        agent = environ.get("SSH_AUTH_SOCK")
        found["ssh_agent"] = Path(agent).absolute() if agent and Path(agent).exists() else None
        if home:
            folder = Path(home) / ".ssh"
            found["ssh_known_hosts"] = _first(folder / "known_hosts")
            found["ssh_key"] = _first(*(folder / name for name in _KEYS if _is_ones_own(folder / name)))
    found |= {
        name: None for name, path in found.items() if name.startswith("ssh") and not is_plain_file(str(path))
    }
    # A key or an agent that was named stands alone: no other is offered to anybody.
    if settings.ssh_key or settings.ssh_agent:
        found |= {"ssh_key": None, "ssh_agent": None}
    changed = {
        name: path for name, path in found.items() if path is not None and getattr(settings, name) is None
    }
    return settings.model_copy(update=changed)


def _netrc(environ: Mapping[str, str], home: str | None) -> Path | None:
    goauth = GoEnvironment(environ).get("GOAUTH")
    if goauth is not None and "netrc" not in (word.strip() for word in goauth.value.split(";")):
        return None
    if environ.get("NETRC"):
        return _first(Path(environ["NETRC"]))
    names = ("_netrc", ".netrc") if sys.platform == "win32" else (".netrc",)
    return _first(*(Path(home) / name for name in names)) if home else None


def _is_ones_own(key: Path) -> bool:
    """Whether ssh would use the key: others may not read it."""
    try:
        return not key.stat().st_mode & 0o077
    except OSError:
        return False


def _first(*paths: Path) -> Path | None:
    """The first of the files that can be read."""
    return next((path.absolute() for path in paths if path.is_file() and os.access(path, os.R_OK)), None)
