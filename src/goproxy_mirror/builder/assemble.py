"""From a named revision to the three files of a module version, to the bit as the go command makes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC
from functools import partial
from pathlib import Path
from typing import Any, Self

from goproxy_mirror.builder.layout import Layout
from goproxy_mirror.builder.naming import Named
from goproxy_mirror.errors import Unbuildable, disk_failures
from goproxy_mirror.module.gojson import go_json
from goproxy_mirror.module.modfile import GoMod, InvalidModFile, parse_lax
from goproxy_mirror.module.modzip import MAX_GO_MOD, MAX_LICENSE, MAX_ZIP, ZipWriter, check_files, zip_prefix
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import INCOMPATIBLE, ModuleVersion, Version
from goproxy_mirror.ports import Held, Info, RepoRoot, Repository, TreeEntry

_FILE, _LINK, _GITLINK = 0o100644, 0o120000, 0o160000

# Bytes that are gathered for the compressing thread; a call counts as some bytes, for trees of many small files.
_BATCH = 1 << 20
_CALL_COST = 256


def info_of(named: Named, root: RepoRoot, layout: Layout) -> Info:
    """The `.info`: what does not depend on how the version was asked for, so that it is the same every time."""
    version = Version(named.version)
    time = named.revision.commit.time.astimezone(UTC)
    origin = {"VCS": root.vcs, "URL": root.url}
    if layout.code_dir:
        origin["Subdir"] = layout.code_dir
    origin["Hash"] = named.revision.commit.id
    tag = layout.tag_prefix + named.version.removesuffix(INCOMPATIBLE)
    if not version.is_pseudo and tag in named.revision.tags:
        origin["Ref"] = f"refs/tags/{tag}"
    stamp = f"{time.year:04d}{time:-%m-%dT%H:%M:%SZ}"
    content = {"Version": version.value, "Time": stamp}
    # A repository on a path of this machine, of whose origin nothing is known, is nobody's business.
    body = go_json(content | {"Origin": origin} if root.url else content)
    return Info(version, time, body)


def go_mod_of(named: Named, path: ModulePath) -> bytes:
    """The `.mod`: the raw blob, or the line that the go command puts in the place of a missing go.mod."""
    if named.place.go_mod is None:
        return f"module {path}\n".encode()
    return named.place.go_mod


async def write_zip(repository: Repository, named: Named, mv: ModuleVersion, into: Path) -> None:
    """Write the module's zip to `into`. Raises Unbuildable where the tree makes no valid one, and StorageError.

    The files are those of `git archive`, in the tree's order, as it converts them; a module below the root that has
    no LICENSE gets the root's, as it is stored, at the end.
    """
    try:
        with disk_failures("write the zip"):
            await _write_zip(repository, named, mv, into)
    except Unbuildable as error:
        raise Unbuildable(f"create zip: {error.message}", source=repository.url) from error


async def _write_zip(repository: Repository, named: Named, mv: ModuleVersion, into: Path) -> None:
    commit, folder = named.revision.commit, named.place.folder
    entries = [entry for entry in await repository.tree(commit, folder) if entry.mode != _GITLINK]
    licence = None
    if folder and not any(entry.path == b"LICENSE" for entry in entries):
        licence = await repository.blob(commit, "LICENSE", MAX_LICENSE)
    inherited = [TreeEntry(b"LICENSE", _FILE, "", len(licence))] if licence is not None else []
    go_mod = await _archived_go_mod(repository, named, entries)
    checked = await asyncio.to_thread(check_files, [*entries, *inherited], go_mod)
    if checked.problem:
        raise Unbuildable(checked.problem)
    own = [entry for entry in checked.valid if entry.id]
    with await asyncio.to_thread(ZipWriter, into, zip_prefix(mv)) as writer:
        async with repository.contents(commit, folder, own) as files, _Pipe() as pipe:
            async for entry, chunks in files:
                name = entry.path.decode()
                if isinstance(chunks, Held):
                    await pipe.put(_put, writer, name, chunks, size=entry.size or 0)
                    continue
                await pipe.put(writer.begin, name)
                async for chunk in chunks:
                    await pipe.put(writer.write, chunk, size=len(chunk))
                await pipe.put(writer.end)
            if licence is not None and len(own) < len(checked.valid):
                await pipe.put(writer.add, "LICENSE", [licence])
    size = (await asyncio.to_thread(into.stat)).st_size
    if size > MAX_ZIP:
        raise Unbuildable(f"the zip has {size} bytes; {MAX_ZIP} are allowed")


def _put(writer: ZipWriter, name: str, body: Held) -> None:
    writer.put(name, body.load())


async def _archived_go_mod(
    repository: Repository, named: Named, entries: Sequence[TreeEntry]
) -> GoMod | None:
    """The go.mod as it comes out of `git archive`, which may differ from the blob; only the vendor rules look at it."""
    found = [entry for entry in entries if entry.path == b"go.mod" and entry.mode != _LINK]
    if not found or not any(b"vendor/" in entry.path for entry in entries):
        return None
    data = bytearray()
    async with repository.contents(named.revision.commit, named.place.folder, found) as files:
        async for _, chunks in files:
            async for chunk in chunks:
                data += chunk
                if len(data) > MAX_GO_MOD:
                    raise Unbuildable(f"go.mod file too large (max size is {MAX_GO_MOD} bytes)")
    try:
        return parse_lax(bytes(data))
    except InvalidModFile:
        return None


class _Pipe:
    """Calls made in order in a thread, a batch at a time, while the next batch is being gathered."""

    def __init__(self) -> None:
        self._batch: list[Callable[[], None]] = []
        self._size = 0
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is None:
            await self._hand_over()
        # A thread cannot be stopped, and what it works on must not be closed under it.
        if self._running is not None:
            await asyncio.wait([self._running])
            failure = self._running.exception()
            if kind is None and failure is not None:
                raise failure

    async def put(self, call: Callable[..., None], *arguments: Any, size: int = 0) -> None:
        """Have the call made later, on arguments of `size` bytes; raises what an earlier one raised."""
        self._batch.append(partial(call, *arguments))
        self._size += _CALL_COST + size
        if self._size >= _BATCH:
            await self._hand_over()

    async def _hand_over(self) -> None:
        if self._running is not None:
            await asyncio.shield(self._running)
        batch, self._batch, self._size = self._batch, [], 0
        self._running = asyncio.create_task(asyncio.to_thread(_run, batch))


def _run(batch: Sequence[Callable[[], None]]) -> None:
    for call in batch:
        call()
