"""Stores of each kind for the contract, and a process of its own that publishes to one."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from goproxy_mirror.ports import Storage
from goproxy_mirror.storage.local import LocalStorage
from goproxy_mirror.storage.objects import ObjectStorage
from goproxy_mirror.storage.remote import Limits, Remote
from goproxy_mirror.storage.tier import Tier
from tests.world.azure import CONTAINER, AzureServer
from tests.world.objectstore import BUCKET, ObjectServer

LIMITS = Limits(connect=2.0, stall=1.0, answer=4.0, transfer=20.0, retries=1)
"""Short, since some tests wait for their end."""
_NUMBERS = itertools.count()


def use_credentials(patch: pytest.MonkeyPatch, server: ObjectServer) -> None:
    """Have the server's credentials in the environment, where its clients look for them."""
    for name, value in server.env().items():
        patch.setenv(name, value)


def new_prefix() -> str:
    """A part of the bucket that no test has used."""
    return f"part{next(_NUMBERS)}"


def bucket(
    server: ObjectServer,
    folder: Path,
    prefix: str,
    *,
    url: str = "",
    tier: int = 10**9,
    large: int = 6 << 20,
    redirect_above: int | None = None,
    instance: str = "",
    limits: Limits = LIMITS,
) -> ObjectStorage:
    """A node over a part of the server's bucket, reached at `url`."""
    remote = Remote(f"s3://{BUCKET}/{prefix}", {"endpoint": url or server.url}, limits=limits)
    return ObjectStorage(
        remote,
        Tier(folder, tier),
        instance=instance or folder.name,
        redirect_above=redirect_above,
        large=large,
    )


def container(server: AzureServer, folder: Path, prefix: str) -> ObjectStorage:
    """A node over a part of the container of Azure's emulator."""
    remote = Remote(f"az://{CONTAINER}/{prefix}", server.options, limits=LIMITS)
    return ObjectStorage(remote, Tier(folder, 10**9), instance=folder.name, large=6 << 20)


def memory(folder: Path) -> ObjectStorage:
    """A store in this process's memory."""
    return ObjectStorage(Remote("memory://", {}), Tier(folder, 10**9), instance="memory", large=6 << 20)


async def publish(store: Storage, key: str, body: bytes) -> bytes:
    """Publish a body, and read what stands under the key then."""
    async with store.stage() as staged:
        staged.write_bytes(body)
        return (await store.create(key, staged)).path.read_bytes()


async def found(store: Storage, key: str) -> bytes | None:
    """What is published under a key."""
    stored = await store.find(key)
    return None if stored is None else stored.path.read_bytes()


async def main(kind: str, url: str, prefix: str, folder: str, key: str, body: str) -> None:
    """Publish once a line comes in, and say what stands there then."""
    server: Mapping[str, str] = {"endpoint": url}
    async with AsyncExitStack() as stack:
        store: Storage
        if kind == "local":
            store = local = LocalStorage(Path(folder))
            local.open()
        else:
            remote = Remote(f"s3://{BUCKET}/{prefix}", server)
            store = await stack.enter_async_context(
                ObjectStorage(remote, Tier(Path(folder), 10**9), instance=body, large=6 << 20)
            )
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print((await publish(store, key, body.encode())).decode(), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
