"""The plain page at `/`: what this is, and the line to set GOPROXY, in English or Chinese."""

from __future__ import annotations

import base64
import re
from hashlib import sha256
from typing import Literal

from goproxy_mirror import __version__
from goproxy_mirror.web.incoming import Incoming
from goproxy_mirror.web.responses import HTML, Headers, Response, body_response

Language = Literal["en", "zh"]

_NOTHING_ELSE = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_PLAIN_HOST = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
"""Narrower than what a Host header may be: the page is copied into shells, where `$` or `;` would mean something."""
_PREFERENCE = re.compile(
    r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]*)?\s*(?:;\s*q\s*=\s*([01](?:\.[0-9]{0,3})?))?\s*"
)
_LONGEST_PREFERENCES = 1000


class Page:
    """Shows the address under which it was asked, unless the operator gave `public_url`; keeps nothing.

    A Host header that is no plain host name is not shown: the page is copied from.
    """

    def __init__(self, prefix: str, public_url: str | None, instance: str, *, https: bool = False) -> None:
        self._prefix = prefix
        self._public_url = public_url
        self._instance = instance
        self._https = https

    async def __call__(self, incoming: Incoming) -> Response:
        """Render the page for one visitor."""
        from goproxy_mirror.web.rendering import rendered  # noqa: PLC0415 (a start need not wait for Jinja)

        style = rendered("page.css")
        digest = base64.b64encode(sha256(style.encode()).digest()).decode()
        headers: Headers = [
            ("content-security-policy", f"default-src 'none'; style-src 'sha256-{digest}'; {_NOTHING_ELSE}"),
            ("referrer-policy", "no-referrer"),
            ("vary", "accept-language"),
        ]
        language = chosen_language(incoming.query, incoming.headers.get("accept-language", ""))
        body = rendered(
            f"page.{language}.html",
            style=style,
            url=self._url(incoming),
            prefix=self._prefix,
            version=__version__,
            instance=self._instance,
        )
        return body_response(200, body.encode(), HTML, "private, no-cache", headers)

    def _url(self, incoming: Incoming) -> str:
        if self._public_url is not None:
            return f"{self._public_url.rstrip('/')}{self._prefix}"
        host = incoming.authority if _PLAIN_HOST.fullmatch(incoming.authority) else "HOST:PORT"
        scheme = "https" if self._https or incoming.scheme == "https" else "http"
        return f"{scheme}://{host}{self._prefix}"


def chosen_language(query: str, accept_language: str) -> Language:
    """`?lang=` first, then the better liked of the two in Accept-Language (RFC 9110 §12.5.4), else English."""
    if query == "lang=zh":
        return "zh"
    if query == "lang=en":
        return "en"
    liking = {"en": 0.0, "zh": 0.0}
    for item in accept_language[:_LONGEST_PREFERENCES].split(","):
        found = _PREFERENCE.fullmatch(item)
        if found is not None and found[1].lower() in liking:
            language = found[1].lower()
            liking[language] = max(liking[language], float(found[2] or 1))
    alike = liking["zh"] == liking["en"] > 0
    first = re.split("[,;-]", accept_language, maxsplit=1)[0].strip().lower()
    return "zh" if liking["zh"] > liking["en"] or (alike and first == "zh") else "en"
