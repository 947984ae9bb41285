"""What the published files cannot tell, kept beside them: when each version arrived, and what was taken out on purpose.

`seen/` has the feed in segments, each named by its first time; `gone/` has what was taken out, and why. Both are lines of JSON,
and are created once. Who begins a segment that another process has written already goes on behind that one.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import structlog

from goproxy_mirror.errors import InvalidPath, InvalidVersion, StorageError
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FeedEntry, FeedRecords, Ledger
from goproxy_mirror.protocol import stem_of

log = structlog.get_logger(__name__)

_SEEN = "seen/"
_GONE = "gone/"

_MOST = 5000
"""Entries of one segment."""

_ENOUGH = 1000
_LONG = 600.0
"""A segment is written for so many entries, or once one has waited for so many seconds, and at the end: else a store would soon
have more segments than versions."""

Times = Sequence[tuple[str, int]]
"""Stems of keys with times in microseconds since the epoch."""


class Chronicle:
    """Writes and reads it. Without a ledger there is none."""

    def __init__(
        self, feed: FeedRecords, ledger: Ledger | None, clock: Callable[[], float] = time.time
    ) -> None:
        self._feed = feed
        self._ledger = ledger
        self._clock = clock
        self._since: int | None = None

    async def keep_up(self, *, all_: bool = False) -> None:
        """Write what has entered the feed since the last segment; now and then. `all_`: however little it is.

        Never fails: what cannot be written is tried again the next time.
        """
        if self._ledger is None:
            return
        try:
            await self._keep_up(self._ledger, all_=all_)
        except StorageError as error:
            log.warning("first-seen times are written down later", reason=error.message)

    async def _keep_up(self, ledger: Ledger, *, all_: bool) -> None:
        if self._since is None:
            newest = max([name async for name in ledger.list(_SEEN)], default=None)
            self._since = 0 if newest is None else _end(await ledger.get(newest) or b"", newest)
        while entries := await self._feed.page(self._since, _MOST, gone=True):
            waited = self._clock() - entries[0].at / 1_000_000
            if not all_ and len(entries) < _ENOUGH and waited < _LONG:
                return
            name = f"{_SEEN}{entries[0].at:016d}.jsonl"
            self._since = _end(await ledger.create(name, _said(entries)), name)

    async def taken_out(self, versions: Sequence[ModuleVersion], reason: str) -> None:
        """Versions were removed on purpose. Never fails: nothing but the reason would be lost."""
        if self._ledger is None or not versions:
            return
        at = int(self._clock() * 1_000_000)
        entries = [FeedEntry(mv.path.value, mv.version.value, at) for mv in versions]
        try:
            await self._ledger.create(
                f"{_GONE}{at:016d}-{secrets.token_hex(4)}.jsonl", _said(entries, reason=reason)
            )
        except StorageError as error:
            log.warning(
                "what was removed is not written down beside the store",
                versions=len(versions),
                reason=error.message,
            )

    async def seen(self) -> AsyncIterator[Times]:
        """When versions arrived, in order; one that arrived again is there again. Raises `StorageError`."""
        async for times in self._read(_SEEN):
            yield times

    async def gone(self) -> AsyncIterator[Times]:
        """When versions were taken out, in order. Raises `StorageError`."""
        async for times in self._read(_GONE):
            yield times

    async def _read(self, place: str) -> AsyncIterator[Times]:
        if self._ledger is None:
            return
        for name in sorted([name async for name in self._ledger.list(place)]):
            body = await self._ledger.get(name)
            times = [(stem_of(mv), at) for mv, at in _lines(body or b"", name)]
            if times:
                yield times


def _said(entries: Sequence[FeedEntry], **more: str) -> bytes:
    return b"".join(
        json.dumps({"path": each.path, "version": each.version, "at": each.at, **more}).encode() + b"\n"
        for each in entries
    )


def _lines(body: bytes, name: str) -> Iterator[tuple[ModuleVersion, int]]:
    """What can be read of a record; of the rest the files themselves have to tell."""
    for line in body.splitlines():
        try:
            said = json.loads(line)
            mv = ModuleVersion(ModulePath.parse(said["path"]), Version.parse(said["version"]))
            yield mv, int(said["at"])
        except (InvalidPath, InvalidVersion, ValueError, KeyError, TypeError):
            log.warning("a line beside the store cannot be read", record=f"_state/{name}")


def _end(body: bytes, name: str) -> int:
    """Behind the last entry of a segment. One that cannot be read has its name."""
    first = name.removeprefix(_SEEN).removesuffix(".jsonl")
    last = max((at for _, at in _lines(body, name)), default=int(first) if first.isdecimal() else 0)
    return last + 1
