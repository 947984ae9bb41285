"""What an answer of the proxy protocol must look like before it is believed to be one.

Shared by the sources that read the protocol's own files: upstream proxies and trees of files. An answer that
is none (a login page, a truncated file, another version's) is an outage of its source, never an absence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from goproxy_mirror.errors import InvalidVersion, SourceUnavailable
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.pseudo import pseudo_time
from goproxy_mirror.module.version import Version
from goproxy_mirror.ports import Info

MOST_LIST = 8 << 20
"""Bytes of `@v/list`: some 500,000 versions; the largest public lists are far below 1 MiB."""

MOST_INFO = 1 << 20
"""Bytes of `.info`, which has some hundred."""

MOST_MOD = 16 << 20
"""Bytes of `.mod`, as the go command has it (x/mod/zip, MaxGoMod)."""

MOST_ZIP = 500 << 20
"""Bytes of `.zip`, as the go command has it (x/mod/zip, MaxZipFile)."""

_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
_VERSION = re.compile(rb"^[ \t]*v[0-9]", re.MULTILINE)
_END_RECORD = b"PK\x05\x06"
_END_SIZE = 22
_MOST_COMMENT = 65535


class Unreadable(SourceUnavailable):
    """The answer is none; the message says why, and lacks who said it."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of a list: `time` where the line has one, or the version is a pseudo-version."""

    version: Version
    time: datetime | None


def read_list(path: ModulePath, body: bytes) -> list[Listed]:
    """The versions of a list that can be ones of this module, pseudo-versions included; all other lines are
    dropped.

    A line may have a time after the version (Repo.Latest in cmd/go/internal/modfetch/proxy.go). Takes a
    second for the longest list: not on the event loop.
    """
    return list({each.version: each for each in _lines(path, body)}.values())


def _lines(path: ModulePath, body: bytes) -> Iterator[Listed]:
    for line in body.split(b"\n"):
        fields = line.split(maxsplit=2)
        if not fields or len(fields[0]) > 255 or not fields[0].isascii():
            continue
        try:
            version = Version.parse_for(path, fields[0].decode("ascii"))
        except InvalidVersion:
            continue
        if version.is_incompatible and (path.split_major()[1] or version.major in {"v0", "v1"}):
            continue
        time = None
        if len(fields) > 1:
            time = read_time(fields[1].decode("ascii", "replace"))
        elif version.is_pseudo:
            time = _pseudo_time(version)
        yield Listed(version, time)


def _pseudo_time(version: Version) -> datetime | None:
    try:
        return pseudo_time(str(version))
    except InvalidVersion:
        return None


def tagged(listed: list[Listed]) -> tuple[Version, ...]:
    """The versions that a proxy may list: no pseudo-versions."""
    return tuple(each.version for each in listed if not each.version.is_pseudo)


def newest(listed: list[Listed]) -> Version | None:
    """What `@latest` is where nobody says so: the highest release, else prerelease, else the newest
    pseudo-version.

    That is the go command's order (queryMatcher and proxyRepo.latest in cmd/go).
    """
    versions = tagged(listed)
    highest = max((version for version in versions if not version.is_prerelease), default=None)
    highest = highest or max(versions, default=None)
    if highest is not None:
        return highest
    dated = [(each.time, each.version) for each in listed if each.time is not None]
    return max(dated)[1] if dated else None


def read_info(path: ModulePath, body: bytes, version: Version | None = None) -> Info:
    """A revision's `.info`, kept byte for byte. Raises `Unreadable`.

    `version` is what was asked for, where that was a version: then nothing else may be answered. Otherwise
    the answer must be a version that fits the path.
    """
    said, time = _read_json(body)
    if version is not None and said != str(version):
        raise Unreadable(f"answered with version {said!a:.80} instead of the one that was asked for")
    try:
        found = Version.parse_for(path, said)
    except InvalidVersion as error:
        raise Unreadable(f"answered with a version that cannot be: {error.message:.200}") from None
    return Info(found, time, body)


def _read_json(body: bytes) -> tuple[str, datetime | None]:
    try:
        # Decoded here, since json.loads would accept UTF-16, which no go command does.
        said = json.loads(body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Unreadable("answered with something that is no JSON of a version") from None
    if not isinstance(said, dict):
        raise Unreadable("answered with JSON that is no object")
    version, time = said.get("version"), said.get("time")
    if not isinstance(version, str):
        raise Unreadable("answered without a version")
    if time is None:
        return version, None
    parsed = read_time(time) if isinstance(time, str) else None
    if parsed is None:
        raise Unreadable("answered with a time that is none of RFC 3339")
    return version, parsed


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object by folded names: to Go's JSON, `version` is `Version`, and the last of two counts.

    Bodies are passed on as they came, so what a client could read in another way than we do is refused.
    """
    folded = [(name.casefold(), value) for name, value in pairs]
    if sum(name in {"version", "time"} for name, _ in folded) > len(
        {"version", "time"} & dict(folded).keys()
    ):
        raise ValueError("two values of one name")
    return dict(folded)


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def read_time(text: str) -> datetime | None:
    """A time as Go's JSON takes it: RFC 3339 and nothing looser. None for what is none."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    fraction, sign, hours, minutes = match.groups(default="0")[6:]
    if int(hours) > 23 or int(minutes) > 59:
        return None
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    zone = timezone(-offset if sign == "-" else offset)
    try:
        time = datetime(year, month, day, hour, minute, second, int(f"{fraction:0<6}"[:6]), zone)
        return time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def check_list(body: bytes) -> None:
    """Raise `Unreadable` for what is no list by its looks: a page, or text of which no line is a version."""
    start = body.lstrip()[:1]
    if start == b"<" or (start and _VERSION.search(body) is None):
        raise Unreadable("answered with something that is no list of versions")


def check_mod(body: bytes) -> None:
    """Raise `Unreadable` for what is no go.mod file by its looks; what its lines say is the go command's
    affair."""
    start = body.lstrip()[:1]
    if start in {b"<", b"{"} or b"module" not in body:
        raise Unreadable("answered with something that is no go.mod file")


def check_zip(file: Path) -> None:
    """Raise `Unreadable` for what is no whole zip by its beginning and its end. Blocks.

    Catches pages that are no zips, and files that were cut off or have something behind them: failures, where anything else
    that is wrong with a zip is a lie, and the verifier's affair.
    """
    with file.open("rb") as opened:
        head = opened.read(len(_END_RECORD))
        size = opened.seek(0, 2)
        opened.seek(max(0, size - _END_SIZE - _MOST_COMMENT))
        tail = opened.read()
    if head not in {b"PK\x03\x04", _END_RECORD}:
        raise Unreadable("answered with something that is no zip")
    at = tail.rfind(_END_RECORD)
    while at >= 0:
        comment = int.from_bytes(tail[at + 20 : at + _END_SIZE], "little")
        if at + _END_SIZE + comment == len(tail):
            break
        at = tail.rfind(_END_RECORD, 0, at)
    if at < 0:
        raise Unreadable("answered with a zip that is not whole")
