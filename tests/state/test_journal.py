"""Taking over what an earlier version recorded in `provenance.jsonl`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from goproxy_mirror.errors import StorageError
from goproxy_mirror.ports import FileCounts, Home, Proof
from goproxy_mirror.state import engine, journal
from goproxy_mirror.state.filerows import FileRows
from goproxy_mirror.state.opening import State


def line(key: str, **other: object) -> bytes:
    """A line as earlier versions wrote it."""
    said = {
        "key": key,
        "home": "https://up.test",
        "kind": "upstream",
        "size": 7,
        "proven": False,
        "at": 1700000000.5,
    }
    return json.dumps(said | other).encode() + b"\n"


def write(folder: Path, *lines: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "provenance.jsonl"
    path.write_bytes(b"".join(lines))
    return path


def key(number: int, ending: str = "mod") -> str:
    return f"x.test/!m/@v/v1.{number}.0.{ending}"


async def test_lines_are_taken_over(tmp_path: Path) -> None:
    """An earlier version's files are known, `.mod` and `.zip` as unproven; the journal is put aside."""
    path = write(
        tmp_path,
        line(key(1)),
        line(key(1, "zip"), kind="mirror", home="https://m.test"),
        line(key(1, "info")),
    )
    async with State(tmp_path) as state:
        assert await state.provenance.unproven() == {key(1), key(1, "zip")}
        assert await state.provenance.counts() == FileCounts(infos=1, proven=0, unproven=2)
        record = await state.provenance.of(key(1, "zip"))
    assert record is not None
    assert (record.home, record.size, record.proof) == (Home("mirror", "https://m.test"), 7, None)
    assert (record.first_seen, record.verified) == (1700000000.5, None)
    assert not path.exists()
    assert path.with_name("provenance.jsonl.imported").read_bytes().count(b"\n") == 3


GARBAGE = [
    b"\n",
    b"\x00\xff\xfe\n",
    b"[]\n",
    b"null\n",
    b'"key"\n',
    b"[" * 60_000 + b"\n",
    b"{" + b" " * 200_000 + b"}\n",
    line(key(1))[:-20] + b"\n",
    line("../../etc/passwd"),
    line("x.test/m/@v/v1.0.0.exe"),
    line("x.test/m/@v/v1.0.0\n.mod"),
    line(key(8), kind="stranger"),
    line(key(8), kind=["mirror"]),
    line(key(8), home=None),
    line(key(8), size=-1),
    line(key(8), size=2**70),
    line(key(8), size=True),
    line(key(8), at="now"),
    line(key(8), at=float("nan")),
    line(key(8), at=1e300),
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
async def test_garbage_is_skipped(tmp_path: Path, garbage: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    """A line that says nothing costs its neighbours nothing, and is counted."""
    write(tmp_path, line(key(2)), garbage, line(key(3)))
    async with State(tmp_path) as state:
        assert await state.provenance.unproven() == {key(2), key(3)}
    assert "skipped=" in capsys.readouterr().out


async def test_torn_last_line(tmp_path: Path) -> None:
    """A last line without its end is skipped, or taken where it is whole but for the newline."""
    write(tmp_path, line(key(1)), line(key(2))[:-1])
    async with State(tmp_path) as state:
        assert await state.provenance.unproven() == {key(1), key(2)}
    write(tmp_path, line(key(3)), line(key(4))[:-9])
    async with State(tmp_path) as state:
        assert await state.provenance.unproven() == {key(1), key(2), key(3)}


async def test_name_of_a_home_may_be_anything(tmp_path: Path) -> None:
    """A name that no database takes as it is does not stop the others."""
    write(tmp_path, line(key(1), home="\udcff\0"), line(key(2)))
    async with State(tmp_path) as state:
        assert await state.provenance.unproven() == {key(1), key(2)}


async def test_what_is_known_stays(tmp_path: Path) -> None:
    """A line about a file that is known already changes nothing: it may have been proven since."""
    proof = Proof("h1:known=", "sum.test", 5)
    async with State(tmp_path) as state:
        await state.provenance.record(key(1), Home("origin", "https://x.test"), size=9, proof=proof)
        before = await state.provenance.of(key(1))
    write(tmp_path, line(key(1)), line(key(2)))
    async with State(tmp_path) as state:
        assert await state.provenance.of(key(1)) == before
        assert await state.provenance.unproven() == {key(2)}


async def test_failure_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the database fails in the middle nothing is said of the files, and the next opening takes over all of them."""
    monkeypatch.setattr(journal, "_BATCH", 10)
    path = write(tmp_path, *(line(key(n)) for n in range(95)))
    whole = journal.import_journal

    def failing(path: Path, writing: Callable[[], AbstractContextManager[FileRows]]) -> None:
        left = iter(range(5))

        @contextmanager
        def some() -> Iterator[FileRows]:
            if next(left, None) is None:
                raise StorageError("the disk failed")
            with writing() as session:
                yield session

        whole(path, some)

    monkeypatch.setattr(engine, "import_journal", failing)
    async with State(tmp_path) as state:
        with pytest.raises(StorageError, match="the disk failed"):
            await state.provenance.unproven()
    assert path.exists()
    monkeypatch.setattr(engine, "import_journal", whole)
    async with State(tmp_path) as state:
        assert await state.provenance.unproven() == {key(n) for n in range(95)}
    assert not path.exists()


async def test_journal_that_cannot_be_read(tmp_path: Path) -> None:
    """Files that an earlier version stored are never taken for proven because their journal cannot be read."""
    (tmp_path / "provenance.jsonl").mkdir()
    async with State(tmp_path) as state:
        with pytest.raises(StorageError, match=r"provenance\.jsonl"):
            await state.provenance.unproven()
