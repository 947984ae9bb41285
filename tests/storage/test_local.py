"""The store in a local folder."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from goproxy_mirror.errors import StorageError, StorageFull
from goproxy_mirror.storage import publishing
from goproxy_mirror.storage.local import LocalStorage

UNSHARE = ["unshare", "-rpf"] if shutil.which("unshare") else []
KEY = "golang.org/x/text/@v/v0.3.0.mod"


@pytest.fixture
def store(tmp_path: Path) -> LocalStorage:
    storage = LocalStorage(tmp_path / "store")
    storage.open()
    return storage


async def publish(store: LocalStorage, key: str, body: bytes) -> bytes:
    """Publish a body, and read what stands under the key then."""
    async with store.stage() as staged:
        staged.write_bytes(body)
        return (await store.create(key, staged)).path.read_bytes()


async def test_created_file_is_found(store: LocalStorage) -> None:
    """What was created is found with its size, under the protocol's own path."""
    assert store.look(KEY) is None
    assert await publish(store, KEY, b"module golang.org/x/text\n") == b"module golang.org/x/text\n"
    found = store.look(KEY)
    assert found is not None
    assert found.size == 25
    assert found.path.parts[-5:] == ("golang.org", "x", "text", "@v", "v0.3.0.mod")


async def test_published_bytes_never_change(store: LocalStorage) -> None:
    """The second to create a key gets the first one's file."""
    await publish(store, KEY, b"first")
    assert await publish(store, KEY, b"second") == b"first"


async def test_one_winner_among_many(store: LocalStorage) -> None:
    """Of many writers at once one wins, and all see its bytes."""
    bodies = await asyncio.gather(*(publish(store, KEY, str(n).encode()) for n in range(50)))
    assert len(set(bodies)) == 1


async def test_nothing_staged_is_visible(store: LocalStorage) -> None:
    """A staged file is no key, and is gone when its block ends without a creation."""
    async with store.stage() as staged:
        staged.write_bytes(b"half a fi")
        assert [key async for key in store.list("")] == []
    assert not staged.exists()


async def test_list_names_what_is_below_a_prefix(store: LocalStorage) -> None:
    """A module's files are listed without those of modules whose path only begins alike."""
    for key in (
        "a.b/m/@v/v1.0.0.mod",
        "a.b/m/@v/v1.0.0.info",
        "a.b/m/v2/@v/v2.0.0.mod",
        "a.b/mm/@v/v1.0.0.mod",
    ):
        await publish(store, key, b"x")
    assert sorted([key async for key in store.list("a.b/m/@v/")]) == [
        "a.b/m/@v/v1.0.0.info",
        "a.b/m/@v/v1.0.0.mod",
    ]
    assert len([key async for key in store.list("")]) == 4


async def test_replace_and_delete(store: LocalStorage) -> None:
    """A derived file can be replaced; a key can be deleted, twice as well."""
    await store.replace("a.b/m/@v/list", b"v1.0.0\n")
    await store.replace("a.b/m/@v/list", b"v1.0.0\nv1.1.0\n")
    found = store.look("a.b/m/@v/list")
    assert found is not None
    assert found.path.read_bytes() == b"v1.0.0\nv1.1.0\n"
    await store.delete("a.b/m/@v/list")
    await store.delete("a.b/m/@v/list")
    assert store.look("a.b/m/@v/list") is None


@pytest.mark.parametrize("key", ["../x", "/etc/passwd", "a/../../x", "a\\b", "a\0b", "", ".tmp/x"])
async def test_key_outside_the_store(store: LocalStorage, key: str) -> None:
    """A key that leads out of the store, or into its scratch folder, is refused."""
    with pytest.raises(StorageError):
        store.look(key)


def test_folder_is_no_file(store: LocalStorage, tmp_path: Path) -> None:
    """A folder where a file would be is nothing published; neither is a name that no file system takes."""
    (tmp_path / "store" / KEY).mkdir(parents=True)
    assert store.look(KEY) is None
    assert store.look("a.b/" + "x" * 300) is None


@pytest.mark.parametrize(
    ("code", "kind"), [(errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull), (errno.EIO, StorageError)]
)
async def test_failed_publication_leaves_nothing(
    store: LocalStorage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int, kind: type[StorageError]
) -> None:
    """Where a sync fails nothing becomes visible, and the message names no path of this machine."""

    def fail(path: Path) -> None:
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(publishing, "sync", fail)
    with pytest.raises(kind) as caught:
        await publish(store, KEY, b"x")
    monkeypatch.undo()
    assert store.look(KEY) is None
    assert str(tmp_path) not in caught.value.message


async def test_file_system_without_hard_links(store: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `link` is not to be had, a rename publishes, and the first one still wins."""

    def link(src: object, dst: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", link)
    assert await publish(store, KEY, b"first") == b"first"
    assert await publish(store, KEY, b"second") == b"first"


def test_leftovers_of_the_dead_are_removed(tmp_path: Path) -> None:
    """Opening takes back what a killed process left, and leaves alone what a living one is writing."""
    root = tmp_path / "store"
    LocalStorage(root).open()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    host = LocalStorage(root)._host
    (root / ".tmp" / f"{host}-{dead.pid}-aa").write_bytes(b"left")
    (root / ".tmp" / f"{host}-{os.getppid()}-bb").write_bytes(b"busy")
    old = root / ".tmp" / "otherhost-1-cc"
    old.write_bytes(b"old")
    os.utime(old, (0, 0))
    LocalStorage(root).open()
    assert [left.name for left in (root / ".tmp").iterdir()] == [f"{host}-{os.getppid()}-bb"]


async def test_files_of_another_container_stay(store: LocalStorage, tmp_path: Path) -> None:
    """Where numbers of processes mean something else, nobody knows from them who is dead, also on a host of the same name."""
    if not UNSHARE or subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("processes cannot have numbers of their own here")
    code = "from pathlib import Path; from goproxy_mirror.storage.local import LocalStorage as L; L(Path('store')).open()"
    async with store.stage() as staged:
        subprocess.run([*UNSHARE, sys.executable, "-c", code], cwd=tmp_path, check=True)
        assert staged.exists()


def test_unwritable_store_is_said(tmp_path: Path) -> None:
    """A store whose folder cannot be made is an error that names the task."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="open the store"):
        LocalStorage(tmp_path / "file" / "store").open()
