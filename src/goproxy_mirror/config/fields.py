"""What the settings are made of: the kinds of values that several have, and what the help says of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import PlainValidator as By

from goproxy_mirror.config.values import (
    parse_globs,
    parse_outgoing_proxy,
    parse_path,
    parse_readable_file,
    parse_ssh_file,
    parse_switch,
)

T = TypeVar("T")
Panel = Literal["Listening", "Folders", "Sources", "Mirrors", "Private modules", "Network", "Limits", "Log"]


@dataclass(frozen=True, slots=True)
class About:
    """What the help says of a setting; `flag` where its name is not the field's, `many` where it repeats."""

    panel: Panel
    text: str
    metavar: str = ""
    flag: str = ""
    many: bool = False


def optional(parse: Callable[[object], T]) -> By:
    """The same for a setting that may be absent."""
    return By(lambda value: None if value is None else parse(value))


def parse_order(value: object) -> Order:
    """Which of the two `direct` tries first."""
    parts = value.split(",") if isinstance(value, str) else value
    match [str(part).strip() for part in parts] if isinstance(parts, list | tuple) else []:
        case ["origin", "mirrors"]:
            return ("origin", "mirrors")
        case ["mirrors", "origin"]:
            return ("mirrors", "origin")
        case _:
            raise ValueError('allowed are "origin,mirrors" and "mirrors,origin"')


Order = tuple[Literal["origin", "mirrors"], Literal["origin", "mirrors"]]
Front = Literal["off", "nginx", "caddy"]
Verify = Literal["require", "prefer"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["console", "json"]
Folder = Annotated[Path, By(parse_path)]
OptionalFile = Annotated[Path | None, optional(parse_readable_file("a readable PEM file"))]
OptionalSSHFile = Annotated[Path | None, optional(parse_ssh_file)]
OptionalProxy = Annotated[str | None, optional(parse_outgoing_proxy)]
Globs = Annotated[tuple[str, ...], By(parse_globs)]
Switch = Annotated[bool, By(parse_switch)]
