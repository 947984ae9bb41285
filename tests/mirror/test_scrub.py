"""The store held against what is known of it, with a verifier that says what a test tells it to."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator

import pytest

from goproxy_mirror.errors import NotRecorded, SecurityError, StorageError, Unproven
from goproxy_mirror.mirror.scrub import Checked, Scrub, Verdict
from goproxy_mirror.mirror.selection import Selection
from goproxy_mirror.module.dirhash import go_mod_hash
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.ports import FileRecord, Proof
from goproxy_mirror.sources.reading import read_info
from tests.mirror.conftest import Journey

MOD, INFO = "example.com/m/@v/v1.0.0.mod", "example.com/m/@v/v1.0.0.info"
BODY = b"module example.com/m\n"


class Records:
    """What is known of stored files."""

    def __init__(self) -> None:
        self.known: dict[str, FileRecord] = {}
        self.proven: list[str] = []
        self.failing: StorageError | None = None

    async def hashed(self, path: ModulePath, *, before: float) -> AsyncIterator[FileRecord]:
        if self.failing is not None:
            raise self.failing
        for record in self.known.values():
            if record.key.startswith(f"{path.escaped}/@v/") and (record.verified or -math.inf) < before:
                yield record

    async def proved(self, key: str, proof: Proof) -> None:
        self.proven.append(key)

    def knows(self, key: str, body: bytes, verified: float, by: str = "sum.test") -> None:
        self.known[key] = FileRecord(key, None, len(body), Proof(go_mod_hash(body), by), 1.0, verified)


class Store:
    """A store, and a scrub of it; `found` has each file's verdict."""

    def __init__(self, journey: Journey) -> None:
        self.journey = journey
        self.records = Records()
        self.verifier = journey.verifier
        self.verifier.listed = True
        self.scrub = Scrub(
            storage=journey.storage,
            verifier=journey.verifier,
            records=self.records,
            catalog=journey.catalog,
            doubts=journey.doubts,
            read_info=read_info,
            parallel=2,
        )
        self.found: dict[str, Checked] = {}

    async def put(self, key: str, content: bytes) -> None:
        async with self.journey.storage.stage() as staged:
            staged.write_bytes(content)
            await self.journey.storage.create(key, staged)

    async def run(self, *wanted: str, since: float = 100.0) -> dict[str, Verdict]:
        self.found.clear()

        def done(checked: Checked) -> None:
            self.found[checked.key] = checked

        await self.scrub.run([Selection.parse(text) for text in wanted], since, done)
        return {key: checked.verdict for key, checked in self.found.items() if not key.endswith("list")}

    @property
    def quarantined(self) -> list[str]:
        folder = self.journey.folder / "state" / "quarantine"
        return [str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()]


@pytest.fixture
def store(journey: Journey) -> Store:
    return Store(journey)


async def test_right_file(store: Store) -> None:
    """It is proven, and the record says so."""
    await store.put(MOD, BODY)
    assert await store.run() == {MOD: Verdict.PROVEN}
    assert store.records.proven == [MOD]


async def test_what_was_verified_lately_is_skipped(store: Store) -> None:
    """Since the time that is given, and only if it was proven then."""
    await store.put(MOD, BODY)
    store.records.knows(MOD, BODY, 100.0)
    assert await store.run(since=100.0) == {MOD: Verdict.SKIPPED}
    assert await store.run(since=100.5) == {MOD: Verdict.PROVEN}
    store.records.knows(MOD, BODY, 100.0, by="")
    assert await store.run(since=100.0) == {MOD: Verdict.PROVEN}


@pytest.mark.parametrize("error", [Unproven("the database is down"), NotRecorded("no record")])
async def test_nobody_can_vouch(store: Store, error: Unproven) -> None:
    """The file is left; one that was proven once must have the hash of then."""
    await store.put(MOD, BODY)
    store.verifier.failing = error
    assert await store.run() == {MOD: Verdict.UNPROVEN}
    store.records.knows(MOD, BODY, 1.0)
    assert await store.run() == {MOD: Verdict.UNPROVEN}
    assert "proven once" in store.found[MOD].reason
    assert store.quarantined == []
    store.records.knows(MOD, b"module example.com/other\n", 1.0)
    assert await store.run() == {MOD: Verdict.QUARANTINED}
    assert len(store.quarantined) == 1


async def test_lenient_silence_is_no_proof(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the operator accepts that nobody was asked, the record of an earlier proof stays."""

    async def lenient(*_: object) -> Proof:
        return Proof(go_mod_hash(BODY), "")

    await store.put(MOD, BODY)
    monkeypatch.setattr(store.verifier, "go_mod", lenient)
    assert await store.run() == {MOD: Verdict.UNPROVEN}
    assert store.records.proven == []


async def test_database_that_contradicts_itself(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forged answer or a fork is no word about a file."""

    async def forked(*_: object) -> Proof:
        raise SecurityError("two histories")

    await store.put(MOD, BODY)
    monkeypatch.setattr(store.verifier, "go_mod", forked)
    store.verifier.failing = Unproven("two histories")
    assert await store.run() == {MOD: Verdict.UNPROVEN}
    store.verifier.failing = None
    assert await store.run() == {MOD: Verdict.QUARANTINED}, "positive control"


async def test_info_without_its_go_mod(store: Store) -> None:
    """Nobody vouches for it, unless the module is outside the database."""
    await store.put(INFO, b'{"Version":"v1.0.0","Time":"2020-01-01T00:00:00Z"}')
    assert await store.run() == {INFO: Verdict.UNPROVEN}
    store.verifier.listed = False
    assert await store.run() == {INFO: Verdict.SOUND}


async def test_file_that_cannot_be_read(store: Store) -> None:
    """It is left, and said; the others are looked at."""
    await store.put(MOD, BODY)
    await store.put("example.com/n/@v/v1.0.0.mod", BODY)
    stored = store.journey.storage.look(MOD)
    assert stored is not None
    store.verifier.failing = None
    prove = store.journey.doubts.prove

    async def unreadable(mv: object, kind: object, file: object) -> Proof:
        if "example.com/m@" in str(mv):
            raise StorageError("could not read the file: Input/output error")
        return await prove(mv, kind, file)  # type: ignore[arg-type]

    store.journey.doubts.prove = unreadable  # type: ignore[method-assign,assignment]
    assert await store.run() == {MOD: Verdict.UNREADABLE, "example.com/n/@v/v1.0.0.mod": Verdict.PROVEN}


async def test_what_is_not_ours(store: Store) -> None:
    """It is named and left."""
    others = [
        "robots.txt",
        "example.com/m/@v/v1.0.0.lock",
        "example.com/m/@v/latest.mod",
        "example.com/M/@v/v1.0.0.mod",
    ]
    for key in others:
        await store.put(key, b"x")
    assert await store.run() == dict.fromkeys(others, Verdict.FOREIGN)
    assert all(store.journey.storage.look(key) is not None for key in others)


async def test_count(store: Store) -> None:
    """Files by what they were asked for as, and all together."""
    for path in ("example.com/m", "example.com/m/sub", "example.com/n"):
        await store.put(f"{path}/@v/v1.0.0.mod", BODY)
    await store.put("example.com/m/@v/v1.1.0.mod", BODY)
    texts = ("example.com/m", "example.com/m@v1.1.0", "absent.example")
    counts = await store.scrub.count([Selection.parse(text) for text in texts])
    assert {text: counts[text] for text in ("", *texts)} == {"": 3, texts[0]: 3, texts[1]: 1, texts[2]: 0}
    assert (await store.scrub.count([]))[""] == 4


async def test_state_that_cannot_be_read(store: Store) -> None:
    """The run ends with what the state says, as one error."""
    await store.put(MOD, BODY)
    store.records.failing = StorageError("the state database is locked")
    with pytest.raises(StorageError, match="locked"):
        await store.run()


async def test_many_versions(store: Store) -> None:
    """More than are worked on together, each once."""
    keys = [f"example.com/m/@v/v1.0.{number}.mod" for number in range(150)]
    for key in keys:
        await store.put(key, BODY)
    assert await store.run() == dict.fromkeys(keys, Verdict.PROVEN)
    assert sorted(store.records.proven) == sorted(keys)


async def test_list_that_cannot_be_made_anew(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, and the run goes on."""

    async def read_only(*_: object) -> None:
        raise StorageError("the store could not begin a file: Read-only file system")

    await store.put(MOD, BODY)
    await store.put(INFO, b'{"Version":"v1.0.0"}')
    monkeypatch.setattr(store.journey.storage, "replace", read_only)
    assert await store.run() == {MOD: Verdict.PROVEN, INFO: Verdict.SOUND}
    assert store.found["example.com/m/@v/list"].verdict.value == "unreadable"
    monkeypatch.undo()
    await store.run()
    assert store.found["example.com/m/@v/list"].verdict.value == "derived", "positive control"
