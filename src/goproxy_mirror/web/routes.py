"""The one route table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from goproxy_mirror.errors import NotFound
from goproxy_mirror.web import ops
from goproxy_mirror.web.feeds import Catalog, Index
from goproxy_mirror.web.goproxy import GoProxy
from goproxy_mirror.web.incoming import Incoming, Refused
from goproxy_mirror.web.page import Page
from goproxy_mirror.web.responses import Response
from goproxy_mirror.web.services import Services
from goproxy_mirror.web.sumdb import Checksums
from goproxy_mirror.web.vulndb import PREFIX, Vulnerabilities

Handler = Callable[[Incoming], Awaitable[Response]]

_UNPREFIXED = frozenset({"/healthz", "/readyz"})
"""Reachable without the prefix too: a supervisor asks the process, not the site."""
_METHODS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Site:
    """How this server is known: `prefix` is a URL path before every route (`/goproxy`, or empty), `instance` its name in
    the hop header, `public_url` what its clients call it (without the prefix) where a web server stands before it, and
    `https` whether they speak that, to us or to a front of ours."""

    instance: str
    prefix: str = ""
    public_url: str | None = None
    https: bool = False


class Routes:
    """Finds the handler of a request."""

    def __init__(self, services: Services, site: Site) -> None:
        self._prefix = site.prefix
        self._below = f"{site.prefix}/"
        self._fixed: dict[str, Handler] = {
            "/": Page(site.prefix, site.public_url, site.instance, https=site.https),
            "/healthz": ops.Health(services),
            "/readyz": ops.Readiness(services),
            "/version": ops.About(site.instance),
            "/robots.txt": ops.robots,
            "/favicon.ico": ops.favicon,
        }
        if services.feed is not None:
            self._fixed |= {"/index": Index(services.feed), "/catalog": Catalog(services.feed)}
        self._checksums: Handler = Checksums(services.checksums, site.instance)
        self._modules: Handler = GoProxy(services.modules, site.instance, services.touch)
        self._vulnerabilities: Handler = Vulnerabilities(services.vulnerabilities, site.instance)

    def find(self, incoming: Incoming) -> Handler:
        """The handler of a request, whose path is cut to begin below the prefix.

        Raises `Refused` for a method other than GET and HEAD, and `NotFound` outside the prefix.
        """
        if incoming.method not in _METHODS:
            raise Refused(
                "only GET and HEAD are served here",
                status=405,
                allow="GET, HEAD",
                close="content-length" in incoming.headers,
            )
        path = incoming.path
        if self._prefix and path not in _UNPREFIXED:
            path = incoming.path = self._cut(path)
        handler = self._fixed.get(path)
        if handler is not None:
            return handler
        if path.startswith(PREFIX):
            return self._vulnerabilities
        return self._checksums if path.startswith("/sumdb/") else self._modules

    def _cut(self, path: str) -> str:
        if path.startswith(self._below):
            return path[len(self._prefix) :]
        if path == self._prefix:
            return "/"
        raise NotFound(f"this server answers below {self._below} only: GOPROXY must end with it")
