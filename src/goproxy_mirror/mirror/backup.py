"""The whole store as a stream, and back: published files, what is known of them, pins, tree heads, proven records.

It may be written while others serve and publish. A file in the stream is whole, since published files never change; before a
version's `.info` come its `.mod` and its zip, and before a file what is known of it. Whatever stands in the tables apart from
files comes at the end, so that it knows of everything that is in the stream.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goproxy_mirror.mirror.archive import TOGETHER, ArchiveWriter, Entry, Writable
from goproxy_mirror.mirror.holdings import IN_ORDER, folders_of, module_of, version_of
from goproxy_mirror.mirror.streaming import add_stored
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileKind, Storage
from goproxy_mirror.ports.moving import Tables
from goproxy_mirror.protocol import file_key

KIND = "backup"
STORE, STATE, SUMDB = "store/", "state/", "sumdb/"

_VERSIONS = TOGETHER // len(IN_ORDER)


@dataclass(frozen=True, slots=True)
class Written:
    """How much is in the stream by now: published files, and bytes before they were packed."""

    files: int
    bytes: int


class Backup:
    """Writes the stream. `records` is the folder of proven records and tiles."""

    def __init__(self, storage: Storage, tables: Tables, records: Path) -> None:
        self._storage = storage
        self._tables = tables
        self._records = records

    async def write(
        self, out: Writable, done: Callable[[Written], None], *, made_by: str, compress: bool = True
    ) -> Written:
        """Write everything to `out`; `done` is told now and then. Raises `StorageError`, and OSError of `out`."""
        writer = await asyncio.to_thread(ArchiveWriter, out, KIND, {"made_by": made_by}, compress=compress)
        files = 0
        async for folder, names in folders_of(self._storage):
            path = module_of(folder)
            if path is None:
                continue
            versions: dict[Version, set[FileKind]] = {}
            for name in names:
                found = version_of(path, name)
                if found is not None:
                    versions.setdefault(found[0], set()).add(found[1])
            for batch in _batches(sorted(versions), _VERSIONS):
                files += await self._versions(writer, path, {version: versions[version] for version in batch})
                done(Written(files, writer.bytes))
        await asyncio.to_thread(self._proven, writer)
        await self._others(writer)
        await asyncio.to_thread(writer.end)
        return Written(files, writer.bytes)

    async def _versions(
        self, writer: ArchiveWriter, path: ModulePath, versions: Mapping[Version, set[FileKind]]
    ) -> int:
        # The `.mod` may have been published while the folder was read, and the `.info` right after it.
        keys = [
            file_key(ModuleVersion(path, version), kind)
            for version, kinds in versions.items()
            for kind in IN_ORDER
            if kind in kinds or (kind is FileKind.MOD and FileKind.INFO in kinds)
        ]
        known = await self._tables.of_files(keys)
        rows = [Entry(f"{STATE}{name}/{keys[0]}.jsonl", _lines(rows)) for name, rows in known.items() if rows]
        return len(keys) - len(await add_stored(writer, self._storage, STORE, keys, rows))

    def _proven(self, writer: ArchiveWriter) -> None:
        for folder, _, names in os.walk(self._records):
            here = Path(folder)
            files = [here / name for name in sorted(names) if not name.startswith(".")]
            writer.add([Entry(SUMDB + file.relative_to(self._records).as_posix(), file) for file in files])

    async def _others(self, writer: ArchiveWriter) -> None:
        number = 0
        async for name, rows in self._tables.others():
            number += 1
            await asyncio.to_thread(writer.add, [Entry(f"{STATE}{name}/{number:06}.jsonl", _lines(rows))])


def _lines(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return b"".join(
        json.dumps(row, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        for row in rows
    )


def _batches(items: Sequence[Version], size: int) -> Iterator[Sequence[Version]]:
    return (items[start : start + size] for start in range(0, len(items), size))
