"""The store in a bucket: objects created once by conditional write, behind a bounded folder on this machine.

What was published is brought here when it is asked for, once for all who ask. Where the service does not honour conditional
writes, one node alone may publish; it says so below `_state/writers/`, and looks there for others.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from goproxy_mirror.errors import StorageError, StorageFull, disk_failures
from goproxy_mirror.ports import FileKind, RemoteFile, StoredFile
from goproxy_mirror.storage.remote import Damaged, Meta, Remote, Unsupported
from goproxy_mirror.storage.removals import Removals
from goproxy_mirror.storage.tier import Tier, digest_of, is_inside, receive

log = structlog.get_logger(__name__)
T = TypeVar("T")

_FIXED = tuple(kind.value for kind in FileKind)
"""Names of what never changes; everything else (`@v/list`) is read anew each time."""
_OURS = (".tmp/", "_state/")
"""Objects that are no published files."""
_SIGNED_FOR = 300.0
_WRITER_FOR = 600.0
"""Seconds for which a node that said that it writes counts as writing."""
_WRITER_SAYS = 60.0
_READY_FOR = 5.0
"""Seconds between two trials: whoever balances load asks often, and each of them is paid for."""
_TRIES = 3
"""A service may refuse a write for another one that is under way and then fails, so that nothing is there after both."""
_FORGOTTEN = 24 * 3600.0
"""Seconds after which an unfinished upload is nobody's."""


@dataclass(frozen=True, slots=True)
class Honours:
    """Whether the service refuses to replace what is there: when it is written to, and when it is copied to."""

    writes: bool
    copies: bool


class ObjectStorage:
    """`ports.Storage` in a bucket. `instance` names this node, `large` bytes are written in parts, and what has at least
    `redirect_above` is left to the bucket to send. What other nodes delete is noticed every `look_every` seconds."""

    def __init__(
        self,
        remote: Remote,
        tier: Tier,
        *,
        instance: str,
        redirect_above: int | None = None,
        large: int = 64 << 20,
        look_every: float = 60.0,
    ) -> None:
        self._remote = remote
        self._tier = tier
        self._instance = instance
        self._redirect_above = redirect_above if remote.signs else None
        self._large = large
        self._honours: Honours | None = None
        self._said_writer = 0.0
        self._ready_until = 0.0
        self._tasks: dict[str, asyncio.Task[object]] = {}
        self._removals = Removals(remote, tier, every=look_every)

    async def __aenter__(self) -> ObjectStorage:
        """Make the tier's folder. Asks nobody: what is held here is served while the store is down."""
        await asyncio.to_thread(self._tier.open)
        self._tasks["removals"] = asyncio.create_task(self._removals.watch())
        return self

    async def __aexit__(self, *exc: object) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def look(self, key: str) -> StoredFile | None:
        """The file, where it is on this machine and to be sent from here."""
        if not _checked(key).endswith(_FIXED):
            return None
        stored = self._tier.look(key)
        if stored is not None and self._redirect_above is not None and stored.size >= self._redirect_above:
            return None
        return stored

    async def find(self, key: str) -> StoredFile | None:
        if not _checked(key).endswith(_FIXED):
            return await self._bring(key)
        stored = self._tier.look(key)
        if stored is not None:
            return stored
        looking = key in self._tasks
        stored = await self._joined(key, partial(self._bring, key))
        # A look that began before we asked may be older than what another node has published: who was told by it that the node
        # is done, and has the turn now, would fetch it again.
        if stored is None and looking:
            stored = await self._joined(key, partial(self._bring, key))
        return stored

    async def offer(self, key: str) -> StoredFile | RemoteFile | None:
        """The file as a client is to have it: from here, or by a URL of the bucket where it is large."""
        stored = self.look(key)
        if stored is not None or self._redirect_above is None or not key.endswith(FileKind.ZIP.value):
            return stored or await self.find(key)
        meta = await self._joined(f"{key} size", partial(self._remote.head, key))
        if meta is None:
            return None
        if meta.size < self._redirect_above:
            return await self.find(key)
        return RemoteFile(meta.size, meta.modified, await self._remote.signed(key, _SIGNED_FOR))

    async def measure(self, key: str) -> tuple[int, float] | None:
        meta = await self._remote.head(_checked(key))
        return None if meta is None else (meta.size, meta.modified)

    def stage(self) -> AbstractAsyncContextManager[Path]:
        return self._tier.stage()

    async def create(self, key: str, staged: Path) -> StoredFile:
        _checked(key)
        with disk_failures(f"publish {key}"):
            size = (await asyncio.to_thread(staged.stat)).st_size
            digest = await asyncio.to_thread(digest_of, staged)
        published = None
        for _ in range(_TRIES):
            ours = await self._written(key, staged, size, digest)
            published = await self._remote.head(key)
            if ours or published is not None:
                break
        if published is None:
            raise StorageError(
                f"{key} was published and is gone: is another program removing objects from the bucket?"
            )
        same = digest == published.digest or (ours and published.digest is None)
        if same and published.size == size:
            with suppress(StorageError):  # it is published, whatever is wrong with this machine's disk
                return await self._tier.place(key, staged, published.modified)
        elif ours:
            raise StorageError(f"{key} was written to the object store, which now holds something else")
        stored = await self._bring(key)  # anew: who is asking already may have been told that there is none
        if stored is None:
            raise StorageError(f"{key} was there and is gone; ask again")
        return stored

    async def _written(self, key: str, staged: Path, size: int, digest: str) -> bool:
        """Write a file if nothing is there: False where something is."""
        honours = await self._known()
        if honours.writes and honours.copies and size > self._large:
            beside = f".tmp/{self._instance}-{secrets.token_hex(8)}"
            return await self._remote.put_parts(key, staged, beside=beside)
        if honours.writes:
            return await self._remote.put_file(key, staged, digest=digest)
        await self._write_alone()
        if await self._remote.head(key) is not None:
            return False
        return await self._remote.put_file(key, staged, digest=digest, once=False)

    async def publish(self, key: str, body: bytes) -> tuple[StoredFile, bool]:
        async with self.stage() as staged:
            with disk_failures("write the file"):
                await asyncio.to_thread(staged.write_bytes, body)
            stored = await self.create(key, staged)
        with disk_failures("read the file"):
            return stored, await asyncio.to_thread(stored.path.read_bytes) == body

    async def replace(self, key: str, body: bytes) -> None:
        await self._remote.put(_checked(key), body)

    async def list(self, prefix: str) -> AsyncIterator[str]:
        async for key, _ in self._remote.list(prefix.rpartition("/")[0]):
            if key.startswith(prefix) and not key.startswith(_OURS):
                yield key

    async def delete(self, key: str) -> None:
        if _checked(key).endswith(
            _FIXED
        ):  # nothing else is in anybody's folder for longer than an answer takes
            await self._removals.say(key)
        await self._remote.delete(key)
        await self._tier.drop(key)

    async def ready(self) -> None:
        """Whether a file could be published now, or could a moment ago; raises `StorageError`."""
        if time.monotonic() < self._ready_until:
            return
        await self._joined("ready", partial(self._remote.put, f"_state/ready/{self._instance}", b"ready"))
        self._ready_until = time.monotonic() + _READY_FOR

    async def probe(self) -> Honours:
        """Try whether what is there can be replaced by who must not; raises `StorageError`, `StoreRefused` among them."""
        first, second = (f"_state/probe/{secrets.token_hex(8)}" for _ in range(2))
        if await self._remote.head(first) is not None:
            raise StorageError("the object store claims to have what nobody wrote")
        await self._reclaim()
        await self._remote.put(second, b"second")
        try:
            await self._remote.put(first, b"first")
            try:
                writes = not await self._created(first, b"another")
            except Unsupported:
                writes = False  # it does not know of conditions, and says so
            try:
                copies = not await self._remote.copies_once(second, first)
            except StorageError:
                copies = False  # the way of large files only, which can be written in one request as well
            meta_and_body = await self._remote.get(first)
            body = b"" if meta_and_body is None else b"".join([piece async for piece in meta_and_body[1]])
            honours = Honours(writes and body == b"first", copies and body == b"first")
        finally:
            for key in (first, second):
                await self._remote.delete(key)
        self._honours = honours
        if not honours.writes:
            log.warning(
                "the object store does not honour conditional writes",
                instead="this node alone may publish to it; another that tries is refused",
            )
        return honours

    async def _reclaim(self) -> None:
        """Remove what uploads that were cut off have left, and what all nodes have heard."""
        await self._removals.reclaim()
        async for key, meta in self._remote.list(".tmp"):
            if time.time() - meta.modified > _FORGOTTEN:
                await self._remote.delete(key)

    async def _created(self, key: str, body: bytes) -> bool:
        async with self._tier.stage() as staged:
            await asyncio.to_thread(staged.write_bytes, body)
            return await self._remote.put_file(key, staged, digest=await asyncio.to_thread(digest_of, staged))

    async def _known(self) -> Honours:
        """What the probe found out; it is made up for where the store was down at the start."""
        if self._honours is not None:
            return self._honours
        return await self._joined("probe", self.probe)

    async def _write_alone(self) -> None:
        """Say that this node writes, and refuse to where another does."""
        if time.monotonic() - self._said_writer < _WRITER_SAYS and self._said_writer:
            return
        await self._remote.put(f"_state/writers/{self._instance}", b"")
        async for key, meta in self._remote.list("_state/writers"):
            name = key.rpartition("/")[2]
            if name != self._instance and time.time() - meta.modified < _WRITER_FOR:
                raise StorageError(
                    f"another node ({name}) publishes to this object store, which does not honour conditional writes: one "
                    "may, and has to have been silent for ten minutes before the next does"
                )
        self._said_writer = time.monotonic()

    async def _bring(self, key: str) -> StoredFile | None:
        """Have the object here. Of two attempts: what arrives damaged may arrive whole, and the tier can make room."""
        try:
            return await self._brought(key)
        except StorageFull:
            await self._tier.sweep(half=True)
            return await self._brought(key)
        except Damaged as error:
            log.info("read again", key=key, reason=error.message)
            return await self._brought(key)

    async def _brought(self, key: str) -> StoredFile | None:
        async with self._tier.stage() as staged:
            found = await self._remote.get(key)
            if found is None:
                return None
            meta, pieces = found
            await self._received(key, staged, meta, pieces)
            return await self._tier.place(key, staged, meta.modified)

    async def _received(self, key: str, staged: Path, meta: Meta, pieces: AsyncIterator[bytes]) -> None:
        try:
            async with asyncio.timeout(self._remote.limits.within(meta.size)):
                await receive(pieces, staged, size=meta.size, digest=meta.digest)
        except TimeoutError:
            raise StorageError(f"the object store could not read {key}: no answer in time") from None

    async def _joined(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` brings, done once for all who ask meanwhile; who goes away cancels nothing."""
        task = self._tasks.get(name)
        if task is None or task.done():
            task = asyncio.ensure_future(_outcome(work))
            self._tasks[name] = task
            task.add_done_callback(partial(self._forget, name))
        outcome = await asyncio.shield(task)
        if isinstance(outcome, StorageError):
            raise type(outcome)(outcome.message)  # one object in many tasks would gather all their tracebacks
        return outcome  # type: ignore[return-value]  # who uses a name uses it for one kind of work

    def _forget(self, name: str, done: asyncio.Task[object]) -> None:
        if self._tasks.get(name) is done:
            del self._tasks[name]


async def _outcome(work: Callable[[], Awaitable[object]]) -> object:
    try:
        return await work()
    except StorageError as error:
        return error


def _checked(key: str) -> str:
    """The key, which the protocol's parser has already checked; said again here since what follows touches disk and bucket."""
    if key.startswith(_OURS) or not is_inside(key):
        raise StorageError(f"{key!r} is no key of a published file")
    return key
