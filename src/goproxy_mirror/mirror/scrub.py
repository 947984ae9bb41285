"""The whole store held against the signed record again: what is wrong is taken out, what nobody can vouch for is said.

It may be done while others serve from the same folders: published bytes never change, so a file is right or wrong whoever
looks at it, and what is taken out here is fetched anew there.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Protocol

from goproxy_mirror.errors import (
    InvalidVersion,
    MirrorError,
    SecurityError,
    SourceUnavailable,
    StorageError,
    disk_failures,
)
from goproxy_mirror.mirror.catalog import Catalog
from goproxy_mirror.mirror.doubts import Doubts
from goproxy_mirror.mirror.holdings import folders_of, module_of, version_of
from goproxy_mirror.mirror.selection import Selection, key_prefixes
from goproxy_mirror.mirror.together import together
from goproxy_mirror.module.dirhash import go_mod_hash, hash_zip
from goproxy_mirror.module.infofile import commit_of
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.pseudo import pseudo_rev, pseudo_time
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.module.zipreader import InvalidZip
from goproxy_mirror.ports import FileKind, FileRecord, Info, Proof, Storage, StoredFile, Verifier
from goproxy_mirror.protocol import file_key

_MOST_INFO = 1 << 20
_ALL_TIME = 1e18
"""Later than every time, in seconds since the epoch."""

_TOGETHER = 64
"""Versions of one module that are worked on at the same time, so that a long list needs no more memory than a short one."""


class Verdict(Enum):
    """What became of a file. `SOUND` is an `.info` that agrees with itself and its version."""

    PROVEN = "proven"
    SOUND = "sound"
    SKIPPED = "skipped"
    QUARANTINED = "quarantined"
    UNPROVEN = "unproven"
    UNREADABLE = "unreadable"
    DERIVED = "derived"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Checked:
    """One file of the store and what was found; `reason` is empty where all is well, `size` in bytes."""

    key: str
    verdict: Verdict
    reason: str = ""
    size: int = 0


class VerifiedFiles(Protocol):
    """What is known of stored files (`ports.Provenance`, and what stands there by module). Raises `StorageError`."""

    def hashed(self, path: ModulePath, *, before: float) -> AsyncIterator[FileRecord]: ...

    async def proved(self, key: str, proof: Proof) -> None: ...


class Scrub:
    """Looks at every published file. `read_info` reads an `.info` of that version, or raises `SourceUnavailable`.

    At most `parallel` files are hashed at the same time, and the memory that is needed does not grow with the store.
    """

    def __init__(
        self,
        *,
        storage: Storage,
        verifier: Verifier,
        records: VerifiedFiles,
        catalog: Catalog,
        doubts: Doubts,
        read_info: Callable[[ModulePath, bytes, Version], Info],
        parallel: int = 4,
    ) -> None:
        self._storage = storage
        self._verifier = verifier
        self._records = records
        self._catalog = catalog
        self._doubts = doubts
        self._read_info = read_info
        self._parallel = parallel
        self._places = asyncio.Semaphore(parallel)

    async def count(self, wanted: Sequence[Selection]) -> Counter[str]:
        """How many published files each selection has, by its text; and all together, by the empty text."""
        found: Counter[str] = Counter()
        async for folder, names in folders_of(self._storage, key_prefixes(wanted)):
            path = module_of(folder)
            for name in names:
                version = version_of(path, name) if path is not None else None
                if path is None or version is None:
                    continue
                fitting = [each.text for each in wanted if each.has(path, version[0])]
                found.update(fitting)
                found[""] += bool(fitting or not wanted)
        return found

    async def run(self, wanted: Sequence[Selection], since: float, done: Callable[[Checked], None]) -> None:
        """Check what is wanted (nothing: everything); `done` is told of each file. What has been verified at `since` (seconds
        since the epoch) or later is skipped, but for `.info` files, which cost nothing.

        Raises `StorageError` where the store cannot be listed, or the state cannot be read.
        """
        folders = folders_of(self._storage, key_prefixes(wanted))
        turn = asyncio.Lock()

        async def work() -> None:
            while True:
                async with turn:
                    try:
                        folder, names = await anext(folders)
                    except StopAsyncIteration:
                        return
                await self._folder(folder, names, wanted, since, done)

        await together(work() for _ in range(self._parallel))

    async def _folder(
        self,
        folder: str,
        names: Sequence[str],
        wanted: Sequence[Selection],
        since: float,
        done: Callable[[Checked], None],
    ) -> None:
        path = module_of(folder)
        if path is None:
            if not wanted:
                _say_foreign(folder, names, done)
            return
        versions: dict[Version, set[FileKind]] = {}
        for name in names:
            found = version_of(path, name)
            if found is None:
                if name != "list" and not wanted:
                    _say_foreign(folder, [name], done)
            elif not wanted or any(each.has(path, found[0]) for each in wanted):
                versions.setdefault(found[0], set()).add(found[1])
        if not versions:
            return
        known = {record.key: record async for record in self._records.hashed(path, before=_ALL_TIME)}
        for batch in _batches(sorted(versions), _TOGETHER):
            async with asyncio.TaskGroup() as tasks:
                for version in batch:
                    mv = ModuleVersion(path, version)
                    tasks.create_task(self._version(mv, versions[version], known, since, done))
        await self._list(path, done)

    async def _version(
        self,
        mv: ModuleVersion,
        kinds: set[FileKind],
        known: Mapping[str, FileRecord],
        since: float,
        done: Callable[[Checked], None],
    ) -> None:
        # The `.info` at last: it may go with its `.mod`.
        for kind in (FileKind.MOD, FileKind.ZIP, FileKind.INFO):
            if kind in kinds:
                async with self._places:
                    key = file_key(mv, kind)
                    checked = await (
                        self._info(mv, key)
                        if kind is FileKind.INFO
                        else self._file(mv, kind, key, known.get(key), since)
                    )
                if checked is not None:
                    done(checked)

    async def _file(
        self, mv: ModuleVersion, kind: FileKind, key: str, record: FileRecord | None, since: float
    ) -> Checked | None:
        """A `.mod` or a `.zip`; None where somebody has taken it out meanwhile."""
        stored = await self._storage.find(key)
        if stored is None:
            return None
        if record is not None and record.proof and record.proof.by and (record.verified or 0.0) >= since:
            return Checked(key, Verdict.SKIPPED, size=stored.size)
        try:
            proof = await self._doubts.prove(mv, kind, stored)
            if not proof.by:
                raise SourceUnavailable("the checksum database could not be asked")
        except SecurityError as error:
            return await self._take_out(mv, kind, key, stored, error.message)
        except StorageError as error:
            if await self._storage.find(key) is None:
                return None
            return Checked(key, Verdict.UNREADABLE, error.line, stored.size)
        except MirrorError as error:
            return await self._as_remembered(mv, kind, key, stored, record, error)
        await self._records.proved(key, proof)
        return Checked(key, Verdict.PROVEN, size=stored.size)

    async def _as_remembered(
        self,
        mv: ModuleVersion,
        kind: FileKind,
        key: str,
        stored: StoredFile,
        record: FileRecord | None,
        error: MirrorError,
    ) -> Checked | None:
        """Nobody could be asked; but what was proven once must still have the hash that it had then."""
        reason = error.line
        proof = record.proof if record is not None else None
        if proof is None or not proof.by:
            return Checked(key, Verdict.UNPROVEN, reason, stored.size)
        try:
            with disk_failures("read the file"):
                hash_ = await asyncio.to_thread(_hash_of, kind, stored.path)
        except StorageError as failure:
            return Checked(key, Verdict.UNREADABLE, failure.line, stored.size)
        except InvalidZip as failure:
            hash_ = f"none ({failure.message})"
        if hash_ != proof.hash:
            return await self._take_out(
                mv,
                kind,
                key,
                stored,
                f"{mv}{kind.value}: its hash is {hash_}, and it was {proof.hash} when it was proven by {proof.by}",
            )
        return Checked(key, Verdict.UNPROVEN, f"it is what was proven once, but {reason}", stored.size)

    async def _info(self, mv: ModuleVersion, key: str) -> Checked | None:
        stored = await self._storage.find(key)
        if stored is None:
            return None
        try:
            with disk_failures("read the file"):
                body = await asyncio.to_thread(_read, stored.path, _MOST_INFO + 1)
        except StorageError as error:
            if await self._storage.find(key) is None:
                return None
            return Checked(key, Verdict.UNREADABLE, error.line, stored.size)
        problem = self._problem_of_info(mv, body)
        if problem is not None:
            return await self._take_out(mv, FileKind.INFO, key, stored, f"{mv}.info: {problem}")
        if (
            not self._verifier.outside(mv.path)
            and await self._storage.find(file_key(mv, FileKind.MOD)) is None
        ):
            reason = "the .mod that has to vouch for it is not stored"
            return Checked(key, Verdict.UNPROVEN, reason, stored.size)
        return Checked(key, Verdict.SOUND, size=stored.size)

    def _problem_of_info(self, mv: ModuleVersion, body: bytes) -> str | None:
        """Why a body is no `.info` of that version; a pseudo-version says its commit's time and how its id begins."""
        if len(body) > _MOST_INFO:
            return f"it has more than {_MOST_INFO} bytes"
        try:
            info = self._read_info(mv.path, body, mv.version)
        except SourceUnavailable as error:
            return f"it is no .info of that version: {error.message.removeprefix('answered ')}"
        if not mv.version.is_pseudo:
            return None
        try:
            made, revision = pseudo_time(str(mv.version)), pseudo_rev(str(mv.version))
        except InvalidVersion:
            return None
        if info.time is not None and info.time.replace(microsecond=0) != made:
            return f"it says that the commit is of {_when(info.time)}, and the version says {_when(made)}"
        commit = commit_of(body)
        if commit is not None and not commit.startswith(revision):
            return f"it says that the commit is {commit:.12}, and the version says {revision}"
        return None

    async def _take_out(
        self, mv: ModuleVersion, kind: FileKind, key: str, stored: StoredFile, reason: str
    ) -> Checked | None:
        """Quarantine the file that was looked at, unless it is gone or replaced by now."""
        if await self._storage.find(key) != stored:
            return None
        try:
            await self._doubts.remove(mv, kind, reason)
        except StorageError as error:
            said = f"{' '.join(reason.split())}; and it could not be taken out: {error.message}"
            return Checked(key, Verdict.UNREADABLE, said, stored.size)
        return Checked(key, Verdict.QUARANTINED, " ".join(reason.split()), stored.size)

    async def _list(self, path: ModulePath, done: Callable[[Checked], None]) -> None:
        """`@v/list` is made of what is held; it is made anew where it is not."""
        key = f"{path.escaped}/@v/list"
        try:
            held = "".join(f"{version}\n" for version in await self._catalog.held(path)).encode()
            stored = await self._storage.find(key)
            with disk_failures("read the list"):
                body = await asyncio.to_thread(stored.path.read_bytes) if stored is not None else b""
            if body == held:
                return
            self._catalog.changed(path)
            await self._catalog.derive(path)
        except StorageError as error:
            done(Checked(key, Verdict.UNREADABLE, error.line))
        else:
            done(Checked(key, Verdict.DERIVED, "it did not name the versions that are stored"))


def _when(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def _say_foreign(folder: str, names: Iterable[str], done: Callable[[Checked], None]) -> None:
    for name in names:
        key = f"{folder}/{name}" if folder else name
        done(Checked(key, Verdict.FOREIGN, "this program has not put it there"))


def _batches(items: Sequence[Version], size: int) -> Iterable[Sequence[Version]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _hash_of(kind: FileKind, file: Path) -> str:
    return hash_zip(file) if kind is FileKind.ZIP else go_mod_hash(file.read_bytes())


def _read(file: Path, most: int) -> bytes:
    with file.open("rb") as opened:
        return opened.read(most)
