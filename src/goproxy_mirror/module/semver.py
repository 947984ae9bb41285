"""Semantic versions as the go command has them (golang.org/x/mod/semver).

Two things differ from semver.org: a version begins with `v`, and `v1` and `v1.2` stand for `v1.0.0` and
`v1.2.0`. Numbers have no upper bound, so they are compared as text: the longer one is greater.
"""

from __future__ import annotations

import re
from typing import NamedTuple, TypeAlias

# The possessive quantifiers (*+, ++) keep matching linear in hostile input.
_IDENTIFIER = r"(?:0|[1-9][0-9]*+|[0-9]*+[A-Za-z-][0-9A-Za-z-]*+)(?![0-9A-Za-z-])"
_NUMBER = r"(0|[1-9][0-9]*+)"
_SEMVER = re.compile(
    rf"v{_NUMBER}(?:\.{_NUMBER}(?:\.{_NUMBER}(-{_IDENTIFIER}(?:\.{_IDENTIFIER})*+)?"
    r"(\+[0-9A-Za-z-]++(?:\.[0-9A-Za-z-]++)*+)?)?)?"
)

Number: TypeAlias = tuple[int, str]
Identifier: TypeAlias = tuple[int, int, str]
Order: TypeAlias = tuple[Number, Number, Number, bool, tuple[Identifier, ...]]


class Parts(NamedTuple):
    """The parts of a valid version: numbers as text; `prerelease` and `build` with their sign, or empty.

    `short` is what a shortened version lacks: ".0.0", ".0" or nothing.
    """

    major: str
    minor: str
    patch: str
    prerelease: str
    build: str
    short: str


def split(version: str) -> Parts | None:
    """The parts of a version, or None if it is not valid."""
    match = _SEMVER.fullmatch(version)
    if match is None:
        return None
    major, minor, patch, prerelease, build = match.groups()
    short = ".0.0" if minor is None else ".0" if patch is None else ""
    return Parts(major, minor or "0", patch or "0", prerelease or "", build or "", short)


def is_valid(version: str) -> bool:
    """Whether the text is a semantic version, possibly a shortened one."""
    return _SEMVER.fullmatch(version) is not None


def canonical(version: str) -> str:
    """The version in full and without build metadata; empty if it is not valid."""
    parts = split(version)
    if parts is None:
        return ""
    return version.removesuffix(parts.build) + parts.short


def major(version: str) -> str:
    """`v2` of `v2.1.0`; empty if the version is not valid."""
    parts = split(version)
    return "v" + parts.major if parts else ""


def major_minor(version: str) -> str:
    """`v2.1` of `v2.1.0`; empty if the version is not valid."""
    parts = split(version)
    return f"v{parts.major}.{parts.minor}" if parts else ""


def prerelease(version: str) -> str:
    """`-pre` of `v2.1.0-pre+meta`; empty if there is none."""
    parts = split(version)
    return parts.prerelease if parts else ""


def build(version: str) -> str:
    """`+meta` of `v2.1.0-pre+meta`; empty if there is none."""
    parts = split(version)
    return parts.build if parts else ""


def order(parts: Parts) -> Order:
    """A sorting key: versions order by precedence as their keys do, and build metadata does not count."""
    return (
        (len(parts.major), parts.major),
        (len(parts.minor), parts.minor),
        (len(parts.patch), parts.patch),
        not parts.prerelease,
        tuple(_identifier(text) for text in parts.prerelease[1:].split(".")) if parts.prerelease else (),
    )


def _identifier(text: str) -> Identifier:
    """Digits compare as numbers, and come before anything with a letter or hyphen, which compares as text."""
    return (0, len(text), text) if text.isdigit() else (1, 0, text)


def compare(left: str, right: str) -> int:
    """-1, 0 or 1. A text that is no version comes before every version, and equals any other such text."""
    left_parts, right_parts = split(left), split(right)
    if left_parts is None or right_parts is None:
        return (left_parts is not None) - (right_parts is not None)
    left_order, right_order = order(left_parts), order(right_parts)
    return (left_order > right_order) - (left_order < right_order)
