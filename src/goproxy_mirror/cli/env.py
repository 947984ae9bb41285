"""`goproxy-mirror env`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from goproxy_mirror.cli.address import Shell, client_url, export_line
from goproxy_mirror.cli.options import with_settings
from goproxy_mirror.config import Loaded


@with_settings("Listening")
def env(
    loaded: Loaded,
    shell: Annotated[
        Shell | None, typer.Option(help="Whose syntax: sh (also bash, zsh), fish, powershell, cmd.")
    ] = None,
) -> None:
    """Print the line that points GOPROXY of this shell to a server with these settings.

    \b
    Examples:
      eval "$(goproxy-mirror env)"
      goproxy-mirror env --shell fish | source
    """
    usual: Shell = "powershell" if sys.platform == "win32" else "sh"
    typer.echo(export_line(client_url(loaded.settings), shell or usual))
