"""The records made anew from the store: sizes, hashes, times, the feeds, and each module's `@v/list`.

What is recorded stays, so whoever is interrupted begins again and is quicker. It may be done beside a running server.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from goproxy_mirror.errors import StorageError, disk_failures
from goproxy_mirror.mirror.catalog import Catalog
from goproxy_mirror.mirror.chronicle import Chronicle
from goproxy_mirror.mirror.holdings import folders_of, module_of, version_of
from goproxy_mirror.mirror.spool import spooled
from goproxy_mirror.mirror.together import together
from goproxy_mirror.module.dirhash import go_mod_hash, hash_zip
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.module.zipreader import InvalidZip
from goproxy_mirror.ports import FileKind, FileRecord, FoundFile, KeepingRecords, Storage
from goproxy_mirror.protocol import file_key

_BATCH = 500
_PARALLEL = 4
_YOUNG = 3600.0
"""Seconds for which a record without a file may be of one that is about to be published."""


@dataclass(slots=True)
class Progress:
    """How far it has come: files looked at, those that were recorded anew and their bytes, records whose file is gone, lists made
    anew, versions entered into the feeds, versions that were held once and are not there although nobody took them out; and what
    could not be read, as sentences."""

    files: int = 0
    recorded: int = 0
    size: int = 0
    dropped: int = 0
    lists: int = 0
    fed: int = 0
    missing: int = 0
    problem: str | None = None


class Reindexing:
    """Walks the store once, then the records once. Raises `StorageError` where one of them cannot be read or written."""

    def __init__(
        self,
        records: KeepingRecords,
        storage: Storage,
        catalog: Catalog,
        chronicle: Chronicle | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._records = records
        self._storage = storage
        self._catalog = catalog
        self._chronicle = chronicle
        self._clock = clock

    async def run(self, told: Callable[[Progress], None], *, hashes: bool) -> Progress:
        """`told` hears of it after each batch, and of each problem once. `hashes`: files whose hash is not recorded are read."""
        so_far = Progress()
        oldest = await self._records.oldest_fed()
        before = oldest if oldest is not None else int(self._clock() * 1_000_000)
        await self._restore(oldest)
        async for folder, names in folders_of(self._storage, [""]):
            path = module_of(folder)
            if path is not None:
                await self._module(path, names, so_far, told, hashes=hashes)
        async for dropped in self._vanished():
            so_far.dropped += dropped
            told(so_far)
        await self._settle(so_far, told)
        await self._feed(before, so_far, told)
        return so_far

    async def _restore(self, oldest: int | None) -> None:
        """Put the times into the feeds that stand beside the store, before anything is looked for."""
        if self._chronicle is None:
            return
        async for times in self._chronicle.seen():
            await self._records.restore(times, before=oldest)
            if oldest is not None and times[0][1] >= oldest:
                break
        async for times in self._chronicle.gone():
            await self._records.take_out(times)

    async def _settle(self, so_far: Progress, told: Callable[[Progress], None]) -> None:
        after = 0
        while (settled := await self._records.settle(after)) is not None:
            after = settled.last
            so_far.fed += settled.held
            so_far.missing += settled.missing
            told(so_far)

    async def _module(
        self,
        path: ModulePath,
        names: Sequence[str],
        so_far: Progress,
        told: Callable[[Progress], None],
        *,
        hashes: bool,
    ) -> None:
        versions = [version for name in names if (version := version_of(path, name)) is not None]
        for start in range(0, len(versions), _BATCH):
            batch = versions[start : start + _BATCH]
            keys = [file_key(ModuleVersion(path, version), kind) for version, kind in batch]
            known = await self._records.known(keys)
            wanted = [key for key in keys if _is_wanted(known.get(key), key, hashes=hashes)]
            found = list[FoundFile]()
            left = iter(wanted)

            async def look(left: Iterator[str] = left, found: list[FoundFile] = found) -> None:
                for key in left:
                    file = await self._found(key, so_far, told, hashes=hashes)
                    if file is not None:
                        found.append(file)

            await together(look() for _ in range(_PARALLEL))
            if found:
                await self._records.found(found)
            so_far.files += len(batch)
            so_far.recorded += len(found)
            so_far.size += sum(file.size for file in found)
            told(so_far)
        if versions:
            so_far.lists += await self._list(path, versions)

    async def _found(
        self, key: str, so_far: Progress, told: Callable[[Progress], None], *, hashes: bool
    ) -> FoundFile | None:
        """What can be said of a file; None where it is gone, or cannot be read."""
        kind = FileKind(f".{key.rpartition('.')[2]}")
        try:
            if not hashes or kind is FileKind.INFO:
                measured = await self._storage.measure(key)
                return None if measured is None else FoundFile(key, *measured, None)
            stored = await self._storage.find(key)
            if stored is None:
                return None
            with disk_failures("read the file"):
                hash_ = await asyncio.to_thread(_hash_of, kind, stored.path)
        except (StorageError, InvalidZip) as error:
            so_far.problem = f"{key}: {error.message}"
            told(so_far)
            so_far.problem = None
            return None
        return FoundFile(key, stored.size, stored.modified, hash_)

    async def _list(self, path: ModulePath, versions: Sequence[tuple[Version, FileKind]]) -> bool:
        """Make `@v/list` anew where it does not say what was found."""
        held = {version for version, kind in versions if kind is FileKind.INFO}
        held &= {version for version, kind in versions if kind is FileKind.MOD}
        body = "".join(f"{version}\n" for version in sorted(held)).encode()
        stored = await self._storage.find(f"{path.escaped}/@v/list")
        with disk_failures("read the list"):
            listed = await asyncio.to_thread(stored.path.read_bytes) if stored is not None else b""
        if listed == body:
            return False
        self._catalog.changed(path)
        await self._catalog.derive(path)
        return True

    async def _vanished(self) -> AsyncIterator[int]:
        """Forget what is recorded and not there; how many, after each batch."""
        after, folder, there = "", "", set[str]()
        while rows := await self._records.keys(after, _BATCH):
            gone = []
            for key, seen in rows:
                here = key.rpartition("/")[0]
                if here != folder:
                    folder, there = here, {name async for name in self._storage.list(f"{here}/")}
                # What was published since the folder was listed is looked for.
                if (
                    key not in there
                    and seen < self._clock() - _YOUNG
                    and await self._storage.measure(key) is None
                ):
                    gone.append(key)
            if gone:
                await self._records.drop(gone)
            yield len(gone)
            after = rows[-1][0]

    async def _feed(self, before: int, so_far: Progress, told: Callable[[Progress], None]) -> None:
        after = 0
        with spooled() as spool:

            def write(versions: Iterator[tuple[str, float]]) -> None:
                for stem, seen in versions:
                    spool.add(stem, seen)

            await self._records.unfed(write)
            batches = spool.batches(_BATCH)
            while batch := await asyncio.to_thread(next, batches, None):
                rows = [(str(stem), float(seen)) for stem, seen in batch]
                after = await self._records.feed(rows, before=before, after=after)
                so_far.fed += len(rows)
                told(so_far)


def _hash_of(kind: FileKind, file: Path) -> str:
    return hash_zip(file) if kind is FileKind.ZIP else go_mod_hash(file.read_bytes())


def _is_wanted(record: FileRecord | None, key: str, *, hashes: bool) -> bool:
    """Whether a file has to be looked at."""
    if record is None or record.size is None:
        return True
    return hashes and record.proof is None and not key.endswith(FileKind.INFO.value)
