"""The URL under which clients on this machine reach the proxy, and how each shell is told."""

from __future__ import annotations

from typing import Literal

from goproxy_mirror.config import Settings
from goproxy_mirror.errors import SettingError

Shell = Literal["sh", "fish", "powershell", "cmd"]


def client_url(settings: Settings) -> str:
    """What to set GOPROXY to. Raises `SettingError` for a Unix socket, which the go command cannot use."""
    if settings.public_url is not None:
        return settings.public_url + settings.path_prefix
    if settings.socket is not None:
        raise SettingError(
            f'socket = "{settings.socket}": the go command cannot ask a proxy on a Unix socket; '
            "name the web server in front of it with --public-url"
        )
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(  # noqa: S104 (compared)
        settings.listen.host, settings.listen.host
    )
    scheme = "https" if settings.tls_cert else "http"
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{settings.listen.port}{settings.path_prefix}"


def export_line(url: str, shell: Shell) -> str:
    """The line that sets GOPROXY in a shell; the characters of a URL of ours need no quoting anywhere."""
    match shell:
        case "sh":
            return f"export GOPROXY={url}"
        case "fish":
            return f"set -gx GOPROXY {url}"
        case "powershell":
            return f'$env:GOPROXY = "{url}"'
        case "cmd":
            return f"set GOPROXY={url}"
