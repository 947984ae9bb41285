"""Small files published together: what they share, and what fails for whom."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from pathlib import Path

import pytest

from goproxy_mirror.errors import StorageError
from goproxy_mirror.ports import StoredFile
from goproxy_mirror.storage import publishing
from goproxy_mirror.storage.local import LocalStorage
from goproxy_mirror.storage.publishing import Publisher, Small


class Disk:
    """Notes what is synced and when files appear; `broken` are names whose sync fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[str] = []
        self.broken: set[str] = set()
        self._fsync = os.fsync
        self._link = os.link
        monkeypatch.setattr(os, "fsync", self._synced)
        monkeypatch.setattr(os, "link", self._linked)

    def _synced(self, descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        self.steps.append(f"sync {name if not name.startswith('new') else 'new'}")
        if name in self.broken:
            raise OSError(errno.EIO, "broken")
        self._fsync(descriptor)

    def _linked(self, source: str, target: str) -> None:
        self._link(source, target)
        self.steps.append(f"link {Path(target).name}")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "store" / ".tmp").mkdir(parents=True)
    return tmp_path / "store"


def publisher(root: Path) -> Publisher:
    """Its temporary files are called `new…`."""
    numbers = iter(range(1000))
    return Publisher(root, lambda: root / ".tmp" / f"new{next(numbers)}", root / ".tmp" / "removals")


def small(root: Path, key: str, body: bytes = b"x") -> Small:
    return Small(root / key, body)


def test_everything_is_durable_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contents before names, every new folder in its parent, and each folder once for all files that came into it."""
    disk = Disk(monkeypatch)
    publishes = publisher(root)
    outcomes = publishes.small([small(root, "a.b/m/@v/1.mod"), small(root, "a.b/m/@v/1.info")])
    assert [outcome[1] for outcome in outcomes if not isinstance(outcome, Exception)] == [True, True]
    assert disk.steps[:2] == ["sync new", "sync new"]
    assert sorted(disk.steps[2:5]) == ["sync a.b", "sync m", "sync store"]
    assert disk.steps[5:] == ["link 1.mod", "link 1.info", "sync @v"]
    disk.steps.clear()
    publishes.small([small(root, "a.b/m/@v/2.mod")])
    assert disk.steps == ["sync new", "link 2.mod", "sync @v"]
    assert list((root / ".tmp").iterdir()) == []


def test_a_folder_that_another_process_made(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name may not have reached the disk yet: who has not synced it itself does so before it says that a file is there."""
    (root / "a.b/m/@v").mkdir(parents=True)
    disk = Disk(monkeypatch)
    publisher(root).small([small(root, "a.b/m/@v/1.mod")])
    assert {"sync store", "sync a.b", "sync m", "sync @v"} <= set(disk.steps)


def test_a_failure_is_theirs_who_depend_on_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be written fails alone; a folder that cannot be synced fails what is below it."""
    disk = Disk(monkeypatch)
    disk.broken = {"new1", "bad"}
    (root / "file").write_bytes(b"")
    keys = ["ok/@v/1.mod", "ok/@v/2.mod", "bad/@v/1.mod", "file/@v/1.mod", "ok/@v/3.mod"]
    outcomes = publisher(root).small([small(root, key) for key in keys])
    assert [isinstance(outcome, OSError) for outcome in outcomes] == [False, True, True, True, False]
    assert sorted(path.name for path in root.rglob("*.mod")) == ["1.mod", "3.mod"]
    assert list((root / ".tmp").iterdir()) == []


def test_a_folder_whose_sync_failed_is_synced_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts as durable only after it has been synced."""
    disk = Disk(monkeypatch)
    publishes = publisher(root)
    disk.broken = {"store"}
    assert isinstance(publishes.small([small(root, "a/@v/1.mod")])[0], OSError)
    disk.broken = set()
    disk.steps.clear()
    assert not isinstance(publishes.small([small(root, "a/@v/1.mod")])[0], Exception)
    assert "sync store" in disk.steps


def test_a_slow_disk_is_waited_for_together(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them are synced, and a failure stays with its own."""
    monkeypatch.setattr(publishing, "_SLOW", -1.0)
    disk = Disk(monkeypatch)
    disk.broken = {"new7"}
    outcomes = publisher(root).small([small(root, f"m/@v/{n}.mod") for n in range(20)])
    assert [n for n, outcome in enumerate(outcomes) if isinstance(outcome, Exception)] == [7]
    assert disk.steps.count("sync new") == 20


def test_a_slow_disk_without_more_threads(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system allows no more threads, one syncs it all: what is published is durable all the same."""

    def refused(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(publishing, "_SLOW", -1.0)
    monkeypatch.setattr(threading.Thread, "start", refused)
    disk = Disk(monkeypatch)
    outcomes = publisher(root).small([small(root, f"m/@v/{n}.mod") for n in range(5)])
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert disk.steps.count("sync new") == 5


def test_the_first_one_stays(root: Path) -> None:
    """Within a batch and between two; who was second is told whether it brought the same bytes."""
    publishes = publisher(root)
    outcomes = publishes.small([small(root, "m/@v/1.mod", each) for each in (b"one", b"two", b"one", b"on")])
    told = [(outcome[0].size, outcome[1]) for outcome in outcomes if not isinstance(outcome, Exception)]
    assert told == [(3, True), (3, False), (3, True), (3, False)]
    assert (root / "m/@v/1.mod").read_bytes() == b"one"


def test_a_folder_that_was_removed_meanwhile(root: Path) -> None:
    """An empty folder that somebody tidied away is made anew, and so is its parent."""
    publishes = publisher(root)
    publishes.small([small(root, "a/m/@v/1.mod")])
    (root / "a/m/@v/1.mod").unlink()
    for name in ("a/m/@v", "a/m", "a"):
        (root / name).rmdir()
    assert not isinstance(publishes.small([small(root, "a/m/@v/2.mod")])[0], Exception)
    (root / "a/m/@v/2.mod").unlink()
    (root / "a/m/@v").rmdir()
    assert not isinstance(publishes.small([small(root, "a/m/@v/sub/3.mod")])[0], Exception)


def test_an_empty_folder_goes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its parents, and with nothing that is in use; who knew it to be durable waits for the disk again, also where somebody
    else made it anew, and where it went in the middle of a publication."""
    ours, theirs = publisher(root), publisher(root)
    ours.small([small(root, "a/m/@v/1.mod"), small(root, "a/n/@v/1.mod")])
    theirs.clear(str(root / "a/m/@v"))
    assert (root / "a/m/@v/1.mod").exists()
    (root / "a/m/@v/1.mod").unlink()
    theirs.clear(str(root / "a/m/@v"))
    assert [path.name for path in (root / "a").iterdir()] == ["n"]
    (root / "a/m/@v").mkdir(parents=True)
    disk = Disk(monkeypatch)
    assert not isinstance(ours.small([small(root, "a/m/@v/2.mod")])[0], Exception)
    assert {"sync a", "sync m"} <= set(disk.steps)
    (root / "empty").mkdir()
    link = os.link

    def meanwhile(source: str, target: str) -> None:
        link(source, target)
        theirs.clear(str(root / "empty"))

    monkeypatch.setattr(os, "link", meanwhile)
    disk.steps.clear()
    assert not isinstance(ours.small([small(root, "a/m/@v/3.mod")])[0], Exception)
    assert {"sync a", "sync m"} <= set(disk.steps)


async def test_a_large_file_into_a_folder_that_went(tmp_path: Path) -> None:
    """Whatever was pruned meanwhile, a zip is published; a store in which nothing is left has no folders."""
    store, other = LocalStorage(tmp_path / "store"), LocalStorage(tmp_path / "store")
    store.open()
    for _ in range(2):
        async with store.stage() as staged:
            staged.write_bytes(b"PK")
            assert (await store.create("a/m/@v/1.zip", staged)).size == 2
        await other.delete("a/m/@v/1.zip")
        assert [path.name for path in (tmp_path / "store").iterdir()] == [".tmp"]


def test_a_store_that_is_gone(root: Path) -> None:
    """Is no place to begin anew: it fails for everybody."""
    publishes = publisher(root)
    publishes.small([small(root, "a/@v/1.mod")])
    root.rename(root.with_name("gone"))
    assert isinstance(publishes.small([small(root, "a/@v/2.mod")])[0], OSError)
    assert isinstance(publishes.small([small(root, "b/@v/2.mod")])[0], OSError)


async def test_many_at_once_through_the_store(tmp_path: Path) -> None:
    """What each task is told is what stands there, whoever was first."""
    store = LocalStorage(tmp_path / "store")
    store.open()
    bodies = [b"one", b"other", b"one"] * 20
    told = await asyncio.gather(*(store.publish("m/@v/1.mod", body) for body in bodies))
    kept = (tmp_path / "store/m/@v/1.mod").read_bytes()
    assert {same for (_, same), body in zip(told, bodies, strict=True) if body == kept} == {True}
    assert {same for (_, same), body in zip(told, bodies, strict=True) if body != kept} == {False}
    assert {file for file, _ in told} == {
        StoredFile(tmp_path / "store/m/@v/1.mod", len(kept), told[0][0].modified)
    }
    with pytest.raises(StorageError):
        await store.publish(".tmp/x", b"")
