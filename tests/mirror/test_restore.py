"""Streams that are as they were written, and streams that are not."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from goproxy_mirror.errors import SettingError
from goproxy_mirror.mirror.archive import ArchiveReader, ArchiveWriter, DamagedArchive, Entry
from goproxy_mirror.mirror.backup import KIND, Backup
from goproxy_mirror.mirror.catalog import Catalog
from goproxy_mirror.mirror.restore import Restore
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileKind, Home, Proof, StoredFile
from goproxy_mirror.protocol import file_key
from goproxy_mirror.state.files import FileTurns
from goproxy_mirror.state.opening import State
from goproxy_mirror.storage.local import LocalStorage

LONG = ModulePath("example.com/" + "/".join(["element" * 12] * 3))
MODULES = {ModulePath("example.com/Capital"): ("v1.0.0", "v1.1.0"), LONG: ("v0.0.1",)}


def keys() -> list[str]:
    """The keys of all files."""
    return [
        file_key(ModuleVersion(path, Version(version)), kind)
        for path, versions in MODULES.items()
        for version in versions
        for kind in FileKind
    ]


def content(key: str) -> bytes:
    """What stands in a file."""
    return key.encode() * 3000


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store and what is known of it."""
    return tmp_path_factory.mktemp("world")


async def filled(folder: Path) -> tuple[Path, bytes, bytes]:
    """The store of a folder, and what `backup` writes of it: packed, and not."""
    store = folder / "store"
    storage = LocalStorage(store)
    storage.open()
    async with State(folder / "state") as state:
        for key in keys():
            async with storage.stage() as staged:
                staged.write_bytes(content(key))
                await state.provenance.record(
                    key,
                    Home("upstream", "https://up.example"),
                    size=len(content(key)),
                    proof=Proof("h1:x", ""),
                )
                await storage.create(key, staged)
        await state.heads.advance("sum.example", b"", b"a \xff note")
        (folder / "state" / "sumdb" / "sum.example" / "tile").mkdir(parents=True, exist_ok=True)
        (folder / "state" / "sumdb" / "sum.example" / "tile" / "000").write_bytes(b"tile")
        out = []
        for compress in (True, False):
            stream = io.BytesIO()
            backup = Backup(storage, state.tables, folder / "state" / "sumdb")
            await backup.write(stream, lambda _: None, made_by="tests", compress=compress)
            out.append(stream.getvalue())
    return store, out[0], out[1]


async def restored(folder: Path, stream: bytes, *, merge: bool = False) -> list[str]:
    """Restore into a folder; what was refused."""
    refused: list[str] = []
    storage = LocalStorage(folder / "store")
    storage.open()
    async with State(folder / "state") as state:
        catalog = Catalog(storage, FileTurns(folder / "state" / "turns", wait=5))
        restore = Restore(storage, state.tables, folder / "state" / "sumdb", catalog)
        await restore.read(
            io.BytesIO(stream), lambda _: None, lambda name, _: refused.append(name), merge=merge
        )
        assert await state.provenance.unproven() == {key for key in keys() if not key.endswith(".info")}
        assert await state.heads.head("sum.example") == b"a \xff note"
    return refused


def held(folder: Path) -> dict[str, bytes]:
    """The published files of a folder's store."""
    found = (folder / "store" / key for key in keys())
    return {str(file.relative_to(folder / "store")): file.read_bytes() for file in found if file.exists()}


async def test_whole_streams(world: Path, tmp_path: Path) -> None:
    """Packed or not, everything comes back, names of any length too; the same store makes the same bytes."""
    _, packed, plain = await filled(world)
    for name, stream in (("packed", packed), ("plain", plain)):
        assert await restored(tmp_path / name, stream) == []
        assert held(tmp_path / name) == {key: content(key) for key in keys()}
        assert (tmp_path / name / "store/example.com/!capital/@v/list").read_text() == "v1.0.0\nv1.1.0\n"
        assert (tmp_path / name / "state/sumdb/sum.example/tile/000").read_bytes() == b"tile"
    assert (await filled(tmp_path / "plain"))[1:] == (packed, plain)
    with pytest.raises(SettingError, match="--merge"):
        await restored(tmp_path / "plain", plain)
    assert await restored(tmp_path / "plain", plain, merge=True) == []


@pytest.mark.parametrize(
    "damage",
    [
        "cut",
        "last-byte",
        "cut-plain",
        "without-end",
        "bit",
        "packed-bit",
        "behind",
        "swapped",
        "zip",
        "empty",
    ],
)
async def test_damaged_streams(damage: str, world: Path, tmp_path: Path) -> None:
    """Each is refused, and whatever was published before that is whole."""
    _, packed, plain = await filled(world)
    middle = plain.index(content(keys()[1])) + 5000
    one, other = f"  store/{keys()[0]}".encode(), f"  store/{keys()[1]}".encode()
    stream = {
        "cut": packed[: len(packed) // 2],
        "last-byte": packed[:-1],
        "cut-plain": plain[:middle],
        "without-end": plain[: plain.rindex(b"END.json")],
        "bit": plain[:middle] + bytes([plain[middle] ^ 1]) + plain[middle + 1 :],
        "packed-bit": packed[: len(packed) // 2] + b"\xff\x00" + packed[len(packed) // 2 + 2 :],
        "behind": plain + plain,
        "swapped": plain.replace(one, b"  store/x").replace(other, one).replace(b"  store/x", other),
        "zip": b"PK\x03\x04" + bytes(2000),
        "empty": b"",
    }[damage]
    with pytest.raises(DamagedArchive):
        await restored(tmp_path, stream)
    assert all(body == content(key) for key, body in held(tmp_path).items())


def test_form_of_another_age() -> None:
    """A stream whose form is newer is refused with the advice to use the newer program."""
    out = io.BytesIO()
    writer = ArchiveWriter(out, KIND, {"form": 99}, compress=False)
    writer.end()
    with pytest.raises(DamagedArchive, match="newer"):
        ArchiveReader(io.BytesIO(out.getvalue()))


def test_names_that_lead_elsewhere(tmp_path: Path) -> None:
    """A name that climbs out of the folder is refused before anything is written."""
    out = io.BytesIO()
    writer = ArchiveWriter(out, KIND, compress=False)
    writer.add([Entry("sumdb/../../escaped", b"x")])
    writer.end()
    with pytest.raises(DamagedArchive):
        list(ArchiveReader(io.BytesIO(out.getvalue())))


async def test_rows_of_a_later_publication(tmp_path: Path) -> None:
    """A version that became held behind the stream's back is not said to be held where it is not; nor is it forgotten as gone."""
    out = io.BytesIO()
    writer = ArchiveWriter(out, KIND, compress=False)
    rows = (
        b'{"stem":"a.example/@v/v1.0.0","at":5,"gone":null}\n{"stem":"a.example/@v/v1.1.0","at":6,"gone":7}\n'
    )
    writer.add([Entry("state/feed/000001.jsonl", rows), Entry("state/unheard/000001.jsonl", b'{"a":1}\n')])
    writer.end()
    storage = LocalStorage(tmp_path / "store")
    storage.open()
    refused: list[str] = []
    async with State(tmp_path / "state") as state:
        catalog = Catalog(storage, FileTurns(tmp_path / "turns", wait=5))
        restore = Restore(storage, state.tables, tmp_path / "sumdb", catalog)
        stream = io.BytesIO(out.getvalue())
        await restore.read(stream, lambda _: None, lambda name, _: refused.append(name), merge=False)
        assert [(each.version, each.at) for each in await state.feed.page(0, 10, gone=True)] == [
            ("v1.1.0", 6)
        ]
        assert await state.feed.due(10) == []
    assert refused == ["state/unheard/000001.jsonl"]


ROWS = {
    "type": '{"name":[1],"note":{"base64":""},"at":1.0}',
    "scalar": "5",
    "missing": '{"name":"x","at":1.0}',
    "null": '{"name":"x","note":null,"at":1.0}',
    "base64": '{"name":"x","note":{"base64":"%%%"},"at":1.0}',
    "no-base64": '{"name":"x","note":{"else":1},"at":1.0}',
    "large": '{"name":"x","note":{"base64":""},"at":' + "9" * 30 + "}",
    "surrogate": '{"name":"\\ud800","note":{"base64":""},"at":1.0}',
    "nul": '{"name":"a\\u0000b","note":{"base64":""},"at":1.0}',
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("row", ROWS)
async def test_rows_that_no_database_takes(row: str, tmp_path: Path) -> None:
    """Each is refused by its name, without an error of the database; what comes behind it is kept."""
    out = io.BytesIO()
    writer = ArchiveWriter(out, KIND, compress=False)
    good = b'{"name":"good","note":{"base64":"YQ=="},"at":1.0}\n'
    entries = {"tree_heads/000001": ROWS[row].encode(), "tree_heads/000002": good}
    writer.add([Entry(f"state/{name}.jsonl", content) for name, content in entries.items()])
    writer.end()
    storage = LocalStorage(tmp_path / "store")
    storage.open()
    refused: list[str] = []
    async with State(tmp_path / "state") as state:
        catalog = Catalog(storage, FileTurns(tmp_path / "turns", wait=5))
        restore = Restore(storage, state.tables, tmp_path / "sumdb", catalog)
        stream = io.BytesIO(out.getvalue())
        await restore.read(stream, lambda _: None, lambda name, _: refused.append(name), merge=False)
        assert await state.heads.head("good") == b"a"
    assert refused == ["state/tree_heads/000001.jsonl"]


class Pruned(LocalStorage):
    """A store from which a file goes as soon as it was found."""

    async def find(self, key: str) -> StoredFile | None:
        """What is there."""
        found = await super().find(key)
        if key == keys()[0]:
            await self.delete(key)
        return found


async def test_file_that_goes_meanwhile(tmp_path: Path) -> None:
    """What is pruned while the stream is written is not in it; all else is, and the stream is whole."""
    await filled(tmp_path / "from")
    storage = Pruned(tmp_path / "from" / "store")
    storage.open()
    out = io.BytesIO()
    async with State(tmp_path / "from" / "state") as state:
        backup = Backup(storage, state.tables, tmp_path / "none")
        written = await backup.write(out, lambda _: None, made_by="tests")
    assert written.files == len(keys()) - 1
    copy = LocalStorage(tmp_path / "to" / "store")
    copy.open()
    async with State(tmp_path / "to" / "state") as state:
        catalog = Catalog(copy, FileTurns(tmp_path / "turns", wait=5))
        restore = Restore(copy, state.tables, tmp_path / "sumdb", catalog)
        refused: list[str] = []
        stream = io.BytesIO(out.getvalue())
        await restore.read(stream, lambda _: None, lambda name, _: refused.append(name), merge=False)
    assert refused == []
    assert held(tmp_path / "to") == {key: content(key) for key in keys()[1:]}
