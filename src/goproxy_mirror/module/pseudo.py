"""Pseudo-versions: versions that name a commit rather than a tag (golang.org/x/mod/module).

    v0.0.0-20240209043000-0123456789ab              no tag of that major version before the commit
    v1.2.4-0.20240209043000-0123456789ab            the tag before it is v1.2.3
    v1.3.0-rc.1.0.20240209043000-0123456789ab       the tag before it is v1.3.0-rc.1

and the last two with `+incompatible` where the tag has that. The first is lower than every tag, the others
lie just above the tag before and below every later one. The time is the commit's in UTC, to the second.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple

from goproxy_mirror.errors import InvalidVersion
from goproxy_mirror.module import semver

_PSEUDO = re.compile(
    r"(v[0-9]+\.(?:0\.0(?=-)|[0-9]+\.[0-9]+-(?:[^+]*\.)?0(?=\.)))[-.]([0-9]{14})-([A-Za-z0-9]+)"
    r"(\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)


class _Parts(NamedTuple):
    base: str  # vX.0.0, vX.Y.(Z+1)-0 or vX.Y.Z-pre.0
    time: str
    rev: str
    build: str


def _split(version: str) -> _Parts | None:
    if version.count("-") < 2 or not semver.is_valid(version):
        return None
    match = _PSEUDO.fullmatch(version)
    if match is None:
        return None
    return _Parts(*match.groups(default=""))


def _parts(version: str) -> _Parts:
    parts = _split(version)
    if parts is None:
        raise InvalidVersion(f"pseudo-version {version!a} invalid: syntax error")
    return parts


def is_pseudo(version: str) -> bool:
    """Whether the text has the form of a pseudo-version; its time may still be none."""
    return _split(version) is not None


def pseudo_version(major: str, older: str, time: datetime, rev: str) -> str:
    """The pseudo-version of a commit.

    `major` is `v2` and the like, or empty for v0; `older` is the highest tag before the commit, or empty;
    `time` is the commit's, with a time zone; `rev` is the commit's short name (12 digits for git).
    """
    segment = f"{_timestamp(time)}-{rev}"
    parts = semver.split(older)
    if parts is None:
        return f"{major or 'v0'}.0.0-{segment}"
    if parts.prerelease:
        return f"{semver.canonical(older)}.0.{segment}{parts.build}"
    return f"v{parts.major}.{parts.minor}.{_incremented(parts.patch)}-0.{segment}{parts.build}"


def zero_pseudo(major: str) -> str:
    """A placeholder below every other version of a major one: no time, no commit."""
    return pseudo_version(major, "", datetime(1, 1, 1, tzinfo=UTC), "000000000000")


def pseudo_time(version: str) -> datetime:
    """The commit's time, in UTC. Raises InvalidVersion."""
    text = _parts(version).time
    month, day, hour, minute, second = (int(text[start : start + 2]) for start in range(4, 14, 2))
    try:
        return datetime(int(text[:4]), month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise InvalidVersion(f'pseudo-version {version!a} invalid: malformed time "{text}"') from None


def pseudo_rev(version: str) -> str:
    """The commit's short name. Raises InvalidVersion."""
    return _parts(version).rev


def pseudo_base(version: str) -> str:
    """The tag that the pseudo-version builds on, or empty if it builds on none. Raises InvalidVersion."""
    parts = _parts(version)
    release, _, prerelease = parts.base.partition("-")
    if not prerelease:
        if parts.build:
            reason = f'lacks base version, but has build metadata "{parts.build}"'
            raise InvalidVersion(f"pseudo-version {version!a} invalid: {reason}")
        return ""
    if prerelease == "0":
        stem, _, patch = release.rpartition(".")
        if patch == "0":
            reason = f"version before {release} would have negative patch number"
            raise InvalidVersion(f"pseudo-version {version!a} invalid: {reason}")
        return f"{stem}.{_decremented(patch)}{parts.build}"
    return parts.base.removesuffix(".0") + parts.build


def _timestamp(time: datetime) -> str:
    utc = time.astimezone(UTC)
    # strftime does not pad years below 1000 on every system.
    return f"{utc.year:04d}{utc:%m%d%H%M%S}"


def _incremented(digits: str) -> str:
    """Add one to a decimal number of any length (int() refuses very long ones)."""
    head = digits.rstrip("9")
    nines = len(digits) - len(head)
    return (head[:-1] + str(int(head[-1]) + 1) if head else "1") + "0" * nines


def _decremented(digits: str) -> str:
    """Subtract one from a decimal number that is not zero."""
    head = digits.rstrip("0")
    zeros = len(digits) - len(head)
    return ((head[:-1] + str(int(head[-1]) - 1)).lstrip("0") + "9" * zeros) or "0"
