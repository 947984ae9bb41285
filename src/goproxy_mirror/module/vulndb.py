"""The files of a Go vulnerability database (https://go.dev/security/vuln/database); pure.

`index/db.json` says when the database was last changed, `index/modules.json` and `index/vulns.json` which entries it has and
when each was changed, `ID/….json` is one entry in the OSV schema. All are passed on as they came: what is read here is only
whether they are what they are called, and the times by which one can be older than another.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from isal import isal_zlib

from goproxy_mirror.errors import SourceUnavailable

MOST_DB = 64 << 10
"""Bytes of `index/db.json`, which has fifty."""

MOST_INDEX = 16 << 20
"""Bytes of `index/modules.json` and of `index/vulns.json`; each has about one million."""

MOST_ENTRY = 8 << 20
"""Bytes of an entry; most have a few thousand."""

_ID = re.compile(r"[A-Z][A-Z0-9]{0,15}-\d{4}-\d{4,8}", re.ASCII)
_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII
)  # looser forms are none to Go
_GZIP = 16 + isal_zlib.MAX_WBITS
_CLOCKS_DIFFER = timedelta(days=1)

_DAMAGED = cast("type[Exception]", isal_zlib.error)  # its stub takes the class for an instance


class NoVulnDB(SourceUnavailable):
    """The file is none of a vulnerability database; the message says why, and lacks who sent it."""


@dataclass(frozen=True, slots=True)
class PackedJSON:
    """A file of the database, gzipped, and what it unpacks to."""

    packed: bytes
    plain: bytes


@dataclass(frozen=True, slots=True)
class VulnIndex:
    """The index of a database, as one site had it at one time; `vulns` is None where the site has no such file.

    `modified` is when the database was changed, as `db` says. `entries` has the time of each entry. `whole`: the lists have
    what `db` promises; a site whose files are being replaced may have a new `db` and old lists.
    """

    modified: datetime
    db: PackedJSON
    modules: PackedJSON
    vulns: PackedJSON | None
    entries: Mapping[str, datetime]
    whole: bool


def is_id(text: str) -> bool:
    """Whether the text can be the ID of an entry (`GO-2024-0001`, and the like of databases of one's own)."""
    return _ID.fullmatch(text) is not None


def packed_json(body: bytes, limit: int) -> PackedJSON:
    """A file of the database as it was sent, gzipped or plain. Raises `NoVulnDB`, also over the limit (bytes, unpacked)."""
    if not body.startswith(b"\x1f\x8b"):
        if len(body) > limit:
            raise NoVulnDB(f"answered with more than {limit} bytes")
        return PackedJSON(gzip.compress(body, mtime=0), body)
    inflate = isal_zlib.decompressobj(_GZIP)
    try:
        plain = inflate.decompress(body, limit + 1)
    except _DAMAGED:
        raise NoVulnDB("answered with damaged compression") from None
    if len(plain) > limit:
        raise NoVulnDB(f"answered with what unpacks to more than {limit} bytes")
    if not inflate.eof or inflate.unused_data:
        raise NoVulnDB("answered with compressed data that ends too early, or goes on behind its end")
    return PackedJSON(body, plain)


def read_modified(db: bytes, now: datetime) -> datetime:
    """When the database was changed, as `index/db.json` says; not after `now`. Raises `NoVulnDB`."""
    said = _loaded(db)
    time = _time(said.get("modified")) if isinstance(said, dict) else None
    if time is None:
        raise NoVulnDB("answered with something that is no index/db.json")
    if time > now + _CLOCKS_DIFFER:
        raise NoVulnDB(f"says that its database was changed at {time}, which is yet to come")
    return time


def read_index(
    modified: datetime, db: PackedJSON, modules: PackedJSON, vulns: PackedJSON | None
) -> VulnIndex:
    """The index of its files. Raises `NoVulnDB`. Takes a while for large lists: not on the event loop."""
    by_module = dict(_by_module(modules.plain))
    by_id = dict(_by_id(vulns.plain)) if vulns is not None else by_module
    newest = min(max(by_module.values(), default=modified), max(by_id.values(), default=modified))
    # Both lists are made of the same entries, so that the later time of the two is the one that an entry must have.
    entries = {**by_module, **{name: max(time, by_module.get(name, time)) for name, time in by_id.items()}}
    return VulnIndex(modified, db, modules, vulns, entries, whole=newest >= modified)


def read_entry(entry: bytes, name: str) -> datetime:
    """When the entry was changed; it must be the one of that ID. Raises `NoVulnDB`."""
    said = _loaded(entry)
    if not isinstance(said, dict) or not isinstance(said.get("affected", []), list):
        raise NoVulnDB("answered with something that is no entry of a vulnerability database")
    time = _time(said.get("modified"))
    if time is None:
        raise NoVulnDB("answered with an entry that does not say when it was changed")
    if said.get("id") != name:
        raise NoVulnDB(
            f"answered with the entry {said.get('id')!a:.40} instead of the one that was asked for"
        )
    return time


def _by_module(body: bytes) -> Iterator[tuple[str, datetime]]:
    """The newest time that any module's line gives each entry."""
    newest: dict[str, datetime] = {}
    for module in _list(body, "index/modules.json"):
        vulns = module.get("vulns")
        if not isinstance(module.get("path"), str) or not isinstance(vulns, list):
            raise NoVulnDB("answered with something that is no index/modules.json")
        for vuln in vulns:
            name, time = _named(vuln, "index/modules.json")
            newest[name] = max(time, newest.get(name, time))
    return iter(newest.items())


def _by_id(body: bytes) -> Iterator[tuple[str, datetime]]:
    for vuln in _list(body, "index/vulns.json"):
        yield _named(vuln, "index/vulns.json")


def _list(body: bytes, name: str) -> list[dict[str, Any]]:
    said = _loaded(body)
    if not isinstance(said, list) or not all(isinstance(item, dict) for item in said):
        raise NoVulnDB(f"answered with something that is no {name}")
    return said


def _named(vuln: object, name: str) -> tuple[str, datetime]:
    said = vuln if isinstance(vuln, dict) else {}
    time = _time(said.get("modified"))
    if not isinstance(said.get("id"), str) or time is None:
        raise NoVulnDB(f"answered with something that is no {name}")
    return said["id"], time


def _time(text: object) -> datetime | None:
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _loaded(body: bytes) -> Any:
    try:
        # Decoded here, since json.loads would accept UTF-16, which Go does not.
        return json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise NoVulnDB("answered with something that is no JSON") from None
