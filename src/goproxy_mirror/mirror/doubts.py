"""Files that are stored without a proof: an earlier version published them, or the database could not be asked then."""

from __future__ import annotations

import asyncio
import shutil
import time
from contextlib import suppress
from pathlib import Path

import structlog

from goproxy_mirror.errors import SecurityError, StorageError, Unproven, disk_failures
from goproxy_mirror.mirror.answers import Lasting
from goproxy_mirror.mirror.chronicle import Chronicle
from goproxy_mirror.module.version import ModuleVersion
from goproxy_mirror.ports import FileKind, Proof, Provenance, Storage, StoredFile, Verifier
from goproxy_mirror.protocol import file_key

log = structlog.get_logger(__name__)

_PATIENCE = 10.0
"""Seconds that a stored file waits until it is known whether it is proven."""

_QUIET = 60.0
"""Seconds until a database that could not be asked is asked again about what was taken unproven."""


class Doubts:
    """Proves such files at their first use, and takes those that fail out of the store, into `quarantine`.

    In memory, so that a hit costs one look into a set that is nearly always empty.
    """

    def __init__(
        self,
        storage: Storage,
        verifier: Verifier,
        provenance: Provenance,
        quarantine: Path,
        *,
        accepts: bool = False,
        chronicle: Chronicle | None = None,
    ) -> None:
        """`accepts`: files are stored unproven while the database cannot be asked. `chronicle`: where it is said what was taken
        out."""
        self._chronicle = chronicle
        self._accepts = accepts
        self._storage = storage
        self._verifier = verifier
        self._provenance = provenance
        self._quarantine = quarantine
        self._keys: set[str] = set()
        self._quiet_until = 0.0
        self._known = asyncio.Event()
        self._lasting = Lasting()

    async def load(self) -> None:
        """Learn what is stored unproven. A state that cannot be read stops no stored file."""
        try:
            unproven = await self._provenance.unproven()
            if not unproven <= self._keys:
                self._keys |= unproven
                self.end_answers()
        except StorageError as error:
            log.warning("what is stored unproven is not known", reason=error.message)
        finally:
            self._known.set()

    async def known(self) -> None:
        """Wait for `load`, for a bounded time: the first answers of a process come while it goes on."""
        if not self._known.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await self._known.wait()
                return
            self._known.set()

    @property
    def lasting(self) -> Lasting | None:
        """What an answer rests on where every stored file is proven, and every later one will be before it is stored."""
        return None if self._keys or self._accepts else self._lasting

    def end_answers(self) -> None:
        """A file was taken out of the store, or came into doubt: no answer may be given again without a look."""
        self._lasting.over = True
        self._lasting = Lasting()

    def add(self, key: str) -> None:
        self._keys.add(key)
        self.end_answers()

    def about(self, key: str) -> bool:
        """Whether the file, or the `.mod` that vouches for a `.info`, has to be proven before it is used."""
        return bool(self._keys) and _vouching(key) in self._keys and time.monotonic() >= self._quiet_until

    async def settle(self, mv: ModuleVersion, kind: FileKind) -> None:
        """Prove the stored file, or remove it where it is not what was published.

        Raises `Unproven` where nobody can say, and `StorageError`.
        """
        kind = FileKind.MOD if kind is FileKind.INFO else kind
        key = file_key(mv, kind)
        stored = await self._storage.find(key)
        if stored is None:
            self._keys.discard(key)
            return
        try:
            proof = await self.prove(mv, kind, stored)
        except SecurityError as error:
            await self.remove(mv, kind, error.message)
            return
        if proof.by:
            await self._provenance.proved(key, proof)
            self._keys.discard(key)
        else:
            # The operator accepts that nobody can be asked; then not every hit should wait to hear it again.
            self._quiet_until = time.monotonic() + _QUIET

    async def remove(self, mv: ModuleVersion, kind: FileKind, reason: str) -> None:
        """Take a file out of the store; with a `.mod` goes the `.info` that it vouched for."""
        for each in (FileKind.MOD, FileKind.INFO) if kind is FileKind.MOD else (kind,):
            key = file_key(mv, each)
            stored = await self._storage.find(key)
            if stored is not None:
                with disk_failures("quarantine the file"):
                    await asyncio.to_thread(_keep, stored.path, self._quarantine / key)
                try:
                    await self._storage.delete(key)
                finally:
                    self.end_answers()
                log.error("quarantined", key=key, reason=reason)
            await self._provenance.forget(key)
            self._keys.discard(key)
        if kind is FileKind.MOD and self._chronicle is not None:
            await self._chronicle.taken_out([mv], "quarantined")

    async def prove(self, mv: ModuleVersion, kind: FileKind, stored: StoredFile) -> Proof:
        """Why a stored `.mod` or `.zip` may be believed.

        Raises `SecurityError` where it is not what was published, `Unproven` where nobody can say, and `StorageError`.
        """
        try:
            return await self._held_against(mv, kind, stored)
        except SecurityError:
            # A database that has shown two histories, or whose answers are forged, says nothing about a file.
            try:
                await self._verifier.vouched(mv)
            except SecurityError as error:
                raise Unproven(error.message, source=error.source) from error
            raise

    async def _held_against(self, mv: ModuleVersion, kind: FileKind, stored: StoredFile) -> Proof:
        if kind is FileKind.ZIP:
            return await self._verifier.zip(mv, stored.path, None)
        with disk_failures("read the file"):
            body = await asyncio.to_thread(stored.path.read_bytes)
        return await self._verifier.go_mod(mv, body, None)


def _vouching(key: str) -> str:
    return (
        key.removesuffix(FileKind.INFO.value) + FileKind.MOD.value
        if key.endswith(FileKind.INFO.value)
        else key
    )


def _keep(path: Path, kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, kept.with_name(f"{kept.name}.{time.time_ns()}"))
