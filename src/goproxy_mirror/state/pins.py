"""Pins, in the state database and beside the published files."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from goproxy_mirror.errors import InvalidPath, InvalidVersion, StorageError
from goproxy_mirror.module.path import ModulePath, unescape
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileKind, Home, Ledger, Pin, Pinned
from goproxy_mirror.state.changes import Changes
from goproxy_mirror.state.database import Database
from goproxy_mirror.state.said import pinned

if TYPE_CHECKING:
    from goproxy_mirror.state.session import Session

log = structlog.get_logger(__name__)

_PLACE = "pins/"
_BATCH = 500


class SQLPins:
    """`ports.Pins`: of several processes that see a file for the first time, one's hash is the pin of all.

    With a ledger each pin stands beside the published files before it is believed, so that it outlives the database. Once this
    process has seen that all of the database's pins stand there too, it can do without the database for a while.
    """

    def __init__(self, database: Database, changes: Changes, ledger: Ledger | None = None) -> None:
        self._database = database
        self._changes = changes
        self._ledger = ledger
        self._complete = False

    async def pin(self, mv: ModuleVersion, kind: FileKind, hash_: str, home: Home) -> Pin:
        held = await self.get(mv, kind)
        if held is not None:
            return held
        new = Pin(hash_, home.name, time.time())
        if self._ledger is not None:
            new = _parsed(await self._ledger.create(_name(mv, kind), _said(new)))
        try:
            return await self._write(mv, kind, new)
        except StorageError as error:
            if not self._complete:
                raise
            log.warning("a pin is written later", module=str(mv), file=kind.value, reason=error.message)
            await self._changes.put_off(pinned(mv, kind, new))
            return new

    async def get(self, mv: ModuleVersion, kind: FileKind) -> Pin | None:
        try:
            held = await self._database.read(lambda session: session.pin(mv, kind))
        except StorageError:
            if not self._complete:
                raise
            held = None
        if held is None and self._ledger is not None:
            # The database may be a new one, in the place of one that was lost.
            kept = await self._ledger.get(_name(mv, kind))
            held = None if kept is None else _parsed(kept)
        return held

    async def of(self, path: ModulePath) -> Sequence[Pinned]:
        """All pins of a module, by version and kind. Raises `StorageError`."""
        return await self._database.read(lambda session: session.pins_of(path))

    async def catch_up(self) -> None:
        """Let everything stand in both places; now and then. Raises `StorageError`."""
        if self._ledger is not None and not self._complete:
            await self._copy(self._ledger)
            self._complete = True

    async def restore(self) -> int:
        """Put every pin that stands beside the published files into the database; how many those are. Raises `StorageError`."""
        if self._ledger is None:
            return 0
        count = 0
        batch: list[Pinned] = []
        async for name in self._ledger.list(_PLACE):
            kept = await self._ledger.get(name)
            found = None if kept is None else _pinned(name, kept)
            if found is not None:
                batch.append(found)
                count += 1
            if len(batch) >= _BATCH:
                await self._put(batch)
                batch = []
        await self._put(batch)
        return count

    async def _copy(self, ledger: Ledger) -> None:
        """Let the database's pins stand in the ledger: those of before there was one, and those of a backup."""
        there = {name async for name in ledger.list(_PLACE)}
        last: Pinned | None = None
        while True:
            pins = await self._database.read(
                lambda session, last=last: session.pins_after(last, _BATCH)  # type: ignore[misc]
            )
            missing = [each for each in pins if _name(each.mv, each.kind) not in there]
            for start in range(0, len(missing), 16):
                async with asyncio.TaskGroup() as tasks:
                    for each in missing[start : start + 16]:
                        tasks.create_task(ledger.create(_name(each.mv, each.kind), _said(each.pin)))
            if len(pins) < _BATCH:
                return
            last = pins[-1]

    async def _write(self, mv: ModuleVersion, kind: FileKind, pin: Pin) -> Pin:
        def write(session: Session) -> Pin:
            session.add_pin(mv, kind, pin)
            return session.pin(mv, kind) or pin

        return await self._database.write(write)

    async def _put(self, pins: Sequence[Pinned]) -> None:
        def put(session: Session) -> None:
            for each in pins:
                session.add_pin(each.mv, each.kind, each.pin)

        if pins:
            await self._database.write(put)


def _name(mv: ModuleVersion, kind: FileKind) -> str:
    # Not as a file of the store is named, so that no web server takes one for the other.
    return f"{_PLACE}{mv.path.escaped}@{mv.version.escaped}{kind.value}"


def _said(pin: Pin) -> bytes:
    return json.dumps({"hash": pin.hash, "home": pin.home, "at": pin.at}).encode() + b"\n"


def _parsed(body: bytes) -> Pin:
    try:
        said = json.loads(body)
        return Pin(str(said["hash"]), str(said["home"]), float(said["at"]))
    except (ValueError, KeyError, TypeError):
        raise StorageError(
            "a pin that stands beside the published files (_state/pins) cannot be read: take it from a backup, or remove it "
            "to believe the next that arrives"
        ) from None


def _pinned(name: str, body: bytes) -> Pinned | None:
    """None for what is no pin: somebody put it there."""
    stem, dot, ending = name.removeprefix(_PLACE).rpartition(".")
    path, _, version = stem.rpartition("@")
    try:
        mv = ModuleVersion(ModulePath.parse(unescape(path)), Version.parse(unescape(version)))
        return Pinned(mv, FileKind(dot + ending), _parsed(body))
    except (InvalidPath, InvalidVersion, ValueError):
        return None
