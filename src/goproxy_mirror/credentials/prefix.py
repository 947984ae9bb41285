"""URL prefixes, compared by where they lead and not by their text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from goproxy_mirror.transport import Target, UrlError


@dataclass(frozen=True, slots=True)
class Prefix:
    """An https prefix: one host and port, and what is at its path or below it."""

    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a prefix. Raises `UrlError`."""
        target = Target.parse(text)
        if target.scheme != "https":
            raise UrlError("it is not https", target.scheme)
        if target.authorization is not None:
            raise UrlError("it holds credentials itself", target.scheme)
        return cls(target.host, target.port, path_of(target))

    def rest(self, target: Target) -> str | None:
        """What follows the prefix in the URL's path; None where the URL is not below it.

        A prefix ends at an element's end. One without a slash at its end also covers the same name with `.git`, since the
        same repository is found under both.
        """
        if (target.scheme, target.host, target.port) != ("https", self.host, self.port):
            return None
        path = path_of(target)
        if not path.startswith(self.path):
            return None
        rest = path[len(self.path) :]
        if self.path.endswith("/") or not rest or rest.startswith("/"):
            return rest
        return rest if rest == ".git" or rest.startswith(".git/") else None


def path_of(target: Target) -> str:
    """The path of a parsed URL as it is sent: dot segments are gone, escapes are as they were. Begins with a slash."""
    behind_scheme = target.url.partition("://")[2]
    slash = behind_scheme.find("/")
    path = behind_scheme[slash:] if slash >= 0 else "/"
    return path.partition("?")[0]
