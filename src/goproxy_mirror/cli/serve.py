"""`goproxy-mirror serve`."""

from __future__ import annotations

import structlog
import typer

from goproxy_mirror.cli.address import client_url, export_line
from goproxy_mirror.cli.options import EVERY_PANEL, with_settings
from goproxy_mirror.config import Loaded, Settings
from goproxy_mirror.config.memory import spare_memory


@with_settings(*EVERY_PANEL)
def serve(loaded: Loaded) -> int:
    """Serve modules to whoever can connect, until it is stopped.

    \b
    Examples:
      goproxy-mirror serve
      goproxy-mirror serve --listen :8081 --data /srv/goproxy-mirror
      goproxy-mirror serve --upstream 'https://goproxy.cn|direct'
      goproxy-mirror serve --upstream-for 'corp.example/*=direct'
      goproxy-mirror serve --mirror 'go.example/{r}=https://github.com/example/{r}'
    """
    spare_memory()
    from goproxy_mirror import app  # noqa: PLC0415 (the help need not wait for it, and its libraries hear the line above)

    return app.serve(loaded.settings, announce=lambda url: _announce(loaded.settings, url))


def _announce(settings: Settings, url: str) -> None:
    """Say where it serves, to people in their words, to machines in an event of the log."""
    address = url if url.startswith("unix:") else url + settings.path_prefix
    if settings.log_format == "json":
        structlog.get_logger(__name__).info("serving", url=address)
        return
    typer.echo(f"Serving {address} (stop it with Ctrl-C)", err=True)
    if settings.public_url is not None:
        address = client_url(settings)
    if not address.startswith("unix:"):
        typer.echo(f"Let go use it: {export_line(address, 'sh')}", err=True)
