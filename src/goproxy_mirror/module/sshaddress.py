"""SSH addresses of repositories, in both of their spellings.

    ssh://USER@HOST[:PORT]/PATH        the path is absolute on the host
    USER@HOST:PATH                     the path is below the user's home folder

Git hands user and host to the ssh program as an argument and the path to a remote shell, so nothing is taken that
could be read as an option, or that is not plain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

_USER = r"(?P<user>[A-Za-z0-9_][A-Za-z0-9._-]{0,63})"
_HOST = r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])"
_PLAIN = r"[A-Za-z0-9._~+@=,!-]"
_URL = re.compile(
    rf"ssh://{_USER}@{_HOST}(?::(?P<port>[1-9][0-9]{{0,4}}))?(?P<path>/(?:{_PLAIN}|/)*)", re.ASCII
)
_SHORT = re.compile(rf"{_USER}@{_HOST}:(?P<path>(?![-/]){_PLAIN}(?:{_PLAIN}|/)*)?", re.ASCII)

# ssh expands %, $ and ~ in the names of files, and takes quotes apart.
_FILE = re.compile(r"/[^\x00-\x1f\x7f\"'`$%\\~]*")

PORT = 22

ALLOWED = "ssh://USER@HOST/PATH or USER@HOST:PATH"


@dataclass(frozen=True, slots=True)
class SSHAddress:
    """A repository's SSH address, or the beginning of some. `text` is as git takes it."""

    text: str
    user: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse an address. Raises `ValueError` with what is allowed."""
        match = _URL.fullmatch(text) or _SHORT.fullmatch(text)
        if match is None:
            raise ValueError(f"allowed are {ALLOWED}, of plain characters")
        groups = match.groupdict()
        port, path = int(groups.get("port") or PORT), groups["path"] or ""
        if port > 65535 or {".", ".."} & set(path.split("/")) or "/-" in path:
            raise ValueError(f"allowed are {ALLOWED}, with a port below 65536 and no . or .. in the path")
        return cls(text, groups["user"], groups["host"].strip("[]"), port, path)

    @property
    def authority(self) -> str:
        """`host:port`; never without the port, so that it is no web server's name."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def shown(self) -> str:
        """The address in one spelling, without the user."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORT else f":{self.port}"
        return f"ssh://{host}{port}/{self.path.lstrip('/')}"


def is_plain_file(path: str) -> bool:
    """Whether ssh takes an absolute path as it is."""
    return _FILE.fullmatch(path) is not None


def is_ssh(text: str) -> bool:
    """Whether a text is meant as an SSH address; whether it is a good one, `SSHAddress.parse` says."""
    if text.lower().startswith(("ssh://", "git+ssh://", "ssh+git://")):
        return True
    before, colon, _ = text.partition(":")
    return bool(colon) and "@" in before and "/" not in before
