"""The file that curl, git and the go command take names and passwords from (~/.netrc).

Read as the go command reads it (cmd/go/internal/auth/netrc.go): pairs of words, line by line; an entry counts once it has a
machine, a login and a password; of two for the same machine the first counts; a `machine` may name a port and a path. An
entry `default` is left out, there and here: it would send a password to whoever asks for one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from goproxy_mirror.credentials.prefix import Prefix
from goproxy_mirror.transport import UrlError


@dataclass(frozen=True, slots=True)
class Login:
    """One entry. `machine` is the host, as the file writes it."""

    machine: str
    prefix: Prefix
    name: str
    password: str = field(repr=False)


def read_netrc(data: bytes) -> tuple[Login, ...]:
    """The entries of a file, those of the longest prefix first. What can be no host is passed over."""
    found: dict[Prefix, Login] = {}
    for machine, name, password in _entries(data.decode("utf-8", "replace")):
        try:
            prefix = Prefix.parse(f"https://{machine}")
        except UrlError:
            continue
        found.setdefault(prefix, Login(machine, prefix, name, password))
    return tuple(sorted(found.values(), key=lambda login: -len(login.prefix.path)))


def _entries(text: str) -> Iterator[tuple[str, str, str]]:
    entry: dict[str, str] = {}
    in_macro = False
    for line in text.splitlines():
        if in_macro:
            in_macro = bool(line.strip())
            continue
        words = line.split()
        for key, value in zip(words[::2], words[1::2], strict=False):
            if key == "default":
                return
            if key == "macdef":
                in_macro = True
            elif key == "machine":
                entry = {key: value}
            elif key in {"login", "password"}:
                entry[key] = value
            if {"machine", "login", "password"} <= entry.keys():
                yield entry["machine"], entry["login"], entry["password"]
                entry = {}
        if len(words) % 2 and words[-1] == "default":
            return
