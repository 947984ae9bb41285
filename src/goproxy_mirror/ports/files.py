"""Published files, answers that have a time to live, and what is known about both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from goproxy_mirror.module.version import ModuleVersion
from goproxy_mirror.ports.modules import Home, Proof


class FileKind(Enum):
    """The three files of a module version; the value is the file name's ending."""

    INFO = ".info"
    MOD = ".mod"
    ZIP = ".zip"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A whole, durable file of the store: `size` in bytes, `modified` in seconds since the epoch."""

    path: Path
    size: int
    modified: float


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A published file that its store sends itself; `size` and `modified` as a `StoredFile` has them.

    `url` gives it to whoever has the URL, for a few minutes.
    """

    size: int
    modified: float
    url: str


class Storage(Protocol):
    """Published files by key; a key is the protocol's escaped path (`golang.org/x/text/@v/v0.3.0.zip`).

    Raises `StorageError`, or `StorageFull` where there is no room.
    """

    def look(self, key: str) -> StoredFile | None:
        """The file, if it is published and on this machine. One `stat`: quick enough to be called on the event loop.

        Where the store is elsewhere, None does not say that it is absent: `find` knows.
        """
        ...

    async def find(self, key: str) -> StoredFile | None:
        """The file, if it is published; brought to this machine where the store is elsewhere."""
        ...

    async def offer(self, key: str) -> StoredFile | RemoteFile | None:
        """The file as a client is to be sent it: like `find`, but its store may send what is large."""
        ...

    async def measure(self, key: str) -> tuple[int, float] | None:
        """How many bytes a published file has, and since when it is there (seconds since the epoch); it stays where it is."""
        ...

    def stage(self) -> AbstractAsyncContextManager[Path]:
        """An empty private file to write to, removed at the end unless `create` took it."""
        ...

    async def create(self, key: str, staged: Path) -> StoredFile:
        """Publish a staged file unless the key is there already; durable before it returns.

        Returns what is published under the key, which is another's file where that one was first.
        """
        ...

    async def publish(self, key: str, body: bytes) -> tuple[StoredFile, bool]:
        """Publish a small file (`.info`, `.mod`) unless the key is there already; durable before it returns.

        Like `stage`, a write and `create`, at the cost of one step. Returns what is published under the key, and whether it
        has these bytes.
        """
        ...

    async def replace(self, key: str, body: bytes) -> None:
        """Replace a derived file (`@v/list`) atomically."""
        ...

    def list(self, prefix: str) -> AsyncIterator[str]:
        """The keys of published files below a prefix, in no order."""
        ...

    async def delete(self, key: str) -> None:
        """Remove a published file; no error where there is none."""
        ...

    async def ready(self) -> None:
        """Say nothing where a file could be published now."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer without a fixed content (a list, `@latest`, a query), as it was when it was fetched.

    `fetched` is in seconds since the epoch; `home` is None where it was not recorded.
    """

    body: bytes
    fetched: float
    home: Home | None


class Answers(Protocol):
    """Answers that have a time to live, by key (`golang.org/x/text/@v/list`); shared by the worker processes.

    Losing one costs a fetch and nothing else.
    """

    async def get(self, key: str) -> Kept | None: ...

    async def put(self, key: str, kept: Kept) -> None: ...


class Provenance(Protocol):
    """Where each published file came from, and why it is believed. Raises `StorageError`."""

    async def record(self, key: str, home: Home, *, size: int, proof: Proof | None) -> None:
        """Said before the file is visible; `proof` is None for an `.info`, which is believed with its `.mod`."""
        ...

    async def unproven(self) -> frozenset[str]:
        """Keys of `.mod` and `.zip` files that were published without a proof, and have none since."""
        ...

    async def proved(self, key: str, proof: Proof) -> None:
        """The stored file was proven."""
        ...

    async def held(self, mv: ModuleVersion) -> None:
        """The version's `.info` and `.mod` are published: it enters the feeds, unless it stands there."""
        ...

    async def forget(self, key: str) -> None:
        """The file is not published any more; nor is a version held without its `.info` or its `.mod`."""
        ...


class Turns(Protocol):
    """One holder per key among all processes that share a store."""

    def hold(self, key: str) -> AbstractAsyncContextManager[None]:
        """Wait for the key's turn, for a bounded time; leaving gives it up. Saves work and decides nothing."""
        ...
