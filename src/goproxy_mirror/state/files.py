"""What is known about the files, in plain files of the state folder: small, shared by the worker processes, expendable."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import structlog
from filelock import AsyncFileLock, Timeout

from goproxy_mirror.ports import Home, Kept, Proof

log = structlog.get_logger(__name__)


class FileAnswers:
    """`ports.Answers` as one file per key: a line of JSON about the answer, then its body."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def get(self, key: str) -> Kept | None:
        try:
            raw = await asyncio.to_thread(self._path(key).read_bytes)
        except OSError:
            return None
        head, newline, body = raw.partition(b"\n")
        with suppress(ValueError, KeyError, TypeError):
            about: dict[str, Any] = json.loads(head)
            if newline and about["key"] == key and about["size"] == len(body):
                home = Home(about["kind"], about["home"]) if about.get("home") else None
                return Kept(body, float(about["fetched"]), home)
        return None

    async def put(self, key: str, kept: Kept) -> None:
        about: dict[str, Any] = {"key": key, "fetched": kept.fetched, "size": len(kept.body)}
        if kept.home is not None:
            about |= {"kind": kept.home.kind, "home": kept.home.name}
        try:
            await asyncio.to_thread(_write, self._path(key), json.dumps(about).encode() + b"\n" + kept.body)
        except OSError as error:
            log.warning("answer not kept", key=key, reason=error.strerror)

    def _path(self, key: str) -> Path:
        name = sha256(key.encode()).hexdigest()
        return self._folder / name[:2] / name[2:]


class Journal:
    """`ports.Provenance` as an append-only file of JSON lines: one line for each published file, oldest first."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def record(self, key: str, home: Home, *, size: int, proof: Proof | None) -> None:
        line = {
            "key": key,
            "home": home.name,
            "kind": home.kind,
            "size": size,
            "proven": proof is not None and bool(proof.by),
            "at": round(time.time(), 3),
        }
        try:
            await asyncio.to_thread(_append, self._path, json.dumps(line).encode() + b"\n")
        except OSError as error:
            log.warning("provenance not recorded", key=key, home=home.name, reason=error.strerror)

    async def unproven(self) -> frozenset[str]:
        return frozenset()

    async def proved(self, key: str, proof: Proof) -> None:
        pass

    async def forget(self, key: str) -> None:
        pass


class FileTurns:
    """`ports.Turns` by advisory file locks, which the operating system takes back from a dead process.

    65,536 lock files stand for all keys, so that the folder does not grow without bound; two keys that meet in one merely
    wait for each other.
    """

    def __init__(self, folder: Path, *, wait: float) -> None:
        self._folder = folder
        self._wait = wait

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        name = sha256(key.encode()).hexdigest()
        path = self._folder / name[:2] / f"{name[2:4]}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = AsyncFileLock(
                path, timeout=self._wait, poll_interval=0.02, run_in_executor=False, is_singleton=False
            )
            await lock.acquire()
        except (Timeout, OSError) as error:
            # A turn only saves work: what is published is decided by create-once.
            log.warning(
                "going on without a turn",
                key=key,
                reason=str(error) if isinstance(error, OSError) else "waited too long",
            )
            yield
            return
        try:
            yield
        finally:
            await lock.release()


def instance_id(folder: Path) -> str:
    """A name for this installation (12 hex digits), the same for all its processes and after a restart. Blocks."""
    path = folder / "instance"
    with suppress(OSError):
        text = path.read_text("ascii").strip()
        if len(text) == 12 and text.isalnum():
            return text
    fresh = secrets.token_hex(6)
    _write(path, fresh.encode())
    return fresh


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.parent / f".{os.getpid()}-{secrets.token_hex(4)}"
    try:
        fresh.write_bytes(content)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _append(path: Path, line: bytes) -> None:
    # One write with O_APPEND: lines of several processes do not mix.
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)
