"""First-seen times and removals beside the store: they outlive the database."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from goproxy_mirror.errors import StorageError
from goproxy_mirror.mirror.catalog import Catalog
from goproxy_mirror.mirror.chronicle import Chronicle
from goproxy_mirror.mirror.doubts import Doubts
from goproxy_mirror.mirror.pruning import Pruning, Rules
from goproxy_mirror.mirror.reindexing import Progress, Reindexing
from goproxy_mirror.mirror.selection import Selection
from goproxy_mirror.mirror.spool import spooled
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileKind, Home
from goproxy_mirror.protocol import file_key
from goproxy_mirror.state.files import FileTurns
from goproxy_mirror.state.opening import State
from goproxy_mirror.storage.ledger import FolderLedger
from goproxy_mirror.storage.local import LocalStorage
from tests.fakes.proof import FakeVerifier

HOME = Home("origin", "https://x.test/m")


def mv(number: int) -> ModuleVersion:
    return ModuleVersion(ModulePath("x.test/M"), Version(f"v1.{number}.0"))


class Node:
    """One process over the store, with a database of its own."""

    def __init__(self, state: State, folder: Path) -> None:
        self.state = state
        self.storage = LocalStorage(folder / "store")
        self.storage.open()
        self.ledger = FolderLedger(folder / "store")
        self.chronicle = Chronicle(state.feed, self.ledger)
        self.turns = FileTurns(folder / "turns", wait=10)
        self.catalog = Catalog(self.storage, self.turns)

    async def publish(self, version: ModuleVersion) -> None:
        for kind in (FileKind.MOD, FileKind.INFO):
            await self.storage.publish(file_key(version, kind), b"module x.test/M\n")
            await self.state.provenance.record(file_key(version, kind), HOME, size=16, proof=None)
        await self.state.provenance.held(version)

    async def prune(self, version: ModuleVersion) -> None:
        pruning = Pruning(
            self.state.keeping, self.storage, self.turns, self.catalog, self.chronicle, lambda: 9e9
        )
        with spooled() as spool:
            rules = Rules(matching=[Selection.parse(str(version))])
            async for outcome in pruning.carry_out(await pruning.plan(rules, spool)):
                assert len(outcome.gone) == 1

    async def reindex(self, *, remembers: bool = True) -> Progress:
        chronicle = self.chronicle if remembers else None
        reindexing = Reindexing(self.state.keeping, self.storage, self.catalog, chronicle)
        return await reindexing.run(lambda _: None, hashes=False)

    async def told(self, *, gone: bool) -> list[tuple[str, int]]:
        return [(each.version, each.at) for each in await self.state.feed.page(0, 100, gone=gone)]

    async def records(self, place: str) -> list[str]:
        return sorted([name async for name in self.ledger.list(place)])


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with State(tmp_path / "one") as state:
        await state.answers()
        yield Node(state, tmp_path)


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[Node]:
    """Over the same store, with an empty database."""
    async with State(tmp_path / "two") as state:
        await state.answers()
        yield Node(state, tmp_path)


@pytest.mark.parametrize("remembers", [True, False])
async def test_reindex_restores_times_and_removals(node: Node, other: Node, *, remembers: bool) -> None:
    """With an empty database the feeds become what they were, gone versions too; from the files alone they would not."""
    for number in range(4):
        await node.publish(mv(number))
    await node.chronicle.keep_up(all_=True)
    await node.prune(mv(1))
    await node.prune(mv(2))
    await node.publish(mv(1))
    await node.chronicle.keep_up(all_=True)
    before = [await node.told(gone=gone) for gone in (False, True)]
    assert [[version for version, _ in each] for each in before] == [
        ["v1.0.0", "v1.3.0", "v1.1.0"],
        ["v1.0.0", "v1.2.0", "v1.3.0", "v1.1.0"],
    ]
    done = await other.reindex(remembers=remembers)
    assert (done.fed, done.missing) == (3, 0)
    assert ([await other.told(gone=gone) for gone in (False, True)] == before) is remembers
    again = await other.reindex(remembers=remembers)
    assert (again.fed, again.missing, again.dropped) == (0, 0, 0)
    assert ([await other.told(gone=gone) for gone in (False, True)] == before) is remembers


async def test_what_nobody_took_out_is_missing(node: Node, other: Node) -> None:
    """A version that was held and is not there is counted unless it was removed on purpose; others have their files' times,
    also where somebody has that time already."""
    for number in range(3):
        await node.publish(mv(number))
    await node.chronicle.keep_up(all_=True)
    await node.publish(mv(3))
    for kind in (FileKind.INFO, FileKind.MOD):
        await node.storage.delete(file_key(mv(0), kind))
    done = await other.reindex()
    assert (done.fed, done.missing) == (3, 1)
    assert [version for version, _ in await other.told(gone=True)] == [f"v1.{n}.0" for n in range(4)]
    assert [version for version, _ in await other.told(gone=False)] == [f"v1.{n}.0" for n in range(1, 4)]
    (at,) = [at for version, at in await other.told(gone=False) if version == "v1.1.0"]
    await other.state.keeping.feed([("x.test/!m/@v/v0.1.0", at / 1e6)], before=at + 9, after=0)
    assert ("v0.1.0", at + 1) in await other.told(gone=False)


async def test_quarantine_is_no_loss(node: Node, other: Node, tmp_path: Path) -> None:
    """A version that was quarantined is gone on purpose, and a zip alone takes no version along."""
    await node.publish(mv(0))
    await node.publish(mv(1))
    await node.chronicle.keep_up(all_=True)
    proof = FakeVerifier()
    doubts = Doubts(node.storage, proof, node.state.provenance, tmp_path / "kept", chronicle=node.chronicle)
    await doubts.remove(mv(0), FileKind.MOD, "is not what was published")
    await doubts.remove(mv(1), FileKind.ZIP, "is not what was published")
    (name,) = await node.records("gone/")
    said = json.loads(await node.ledger.get(name) or b"")
    assert (said["version"], said["reason"]) == ("v1.0.0", "quarantined")
    done = await other.reindex()
    assert (done.fed, done.missing) == (1, 0)


async def test_what_came_since_the_loss_stays(node: Node, other: Node) -> None:
    """What stands in the new database already keeps its time, and what arrived before comes before it."""
    await node.publish(mv(0))
    await node.chronicle.keep_up(all_=True)
    old = await node.told(gone=False)
    await other.publish(mv(1))
    new = await other.told(gone=False)
    await other.reindex()
    assert await other.told(gone=False) == old + new


async def test_nodes_write_one_chain(node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few young entries wait; who finds a segment written goes on behind it; and with nothing new nobody asks the ledger."""
    for number in range(3):
        await node.publish(mv(number))
    await node.chronicle.keep_up()
    assert await node.records("") == []
    second = Chronicle(node.state.feed, FolderLedger(tmp_path / "store"), clock=lambda: 9e9)
    second._since = 0
    await node.chronicle.keep_up(all_=True)
    await node.publish(mv(3))
    await second.keep_up()
    names = await node.records("seen/")
    lines = [json.loads(line) for name in names for line in (await node.ledger.get(name) or b"").splitlines()]
    assert [(line["version"], line["at"]) for line in lines] == await node.told(gone=False)
    assert len(names) == 2
    monkeypatch.setattr(node.ledger, "list", None)
    await node.chronicle.keep_up(all_=True)
    await node.prune(mv(0))
    (name,) = [name async for name in FolderLedger(tmp_path / "store").list("gone/")]
    said = json.loads(await node.ledger.get(name) or b"")
    assert (said["path"], said["version"], said["reason"]) == ("x.test/M", "v1.0.0", "pruned")


async def test_ledger_that_fails_stops_nothing(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written is told in the log, and written the next time; a line that cannot be read is left out."""

    async def fails(*_: object) -> bytes:
        raise StorageError("the disk is full")

    await node.publish(mv(0))
    with monkeypatch.context() as patched:
        patched.setattr(node.ledger, "create", fails)
        await node.chronicle.keep_up(all_=True)
        await node.chronicle.taken_out([mv(0)], "quarantined")
        assert await node.records("") == []
    await node.chronicle.keep_up(all_=True)
    await node.ledger.create("seen/0000000000000001.jsonl", b'{"path":"x.test/M"}\n\xff\n')
    seen = [each async for each in Chronicle(node.state.feed, node.ledger).seen()]
    assert [[stem for stem, _ in times] for times in seen] == [["x.test/!m/@v/v1.0.0"]]
