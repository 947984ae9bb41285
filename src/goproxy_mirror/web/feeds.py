"""What is held, for programs that follow it: `/index` as the public index has it, `/catalog` as Athens has it.

See https://index.golang.org and https://docs.gomods.io. Both page by the time at which a version became held, which no two
versions share, and which is given in the order in which the entries become visible: nobody who pages misses one.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

from goproxy_mirror.errors import BadRequest
from goproxy_mirror.ports import FeedEntry
from goproxy_mirror.web.incoming import Incoming
from goproxy_mirror.web.responses import JSON, NO_STORE, TEXT, Response, body_response
from goproxy_mirror.web.services import FeedJourney

MOST_LINES = 2000
_PAGE = 1000
_MOST_IN_PAGE = 10_000
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
_TOKEN = re.compile(r"[0-9]{1,18}", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Index:
    """`/index?since=&limit=&include=`: one line of JSON for each version, oldest first."""

    def __init__(self, feed: FeedJourney) -> None:
        self._feed = feed

    async def __call__(self, incoming: Incoming) -> Response:
        """Answer one request. Raises `BadRequest` and `StorageError`."""
        said = _parameters(incoming.query)
        since = _since(said.get("since", ""))
        limit = _count("limit", said.get("limit", ""), MOST_LINES, MOST_LINES)
        include = said.get("include", "")
        if include not in {"", "all"}:
            raise BadRequest(
                f"include={include[:64]!a}: allowed is all, for versions that are not held any more too"
            )
        entries = await self._feed.page(since, limit, gone=bool(include))
        return body_response(200, await asyncio.to_thread(_lines, entries), TEXT, NO_STORE)


class Catalog:
    """`/catalog?token=&pagesize=`: a page of versions, and the token of the next one where there is one."""

    def __init__(self, feed: FeedJourney) -> None:
        self._feed = feed

    async def __call__(self, incoming: Incoming) -> Response:
        """Answer one request. Raises `BadRequest` and `StorageError`."""
        said = _parameters(incoming.query)
        token = said.get("token", "")
        if token and not _TOKEN.fullmatch(token):
            raise BadRequest(f"token={token[:64]!a}: allowed is the `next` of an earlier page, or none")
        size = _count("pagesize", said.get("pagesize", ""), _PAGE, _MOST_IN_PAGE)
        entries = await self._feed.page(int(token or 0), size + 1)
        return body_response(200, await asyncio.to_thread(_page, entries, size), JSON, NO_STORE)


def _parameters(query: str) -> Mapping[str, str]:
    """The parameters of a URL; of one that is said twice the first counts."""
    try:
        said = parse_qs(query, keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise BadRequest("the query is no list of parameters in UTF-8") from None
    return {name: values[0] for name, values in said.items()}


def _count(name: str, text: str, default: int, most: int) -> int:
    """A number of entries, of which more than `most` are never given at once."""
    if not text:
        return default
    if not _NUMBER.fullmatch(text) or int(text) == 0:
        raise BadRequest(f"{name}={text[:64]!a}: allowed is a whole number, from 1 to {most}")
    return min(int(text), most)


def _since(text: str) -> int:
    """A time of RFC 3339 in microseconds since the epoch; what is between two of them is the later one."""
    if not text:
        return 0
    # A plus sign that nobody has encoded arrives as a space.
    match = _TIME.fullmatch(text.replace(" ", "+"))
    try:
        if match is None:
            raise ValueError
        date, clock, fraction, zone = match.groups()
        local = datetime.fromisoformat(f"{date}T{clock}+00:00")
        passed = local - _EPOCH - _offset(zone.upper())
    except ValueError:
        raise BadRequest(
            f"since={text[:64]!a}: allowed is a time as RFC 3339 has it, such as 2019-04-10T19:08:52.997264Z"
        ) from None
    nanoseconds = int((fraction or "").ljust(9, "0"))
    return passed // timedelta(microseconds=1) + -(-nanoseconds // 1000)


def _offset(zone: str) -> timedelta:
    if zone == "Z":
        return timedelta()
    hours, minutes = int(zone[1:3]), int(zone[4:])
    if hours > 23 or minutes > 59:
        raise ValueError
    return timedelta(hours=hours, minutes=minutes) * (-1 if zone[0] == "-" else 1)


def _lines(entries: Sequence[FeedEntry]) -> bytes:
    return "".join(
        json.dumps(
            {"Path": entry.path, "Version": entry.version, "Timestamp": _shown(entry.at)},
            separators=(",", ":"),
        )
        + "\n"
        for entry in entries
    ).encode()


def _page(entries: Sequence[FeedEntry], size: int) -> bytes:
    said: dict[str, object] = {
        "modules": [{"module": entry.path, "version": entry.version} for entry in entries[:size]]
    }
    if len(entries) > size:
        said["next"] = str(entries[size].at)
    return json.dumps(said, separators=(",", ":")).encode() + b"\n"


def _shown(at: int) -> str:
    """Microseconds since the epoch as Go's RFC3339Nano has them: no zeros at the end."""
    second, fraction = divmod(at, 1_000_000)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
    return f"{text}.{fraction:06d}".rstrip("0").rstrip(".") + "Z"
