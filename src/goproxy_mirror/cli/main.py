"""All commands in one program, and the one place where an error becomes a line and an exit status.

    0    done
    1    it could not be done
    2    the command line or a setting is wrong
    3    verify: nothing was wrong, but not everything could be proven
    130  interrupted

`run` ends with the status of the command that it runs, as a shell would (127: no such command).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from goproxy_mirror import __version__
from goproxy_mirror.cli import (
    backup,
    build,
    config,
    env,
    exporting,
    fetch,
    goproxyio,
    importing,
    mirrors,
    prune,
    reindex,
    run,
    serve,
    sumdb,
    verify,
)
from goproxy_mirror.errors import MirrorError, SettingError

PROGRAM = "goproxy-mirror"

program = typer.Typer(
    name=PROGRAM,
    help="A Go module proxy that fetches every module from whichever of its homes can be reached today.",
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


@program.callback()
def _global(
    _: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Say the version."
    ),
) -> None:
    pass


program.command()(serve.serve)
program.command(context_settings={"allow_interspersed_args": False})(run.run)
program.command()(fetch.fetch)
program.command()(build.build)
program.command()(verify.verify)
program.command("import")(importing.import_)
program.command()(exporting.export)
program.command()(backup.backup)
program.command()(backup.restore)
program.command()(prune.prune)
program.command()(reindex.reindex)
program.add_typer(mirrors.program, name="mirrors")
program.add_typer(sumdb.program, name="sumdb")
program.add_typer(config.program, name="config")
program.command()(env.env)


@program.command()
def version() -> None:
    """Say the version."""
    typer.echo(f"{PROGRAM} {__version__}")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the program with these arguments, or those of the process; leaves with `SystemExit`."""
    sys.exit(status_of(list(sys.argv[1:] if argv is None else argv)))


def status_of(arguments: list[str]) -> int:
    """Run the program; the exit status. Every error has become one line on stderr."""
    old = goproxyio.hint(arguments)
    if old is not None:
        return _fail(old, 2)
    try:
        result = program(arguments or ["--help"], prog_name=PROGRAM, standalone_mode=False)
    except typer.TyperException as error:
        return _fail(_usage(error), error.exit_code)
    except SettingError as error:
        return _fail(error.message, 2)
    except MirrorError as error:
        return _fail(error.message, 1)
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
