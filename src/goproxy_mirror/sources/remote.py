"""Another server's store, as far as its /index names it: this program's, Athens', or any that has one.

What it holds is asked for, and nothing that it would have to fetch (`Disable-Module-Fetch`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from goproxy_mirror.errors import MirrorError, NotFound, SourceUnavailable, disk_failures
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileKind
from goproxy_mirror.ports.moving import Lot, Outcome, Taken
from goproxy_mirror.protocol import file_key
from goproxy_mirror.sources.refusals import refusal, via
from goproxy_mirror.transport import Reply, Saved, Transport, shown

_PAGE = 2000
"""Entries of one page of the index, the most that the public one gives."""

_MOST_PAGE = 4 << 20


class RemoteStore:
    """A server by its URL. Raises `SourceUnavailable` where it has no index, or cannot be asked."""

    def __init__(self, url: str, transport: Transport, *, instance: str = "") -> None:
        self._base = url.rstrip("/")
        self._transport = transport
        self._headers = {**via(instance), "disable-module-fetch": "true"}
        self.name = shown(self._base)

    async def lots(self) -> AsyncIterator[Lot | Outcome]:
        """Every version that the index names, oldest first."""
        since, last = "", set[str]()
        while True:
            lines = await self._page(since)
            fresh = [line for line in lines if line not in last]
            if not fresh:
                if len(lines) >= _PAGE:
                    raise SourceUnavailable(
                        f"the index of {self.name} has {len(lines)} entries or more of one time ({since}), and goes no further",
                        source=self.name,
                    )
                return
            lots = [self._lot(line) for line in fresh]
            if not since and not any(isinstance(each, Lot) for each in lots):
                raise SourceUnavailable(
                    f"what {self.name} has at /index is no index of modules", source=self.name
                )
            for each in lots:
                yield each
            # The next page begins with the entries of that very time.
            newest = _said(lines[-1]).get("Timestamp", "")
            last = {line for line in lines if _said(line).get("Timestamp", "") == newest}
            since = newest

    async def _page(self, since: str) -> list[str]:
        query = f"?limit={_PAGE}" + (f"&since={quote(since, safe='')}" if since else "")
        reply = await self._transport.get(
            f"{self._base}/index{query}", limit=_MOST_PAGE, headers=self._headers
        )
        if reply.status != HTTPStatus.OK:
            message = refusal("index", self.name, reply).message
            raise SourceUnavailable(f"{message}; only what an index names can be imported", source=self.name)
        return [line for line in reply.body.decode("utf-8", "replace").splitlines() if line.strip()]

    def _lot(self, line: str) -> Lot | Outcome:
        said = _said(line)
        try:
            path = ModulePath.parse(said.get("Path", ""))
            mv = ModuleVersion(path, Version.parse_for(path, said.get("Version", "")))
        except MirrorError:
            return Outcome(line[:200], Taken.STRAY, reason="it is no entry of an index")
        return Lot(mv, {kind: _RemoteFile(self, file_key(mv, kind)) for kind in FileKind})

    async def read(self, key: str, limit: int) -> bytes:
        """A file that the server holds. Raises `NotFound` where it does not."""
        reply = await self._transport.get(self._url(key), limit=limit, headers=self._headers)
        self._check(key, reply)
        return reply.body

    async def save(self, key: str, into: Path, limit: int) -> None:
        """The same to a file that exists."""
        saved = await self._transport.save(self._url(key), into, limit=limit, headers=self._headers)
        self._check(key, saved)

    def _check(self, key: str, reply: Reply | Saved) -> None:
        # Nothing was to be fetched, so the no is about what is held, however long it lives.
        if reply.status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
            raise NotFound(f"{key}: {self.name} does not hold it", source=self.name)
        if reply.status != HTTPStatus.OK:
            raise refusal(key, self.name, reply)

    def _url(self, key: str) -> str:
        return f"{self._base}/{quote(key, safe='/$&+=:@~')}"


class _RemoteFile:
    """`ports.Offered`."""

    def __init__(self, store: RemoteStore, key: str) -> None:
        self._store = store
        self._key = key

    async def read(self, limit: int) -> bytes:
        return await self._store.read(self._key, limit)

    async def copy(self, into: Path, limit: int) -> None:
        with disk_failures("write the file"):
            await asyncio.to_thread(into.touch)
        await self._store.save(self._key, into, limit)


def _said(line: str) -> dict[str, str]:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return {name: str(value) for name, value in said.items()} if isinstance(said, dict) else {}
