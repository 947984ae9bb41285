"""`goproxy-mirror run`: a proxy for one command only."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from pathlib import Path
from typing import Annotated

import typer

from goproxy_mirror.cli.journal import Journal
from goproxy_mirror.cli.options import NOT_LISTENING, with_settings
from goproxy_mirror.config import Listen, Loaded, Settings, with_own_credentials

NO_SUCH_COMMAND, NOT_EXECUTABLE = 127, 126


@with_settings(*NOT_LISTENING)
def run(
    loaded: Loaded,
    command: Annotated[list[str], typer.Argument(metavar="COMMAND", help="What to run, with its arguments.")],
) -> int:
    """Run one command with a proxy of its own, and end with its exit status.

    Only GOPROXY is set, for this command only; all other Go settings stay.

    What was fetched from where is said at the end.

    \b
    Examples:
      goproxy-mirror run go mod tidy
      goproxy-mirror run -- go install golang.org/x/tools/gopls@latest
      goproxy-mirror run --mirror 'corp.example/{r}=/srv/git/{r}' go build ./...
    """
    if shutil.which(command[0]) is None:
        return _not_found(command[0])
    from goproxy_mirror import app  # noqa: PLC0415 (the help need not wait for it)

    settings = app.prepare(_hidden(for_one_command(loaded)))
    journal = Journal()
    status = asyncio.run(_run(settings, command, journal))
    for line in journal.lines(failures=status != 0):
        typer.echo(f"goproxy-mirror: {line}", err=True)
    return status


def for_one_command(loaded: Loaded) -> Settings:
    """The settings without what only a lasting server needs: no address is ours, and the log keeps to warnings.

    And with what opens private repositories for the user's own git.
    """
    changed: dict[str, object] = {
        "listen": Listen("127.0.0.1", 0),
        "socket": None,
        "path_prefix": "",
        "workers": 1,
    }
    if "log_level" not in loaded.origins:
        changed["log_level"] = "warning"
    return with_own_credentials(loaded.settings.model_copy(update=changed))


def quietly(loaded: Loaded) -> Settings:
    """The same for a command whose output is what would be logged: only what must not be missed is logged as well."""
    settings = for_one_command(loaded)
    return (
        settings if "log_level" in loaded.origins else settings.model_copy(update={"log_level": "critical"})
    )


def _hidden(settings: Settings) -> Settings:
    """The settings with a path before every route that nobody else on the machine knows, where there is something to hide.

    Who can connect to the loopback may be another user, and what is opened is opened with this user's credentials.
    """
    if not settings.opens_private_places:
        return settings
    return settings.model_copy(update={"path_prefix": f"/{secrets.token_hex(8)}"})


async def _run(settings: Settings, command: list[str], journal: Journal) -> int:
    from goproxy_mirror import app  # noqa: PLC0415
    from goproxy_mirror.process import foreground  # noqa: PLC0415

    async with app.embedded(settings, around=journal.around) as url:
        return await foreground(command, {"GOPROXY": url + settings.path_prefix})


def _not_found(command: str) -> int:
    """Say why it cannot be run; the status that a shell would end with."""
    named_by_path = os.sep in command
    problem, status = "there is no such command in PATH", NO_SUCH_COMMAND
    if named_by_path:
        problem = "there is no such file"
        if Path(command).exists():
            problem, status = "it cannot be executed", NOT_EXECUTABLE
    typer.echo(f"goproxy-mirror: run: {command}: {problem}", err=True)
    return status
