"""Tree heads in a database that several nodes share, with a copy on this machine for the time while it is down."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import structlog

from goproxy_mirror.errors import StorageError
from goproxy_mirror.ports import DatabaseState, Standing
from goproxy_mirror.state.records import SQLTreeHeads

log = structlog.get_logger(__name__)


class CopiedTreeHeads:
    """`ports.TreeHeads`. While the database is down the head that was seen last is the newest that is known, and stays so: it
    proves the records that were in it, and no later head is believed before the database has it. So no node can be shown a
    history that the others do not get to hold theirs against."""

    def __init__(self, shared: SQLTreeHeads, folder: Path) -> None:
        self._shared = shared
        self._folder = folder
        self._seen: dict[str, Standing] = {}
        self._forks: dict[str, bytes] = {}

    async def standing(self, name: str) -> Standing:
        try:
            standing = await self._shared.standing(name)
        except StorageError:
            known = await self._copy(name)
            if known is None:
                raise
            standing = known
        else:
            await self._see(name, standing)
        return replace(standing, evidence=self._forks.get(name, standing.evidence))

    async def head(self, name: str) -> bytes:
        return (await self.standing(name)).note

    async def advance(self, name: str, old: bytes, new: bytes) -> bool:
        advanced = await self._shared.advance(name, old, new)
        if advanced:
            await self._see(name, Standing(new, None))
        return advanced

    async def fork(self, name: str) -> bytes | None:
        if name in self._forks:
            return self._forks[name]
        return (await self.standing(name)).evidence

    async def forked(self, name: str, evidence: bytes) -> None:
        self._forks.setdefault(name, evidence)
        await self._shared.forked(name, evidence)
        self._forks.pop(name, None)

    async def catch_up(self) -> None:
        """Write the evidence that could not be written. Raises `StorageError`."""
        for name, evidence in list(self._forks.items()):
            await self.forked(name, evidence)

    async def forget_fork(self, name: str, *, and_tree: bool) -> bool:
        """As `SQLTreeHeads.forget_fork`. Raises `StorageError`."""
        there = await self._shared.forget_fork(name, and_tree=and_tree)
        return self._forks.pop(name, None) is not None or there

    async def all(self) -> Sequence[DatabaseState]:
        """As `SQLTreeHeads.all`. Raises `StorageError`."""
        return await self._shared.all()

    async def _see(self, name: str, standing: Standing) -> None:
        if self._seen.get(name) == standing:
            return
        self._seen[name] = standing
        try:
            await asyncio.to_thread(_write, self._path(name), name, standing)
        except OSError as error:
            log.warning("no copy of the newest tree head is kept", database=name, reason=error.strerror)

    async def _copy(self, name: str) -> Standing | None:
        if name not in self._seen:
            standing = await asyncio.to_thread(_read, self._path(name), name)
            if standing is None:
                return None
            self._seen[name] = standing
        return self._seen[name]

    def _path(self, name: str) -> Path:
        return self._folder / sha256(name.encode()).hexdigest()[:16]


def _write(path: Path, name: str, standing: Standing) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}-{os.getpid()}-{secrets.token_hex(4)}")
    note, evidence = (
        None if each is None else base64.b64encode(each).decode()
        for each in (standing.note, standing.evidence)
    )
    try:
        fresh.write_text(json.dumps({"name": name, "note": note, "evidence": evidence}))
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _read(path: Path, name: str) -> Standing | None:
    with suppress(OSError, ValueError, KeyError, TypeError):
        said = json.loads(path.read_bytes())
        if said["name"] == name:
            evidence = said["evidence"]
            return Standing(
                base64.b64decode(said["note"]), None if evidence is None else base64.b64decode(evidence)
            )
    return None
