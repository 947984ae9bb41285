"""The help as a person reads it: no types of Python, no line breaks of our source."""

from __future__ import annotations

from collections.abc import Mapping

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

HELP = ["-h", "--help"]


class _Argument(TyperArgument):
    """An argument whose own name says all: Typer would put `<list[str]>` beside it."""

    def display_type_rich(self, ctx: object) -> None:
        """No type."""


def legible(command: object) -> None:
    """Mend the help of a command and of all below it."""
    assert isinstance(command, TyperCommand | TyperGroup)
    command.help = _unwrapped(command.help or "")
    # Made here already, since Typer would make it with a type beside it when the help is shown.
    help_option = command.get_help_option(typer.Context(command, help_option_names=HELP))
    for parameter in (*command.params, help_option):
        if isinstance(parameter, TyperOption) and parameter.is_flag:
            parameter.metavar = ""
        elif isinstance(parameter, TyperArgument):
            parameter.__class__ = _Argument
    below: Mapping[str, object] = getattr(command, "commands", {})
    for each in below.values():
        legible(each)


def _unwrapped(text: str) -> str:
    """Each paragraph in one line, which the terminal breaks where it has to; those that begin with \\b stay as they are."""
    paragraphs = text.split("\n\n")
    return "\n\n".join(
        each if each.lstrip().startswith("\b") else " ".join(each.split()) for each in paragraphs
    )
