"""What a checksum database's client needs of the world: places to ask, the newest tree head, and a folder to keep things in."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

import structlog

from goproxy_mirror.gathering import Gathering
from goproxy_mirror.module.path import escape
from goproxy_mirror.ports import ChecksumDatabases, Found, Home, Standing, TreeHeads
from goproxy_mirror.sumdb.sharing import Shared

log = structlog.get_logger(__name__)

_SAFE = re.compile(r"[0-9a-z._@!+~-]+")
_PARTIAL = re.compile(r"(.+\.p)/([0-9]{1,9})")
_HASH_SIZE = 32
_MOMENT = 0.2
"""Seconds for which what the state says of the database is not read again."""

_MOST = 1 << 20
"""Bytes of anything that is kept; what was damaged may be larger."""


class SumDBOps:
    """`sumdb.ops.Ops` of one database.

    A folder below `base` keeps what has been verified: `lookup/…` and `tile/…`, by the database's own paths. Of a partial tile
    it keeps the widest only. The client proves again whatever it reads there, so the folder is expendable, and whoever can
    write to it gains nothing.
    """

    def __init__(self, name: str, places: ChecksumDatabases, heads: TreeHeads, base: Path) -> None:
        self._name = name
        self._places = places
        self._heads = heads
        self._folder = folder_of(base, name)
        self._keeping = Gathering("sumdb-keep", _write_all)
        self._shared = Shared()
        self._known: tuple[float, Standing] | None = None
        self._looks = 0

    async def fetch(self, path: str, without: Collection[Home] = ()) -> Found[bytes]:
        return await self._places.get(self._name, path, without)

    async def head(self) -> bytes:
        return (await self._standing()).note

    async def advance(self, old: bytes, new: bytes) -> bool:
        try:
            return await self._heads.advance(self._name, old, new)
        finally:
            self._look_again()

    async def fork(self) -> bytes | None:
        return (await self._standing()).evidence

    async def forked(self, evidence: bytes) -> None:
        try:
            await self._heads.forked(self._name, evidence)
        finally:
            self._look_again()

    async def _standing(self) -> Standing:
        """The newest head and the evidence, as they were within the last moment: hundreds of records are looked up at once.

        A head that is older than another process's proves the same records, and is not advanced from.
        """
        known = self._known
        if known is not None and time.monotonic() - known[0] < _MOMENT:
            return known[1]
        looks = self._looks
        return await self._shared.run(looks, lambda: self._look(looks))

    async def _look(self, looks: int) -> Standing:
        began = time.monotonic()
        standing = await self._heads.standing(self._name)
        if looks == self._looks:
            self._known = began, standing
        return standing

    def _look_again(self) -> None:
        """What was read before, or is being read, counts no more."""
        self._looks += 1
        self._known = None

    async def kept(self, path: str) -> bytes | None:
        file = self._file(path)
        if file is None or (
            path.startswith("lookup/") and not file.exists()
        ):  # one `stat`, which most often says no
            return None
        return await asyncio.to_thread(_read, file, path)

    async def keep(self, path: str, body: bytes) -> None:
        file = self._file(path)
        if file is None:
            return
        try:
            await self._keeping.do((file, body))
        except OSError as error:
            log.warning("verified, but not kept", database=self._name, path=path, reason=error.strerror)

    def _file(self, path: str) -> Path | None:
        """Where a path is kept; None for what has no safe name (the paths of modules and tiles all have one)."""
        parts = path.split("/")
        if not all(_SAFE.fullmatch(part) and part not in {".", ".."} and len(part) <= 200 for part in parts):
            return None
        return self._folder.joinpath(*parts)


def folder_of(base: Path, name: str) -> Path:
    """The folder of a database below `base`: its name, with whatever is no plain character written as `%` and its code."""
    parts = []
    for part in name.split("/"):
        plain = "".join(
            char if re.match(r"[0-9a-z._!-]", char) else "".join(f"%{byte:02x}" for byte in char.encode())
            for char in escape(part)
        )
        parts.append(plain if plain.strip(".") else "%2e" * len(plain) or "%")
    return base.joinpath("%2f".join(parts))


def _read(file: Path, path: str) -> bytes | None:
    with suppress(OSError):
        return _content(file)
    partial = _PARTIAL.fullmatch(path)
    if partial is None:
        return None
    # The widest of a partial tile has every narrower one in it.
    wanted = int(partial[2])
    with suppress(OSError):
        for other in file.parent.iterdir():
            if other.name.isdecimal() and int(other.name) > wanted:
                return _content(other)[: wanted * _HASH_SIZE]
    return None


def _content(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(_MOST)


def _write_all(files: Sequence[tuple[Path, bytes]]) -> Sequence[Exception | None]:
    return [_written(file, body) for file, body in files]


def _written(file: Path, body: bytes) -> OSError | None:
    fresh = file.parent / f".{os.getpid()}-{secrets.token_hex(4)}"
    try:
        try:
            fresh.write_bytes(body)
        except FileNotFoundError:
            file.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(body)
        fresh.replace(file)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink()
        return error
    _drop_narrower(file)
    return None


def _drop_narrower(file: Path) -> None:
    """Remove the partial tiles that the one just written has in it."""
    with suppress(OSError):
        if file.parent.suffix == ".p":
            for other in file.parent.iterdir():
                if other.name.isdecimal() and int(other.name) < int(file.name):
                    other.unlink()
        elif (partials := file.with_name(f"{file.name}.p")).is_dir():
            for other in partials.iterdir():
                other.unlink()
            partials.rmdir()
