"""The setting `database`: the URL of a PostgreSQL database, which may hold a password."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from goproxy_mirror.config.values import VEIL, redact

_PASSWORD = re.compile(r"((?:ssl)?password=)[^&\s]*", re.IGNORECASE)
_ALLOWED = (
    "allowed is a URL as PostgreSQL's own programs take it, postgresql://USER@HOST:PORT/NAME; without it the state is kept in "
    "the state folder"
)


def parse_database(value: object) -> str:
    """The URL; empty where the state is in the state folder. Raises `ValueError`."""
    text = value.strip() if isinstance(value, str) else None
    if text == "":
        return ""
    if (
        text is None
        or not text.startswith(("postgresql://", "postgres://"))
        or any(c.isspace() for c in text)
    ):
        raise ValueError(_ALLOWED)
    try:
        parts = urlsplit(text)
        _ = parts.port if "," not in parts.netloc else None
    except ValueError:
        raise ValueError(_ALLOWED) from None
    if not unquote(parts.path.strip("/")):
        raise ValueError(f"it names no database; {_ALLOWED}")
    return f"postgresql://{text.partition('://')[2]}"


def has_password(url: str) -> bool:
    """Whether the URL itself holds a secret."""
    userinfo, at, _ = urlsplit(url).netloc.rpartition("@")
    return bool((at and ":" in userinfo) or _PASSWORD.search(url))


def shown_database(url: str) -> str:
    """The URL without a password; its user stays."""
    parts = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    user, colon, _ = userinfo.partition(":")
    shown = parts._replace(netloc=f"{user}{colon and ':' + VEIL}{at}{host}").geturl()
    return _PASSWORD.sub(rf"\1{VEIL}", shown)


def hidden(text: str) -> str:
    """A text that may be no URL at all, without what may be a password."""
    return _PASSWORD.sub(rf"\1{VEIL}", redact(text))
