"""The setting `database`: the URL of a PostgreSQL database, which may hold a password."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit

from goproxy_mirror.config.values import VEIL, redact

_PASSWORD = re.compile(r"((?:ssl)?password=)[^&\s]*", re.IGNORECASE)
_ALLOWED = (
    "allowed is a URL as PostgreSQL's own programs take it, postgresql://USER@HOST:PORT/NAME; without it the state is kept in "
    "the state folder"
)
_BROKEN_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})|%00")
_ESCAPES = "% / ? # @ : in a user's name or a password are written %25 %2F %3F %23 %40 %3A"


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
        # A password with such a character would be taken for something else, and be shown as that.
        if parts.netloc.count("@") > 1 or "@" in parts.path or parts.fragment or _BROKEN_ESCAPE.search(text):
            raise ValueError(f"it cannot be read; {_ESCAPES}; {_ALLOWED}")
        _ = parts.port if "," not in parts.netloc else None
    except ValueError as error:
        raise ValueError(str(error) if _ESCAPES in str(error) else f"{_ALLOWED}; {_ESCAPES}") from None
    if not unquote(parts.path.strip("/")) and not {"dbname", "service"} & dict(parse_qsl(parts.query)).keys():
        raise ValueError(f"it names no database; {_ALLOWED}; {_ESCAPES}")
    return f"postgresql://{text.partition('://')[2]}"


def has_password(url: str) -> bool:
    """Whether the URL itself holds a secret."""
    userinfo, at, _ = urlsplit(url).netloc.rpartition("@")
    return bool((at and ":" in userinfo) or _PASSWORD.search(url))


def shown_database(url: str) -> str:
    """The URL without a password; its user stays."""
    netloc = urlsplit(url).netloc
    userinfo, at, host = netloc.rpartition("@")
    user, colon, _ = userinfo.partition(":")
    # Not put together by urllib, which leaves out the `//` before an empty host.
    shown = url.replace(f"://{netloc}", f"://{user}{colon and ':' + VEIL}{at}{host}", 1)
    return _PASSWORD.sub(rf"\1{VEIL}", shown)


def hidden(text: str) -> str:
    """A text that may be no URL at all, without what may be a password."""
    return _PASSWORD.sub(rf"\1{VEIL}", redact(text))
