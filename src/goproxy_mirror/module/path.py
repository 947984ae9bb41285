"""Module, import and file paths: what they may hold, how they are escaped, and their major versions.

The rules are golang.org/x/mod/module's. A module path becomes part of a URL and of a file name on systems
that fold case, so the escaped form has no capital: each becomes `!` and its small letter. Paths are plain
everywhere inside this program and escaped at its edges only (store keys, URLs).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from goproxy_mirror.errors import InvalidPath, InvalidVersion
from goproxy_mirror.module import letters, semver


class Kind(Enum):
    """What a path names: the go command's word for it, and the ASCII that it may hold. The rules grow looser."""

    MODULE = "module", r"[0-9A-Za-z._~-]*+"
    IMPORT = "import", r"[0-9A-Za-z._~+-]*+"
    FILE = "file", r"[0-9A-Za-z!#$%&()+,.=@\[\]^_{}~ -]*+"

    def __init__(self, word: str, allowed: str) -> None:
        self.word = word
        self.allowed = re.compile(allowed)


_HOST = re.compile(r"[0-9a-z.-]*+")
_RESERVED = frozenset(
    ("con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10)))
)
_SHORT_NAME = re.compile(r"~[0-9]+\Z")
_ONLY_DOTS = re.compile(r"\.++\Z")
_MAJOR_SUFFIX = re.compile(r"/v[0-9.]+\Z")
_GOPKG_SUFFIX = re.compile(r"\.v[0-9]*(?:-unstable)?\Z")

_CAPITAL = re.compile(r"[A-Z]")
_ESCAPED_CAPITAL = re.compile(r"!([a-z])")
_ESCAPED = re.compile(r"(?:[^!A-Z]|![a-z])*+")


def element_problem(element: str, kind: Kind) -> str | None:
    """Why one element of a path is not valid, in the go command's words, or None if it is."""
    if not element:
        return "empty path element"
    if _ONLY_DOTS.match(element):
        return f'invalid path element "{element}"'
    if kind is Kind.MODULE and element[0] == ".":
        return "leading dot in path element"
    if element[-1] == ".":
        return "trailing dot in path element"
    bad = _bad_character(element, kind)
    if bad:
        return f"invalid char {_quoted(bad)}"
    stem = element.partition(".")[0]
    if stem.lower() in _RESERVED:
        return f'"{stem}" disallowed as path element component on Windows'
    if kind is not Kind.FILE and _SHORT_NAME.search(stem):
        return "trailing tilde and digits in path element"
    return None


def _bad_character(element: str, kind: Kind) -> str | None:
    """The first character that the kind of path does not allow."""
    start = 0
    while True:
        match = kind.allowed.match(element, start)
        start = match.end() if match else start
        if start == len(element):
            return None
        char = element[start]
        if kind is not Kind.FILE or char.isascii() or not letters.is_letter(char):
            return char
        start += 1


def _quoted(char: str) -> str:
    """A character as it can stand in an error message: visible, on one line, in quotes."""
    return f"'{char}'" if char.isprintable() else ascii(char)


def path_problem(text: str, kind: Kind) -> str | None:
    """Why a slash-separated path is not valid, in the go command's words, or None if it is.

    Undecodable bytes stand in `text` as lone surrogates (Python's `surrogateescape`).
    """
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        return "invalid UTF-8"
    if not text:
        return "empty string"
    if text[0] == "-" and kind is not Kind.FILE:
        return "leading dash"
    if "//" in text:
        return "double slash"
    if text[-1] == "/":
        return "trailing slash"
    for element in text.split("/"):
        problem = element_problem(element, kind)
        if problem:
            return problem
    return None


def module_path_problem(text: str) -> str | None:
    """Why a text is no module path, in the go command's words, or None if it is one."""
    problem = path_problem(text, Kind.MODULE)
    if problem:
        return problem
    host = text.partition("/")[0]
    if "." not in host:
        return "missing dot in first path element"
    if not _HOST.fullmatch(host):
        bad = next(char for char in host if not _HOST.fullmatch(char))
        return f"invalid char {_quoted(bad)} in first path element"
    if split_path_version(text) is None:
        return "invalid version"
    return None


def check_import_path(text: str) -> None:
    """Raise InvalidPath unless a Go program could import the path."""
    _refuse(text, Kind.IMPORT, path_problem(text, Kind.IMPORT))


def check_file_path(text: str) -> None:
    """Raise InvalidPath unless a file of a module's zip may have the path, relative to the module's root."""
    _refuse(text, Kind.FILE, path_problem(text, Kind.FILE))


def _refuse(text: str, kind: Kind, problem: str | None) -> None:
    if problem:
        raise InvalidPath(f"malformed {kind.word} path {text!a}: {problem}")


def escape(text: str) -> str:
    """The escaped form of a module path or version."""
    return text if text.islower() else _CAPITAL.sub(lambda match: "!" + match[0].lower(), text)


def unescape(text: str) -> str:
    """The plain form. Raises InvalidPath on a capital, a `!` without a small letter, and non-ASCII text."""
    if not text.isascii() or not _ESCAPED.fullmatch(text):
        raise InvalidPath(
            f'{text!a} is not escaped as proxies want it: each capital is written as "!" and its small letter'
        )
    return _ESCAPED_CAPITAL.sub(lambda match: match[1].upper(), text)


def split_path_version(text: str) -> tuple[str, str] | None:
    """Cut a path into its prefix and its major version (`/v2`, `.v1`, `.v2-unstable` or nothing).

    None where the path ends in something that looks like a major version and is none, as `/v1` or `/v2.0`. On
    gopkg.in every path has a major version, behind a dot.
    """
    if text.startswith("gopkg.in/"):
        match = _GOPKG_SUFFIX.search(text)
        if match is None or match[0] == ".v" or (match[0][2] == "0" and match[0] != ".v0"):
            return None
    else:
        match = _MAJOR_SUFFIX.search(text)
        if match is None:
            return text, ""
        if "." in match[0] or match[0][2] == "0" or match[0] == "/v1":
            return None
    return text[: match.start()], match[0]


def path_major_prefix(path_major: str) -> str:
    """The major version that a path's suffix demands of tags: `v2` of `/v2`; empty for no suffix."""
    return path_major[1:].removesuffix("-unstable") if path_major[:1] == "." else path_major[1:]


def match_path_major(version: str, path_major: str) -> bool:
    """Whether a version may be one of a module whose path ends in `path_major` (see `split_path_version`)."""
    wanted = path_major_prefix(path_major)
    found = semver.major(version)
    if not wanted:
        return found in {"v0", "v1"} or semver.build(version) == "+incompatible"
    # Early go commands named commits of gopkg.in/NAME.v1 modules v0.0.0-…, and go.mod files still require
    # them.
    return found == wanted or (path_major == ".v1" and version.startswith("v0.0.0-"))


def check_path_major(version: str, path_major: str) -> None:
    """Raise InvalidVersion unless `match_path_major`."""
    if not match_path_major(version, path_major):
        wanted = path_major_prefix(path_major) or "v0 or v1"
        raise InvalidVersion(f"version {version!a} invalid: should be {wanted}, not {semver.major(version)}")


@dataclass(frozen=True, slots=True, order=True)
class ModulePath:
    """A valid module path in its plain form; making one of anything else raises InvalidPath."""

    value: str

    def __post_init__(self) -> None:
        _refuse(self.value, Kind.MODULE, module_path_problem(self.value))

    @classmethod
    def parse(cls, text: str) -> ModulePath:
        """The path that a plain text names. Raises InvalidPath."""
        return cls(text)

    @classmethod
    def unescape(cls, escaped: str) -> ModulePath:
        """The path that an escaped text names. Raises InvalidPath."""
        return cls(unescape(escaped))

    @property
    def escaped(self) -> str:
        """The form that stands in URLs and store keys."""
        return escape(self.value)

    def split_major(self) -> tuple[str, str]:
        """The prefix and the major version suffix: `("example.com/m", "/v2")`."""
        return split_path_version(self.value) or (self.value, "")

    def prefixes(self) -> tuple[str, ...]:
        """The path itself and each of its parents, the longest first."""
        elements = self.value.split("/")
        return tuple("/".join(elements[:count]) for count in range(len(elements), 0, -1))

    def __str__(self) -> str:
        return self.value
