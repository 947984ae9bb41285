"""Patterns over module paths: the go command's globs (as in GOPRIVATE), and the left sides of mirror rules."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from goproxy_mirror.errors import SettingError

_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_LITERAL = re.compile(r"[0-9A-Za-z._~/-]*")


def match_globs(globs: str | Sequence[str], path: str) -> bool:
    """Whether a prefix of the path matches one of the globs, as for GOPRIVATE (`go help module-private`).

    `globs` is a comma-separated list, or several. A glob matches as many elements as it has itself; empty and
    malformed ones match nothing, and a slash at a glob's end does not count.
    """
    text = globs if isinstance(globs, str) else ",".join(globs)
    elements = path.split("/")
    return any(
        len(elements) >= count and glob.match("/".join(elements[:count])) for count, glob in _compiled(text)
    )


def is_glob(glob: str) -> bool:
    """Whether a glob is well-formed, as Go's `path.Match` has it."""
    return _glob_pattern(glob) is not None


@lru_cache(maxsize=256)
def _compiled(globs: str) -> tuple[tuple[int, re.Pattern[str]], ...]:
    """Each well-formed glob of a list with its number of elements."""
    found = []
    for text in globs.split(","):
        glob = text.removesuffix("/")
        pattern = _glob_pattern(glob) if glob else None
        if pattern is not None:
            found.append((glob.count("/") + 1, re.compile(pattern, re.DOTALL)))
    return tuple(found)


def _glob_pattern(glob: str) -> str | None:
    """A regular expression that matches what Go's `path.Match` matches; None if the glob is malformed.

    What follows a star is searched once, from the left, and never tried again further right, as Go does it:
    hence the atomic groups, which also keep matching quick.
    """
    chunks = [""]
    position = 0
    while position < len(glob):
        char = glob[position]
        position += 1
        if char == "*":
            chunks.append("")
        elif char == "?":
            chunks[-1] += "[^/]"
        elif char == "[":
            group = _glob_class(glob, position)
            if group is None:
                return None
            expression, position = group
            chunks[-1] += expression
        elif char == "\\":
            if position == len(glob):
                return None
            chunks[-1] += re.escape(glob[position])
            position += 1
        else:
            chunks[-1] += re.escape(char)
    if len(chunks) == 1:
        return chunks[0] + r"\Z"
    middle = "".join(f"(?>[^/]*?{chunk})" for chunk in chunks[1:-1] if chunk)
    return rf"{chunks[0]}{middle}[^/]*?{chunks[-1]}\Z"


def _glob_class(glob: str, position: int) -> tuple[str, int] | None:
    """The expression for a `[…]` whose inside begins at `position`, and where it ends; None if malformed."""
    negated = glob[position : position + 1] == "^"
    position += negated
    ranges: list[tuple[str, str]] = []
    while not (ranges and glob[position : position + 1] == "]"):
        low = _glob_class_char(glob, position)
        if low is None:
            return None
        high, position = low[0], low[1]
        if glob[position] == "-":
            last = _glob_class_char(glob, position + 1)
            if last is None:
                return None
            high, position = last
        ranges.append((low[0], high))
    inside = "".join(f"{re.escape(a)}-{re.escape(b)}" for a, b in ranges if a <= b)
    if not inside:
        return (r"[\s\S]" if negated else r"(?!)"), position + 1
    return f"[{'^' if negated else ''}{inside}]", position + 1


def _glob_class_char(glob: str, position: int) -> tuple[str, int] | None:
    """One character inside `[…]`, and where the next stands; there must be a next."""
    if glob[position : position + 1] in {"", "-", "]"}:
        return None
    if glob[position] == "\\":
        position += 1
    if position + 1 >= len(glob):
        return None
    return glob[position], position + 1


@dataclass(frozen=True, slots=True)
class PatternMatch:
    """How a path matched: `root` is the part that did, `rest` what follows (empty, or from a slash on)."""

    root: str
    rest: str
    captures: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PathPattern:
    """The left side of a mirror rule: the module path of a repository's root, as `golang.org/x/{repo}`.

    `{name}` matches one or more characters within one path element, and may have literals around it. Of two
    patterns that match, the one of the higher `specificity` wins: more literal elements, then more literal
    characters.
    """

    text: str
    names: tuple[str, ...]
    specificity: tuple[int, int]
    _regex: re.Pattern[str]

    @classmethod
    def parse(cls, text: str) -> PathPattern:
        """Read a pattern. Raises SettingError."""
        pieces = _PLACEHOLDER.split(text)
        literals, names = pieces[::2], pieces[1::2]
        problem = _pattern_problem(text, literals, names)
        if problem:
            raise SettingError(
                f'"{text}" cannot be the left side of a mirror rule: {problem}; write a module path such as '
                '"golang.org/x/{repo}"'
            )
        regex = re.escape(literals[0]) + "".join(
            f"(?P<{name}>[^/]+){re.escape(literal)}"
            for name, literal in zip(names, literals[1:], strict=True)
        )
        whole = sum("{" not in element for element in text.split("/"))
        return cls(text, tuple(names), (whole, len("".join(literals))), re.compile(rf"{regex}(?=/|\Z)"))

    def match(self, path: str) -> PatternMatch | None:
        """Match the beginning of a module path, up to the end of one of its elements."""
        match = self._regex.match(path)
        if match is None:
            return None
        return PatternMatch(match[0], path[match.end() :], match.groupdict())

    def __str__(self) -> str:
        return self.text


def _pattern_problem(text: str, literals: list[str], names: list[str]) -> str | None:
    if "//" in text or text[:1] in {"", "/"} or text[-1] == "/":
        return "it has an empty path element"
    if not all(_LITERAL.fullmatch(literal) for literal in literals):
        return "besides what a module path may hold, it can only have {names} of small letters"
    if "" in literals[1:-1]:
        return "two names stand side by side, so nobody could say where one ends"
    if len(set(names)) < len(names):
        return "a name stands in it twice"
    return None


def expand(template: str, captures: Mapping[str, str]) -> str:
    """The right side of a mirror rule with its names filled in.

    Raises SettingError for a name that is not among the captures, and for a brace that belongs to no name.
    """
    if set(_PLACEHOLDER.sub("", template)) & set("{}"):
        raise SettingError(f'"{template}" has a brace that belongs to no {{name}} of small letters')

    def fill(match: re.Match[str]) -> str:
        try:
            return captures[match[1]]
        except KeyError:
            raise SettingError(
                f'"{template}" uses {match[0]}, which the left side of its mirror rule does not have'
            ) from None

    return _PLACEHOLDER.sub(fill, template)
