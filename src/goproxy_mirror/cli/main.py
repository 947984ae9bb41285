"""All commands in one program, and the one place where an error becomes a line and an exit status.

    0    done
    1    it could not be done
    2    the command line or a setting is wrong
    3    verify, import: nothing was wrong, but not everything could be proven
    130  interrupted

`run` ends with the status of the command that it runs, as a shell would (127: no such command).
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from importlib import import_module

import typer

from goproxy_mirror import __version__
from goproxy_mirror.cli import goproxyio
from goproxy_mirror.cli.legible import HELP, legible
from goproxy_mirror.errors import MirrorError, SettingError

PROGRAM = "goproxy-mirror"

_COMMANDS = [
    "serve",
    "run",
    "fetch",
    "build",
    "verify",
    "import",
    "export",
    "backup",
    "restore",
    "prune",
    "reindex",
    "mirrors",
    "sumdb",
    "config",
    "env",
    "version",
]
"""In the order of the help."""
_MODULES = {"import": "importing", "export": "exporting", "restore": "backup"}
"""The modules of commands that have another name."""
_COLLECTED = 20_000
"""Objects that are made before the collector looks at the youngest ones. With its default of 700, it takes a seventh of the
time of our imports; nothing of them is ever garbage."""


def program_for(arguments: Sequence[str]) -> typer.Typer:
    """The program, as far as these arguments need it: one command, or all for a help or a mistake."""
    program = typer.Typer(
        name=PROGRAM,
        help="A Go module proxy that fetches every module from whichever of its homes can be reached today.",
        context_settings={"help_option_names": HELP},
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    program.callback()(_global)
    for name in arguments[:1] if arguments and arguments[0] in _COMMANDS else _COMMANDS:
        _add(program, name)
    return program


def _add(program: typer.Typer, name: str) -> None:
    if name == "version":
        program.command()(version)
        return
    module = import_module(f"goproxy_mirror.cli.{_MODULES.get(name, name)}")
    commands = getattr(module, "program", None)
    if isinstance(commands, typer.Typer):
        program.add_typer(commands, name=name)
        return
    # What follows the command that `run` is to run belongs to that.
    settings = {"allow_interspersed_args": False} if name == "run" else None
    program.command(name, context_settings=settings)(
        getattr(module, f"{name}_" if name == "import" else name)
    )


def _show_version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


def _global(
    _: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Say the version."
    ),
) -> None:
    pass


def version() -> None:
    """Say the version."""
    typer.echo(f"{PROGRAM} {__version__}")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the program with these arguments, or those of the process; leaves with `SystemExit`."""
    gc.set_threshold(_COLLECTED, 10, 10)
    sys.exit(status_of(list(sys.argv[1:] if argv is None else argv)))


def status_of(arguments: list[str]) -> int:
    """Run the program; the exit status. Every error has become one line on stderr."""
    old = goproxyio.hint(arguments)
    if old is not None:
        return _fail(old, 2)
    try:
        program = typer.main.get_command(program_for(arguments))
        legible(program)
        result = program.main(arguments or ["--help"], prog_name=PROGRAM, standalone_mode=False)
    except typer.TyperException as error:
        return _fail(_usage(error), error.exit_code)
    except SettingError as error:
        return _fail(error.message, 2)
    except MirrorError as error:
        return _fail(f"{error.message}: {error.detail}" if error.detail else error.message, 1)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", 130)
    return result if isinstance(result, int) else 0


def _usage(error: typer.TyperException) -> str:
    """The error in one line, with the command whose help says more."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else PROGRAM
    message = " ".join(error.format_message().replace("Value error, ", "").split()).rstrip(".")
    return f"{message} (see {path} --help)"


def _fail(message: str, status: int) -> int:
    typer.echo(f"{PROGRAM}: {message}", err=True)
    return status
