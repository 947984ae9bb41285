"""One flag for every setting, made from the settings themselves."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar, get_args

import typer

from goproxy_mirror.config import Loaded, Settings, load
from goproxy_mirror.config.fields import Panel
from goproxy_mirror.config.settings import about, default_of, flag_name
from goproxy_mirror.config.show import plain

P = ParamSpec("P")
R = TypeVar("R")

EVERY_PANEL: tuple[Panel, ...] = get_args(Panel)
NOT_LISTENING = tuple(panel for panel in EVERY_PANEL if panel != "Listening")


def with_settings(
    *panels: Panel,
) -> Callable[[Callable[Concatenate[Loaded, P], R]], Callable[..., R]]:
    """Give a command the flags of these panels and `--config`; it is called with the settings, then its own values.

    Raises `SettingError` from the command.
    """
    names = [name for name in Settings.model_fields if about(name).panel in panels]

    def decorate(command: Callable[Concatenate[Loaded, P], R]) -> Callable[..., R]:
        @functools.wraps(command)
        def wrapper(*args: Any, **kwargs: Any) -> R:
            config: Path | None = kwargs.pop("config")
            flags = {name: kwargs.pop(name) for name in names}
            try:
                return command(load(flags, config=config), *args, **kwargs)
            except KeyboardInterrupt:
                raise typer.Abort from None  # typer would make a bare status of it

        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        parameters = [*own, _config(), *map(_parameter, names)]
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {}
        return wrapper

    return decorate


def _config() -> inspect.Parameter:
    option = typer.Option("--config", metavar="FILE", help="Settings file (TOML).")
    return _keyword("config", Path | None, option)


def _parameter(name: str) -> inspect.Parameter:
    """The flag of one setting. All texts are read by the settings themselves, so that all sources are alike."""
    said = about(name)
    flag = flag_name(name)
    switch = isinstance(default_of(name), bool)
    option = typer.Option(
        f"{flag}/--no-{flag[2:]}" if switch else flag,
        metavar="" if switch else said.metavar,
        help=said.text + (" May be repeated." if said.many else "") + _default(name),
        show_default=False,
        rich_help_panel=said.panel,
    )
    kind: Any = bool if switch else list[str] if said.many else str
    return _keyword(name, kind | None, option)


def _keyword(name: str, kind: Any, option: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option]
    )


def _default(name: str) -> str:
    """A sentence on the default, where there is one worth a word."""
    value = default_of(name)
    if value is None or value is False or value in ("", ()):
        return ""
    shown = plain(name, value)
    if shown is True:
        return " (default)"
    return f" (default {','.join(shown) if isinstance(shown, list) else shown})"
