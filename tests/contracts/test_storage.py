"""What every store does, wherever it is: in a folder, in memory, on a real S3-compatible server, and on Azure's own emulator."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from goproxy_mirror.errors import StorageError
from goproxy_mirror.ports import Storage, StoredFile
from goproxy_mirror.storage.local import LocalStorage
from goproxy_mirror.storage.objects import Honours, ObjectStorage
from tests.contracts.stores import bucket, container, found, memory, new_prefix, publish
from tests.world.objectstore import ObjectServer

KEY = "golang.org/x/text/@v/v0.3.0.mod"
ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["local", "memory", "s3", "azure"])
async def store(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Storage]:
    """An empty store of each kind."""
    if request.param == "local":
        local = LocalStorage(folder)
        local.open()
        yield local
        return
    match request.param:
        case "memory":
            made = memory(folder)
        case "azure":
            made = container(request.getfixturevalue("azure"), folder, new_prefix())
        case _:
            made = bucket(request.getfixturevalue("s3"), folder, new_prefix())
    async with made as objects:
        yield objects


async def test_created_file_is_found(store: Storage) -> None:
    """What was created is found, whole, and nothing is where nothing was created."""
    assert await store.find(KEY) is None
    assert await publish(store, KEY, b"module golang.org/x/text\n") == b"module golang.org/x/text\n"
    stored = await store.find(KEY)
    assert stored is not None
    assert stored == store.look(KEY) == await store.offer(KEY)
    assert (stored.size, stored.path.read_bytes()) == (25, b"module golang.org/x/text\n")


async def test_files_are_measured_where_they_are(store: Storage) -> None:
    """Size and time are known without bringing the file, and are those that the file has."""
    assert await store.measure(KEY) is None
    await publish(store, KEY, b"module golang.org/x/text\n")
    stored = await store.find(KEY)
    assert stored is not None
    assert await store.measure(KEY) == (stored.size, stored.modified)


async def test_published_bytes_never_change(store: Storage) -> None:
    """The second to create a key gets the first one's file."""
    await publish(store, KEY, b"first")
    assert await publish(store, KEY, b"second") == b"first"
    assert await found(store, KEY) == b"first"


@pytest.mark.parametrize("size", [6, 6 << 20], ids=["small", "in-parts"])
async def test_one_winner_among_many(store: Storage, size: int) -> None:
    """Of many writers at once one wins, and all see its bytes."""
    zip_key = "a.b/m/@v/v1.0.0.zip"
    writers = range(20) if size < 1000 else range(3)
    bodies = await asyncio.gather(*(publish(store, zip_key, b"%06d" % n + bytes(size)) for n in writers))
    assert len(set(bodies)) == 1
    assert await found(store, zip_key) == bodies[0]


@pytest.mark.parametrize("kind", ["local", "s3"])
def test_one_winner_among_processes(kind: str, request: pytest.FixtureRequest, folder: Path) -> None:
    """Processes that publish different bytes at the same moment all see those of one."""
    url = "" if kind == "local" else request.getfixturevalue("s3").url
    prefix = new_prefix()
    writers = []
    for n in range(3):
        own = folder if kind == "local" else folder.with_name(f"node{n}")
        command = [sys.executable, "-m", "tests.contracts.stores", kind, url, prefix, str(own), KEY, f"w{n}"]
        writers.append(
            subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
    try:
        for each in writers:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        for each in writers:
            assert each.stdin is not None
            each.stdin.write("go\n")
            each.stdin.flush()
        answers = [each.communicate(timeout=60)[0] for each in writers]
    finally:
        for each in writers:
            each.kill()
    assert len(set(answers)) == 1
    assert answers[0].strip() in {"w0", "w1", "w2"}


async def test_nothing_staged_is_visible(store: Storage) -> None:
    """A staged file is no key, and is gone when its block ends, with a creation or without."""
    async with store.stage() as staged:
        staged.write_bytes(b"half a fi")
        assert [key async for key in store.list("")] == []
    assert not staged.exists()
    async with store.stage() as staged:
        staged.write_bytes(b"whole")
        await store.create(KEY, staged)
    assert not staged.exists()


async def test_list_names_what_is_below_a_prefix(store: Storage) -> None:
    """A module's files are listed without those of modules whose path only begins alike, and nothing of the store's own."""
    keys = ["a.b/m/@v/v1.0.0.mod", "a.b/m/@v/v1.0.0.info", "a.b/m/v2/@v/v2.0.0.mod", "a.b/mm/@v/v1.0.0.mod"]
    for key in keys:
        await publish(store, key, b"x")
    await store.ready()
    assert sorted([key async for key in store.list("")]) == sorted(keys)
    assert sorted([key async for key in store.list("a.b/m/@v/")]) == sorted(keys[:2])
    assert sorted([key async for key in store.list("a.b/m/")]) == sorted(keys[:3])
    assert sorted([key async for key in store.list("a.b/m")]) == sorted(keys)
    assert sorted([key async for key in store.list("a.b/m/@v/v1")]) == sorted(keys[:2])
    assert [key async for key in store.list("no.such/module/@v/")] == []


async def test_replace_and_delete(store: Storage) -> None:
    """A derived file can be replaced; a key can be deleted, twice as well."""
    listed = "a.b/m/@v/list"
    for body in (b"v1.0.0\n", b"v1.0.0\nv1.1.0\n"):
        await store.replace(listed, body)
        assert await found(store, listed) == body
    await publish(store, KEY, b"x")
    for key in (listed, KEY):
        await store.delete(key)
        await store.delete(key)
        assert await store.find(key) is None
        assert store.look(key) is None
    assert await publish(store, KEY, b"y") == b"y"


@pytest.mark.parametrize(
    "key",
    [
        "github.com/!azure/azure-sdk/@v/v1.0.0.zip",
        "a.b/m/@v/v2.0.0+incompatible.info",
        "a.b/~user/m_x/@v/v1.0.0-rc.1.mod",
        "a.b/m/@v/v0.0.0-20191109021931-daa7c04131f5.mod",
        f"a.b/{'x' * 200}/@v/v1.0.0.mod",
    ],
)
async def test_odd_names(store: Storage, key: str) -> None:
    """Whatever the protocol allows in a key comes back as it went in, an empty file too."""
    assert await publish(store, key, b"") == b""
    stored = await store.find(key)
    assert stored is not None
    assert stored.size == 0
    assert [each async for each in store.list(key.rpartition("/")[0] + "/")] == [key]


@pytest.mark.parametrize("key", ["../x", "/etc/passwd", "a/../../x", "a\\b", "a\0b", "", ".tmp/x"])
async def test_key_outside_the_store(store: Storage, key: str) -> None:
    """A key that leads out of the store, or into its scratch folder, is refused."""
    with pytest.raises(StorageError):
        store.look(key)
    with pytest.raises(StorageError):
        await store.find(key)


async def test_time_of_publication_stays(store: Storage) -> None:
    """A file is as old as its publication, whoever looks at it and however often."""
    await publish(store, KEY, b"x")
    first = await store.find(KEY)
    assert first is not None
    await publish(store, KEY, b"x")
    assert await store.find(KEY) == first
    assert abs(first.modified - first.path.stat().st_mtime) < 1e-6


async def test_service_honours_conditions(store: Storage) -> None:
    """What is said at the start of each service that the tests have: it replaces nothing that it must not."""
    if isinstance(store, ObjectStorage):
        assert await store.probe() == Honours(writes=True, copies=True)


async def test_ready(store: Storage) -> None:
    """A store that can be written to says nothing."""
    await store.ready()


async def test_nodes_see_each_other(s3: ObjectServer, tmp_path: Path) -> None:
    """What one node publishes another finds, as old and as long; what one deletes and replaces too."""
    prefix = new_prefix()
    async with bucket(s3, tmp_path / "a", prefix) as one, bucket(s3, tmp_path / "b", prefix) as other:
        for size in (9, 7 << 20):
            key = f"a.b/m/@v/v1.0.{size}.zip"
            await publish(one, key, bytes(size))
            mine, theirs = await one.find(key), await other.find(key)
            assert isinstance(mine, StoredFile)
            assert isinstance(theirs, StoredFile)
            assert (mine.size, mine.modified) == (theirs.size, theirs.modified)
            assert mine.path != theirs.path
        await one.replace("a.b/m/@v/list", b"v1.0.9\n")
        assert await found(other, "a.b/m/@v/list") == b"v1.0.9\n"
        await other.replace("a.b/m/@v/list", b"v1.0.10\n")
        assert await found(one, "a.b/m/@v/list") == b"v1.0.10\n"
