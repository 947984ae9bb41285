"""What a front is told, whichever it is: where it listens, what it may give away by itself, and whom it asks for the rest.

A front gives away what is published and nothing else: a path that names a file of a version, in the one spelling that the
protocol has for it. Everything else is asked of us, as it came.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from goproxy_mirror.errors import SettingError
from goproxy_mirror.web.listening import Address, TLSFiles
from goproxy_mirror.web.responses import FOR_EVER, JSON, TEXT, ZIP

TYPES: Mapping[str, str] = {"info": JSON, "mod": TEXT, "zip": ZIP}
HEADERS: Mapping[str, str] = {"Cache-Control": FOR_EVER, "X-Content-Type-Options": "nosniff"}
FILE = r"/[a-z0-9][a-z0-9.-]*(?:/[a-z0-9!_~-][a-z0-9!._~-]*)*/@v/v[0-9][a-z0-9!.+_-]*\.(?:info|mod|zip)"
"""A decoded path of a published file: no element begins with a dot, none is empty, no letter is a capital; the first has only
what a module path begins with, and so is never the `_state` beside the files."""
ODD = r"/\.|//|%2e|%2f|%5c|\x5c"
"""In the path as the client wrote it, in small or capital letters: a web server would tidy it up, and we refuse it."""
PARTIAL = ("Range", "If-Match", "If-Unmodified-Since")
"""Headers that ask for a part of a file, or for a refusal: web servers answer these in ways of their own, with what is said about
the whole file, also that it may be kept for ever. The go command sends none of them."""
MOST_DOUBTED = 1000
"""Files that are named to a front as not to be given away; it looks through them for each request."""

_QUOTABLE = re.compile(r"[^\"$`{}\\\x00-\x1f\x7f\ud800-\udfff]+")
_SPARE = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a front is told. Times are in seconds.

    `root` is the folder in which a URL path is looked up, and `workers` our address behind the front: a Unix socket's path,
    or `host:port`. `doubted` are paths that only we may answer. Where `socket` is set, it takes the place of `address`.
    `connections` and `kept_open` bound what one of its processes holds open: the latter are files that are sent again and again.
    """

    root: Path
    workers: Path | str
    address: Address
    socket: Path | None = None
    tls: TLSFiles | None = None
    prefix: str = ""
    doubted: tuple[str, ...] = ()
    fetch_timeout: float = 600.0
    drain: float = 60.0
    processes: int = 1
    connections: int = 1024
    kept_open: int = 256
    log_hits: bool = False

    @property
    def patience(self) -> int:
        """How long our answer may take: somebody else's fetch may be waited for, and then be followed by one's own."""
        return round(2 * self.fetch_timeout + _SPARE)

    @property
    def file(self) -> str:
        """The expression that the decoded path of a published file matches."""
        return f"^{re.escape(self.prefix)}{FILE}$"


def quoted(value: Path | str) -> str:
    """A path as a configuration file has it. Raises `SettingError` for one that cannot be written there."""
    text = str(value)
    if not _QUOTABLE.fullmatch(text):
        raise SettingError(
            f"front: the path {text!a} cannot be written into the configuration of a web server; allowed are paths without "
            'quotes, backslashes, braces, "$" and control characters, in UTF-8'
        )
    return f'"{text}"'
