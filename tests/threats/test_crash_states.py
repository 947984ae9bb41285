"""A publication in a local store, killed, failed or robbed of its power at every step (threats, §5)."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from goproxy_mirror.errors import StorageError, StorageFull
from tests.threats.crashing import FILES, LIST, PUBLISHERS, TOGETHER, Op, record, violations, watched

ROOT = Path(__file__).parents[2]
STRACE = shutil.which("strace")
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing can be forked here")


def visible(store: Path) -> dict[str, bytes]:
    """What everybody sees in a store."""
    found = (file for file in store.rglob("*") if file.is_file() and ".tmp" not in file.parts)
    return {str(file.relative_to(store)): file.read_bytes() for file in found}


def torn(store: Path) -> set[str]:
    """The names in a store whose content is not what was to be published."""
    whole = {**FILES, LIST: b"v1.0.0\n", **TOGETHER}
    return {key for key, body in visible(store).items() if body != whole.get(key)}


def healed(store: Path, publisher: str = "publish") -> None:
    """See that the next start takes back what was left, and that the publication comes about."""
    asyncio.run(PUBLISHERS[publisher](store, lambda _: None))
    assert visible(store) == ({**FILES, LIST: b"v1.0.0\n"} if publisher == "publish" else TOGETHER)
    assert [left.name for left in (store / ".tmp").iterdir() if left.name != "removals"] == []


def run(*arguments: str, before: tuple[str, ...] = ()) -> int:
    """Run the program of `crashing.py`; its status."""
    line = [*before, sys.executable, str(ROOT / "tests/threats/crashing.py"), *arguments]
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"}
    return subprocess.run(line, env=env, check=False, timeout=120, capture_output=True).returncode


def stores(folder: Path) -> list[Path]:
    """The stores that were left behind, in the order of the moments."""
    return [each / "store" for each in sorted(folder.iterdir(), key=lambda each: int(each.name))]


def test_killed_at_every_call(tmp_path: Path) -> None:
    """Whichever call a kill meets, whatever is visible is whole, no `.info` is without its `.mod`, and the next start heals."""
    assert run(str(tmp_path), "publish") == 0
    left = stores(tmp_path)
    assert len(left) > 30
    for store in left:
        assert torn(store) == set()
        keys = visible(store).keys() - {LIST}
        assert list(keys) == [] or sorted(keys) == sorted(list(FILES)[: len(keys)])
        healed(store)


def test_killed_in_a_batch(tmp_path: Path) -> None:
    """The same for small files that are published together."""
    assert run(str(tmp_path), "publish_together") == 0
    left = stores(tmp_path)
    assert len(left) > 30
    for store in left:
        assert torn(store) == set()
    for store in left[:: len(left) // 10]:
        healed(store, "publish_together")


def test_killed_control(tmp_path: Path) -> None:
    """Positive control: a publisher that writes in place leaves torn files, and is found out."""
    assert run(str(tmp_path), "publish_in_place") == 0
    assert {key for store in stores(tmp_path) for key in torn(store)} == set(FILES)


def test_power_cut_at_every_call(tmp_path: Path) -> None:
    """Nothing is visible before the disk has it, and nobody is told of a name that a power cut could take away."""
    store = tmp_path / "store"
    store.mkdir()
    ops = record(store, "publish")
    assert [op.name for op in ops if op.name in {"told", "link"}] == ["link", "told"] * len(FILES)
    assert violations(ops, store) == set()
    for publisher in ("publish_together", "publish_again"):
        store = tmp_path / publisher
        store.mkdir()
        ops = record(store, publisher)
        assert sum(op.name == "told" for op in ops) == len(TOGETHER)
        assert violations(ops, store) == set()


@pytest.mark.parametrize(("publisher", "word"), [("publish_in_place", "torn"), ("publish_unsynced", "lost")])
def test_power_cut_control(publisher: str, word: str, tmp_path: Path) -> None:
    """Positive control: publishers that do not wait for the disk are found out, and so is ours without one of its syncs."""
    store = tmp_path / "store"
    store.mkdir()
    assert {found for found in violations(record(store, publisher), store) if found.startswith(word)} != set()
    ours = tmp_path / "ours"
    ours.mkdir()
    ops = record(ours, "publish")
    syncs = [number for number, op in enumerate(ops) if op.name == "fsync" and ".tmp" not in op.path]
    assert any(violations(ops[:number] + ops[number + 1 :], ours) for number in syncs)
    files = [number for number, op in enumerate(ops) if op.name == "fsync" and "/.tmp/" in op.path]
    assert all(violations(ops[:number] + ops[number + 1 :], ours) for number in files)


def failing(store: Path, publisher: str, moment: int, code: int, fails: Callable[[Op], bool]) -> bool:
    """Publish with the n-th of these calls failing; whether there was one."""
    count = 0

    def before(op: Op, half: Callable[[], None]) -> None:
        nonlocal count
        if fails(op):
            count += 1
            if count == moment:
                half()
                raise OSError(code, os.strerror(code))

    told: list[str] = []
    said: StorageError | None = None
    try:
        with watched(store, before):
            asyncio.run(PUBLISHERS[publisher](store, told.append))
    except StorageError as error:
        said = error
    if said is not None:
        assert isinstance(said, StorageFull) == (code == errno.ENOSPC)
        # Who was told that it failed finds nothing there, and the next one begins anew.
        assert set(told) == visible(store).keys() - {LIST}
    return count >= moment


@pytest.mark.parametrize(
    ("code", "names", "publisher"),
    [
        (errno.EIO, {"fsync"}, "publish"),
        (errno.EIO, {"write", "create", "link", "mkdir"}, "publish"),
        (errno.ENOSPC, {"write", "create", "link", "mkdir"}, "publish"),
        (errno.EIO, {"write", "create", "link", "mkdir", "fsync"}, "publish_together"),
    ],
    ids=["EIO-fsync", "EIO", "ENOSPC", "EIO-together"],
)
def test_failing_disk_at_every_call(code: int, names: set[str], publisher: str, tmp_path: Path) -> None:
    """A failure is said, leaves nothing visible of the file that it met, and the next try publishes it."""
    moment = 1
    while True:
        store = tmp_path / str(moment) / "store"
        store.mkdir(parents=True)
        if not failing(
            store,
            publisher,
            moment,
            code,
            lambda op: op.name in names and not op.path.endswith("/store/.tmp"),
        ):
            break
        assert torn(store) == set()
        healed(store, publisher)
        moment += 1
    assert moment > 5


@pytest.mark.skipif(STRACE is None, reason="strace is not on this machine")
@pytest.mark.parametrize(
    ("calls", "moment"),
    [
        ("link,linkat", 1),
        ("link,linkat", 2),
        ("fsync,fdatasync", 1),
        ("fsync,fdatasync", 3),
        ("rename,renameat,renameat2", 1),
    ],
)
def test_killed_by_the_kernel(calls: str, moment: int, tmp_path: Path) -> None:
    """The same from outside, at the system calls themselves: no wrapper of ours stands between the program and the disk."""
    store = tmp_path / "store"
    store.mkdir()
    strace = ("strace", "-f", "-o", str(tmp_path / "trace"), "-e", f"trace={calls}")
    status = run(str(store), "once", before=(*strace, "-e", f"inject={calls}:signal=KILL:when={moment}"))
    assert status == -9
    assert torn(store) == set()
    healed(store)
