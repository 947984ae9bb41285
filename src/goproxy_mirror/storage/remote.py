"""A bucket as this program needs it: few calls, each bounded in time, failures in words, absence only where it was said.

obstore speaks to the service. Its clients are made in the process that uses them, since its threads do not outlive a fork.
"""

from __future__ import annotations

import asyncio
import mmap
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
    UnknownConfigurationKeyError,
)
from obstore.store import AzureStore, GCSStore, MemoryStore, S3Store, from_url

from goproxy_mirror.errors import SettingError, StorageError, StoreRefused

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3CredentialProvider

_THERE = (AlreadyExistsError, PreconditionError)
"""What a write on the condition that nothing is there is answered with; Azure says the second too."""
_UNKNOWN = ("501 ", "NotImplemented<")
"""How a service says that it does not know what it was asked for."""
_SAID_ABSENT = ("NoSuchKey", "BlobNotFound")
"""The codes of S3 and Google, and of Azure, for an object that is not there. A bare 404 may be anybody's."""
_TYPES = {".zip": "application/zip", ".mod": "text/plain; charset=utf-8", ".info": "application/json"}
_ANY = "application/octet-stream"
"""What the bucket says of a file when it sends it itself."""
_CODE = re.compile(r"<Code>(\w{1,64})</Code>")
_STATUS = re.compile(r"status code: (\d{3}[A-Za-z ]{0,40})")
_NO_CREDENTIALS = "//169.254.169.254/"
"""The instance metadata of all three providers, which are asked at last, where nothing else gave credentials."""
_CHUNK = 1 << 20
_PART = 16 << 20
_SLOWEST = 256 << 10
"""Bytes a second, below which a transfer is given up."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds: to connect, without a byte while reading, for a small answer with all its retries, for one large file."""

    connect: float = 5.0
    stall: float = 10.0
    answer: float = 20.0
    transfer: float = 600.0
    retries: int = 3

    def within(self, size: int) -> float:
        """Seconds for so many bytes."""
        return min(self.transfer, self.answer + size / _SLOWEST)


@dataclass(frozen=True, slots=True)
class Meta:
    """An object: `size` in bytes, `modified` in seconds since the epoch, `digest` its SHA-256 in hex where it was kept."""

    size: int
    modified: float
    digest: str | None


class Unsupported(StorageError):
    """The service does not know what it was asked for."""


class Damaged(StorageError):
    """What arrived is not what was published."""


class Remote:
    """Objects below a URL (`s3://bucket/prefix`, `gs://`, `az://`, `memory://`), by key. Raises `StorageError`.

    `options` are obstore's own; secrets come from the environment, or for S3 from `credentials`. `ca` is a PEM text to trust
    beside the usual ones, `proxy` the URL of a forward proxy, which is not used for the hosts of `no_proxy`. Raises
    `SettingError`.
    """

    def __init__(
        self,
        url: str,
        options: Mapping[str, str],
        *,
        limits: Limits | None = None,
        ca: bytes | None = None,
        proxy: str | None = None,
        no_proxy: str = "",
        credentials: S3CredentialProvider | None = None,
    ) -> None:
        self.limits = limits or Limits()
        client: ClientConfig = {
            "connect_timeout": timedelta(seconds=self.limits.connect),
            "timeout": timedelta(seconds=self.limits.transfer),
            "user_agent": "goproxy-mirror",
        }
        if any(value.startswith("http://") for value in options.values()):
            client["allow_http"] = True
        if ca is not None:
            client["root_certificate"] = ca
        if proxy is not None:
            client["proxy_url"] = proxy
            client["proxy_excludes"] = f"{no_proxy},localhost,127.0.0.1,::1".lstrip(",")
        reading: ClientConfig = {**client, "read_timeout": timedelta(seconds=self.limits.stall)}
        self._reads = _opened(url, options, self.limits, reading, credentials)
        # A limit on silence would count from a request's first byte, and end a long upload.
        memory = isinstance(self._reads, MemoryStore)
        self._writes = self._reads if memory else _opened(url, options, self.limits, client, credentials)

    async def head(self, key: str) -> Meta | None:
        """What is known of an object, without its bytes; None where there is none."""
        with _told("look for " + key):
            async with asyncio.timeout(self.limits.answer):
                try:
                    return _meta(await self._reads.get_async(key, options={"head": True}))
                except FileNotFoundError:
                    pass
                try:  # of a HEAD's 404 nobody knows what is not there: the object, or the bucket
                    return _meta(await self._reads.get_async(key))
                except FileNotFoundError as error:
                    _check_absent(error)
                    return None

    async def get(self, key: str) -> tuple[Meta, AsyncIterator[bytes]] | None:
        """An object and its bytes in pieces; None where there is none."""
        with _told(f"read {key}"):
            async with asyncio.timeout(self.limits.answer):
                try:
                    result = await self._reads.get_async(key)
                except FileNotFoundError as error:
                    _check_absent(error)
                    return None
        return _meta(result), self._pieces(key, result)

    async def _pieces(self, key: str, result: obstore.GetResult) -> AsyncIterator[bytes]:
        stream = result.stream(min_chunk_size=_CHUNK)
        while True:
            with _told(f"read {key}"):
                try:
                    async with asyncio.timeout(self.limits.within(_CHUNK)):
                        piece = await anext(stream)
                except StopAsyncIteration:
                    return
            yield bytes(piece)

    async def put(self, key: str, body: bytes) -> None:
        """Write an object, whatever was there."""
        with _told(f"write {key}"):
            async with asyncio.timeout(self.limits.within(len(body))):
                await self._writes.put_async(key, body, use_multipart=False)

    async def put_once(self, key: str, body: bytes) -> bool:
        """Write an object only if nothing is there: False where something is."""
        with _told(f"write {key}"):
            async with asyncio.timeout(self.limits.within(len(body))):
                try:
                    await self._writes.put_async(key, body, mode="create", use_multipart=False)
                except _THERE:
                    return False
        return True

    async def put_file(self, key: str, path: Path, *, digest: str, once: bool = True) -> bool:
        """Write a file in one request, from mapped memory; with `once` only if nothing is there: False where something is."""
        with _told(f"write {key}"), _mapped(path) as body:
            async with asyncio.timeout(self.limits.within(len(body))):
                try:
                    await self._writes.put_async(
                        key,
                        body,
                        attributes={
                            "sha256": digest,
                            "Content-Type": _TYPES.get(key[key.rfind(".") :], _ANY),
                        },
                        mode="create" if once else "overwrite",
                        use_multipart=False,
                    )
                except _THERE:
                    return False
        return True

    async def put_parts(self, key: str, path: Path, *, beside: str) -> bool:
        """Write a large file in parts under `beside`, and copy it there if nothing is: False where something is."""
        size = (await asyncio.to_thread(path.stat)).st_size
        with _told(f"write {key}"):
            async with asyncio.timeout(self.limits.within(size)):
                try:
                    await self._writes.put_async(
                        beside, path, use_multipart=True, chunk_size=_PART, max_concurrency=4
                    )
                    return await self._copy_once(beside, key)
                finally:
                    await self._drop(beside)

    async def copies_once(self, source: str, key: str) -> bool:
        """Copy an object if nothing is at its goal: False where something is."""
        with _told(f"copy to {key}"):
            async with asyncio.timeout(self.limits.answer):
                return await self._copy_once(source, key)

    async def _copy_once(self, source: str, key: str) -> bool:
        try:
            await self._writes.copy_async(source, key, overwrite=False)
        except _THERE:
            return False
        return True

    async def delete(self, key: str) -> None:
        """Remove an object; no error where there is none."""
        with _told(f"delete {key}"):
            async with asyncio.timeout(self.limits.answer):
                try:
                    await self._writes.delete_async(key)
                except FileNotFoundError as error:
                    _check_absent(error)

    async def _drop(self, key: str) -> None:
        """Remove what nobody needs; what is left stays below `.tmp/`, where a rule of the bucket may end its life."""
        try:
            await self.delete(key)
        except StorageError:
            return

    async def list(self, folder: str, *, after: str | None = None) -> AsyncIterator[tuple[str, Meta]]:
        """The objects below a folder (no slash at its end; "" for all) in order, page by page; those behind the key `after`."""
        with _told("list"):
            pages = self._reads.list(folder or None, offset=after, chunk_size=1000)
        while True:
            with _told(f"list {folder}" if folder else "list what it holds"):
                try:
                    async with asyncio.timeout(self.limits.answer):
                        page = await anext(pages)
                except StopAsyncIteration:
                    return
            for item in page:
                yield item["path"], Meta(item["size"], item["last_modified"].timestamp(), None)

    @property
    def signs(self) -> bool:
        """Whether the service lets somebody else read an object by a URL."""
        return not isinstance(self._reads, MemoryStore)

    async def signed(self, key: str, seconds: float) -> str:
        """A URL by which anybody may read the object for so many seconds."""
        assert not isinstance(self._reads, MemoryStore), "asked for nothing that cannot sign"
        with _told(f"sign a URL for {key}"):
            async with asyncio.timeout(self.limits.answer):
                return await obstore.sign_async(self._reads, "GET", key, timedelta(seconds=seconds))


Store = S3Store | GCSStore | AzureStore | MemoryStore


def _opened(
    url: str,
    options: Mapping[str, str],
    limits: Limits,
    client: ClientConfig,
    credentials: S3CredentialProvider | None,
) -> Store:
    if url.startswith("memory:"):
        return MemoryStore()
    retry: RetryConfig = {
        "max_retries": limits.retries,
        "retry_timeout": timedelta(seconds=limits.answer * 0.75),
        "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2)},
    }
    said: dict[str, Any] = dict(options)
    if url.startswith("s3:"):
        said.setdefault("copy_if_not_exists", "multipart")
    if credentials is not None:
        said["credential_provider"] = credentials
    if url.startswith("gs:") and "endpoint" in said:
        said["base_url"] = said.pop("endpoint")  # the other services' name for it
    try:
        store = from_url(url, **said, client_options=client, retry_config=retry)
    except UnknownConfigurationKeyError as error:
        raise SettingError(
            f"store_options: {_first_line(error)}; allowed are the options of that service"
        ) from None
    except (BaseError, ValueError, OSError) as error:
        raise SettingError(
            f'store = "{url}": it cannot be opened ({_first_line(error)}); allowed is s3://bucket/prefix with what the '
            "service needs in store_options and in the environment"
        ) from None
    assert isinstance(store, S3Store | GCSStore | AzureStore), "the setting allows no other scheme"
    return store


def _meta(result: obstore.GetResult) -> Meta:
    digest = result.attributes.get("sha256")
    meta = result.meta
    return Meta(meta["size"], meta["last_modified"].timestamp(), str(digest) if digest else None)


def _check_absent(error: FileNotFoundError) -> None:
    """Raise it again, unless the service said that it has no such object."""
    text = str(error)
    if "Error performing" in text and not any(code in text for code in _SAID_ABSENT):
        raise error


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap | bytes]:
    """A file's bytes, where they need not be in memory all at once."""
    with path.open("rb") as file:
        if not path.stat().st_size:
            yield b""
            return
        # Never unmapped by hand: an upload that was given up may still read there, and its end lets go of it.
        yield mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


@contextmanager
def _told(task: str) -> Iterator[None]:
    """Say what obstore says in the store's terms; `task` completes "could not"."""
    try:
        yield
    except TimeoutError:
        raise StorageError(f"the object store could not {task}: no answer in time") from None
    except FileNotFoundError as error:
        raise StoreRefused(f"the object store could not {task}: {_reason(error)}") from None
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise StoreRefused(
            f"the object store could not {task}: {_reason(error)}; its credentials must allow to read, write, delete and list"
        ) from None
    except (BaseError, OSError, ValueError) as error:
        if _NO_CREDENTIALS in str(error):
            raise StoreRefused(
                f"the object store could not {task}: there are no credentials for it in the environment, and instance metadata "
                "give none"
            ) from None
        if "builder error" in str(error):
            raise StoreRefused(
                f"the object store could not {task}: its URL cannot be used; for http:// name it with --store-option endpoint="
            ) from None
        kind = Unsupported if any(sign in str(error) for sign in _UNKNOWN) else StorageError
        raise kind(f"the object store could not {task}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """What went wrong, without addresses, request ids and the rest of what a service answers."""
    text = str(error)
    if "External AWS credential provider" in text:
        return "its AWS profile gives no credentials"
    status, code = _STATUS.search(text), _CODE.search(text)
    if status or code:
        return " ".join(found.group(1).strip() for found in (status, code) if found)
    for sign, words in (
        ("timed out", "no answer in time"),
        ("Connect", "it cannot be connected to"),
        ("error sending request", "the connection broke"),
    ):
        if sign in text:
            return words
    return type(error).__name__ if "Error performing" in text else _first_line(error)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
