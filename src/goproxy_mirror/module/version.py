"""Versions and queries of a module.

A `Version` is what a file of the proxy protocol can be asked for. Everything else that `.info` may be asked
for, a branch, a tag of another form, a commit's prefix, `v1`, is a `Query`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from goproxy_mirror.errors import InvalidPath, InvalidVersion
from goproxy_mirror.module import pseudo, semver
from goproxy_mirror.module.path import Kind, ModulePath, check_path_major, element_problem, escape, unescape

INCOMPATIBLE = "+incompatible"


def canonical_version(text: str) -> str:
    """The canonical form of a version, `+incompatible` kept; empty if the text is no version."""
    parts = semver.split(text)
    if parts is None:
        return ""
    return text if parts.build == INCOMPATIBLE else text.removesuffix(parts.build) + parts.short


@dataclass(frozen=True, slots=True)
class Version:
    """A canonical version, `vX.Y.Z[-pre][+incompatible]`, pseudo-versions included; ordered by precedence.

    `+incompatible` does not count for precedence, so the text decides between such two. Making one of
    anything else raises InvalidVersion. Not a str, since texts sort differently ("v1.10.0" < "v1.9.0").
    """

    value: str
    _order: semver.Order = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts = semver.split(self.value)
        if parts is None or parts.short or parts.build not in {"", INCOMPATIBLE}:
            raise InvalidVersion(f"version {self.value!a} invalid: must be of the form v1.2.3")
        object.__setattr__(self, "_order", semver.order(parts))

    @classmethod
    def parse(cls, text: str) -> Version:
        """The version that a plain text names. Raises InvalidVersion."""
        return cls(text)

    @classmethod
    def unescape(cls, escaped: str) -> Version:
        """The version that an escaped text names. Raises InvalidVersion."""
        return cls(_unescape(escaped))

    @classmethod
    def parse_for(cls, path: ModulePath, text: str) -> Version:
        """The version that a plain text names. Raises InvalidVersion, also if its major does not fit."""
        version = cls(text)
        check_path_major(text, path.split_major()[1])
        return version

    @classmethod
    def unescape_for(cls, path: ModulePath, escaped: str) -> Version:
        """As `parse_for`, of an escaped text."""
        return cls.parse_for(path, _unescape(escaped))

    @property
    def escaped(self) -> str:
        """The form that stands in URLs and store keys."""
        return escape(self.value)

    @property
    def major(self) -> str:
        """`v2` of `v2.1.0`."""
        return "v" + self._order[0][1]

    @property
    def is_pseudo(self) -> bool:
        """Whether it names a commit rather than a tag."""
        return pseudo.is_pseudo(self.value)

    @property
    def is_incompatible(self) -> bool:
        """Whether it is a v2 or later of a module without a go.mod file."""
        return self.value.endswith(INCOMPATIBLE)

    @property
    def is_prerelease(self) -> bool:
        """Whether it comes before a release; so does every pseudo-version."""
        return not self._order[3]

    def __lt__(self, other: Version) -> bool:
        return (self._order, self.value) < (other._order, other.value)

    def __le__(self, other: Version) -> bool:
        return (self._order, self.value) <= (other._order, other.value)

    def __gt__(self, other: Version) -> bool:
        return (self._order, self.value) > (other._order, other.value)

    def __ge__(self, other: Version) -> bool:
        return (self._order, self.value) >= (other._order, other.value)

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True, order=True)
class Query:
    """What may be asked with `.info` besides a version: a branch, a tag, a commit's prefix, `v1`, `v1.2`.

    It is one element of a path, so a branch with a slash cannot be asked for; and it does not begin with a
    dash, so it can never be taken for an option. Making one of anything else raises InvalidVersion.
    """

    value: str

    def __post_init__(self) -> None:
        problem = element_problem(self.value, Kind.FILE)
        if problem or "!" in self.value or self.value[0] == "-" or not self.value.isascii():
            raise InvalidVersion(f"version {self.value!a} invalid: disallowed version string")

    @classmethod
    def unescape(cls, escaped: str) -> Query:
        """The query that an escaped text asks. Raises InvalidVersion."""
        return cls(_unescape(escaped))

    @property
    def escaped(self) -> str:
        """The form that stands in URLs and in the keys of answers."""
        return escape(self.value)

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True, order=True)
class ModuleVersion:
    """A version of a module."""

    path: ModulePath
    version: Version

    def __str__(self) -> str:
        return f"{self.path}@{self.version}"


def _unescape(escaped: str) -> str:
    try:
        return unescape(escaped)
    except InvalidPath as error:
        raise InvalidVersion(error.message) from None
