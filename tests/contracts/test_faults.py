"""What happens to a store in a bucket when the way to it, or the service, fails: nothing torn, nothing lost, no absence."""

from __future__ import annotations

import asyncio
import http.client
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from goproxy_mirror.errors import StorageError, StoreRefused
from goproxy_mirror.storage.bucketledger import BucketLedger
from goproxy_mirror.storage.objects import ObjectStorage
from goproxy_mirror.storage.remote import Remote
from goproxy_mirror.storage.tier import Tier
from tests.contracts.stores import LIMITS, bucket, found, new_prefix, publish
from tests.world.faults import Call, Fault, FaultyWay
from tests.world.objectstore import BUCKET, ObjectServer

KEY = "a.b/m/@v/v1.0.0.zip"
BODY = bytes(range(256)) * 2000
SMALL = b"module a.b/m\n\ngo 1.20\n" + b"// a comment\n" * 10


def files_below(folder: Path) -> set[Path]:
    """Everything that stands in a tier, unfinished files too."""
    return {each for each in folder.rglob("*") if each.is_file()}


async def naive(store: ObjectStorage, way: FaultyWay, key: str) -> bytes | str:
    """What a client gets on the same way that believes whatever comes."""
    url = urlsplit(await store._remote.signed(key, 60))

    def ask() -> bytes | str:
        connection = http.client.HTTPConnection("127.0.0.1", way.port, timeout=1)
        try:
            connection.request("GET", f"{url.path}?{url.query}")
            answer = connection.getresponse()
            body = answer.read()
        except http.client.IncompleteRead as error:
            return error.partial
        except OSError as error:
            return type(error).__name__
        else:
            return body if answer.status == 200 else f"status {answer.status}"
        finally:
            connection.close()

    return await asyncio.to_thread(ask)


@pytest.mark.parametrize(
    "fault", ["503", "403", "html404", "refused", "lost", "truncated", "flipped", "hang", "slow"]
)
async def test_failed_read_is_no_absence(
    s3: ObjectServer, way: FaultyWay, tmp_path: Path, fault: Fault
) -> None:
    """Whatever goes wrong on every read, the answer is a failure within bounds, and nothing of it stays in the tier."""
    prefix = new_prefix()
    key = "a.b/m/@v/v1.0.0.mod"
    limits = replace(LIMITS, stall=0.5, answer=1.0) if fault in {"hang", "slow"} else LIMITS
    async with bucket(s3, tmp_path / "a", prefix) as healthy:
        await publish(healthy, key, SMALL)
    async with bucket(s3, tmp_path / "b", prefix, url=way.url, limits=limits) as store:
        way.clear(lambda _call: fault)
        async with asyncio.timeout(LIMITS.answer * 3):
            with pytest.raises(StorageError):
                await store.find(key)
        assert files_below(tmp_path / "b") == set()
        # Positive control: the way is as bad as it is said to be, and good again when it is told so.
        assert way.hits
        if fault != "slow":  # which brings the right bytes, to who has the time
            assert await naive(store, way, key) != SMALL
        way.clear()
        assert await naive(store, way, key) == SMALL
    async with bucket(s3, tmp_path / "b", prefix, url=way.url) as store:
        assert await found(store, key) == SMALL


@pytest.mark.parametrize("fault", ["503", "refused", "lost", "truncated", "flipped"])
async def test_one_failure_is_made_up_for(
    s3: ObjectServer, way: FaultyWay, tmp_path: Path, fault: Fault
) -> None:
    """A read that fails once is made again, and brings the right bytes."""
    prefix = new_prefix()
    async with bucket(s3, tmp_path / "a", prefix) as healthy:
        await publish(healthy, KEY, BODY)
    async with bucket(s3, tmp_path / "b", prefix, url=way.url) as store:
        way.clear(lambda call: fault if call.number == 0 else None)
        assert await found(store, KEY) == BODY
        assert (way.hits, len(way.calls) > 1) == (1, True)


async def test_latency_is_shared(s3: ObjectServer, way: FaultyWay, tmp_path: Path) -> None:
    """A thousand who want the same at once cost one read, and later ones none."""
    prefix = new_prefix()
    async with bucket(s3, tmp_path / "a", prefix) as healthy:
        await publish(healthy, KEY, BODY)
    async with bucket(s3, tmp_path / "b", prefix, url=way.url) as store:
        sizes = await asyncio.gather(*(store.find(KEY) for _ in range(1000)))
        assert {each.size for each in sizes if each is not None} == {len(BODY)}
        await store.find(KEY)
        assert [call.method for call in way.calls] == ["GET"]


async def test_client_that_leaves_cancels_nothing(s3: ObjectServer, way: FaultyWay, tmp_path: Path) -> None:
    """Of two who wait for the same read one goes, and the other gets it."""
    prefix = new_prefix()
    async with bucket(s3, tmp_path / "a", prefix) as healthy:
        await publish(healthy, KEY, BODY)
    async with bucket(s3, tmp_path / "b", prefix, url=way.url) as store:
        first = asyncio.create_task(store.find(KEY))
        second = asyncio.create_task(store.find(KEY))
        await asyncio.sleep(0)
        first.cancel()
        stored = await second
        assert stored is not None
        assert stored.path.read_bytes() == BODY
        assert len(way.calls) == 1


async def test_storm_of_refusals_hangs_nobody(s3: ObjectServer, way: FaultyWay, tmp_path: Path) -> None:
    """While the service says SlowDown to everything, each of many requests has its failure within bounds."""
    async with bucket(s3, tmp_path / "b", new_prefix(), url=way.url) as store:
        way.clear(lambda _call: "503")
        async with asyncio.timeout(LIMITS.answer * 3):
            ends = await asyncio.gather(
                *(store.find(f"a.b/m/@v/v1.{n}.0.mod") for n in range(50)), return_exceptions=True
            )
        assert {type(end) for end in ends} == {StorageError}
        assert "503" in str(ends[0])


async def settle(s3: ObjectServer, tmp_path: Path, prefix: str, key: str) -> bytes | None:
    """What stands under a key for a node that has seen nothing yet, and whose way is good."""
    folder = tmp_path / "fresh"
    shutil.rmtree(folder, ignore_errors=True)
    async with bucket(s3, folder, prefix) as fresh:
        return await found(fresh, key)


@pytest.mark.parametrize("how", ["refused", "lost"])
@pytest.mark.parametrize("size", [len(BODY), 6 << 20], ids=["in-one", "in-parts"])
async def test_cut_at_every_call_of_a_publication(
    s3: ObjectServer, way: FaultyWay, tmp_path: Path, size: int, how: Fault
) -> None:
    """The connection is cut at each call of a publication, and stays so: what is there is whole or not there at all.

    Nobody was told that it is published where it is not, and who tries again publishes it.
    """
    body = BODY * (size // len(BODY) + 1) if size > len(BODY) else BODY
    prefix = new_prefix()
    folder = tmp_path / "node"
    async with bucket(s3, folder, prefix, url=way.url, limits=replace(LIMITS, retries=0)) as store:
        await store.probe()
        way.clear()
        await publish(store, "a.b/m/@v/v0.0.0.zip", body)
        calls = len(way.calls)
        assert calls >= (2 if size == len(BODY) else 7)
        for cut in range(calls):
            key = f"a.b/m/@v/v1.0.{cut}.zip"
            way.clear(lambda call, cut=cut: how if call.number >= cut else None)  # type: ignore[misc]
            said = None
            with suppress(StorageError):
                said = await publish(store, key, body)
            assert way.hits, "the cut came after the end"
            way.clear()
            there = await settle(s3, tmp_path, prefix, key)
            assert there in (None, body), f"torn at call {cut}"
            assert said is None or there == said, f"said too early at call {cut}"
            assert await publish(store, key, body) == body
            assert await settle(s3, tmp_path, prefix, key) == body
    assert {each.suffix for each in files_below(folder)} == {".zip"}


async def test_torn_publication_is_seen(s3: ObjectServer, way: FaultyWay, tmp_path: Path) -> None:
    """Positive control of the one above: a writer that publishes in two steps leaves half a file at one of the cuts."""
    prefix = new_prefix()
    remote = Remote(f"s3://{BUCKET}/{prefix}", {"endpoint": way.url}, limits=LIMITS)
    torn = 0
    for cut in range(2):
        key = f"a.b/m/@v/v1.0.{cut}.zip"
        way.clear(lambda call, cut=cut: "refused" if call.number >= cut else None)  # type: ignore[misc]
        with suppress(StorageError):
            await remote.put(key, BODY[:1000])
            await remote.put(key, BODY)
        way.clear()
        torn += await settle(s3, tmp_path, prefix, key) not in (None, BODY)
    assert torn == 1


async def test_lost_answer_does_not_lose_the_race(s3: ObjectServer, way: FaultyWay, tmp_path: Path) -> None:
    """Where the answer to a write was lost, a second writer gets the bytes of the first, and so does the first."""
    prefix = new_prefix()
    async with (
        bucket(s3, tmp_path / "a", prefix, url=way.url) as first,
        bucket(s3, tmp_path / "b", prefix) as second,
    ):
        await first.probe()
        way.clear(lambda call: "lost" if call.method == "PUT" else None)
        with pytest.raises(StorageError):
            await publish(first, KEY, b"first")
        way.clear()
        assert await publish(second, KEY, b"second") == b"first"
        assert await publish(first, KEY, b"third") == b"first"


async def test_refused_for_a_write_that_came_to_nothing(
    s3: ObjectServer, way: FaultyWay, tmp_path: Path
) -> None:
    """A service may say that somebody else is writing just now; where nothing is there afterwards, it is written after all."""
    prefix = new_prefix()
    ledger = BucketLedger(Remote(f"s3://{BUCKET}/{prefix}", {"endpoint": way.url}, limits=LIMITS))
    async with bucket(s3, tmp_path / "a", prefix, url=way.url) as store:
        await store.probe()
        way.clear(lambda call: "409" if call.method == "PUT" and way.hits < 2 else None)
        assert await publish(store, KEY, b"mine") == b"mine"
        assert way.hits == 2
        way.clear(lambda call: "409" if call.method == "PUT" and way.hits < 2 else None)
        assert await ledger.create("pins/a", b"mine") == b"mine"
        assert way.hits == 2
        # Positive control: who is refused for good is told so, and nothing is claimed to be there.
        way.clear(lambda call: "409" if call.method == "PUT" else None)
        with pytest.raises(StorageError):
            await publish(store, "a.b/m/@v/v1.1.0.zip", b"mine")
        with pytest.raises(StorageError):
            await ledger.create("pins/b", b"mine")


async def test_service_that_knows_no_conditions(s3: ObjectServer, way: FaultyWay, tmp_path: Path) -> None:
    """One that answers a condition with 501 is taken for what it is, and written to by one node."""
    async with bucket(s3, tmp_path / "a", new_prefix(), url=way.url) as store:
        way.clear(lambda call: "501" if "if-none-match" in call.headers else None)
        honours = await store.probe()
        assert (honours.writes, honours.copies) == (False, False)
        assert way.hits
        assert await publish(store, KEY, b"first") == b"first"
        assert await publish(store, KEY, b"second") == b"first"


async def test_service_that_replaces_is_found_out(s3: ObjectServer, way: FaultyWay, tmp_path: Path) -> None:
    """Where a write replaces although it must not, the start finds out; one node may publish, and a second may not."""
    prefix = new_prefix()

    def forget(call: Call) -> None:
        if "if-none-match" in call.headers:
            (s3.folder / unquote(urlsplit(call.target).path).lstrip("/")).unlink(missing_ok=True)

    way.plan.before = forget
    async with (
        bucket(s3, tmp_path / "a", prefix, url=way.url) as first,
        bucket(s3, tmp_path / "b", prefix, url=way.url) as second,
        bucket(s3, tmp_path / "c", prefix) as honest,
    ):
        for store in (first, second):
            honours = await store.probe()
            assert (honours.writes, honours.copies) == (False, False)
        # Positive control: on the plain way the same service honours both.
        honours = await honest.probe()
        assert (honours.writes, honours.copies) == (True, True)
        assert await publish(first, KEY, b"first") == b"first"
        assert await publish(first, KEY, b"second") == b"first"
        with pytest.raises(StorageError, match="another node"):
            await publish(second, "a.b/m/@v/v1.1.0.zip", b"second")
        assert await found(second, KEY) == b"first"
        assert [key async for key in honest.list("")] == [KEY]


async def test_bucket_that_is_not_there(
    s3: ObjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No bucket, and no right to one, are said as what they are, and never as an absent file."""
    remote = Remote("s3://no-such-bucket/x", {"endpoint": s3.url}, limits=LIMITS)
    async with ObjectStorage(remote, Tier(tmp_path / "a", 10**9), instance="x") as store:
        for ask in (store.probe(), store.find(KEY), store.offer(KEY), store.replace("a/@v/list", b"")):
            with pytest.raises(StoreRefused, match="NoSuchBucket"):
                await ask
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    async with bucket(s3, tmp_path / "b", new_prefix()) as store:
        with pytest.raises(StoreRefused, match="credentials must allow") as caught:
            await store.find(KEY)
        assert "another" not in str(caught.value)
        assert s3.access not in str(caught.value)
        assert "127.0.0.1" not in str(caught.value)
