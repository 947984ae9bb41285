"""May they have it, and from where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from goproxy_mirror.errors import Blocked
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.patterns import match_globs
from goproxy_mirror.ports import Source


@dataclass(frozen=True, slots=True)
class Route:
    """Modules whose path matches one of the globs (as in GOPRIVATE) have this source."""

    globs: str
    source: Source


class Policy:
    """Chooses the source of a module, and keeps private names in the house.

    `direct` are globs of modules that come from their origin only (GOPRIVATE and GONOPROXY);
    `unlisted` are globs of modules that no public checksum database may hear of (GONOSUMDB, GOPRIVATE).
    See https://go.dev/ref/mod#private-modules.
    """

    def __init__(
        self, *, direct: str, origin: Source, routes: Sequence[Route], public: Source, unlisted: str
    ) -> None:
        self._direct = direct
        self._origin = origin
        self._routes = tuple(routes)
        self._public = public
        self._unlisted = unlisted

    def source(self, path: ModulePath) -> Source:
        """The one source that is asked for a module: its origin where it is private, else the first route, else the public one.

        A route for nothing but private modules is the operator's own word about them, and counts before their origin.
        """
        private = self._is_direct(path.value)
        for route in self._routes:
            if match_globs(route.globs, path.value) and (not private or self._is_direct(route.globs)):
                return route.source
        return self._origin if private else self._public

    def is_public(self, path: ModulePath) -> bool:
        """Whether the public list is asked for a module, and so hears its name."""
        return self.source(path) is self._public

    def _is_direct(self, text: str) -> bool:
        return bool(self._direct) and match_globs(self._direct, text)

    def check_lookup(self, path: str) -> None:
        """Raise `Blocked` where a checksum look-up would tell a private name to the outside."""
        if self._unlisted and match_globs(self._unlisted, path):
            raise Blocked(
                f"{path} is private here (GOPRIVATE or GONOSUMDB), so it is not looked up in a checksum database. "
                "Set GONOSUMDB or GOPRIVATE for it where the go command runs."
            )
