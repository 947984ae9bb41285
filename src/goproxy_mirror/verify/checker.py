"""The verifier: what arrived is hashed, and held against who can say what it must be.

The rule is the go command's own (cmd/go/internal/modfetch, checkModSum and useSumDB): the checksum database for everything
but what GONOSUMDB or GOPRIVATE name, and for `golang.org/toolchain` always. What is outside the database has to stay what
it was when it was seen first, and only sources that the operator chose may show it first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from goproxy_mirror.errors import NotRecorded, SecurityError, StorageError, Unproven, disk_failures
from goproxy_mirror.module.dirhash import go_mod_hash, hash_members
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.patterns import match_globs
from goproxy_mirror.module.version import ModuleVersion
from goproxy_mirror.module.zipcheck import check_members
from goproxy_mirror.module.zipreader import InvalidZip, ZipReader
from goproxy_mirror.ports import FileKind, Home, Lie, Lies, Pins, Proof, Records, Witness

log = structlog.get_logger(__name__)

TOOLCHAIN = "golang.org/toolchain"
"""Its modules are programs that the go command runs by itself, so neither GONOSUMDB nor GOSUMDB=off counts for them."""

BY_PIN = "pin"

OUT_FOR = 24 * 3600.0
"""Seconds for which a mirror that lied about a module is not asked about it: it may have been out of step, and come back."""

_UNRECORDED_FOR = 10.0
"""Seconds for which `recorded` does not ask again about a version of which there was no record."""

_MOST_UNRECORDED = 4096
_LARGE_MOD = 256 * 1024


class Checker:
    """`ports.Verifier`. `database` is None where it is switched off; `toolchains` is the one that has the toolchains' records.

    `outside` are globs of modules that no database is asked about. With `lenient` (`verify = "prefer"`) a database that cannot
    be reached is no obstacle; a contradiction always is. `parallel` zips are hashed at the same time.
    """

    def __init__(
        self,
        *,
        database: Records | None,
        toolchains: Records | None,
        outside: str,
        pins: Pins,
        lies: Lies,
        lenient: bool = False,
        parallel: int = 4,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._toolchains = toolchains
        self._outside = outside
        self._pins = pins
        self._lies = lies
        self._lenient = lenient
        self._places = asyncio.Semaphore(parallel)
        self._clock = clock
        self._liars: dict[tuple[str, str], Lie] = {}
        self._unrecorded: dict[ModuleVersion, float] = {}

    async def refresh(self) -> None:
        """Learn which mirrors lied to others: at the start, and now and then. A state that cannot be read stops nothing."""
        try:
            lies = await self._lies.since(self._clock() - OUT_FOR)
        except StorageError as error:
            log.warning("who lied is not known", reason=error.message)
            return
        for lie in lies:
            self._remember(lie)

    def outside(self, path: ModulePath) -> bool:
        if path.value == TOOLCHAIN:
            return False
        return self._database is None or bool(self._outside and match_globs(self._outside, path.value))

    def distrusted(self, home: Home, path: ModulePath) -> str | None:
        lie = self._liars.get((home.name, path.value))
        if lie is None or lie.at + OUT_FOR < self._clock():
            return None
        at = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(lie.at))
        return f"{home.name} is not asked for {path}: on {at} it had a {lie.mv}{lie.kind} that is not the recorded one"

    async def recorded(self, mv: ModuleVersion) -> bool:
        if self.outside(mv.path):
            return False
        if self._unrecorded.get(mv, 0.0) > self._clock():
            return False
        try:
            await self._records(mv.path).lookup(mv)
        except NotRecorded:
            # Both a home's no and the walk's are held against the database, and nobody's is new a moment later.
            if len(self._unrecorded) >= _MOST_UNRECORDED:
                self._unrecorded.clear()
            self._unrecorded[mv] = self._clock() + _UNRECORDED_FOR
            return False
        return True

    async def vouched(self, mv: ModuleVersion) -> None:
        if self.outside(mv.path):
            return
        try:
            await self._records(mv.path).lookup(mv)
        except NotRecorded:
            raise
        except Unproven:
            if not self._accepts_silence(mv.path):
                raise

    def _accepts_silence(self, path: ModulePath) -> bool:
        return self._lenient and path.value != TOOLCHAIN

    async def go_mod(self, mv: ModuleVersion, body: bytes, witness: Witness | None) -> Proof:
        if len(body) > _LARGE_MOD:
            hash_ = await asyncio.to_thread(go_mod_hash, body)
        else:
            hash_ = go_mod_hash(body)
        return await self._prove(mv, FileKind.MOD, hash_, witness)

    async def zip(self, mv: ModuleVersion, file: Path, witness: Witness | None) -> Proof:
        try:
            async with self._places:
                with disk_failures("read the file"):
                    hash_ = await asyncio.to_thread(_hash_of_zip, mv, file)
        except InvalidZip as error:
            await self._lied(mv, FileKind.ZIP, "a zip that every program reads alike", error.message, witness)
            raise SecurityError(
                f"{mv}.zip: what {_who(witness)} has is refused: {error.message}", source=_source(witness)
            ) from None
        return await self._prove(mv, FileKind.ZIP, hash_, witness)

    async def _prove(self, mv: ModuleVersion, kind: FileKind, hash_: str, witness: Witness | None) -> Proof:
        if self.outside(mv.path):
            return await self._hold_to_pin(mv, kind, hash_, witness)
        records = self._records(mv.path)
        try:
            record = await records.lookup(mv)
        except NotRecorded:
            raise
        except Unproven:
            if not self._accepts_silence(mv.path):
                raise
            return Proof(hash_, "")
        known = record.zip if kind is FileKind.ZIP else record.go_mod
        if known is None:
            raise NotRecorded(
                f"{mv}{kind.value}: the record in {records.name} has no hash of that file, so nobody can vouch for it",
                source=records.name,
            )
        if known != hash_:
            await self._lied(mv, kind, known, hash_, witness)
            raise SecurityError(
                f"{mv}{kind.value}: what {_who(witness)} has is not what was published: its hash is {hash_}, and "
                f"{records.name} has recorded {known}{'. It was not stored' if witness is not None else ''}",
                source=_source(witness),
            )
        return Proof(hash_, records.name, record.tree)

    async def _hold_to_pin(
        self, mv: ModuleVersion, kind: FileKind, hash_: str, witness: Witness | None
    ) -> Proof:
        if witness is not None and not witness.named:
            pin = await self._pins.get(mv, kind)
            if pin is None:
                raise Unproven(
                    f"{mv}{kind.value}: {witness.home.name} has it, but no checksum database is asked about this module, and "
                    "it was never seen at its origin. Name that mirror for the module (--mirror) if you trust it",
                    source=witness.home.name,
                )
        else:
            home = witness.home if witness is not None else Home("origin", "the store")
            pin = await self._pins.pin(mv, kind, hash_, home)
        if pin.hash != hash_:
            await self._lied(mv, kind, pin.hash, hash_, witness)
            seen = time.strftime("%Y-%m-%d", time.gmtime(pin.at))
            raise SecurityError(
                f"{mv}{kind.value}: what {_who(witness)} has now is not what was first seen ({seen}, {pin.home}): its hash is "
                f"{hash_}, and it was {pin.hash}. What is published stays as it is; ask its author for a new version",
                source=_source(witness),
            )
        return Proof(hash_, BY_PIN)

    def _records(self, path: ModulePath) -> Records:
        records = self._toolchains if path.value == TOOLCHAIN else self._database
        if records is None:
            raise Unproven(f"{path}: no checksum database is set that could vouch for it (sumdb, gosumdb)")
        return records

    async def _lied(
        self, mv: ModuleVersion, kind: FileKind, known: str, brought: str, witness: Witness | None
    ) -> None:
        if witness is None:
            log.error("a stored file is not what was published", module=str(mv), file=kind.value, known=known)
            return
        lie = Lie(witness.home, mv, kind.value, known, brought, self._clock())
        log.error(
            "a source lied",
            home=lie.home.name,
            module=str(mv.path),
            version=str(mv.version),
            file=lie.kind,
            known=known,
            brought=brought,
        )
        self._remember(lie)
        try:
            await self._lies.record(lie)
        except StorageError as error:
            log.warning("the lie was not recorded", home=lie.home.name, reason=error.message)

    def _remember(self, lie: Lie) -> None:
        # Upstreams and the origin are not taken out for one file: they are who is believed about what there is at all.
        if lie.home.kind == "mirror":
            self._liars[lie.home.name, lie.mv.path.value] = lie


def _hash_of_zip(mv: ModuleVersion, file: Path) -> str:
    with ZipReader(file) as reader:
        check_members(mv, reader.members)
        return hash_members(reader)


def _who(witness: Witness | None) -> str:
    return witness.home.name if witness is not None else "the store"


def _source(witness: Witness | None) -> str | None:
    return witness.home.name if witness is not None else None
