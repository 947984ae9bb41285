"""What every ledger must do: on a folder, in memory, on a real S3-compatible server, and on Azure's own emulator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from goproxy_mirror.ports import Ledger
from goproxy_mirror.storage.bucketledger import BucketLedger
from goproxy_mirror.storage.ledger import FolderLedger
from goproxy_mirror.storage.remote import Remote
from tests.contracts.stores import LIMITS, bucket, new_prefix
from tests.world.azure import CONTAINER
from tests.world.objectstore import BUCKET

OpenLedger = Callable[[], Ledger]


@pytest.fixture(params=("folder", "memory", "s3", "azure"))
def open_ledger(request: pytest.FixtureRequest, folder: Path) -> OpenLedger:
    """Makes another ledger over the same records, as another process would."""
    if request.param == "folder":
        return lambda: FolderLedger(folder)
    if request.param == "memory":
        remote = Remote("memory://", {})
        return lambda: BucketLedger(remote)
    if request.param == "azure":
        azure = request.getfixturevalue("azure")
        container = f"az://{CONTAINER}/{new_prefix()}"
        return lambda: BucketLedger(Remote(container, azure.options, limits=LIMITS))
    server = request.getfixturevalue("s3")
    url = f"s3://{BUCKET}/{new_prefix()}"
    return lambda: BucketLedger(Remote(url, {"endpoint": server.url}, limits=LIMITS))


async def test_first_record_holds(open_ledger: OpenLedger) -> None:
    """Of many who create a record at once one is first, all get that one's, and it stays."""
    ledgers = [open_ledger() for _ in range(6)]
    name = "pins/corp.test/!secret@v1.0.0.zip"
    said = await asyncio.gather(*(each.create(name, b"%d" % n) for n, each in enumerate(ledgers)))
    assert len(set(said)) == 1
    assert await open_ledger().get(name) == said[0]
    assert await open_ledger().create(name, b"late") == said[0]
    assert await open_ledger().get("pins/corp.test/!secret@v1.0.0.mod") is None


async def test_records_are_listed(open_ledger: OpenLedger) -> None:
    """Each record below a prefix is listed once, and nothing where there is none."""
    ledger = open_ledger()
    assert [name async for name in ledger.list("pins/")] == []
    names = [f"pins/corp.test/m{n}@v1.0.0.mod" for n in range(5)]
    for name in [*names, "other/a"]:
        await ledger.create(name, b"x")
    assert sorted([name async for name in open_ledger().list("pins/")]) == names


async def test_records_in_a_bucket_are_no_files(folder: Path, request: pytest.FixtureRequest) -> None:
    """The store over the same bucket does not list them."""
    server, prefix = request.getfixturevalue("s3"), new_prefix()
    await BucketLedger(Remote(f"s3://{BUCKET}/{prefix}", {"endpoint": server.url}, limits=LIMITS)).create(
        "pins/a", b"x"
    )
    async with bucket(server, folder, prefix) as store:
        assert [key async for key in store.list("")] == []
