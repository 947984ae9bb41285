"""`goproxy-mirror config`: what the settings are, and whether they can be meant."""

from __future__ import annotations

import typer

from goproxy_mirror.cli.options import EVERY_PANEL, with_settings
from goproxy_mirror.config import Loaded, as_toml, check_exposure, check_place, check_ssh

program = typer.Typer(help="Show or check the settings.", no_args_is_help=False)


@program.command()
@with_settings(*EVERY_PANEL)
def show(loaded: Loaded) -> None:
    """Print every setting that counts, where it was said, and no secrets; the output is a settings file.

    \b
    Examples:
      goproxy-mirror config show
      goproxy-mirror config show --config /etc/goproxy-mirror.toml
    """
    typer.echo(as_toml(loaded), nl=False)


@program.command()
@with_settings(*EVERY_PANEL)
def check(loaded: Loaded) -> None:
    """Say whether `serve` could start with these settings; the status is 2 if not. Nothing is written.

    \b
    Example:
      goproxy-mirror config check --config /etc/goproxy-mirror.toml
    """
    from goproxy_mirror.wiring.credentials import check_credentials  # noqa: PLC0415 (the help need not wait for it)
    from goproxy_mirror.wiring.front import check_front  # noqa: PLC0415 (neither for that)

    check_exposure(loaded.settings)
    check_place(loaded.settings)
    check_ssh(loaded.settings)
    check_front(loaded.settings)
    for warning in check_credentials(loaded.settings):
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(f"The settings can be meant ({loaded.file or 'no settings file'}).")
