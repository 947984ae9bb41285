"""What a front says, handed on into our log: its errors as errors, its hits as requests, its chatter for those who debug."""

from __future__ import annotations

import json
import re
from collections import deque
from typing import Any, Literal

import structlog

from goproxy_mirror.web.responses import printable

log = structlog.get_logger(__name__)

_NGINX = re.compile(r"(?:nginx: |\S+ \S+ )\[(\w+)\] (?:\d+#\d+: )?(?:\*\d+ )?(.*)")
_SEVERE = {"emerg", "alert", "crit", "error", "fatal", "panic"}
_LONGEST = 64 * 1024
_SHOWN = 1000


class Sayings:
    """Reads the lines of one front, and remembers the last ones that matter."""

    def __init__(self, kind: Literal["nginx", "caddy"]) -> None:
        self._kind = kind
        self._rest = b""
        self._errors: deque[str] = deque(maxlen=3)
        self._last = ""

    def take(self, said: bytes, *, relay: bool = True) -> None:
        """More of what it says, in pieces of any length; with `relay` off it is only remembered."""
        *lines, rest = (self._rest + said).split(b"\n")
        self._rest = rest[-_LONGEST:]
        for line in lines if relay else [*lines, rest]:
            if line.strip():
                self._line(line.decode("utf-8", "replace").strip(), relay=relay)

    def worst(self) -> str:
        """The last error, or else the last thing that it said."""
        return (self._errors[-1] if self._errors else self._last)[:_SHOWN] or "it gave no reason"

    def _line(self, line: str, *, relay: bool) -> None:
        fields = _fields(line)
        if fields is not None and ("method" in fields or "request" in fields):
            if relay:
                _tell_hit(fields)
            return
        level, text = self._read(line, fields)
        self._last = text
        if level in _SEVERE:
            self._errors.append(text)
        if relay:
            severe = level in _SEVERE or (level == "warn" and self._kind == "nginx")
            (log.warning if severe else log.debug)("the front says", front=self._kind, said=text[:_SHOWN])

    def _read(self, line: str, fields: dict[str, Any] | None) -> tuple[str, str]:
        if fields is not None:
            said = ": ".join(str(fields[name]) for name in ("msg", "error") if name in fields)
            return str(fields.get("level", "info")), printable(said)
        found = _NGINX.match(line)
        if found is not None:
            return found[1], printable(found[2])
        return ("error" if line.startswith("Error: ") else "info"), printable(line.removeprefix("Error: "))


def _fields(line: str) -> dict[str, Any] | None:
    """The line as one of JSON, if it is one."""
    if not line.startswith("{"):
        return None
    try:
        fields = json.loads(line)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None


def _tell_hit(fields: dict[str, Any]) -> None:
    """One event per hit, as our own requests have it. What Caddy only handed on is in the log already."""
    request = fields.get("request")
    if isinstance(request, dict):
        headers = fields.get("resp_headers") or {}
        if headers.get("Server") != ["Caddy"] or "Via" in headers:
            return
        path = str(request.get("uri", "")).partition("?")[0]
        method, size, seconds = request.get("method"), fields.get("size", 0), fields.get("duration", 0.0)
    else:
        path, method = str(fields.get("path", "")), fields.get("method")
        size, seconds = fields.get("bytes", 0), fields.get("seconds", 0.0)
    log.info(
        "request",
        method=printable(str(method)),
        path=printable(path[:512]),
        status=fields.get("status"),
        bytes=size,
        ms=round(float(seconds) * 1000, 1),
        source=None,
    )
