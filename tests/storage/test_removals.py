"""What one node removes leaves the folders of the others."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from goproxy_mirror.errors import StorageError
from goproxy_mirror.storage.objects import ObjectStorage
from goproxy_mirror.storage.remote import Remote
from goproxy_mirror.storage.removals import Removals
from goproxy_mirror.storage.tier import Tier
from tests.contracts.stores import found, publish

KEY = "a.b/m/@v/v1.0.0.mod"
NOW = 1_800_000_000.0


@dataclass
class Node:
    """A store over the bucket of all, with a clock of its own, which is not that of the objects."""

    folder: Path
    remote: Remote
    now: float = NOW

    def __post_init__(self) -> None:
        self.tier = Tier(self.folder, 10**9)
        self.store = ObjectStorage(self.remote, self.tier, instance=self.folder.name)
        self.removals = Removals(self.remote, self.tier, every=60.0, clock=lambda: self.now)

    def keeps(self, key: str = KEY) -> bool:
        """Whether it would serve the file without asking anybody."""
        return self.store.look(key) is not None


async def two(folder: Path) -> tuple[Node, Node]:
    """Two nodes that both have a file."""
    remote = Remote("memory://", {})
    one, other = Node(folder / "a", remote), Node(folder / "b", remote)
    for node in (one, other):
        node.tier.open()
    await publish(one.store, KEY, b"wrong")
    assert await found(other.store, KEY) == b"wrong"
    return one, other


async def test_removed_file_leaves_all_folders(tmp_path: Path) -> None:
    """At the next look of a node it is gone there too, whatever its clock says within ten minutes; others stay."""
    for apart in (-500.0, 0.0, 500.0):
        one, other = await two(tmp_path / str(apart))
        await publish(other.store, "a.b/m/@v/v1.1.0.mod", b"right")
        await other.removals.heed()
        assert other.keeps(), "nobody said anything yet"
        one.now += 60 + apart
        await one.removals.say(KEY)
        await one.remote.delete(KEY)
        other.now += 61
        await other.removals.heed()
        assert (other.keeps(), other.keeps("a.b/m/@v/v1.1.0.mod")) == (False, True)


async def test_what_is_published_again_stays(tmp_path: Path) -> None:
    """A word about a file counts for what was there when it was said, and not for what came after it."""
    one, other = await two(tmp_path)
    await one.removals.say(KEY)
    await one.remote.delete(KEY)
    await other.removals.heed()
    assert not other.keeps()
    assert await publish(one.store, KEY, b"right") == b"right"
    stored = await other.store.find(KEY)
    assert stored is not None
    later = stored.modified + 1  # of the same second nobody could tell
    os.utime(stored.path, (later, later))
    other.now += 61
    await other.removals.heed()
    assert other.keeps()


async def test_one_look_for_all_processes(tmp_path: Path) -> None:
    """Of the processes that share a folder one looks; a clock that was put back stops nobody."""
    one, other = await two(tmp_path)
    await other.removals.heed()
    await one.removals.say(KEY)
    other.now += 10
    await other.removals.heed()
    assert other.keeps()
    other.now -= 3600
    await other.removals.heed()
    assert not other.keeps()


async def test_folder_that_slept_too_long_is_emptied(tmp_path: Path) -> None:
    """Words are forgotten after a month; a folder that was not looked through for so long may hold anything."""
    one, other = await two(tmp_path)
    await other.removals.heed()
    await one.removals.say(KEY)
    await one.remote.delete(KEY)
    one.now += 31 * 24 * 3600
    await one.removals.say("a.b/m/@v/v1.1.0.mod")
    await one.removals.reclaim()
    assert len([name async for name, _ in one.remote.list("_state/removed")]) == 1
    other.now = one.now
    await other.removals.heed()
    assert not other.keeps()


async def test_word_that_leads_out_of_the_folder(tmp_path: Path) -> None:
    """Whoever may write to the bucket has nothing deleted elsewhere."""
    _, other = await two(tmp_path)
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    os.utime(outside, (1, 1))
    words = [
        f"_state/removed/{int(NOW * 1e6):016d}/{key}" for key in ("../../../outside", f"/{outside}", "a/../x")
    ]
    for word in words:
        with suppress(StorageError):  # obstore itself refuses some of them
            await other.remote.put(word, b"")
    await other.removals.heed()
    assert outside.exists()
