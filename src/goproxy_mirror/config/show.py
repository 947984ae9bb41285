"""The settings as a TOML file again, without their secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping

from goproxy_mirror.config.credentials import CredentialRule
from goproxy_mirror.config.database import shown_database
from goproxy_mirror.config.load import Loaded
from goproxy_mirror.config.rules import MirrorRule, RewriteRule
from goproxy_mirror.config.settings import Settings, about
from goproxy_mirror.config.upstreams import UpstreamStep, same_syntax
from goproxy_mirror.config.values import VEIL, shown_bytes, shown_seconds, without_userinfo


def as_toml(loaded: Loaded) -> str:
    """Every setting with a value, each with the place where it was said; the built-in table is not repeated.

    Read as a settings file, the text means the same, but for credentials: `***` stands in their place.
    """
    lines, tables = [], []
    for name in Settings.model_fields:
        value = plain(name, getattr(loaded.settings, name))
        origin = loaded.origins.get(name, "default")
        if isinstance(value, Mapping):
            rows = [f"{_text(left)} = {_literal(right)}" for left, right in value.items()]
            tables += ["", f"[{name}]  # {origin}", *rows] if rows else []
        elif value is not None:
            lines.append(f"{name} = {_literal(value)}  # {origin}")
    return "\n".join(lines + tables) + "\n"


def plain(name: str, value: object) -> object:
    """A setting's value as TOML has it, without secrets; None for what is not set."""
    match value:
        case tuple() if value and isinstance(value[0], UpstreamStep):
            return same_syntax(value)
        case tuple() if name == "mirrors":
            rules = [item for item in value if isinstance(item, MirrorRule)]
            return {rule.pattern.text: list(rule.candidates) for rule in rules}
        case tuple() if name == "rewrites":
            return {item.left: list(item.rights) for item in value if isinstance(item, RewriteRule)}
        case tuple() if name == "credentials":
            return {item.prefix: item.row() for item in value if isinstance(item, CredentialRule)}
        case () if name in {"toolchains", "vulndb"}:
            return "off"
        case tuple():
            urls = name in {"sumdb", "toolchains", "vulndb"}
            return [without_userinfo(item, VEIL) if urls else str(item) for item in value]
        case Mapping():
            shown = {key: plain(name, item) for key, item in value.items()}
            return {key: item or ["off"] if isinstance(item, list) else item for key, item in shown.items()}
        case float() if about(name).metavar == "TIME":
            return shown_seconds(value)
        case int() if about(name).metavar == "SIZE":
            return shown_bytes(value)
        case int() if name == "socket_mode":
            return f"{value:o}"
        case bool() | int() | None:
            return value
        case "" if name == "database":
            return None
        case str() if name == "database":
            return shown_database(value)
        case str() if name in {"https_proxy", "http_proxy"}:
            return without_userinfo(value, VEIL)
        case _:
            return str(value)


def _literal(value: object) -> str:
    if isinstance(value, bool | int):
        return json.dumps(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_text(str(item))}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_text(str(item)) for item in value) + "]"
    return _text(str(value))


def _text(value: str) -> str:
    # A JSON text is a TOML text as long as no character beyond the basic plane is written as two escapes.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
