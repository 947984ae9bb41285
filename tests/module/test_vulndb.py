"""Files of a vulnerability database, and what is none."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime

import pytest

from goproxy_mirror.module.vulndb import (
    NoVulnDB,
    PackedJSON,
    VulnIndex,
    is_id,
    packed_json,
    read_entry,
    read_index,
    read_modified,
)
from tests.world.vulndb import FIRST, SECOND, Vuln, plain_files

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def gz(content: bytes) -> bytes:
    """Compressed, with the same bytes at every run: they are in the names of tests."""
    return gzip.compress(content, mtime=0)


def at(text: str) -> datetime:
    """A time of the tests' database."""
    return datetime.fromisoformat(text)


def json_file(content: object) -> PackedJSON:
    """A file with this content."""
    return packed_json(json.dumps(content).encode(), 1 << 20)


def index_of(modified: str, modules: object, vulns: object = None) -> VulnIndex:
    """The index of these lists."""
    listed = json_file(vulns) if vulns is not None else None
    return read_index(at(modified), json_file({}), json_file(modules), listed)


@pytest.mark.parametrize("text", ["GO-2024-0001", "GO-2024-12345", "CORP1-2024-0001"])
def test_ids(text: str) -> None:
    """An ID has a year and a number; the letters before are the database's own."""
    assert is_id(text)


@pytest.mark.parametrize(
    "text",
    ["GO-24-0001", "go-2024-0001", "GO-2024-001", "GO-2024-0001x", "../x", "GO-2024-٠٠٠١", "", "index"],
)
def test_no_ids(text: str) -> None:
    """Anything else is none."""
    assert not is_id(text)


def test_gzipped_and_plain() -> None:
    """A gzipped file is kept as it is, a plain one is gzipped to the same bytes each time."""
    packed = gz(b"{}")
    assert packed_json(packed, 10) == PackedJSON(packed, b"{}")
    plain = packed_json(b"{}", 10)
    assert (plain.plain, gzip.decompress(plain.packed)) == (b"{}", b"{}")
    assert packed_json(b"{}", 10) == plain


@pytest.mark.parametrize(
    "body",
    [
        b"x" * 11,
        gz(b"x" * 11),
        gz(bytes(100 << 20)),
        gz(b"{}")[:-3],
        gz(b"{}") + b"x",
        gz(b"{}") * 2,
        b"\x1f\x8b" + b"x" * 20,
    ],
    ids=["too large", "too large unpacked", "bomb", "cut", "surplus", "members", "damaged"],
)
def test_what_cannot_be_unpacked(body: bytes) -> None:
    """Too large, cut, damaged and lengthened files are refused; the limit is never unpacked beyond."""
    with pytest.raises(NoVulnDB):
        packed_json(body, 10)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (FIRST, datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T02:00:00.123456789+02:00", datetime(2026, 1, 1, 0, 0, 0, 123456, UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("2026-06-01T12:00:00Z", datetime(2026, 6, 1, 12, tzinfo=UTC)),
    ],
)
def test_when_the_database_was_changed(text: str, expected: datetime) -> None:
    """The time is read as RFC 3339 has it; a clock that is somewhat ahead is no lie."""
    assert read_modified(json.dumps({"modified": text, "more": 1}).encode(), NOW) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"modified":1}',
        b'{"modified":"2026-01-01"}',
        b'{"modified":"20260101T000000Z"}',
        b'{"modified":"2026-13-01T00:00:00Z"}',
        b'{"modified":"9999-12-31T23:59:59-23:59"}',
        '{"modified":"2026-01-01T00:00:00Z"}'.encode("utf-16"),
        b"[" * 100000,
        b'{"modified":"2027-01-01T00:00:00Z"}',
    ],
)
def test_no_index_db(body: bytes) -> None:
    """Pages, other JSON, other times, and times that are yet to come are refused."""
    with pytest.raises(NoVulnDB):
        read_modified(body, NOW)


def test_an_index() -> None:
    """Each entry has the newest time that any line gives it."""
    files = plain_files(Vuln("GO-2026-0001"), Vuln("GO-2026-0002", modified=SECOND))
    parts = (packed_json(files[f"index/{name}.json"], 1 << 20) for name in ("db", "modules", "vulns"))
    index = read_index(at(SECOND), *parts)
    assert index.entries == {"GO-2026-0001": at(FIRST), "GO-2026-0002": at(SECOND)}
    assert index.whole


@pytest.mark.parametrize(
    ("in_modules", "in_vulns", "whole"),
    [
        (SECOND, SECOND, True),
        (SECOND, None, True),
        (FIRST, SECOND, False),
        (SECOND, FIRST, False),
        (FIRST, None, False),
    ],
)
def test_lists_that_are_behind(in_modules: str, in_vulns: str | None, whole: bool) -> None:
    """An index is whole only where each list has an entry as new as index/db.json says; the later time is the promise."""
    modules = [{"path": "m", "vulns": [{"id": "GO-2026-0001", "modified": in_modules}]}]
    vulns = [{"id": "GO-2026-0001", "modified": in_vulns}] if in_vulns else None
    index = index_of(SECOND, modules, vulns)
    assert index.whole == whole
    assert index.entries == {"GO-2026-0001": at(max(in_modules, in_vulns or in_modules))}


def test_an_empty_database() -> None:
    """A database without entries promises nothing."""
    assert index_of("0001-01-01T00:00:00Z", [], []).whole


@pytest.mark.parametrize(
    "content",
    [
        {},
        "x",
        [1],
        [{"vulns": []}],
        [{"path": "m"}],
        [{"path": "m", "vulns": {}}],
        [{"path": "m", "vulns": [1]}],
        [{"path": "m", "vulns": [{"id": "GO-2026-0001"}]}],
        [{"path": "m", "vulns": [{"modified": FIRST}]}],
    ],
)
def test_no_list_of_modules(content: object) -> None:
    """What has not the shape of index/modules.json is refused."""
    with pytest.raises(NoVulnDB, match=r"index/modules\.json"):
        index_of(FIRST, content)


@pytest.mark.parametrize("content", [{}, [1], [{"id": "GO-2026-0001"}], [{"id": 1, "modified": FIRST}]])
def test_no_list_of_entries(content: object) -> None:
    """What has not the shape of index/vulns.json is refused."""
    with pytest.raises(NoVulnDB, match=r"index/vulns\.json"):
        index_of(FIRST, [], content)


def test_an_entry() -> None:
    """An entry says when it was changed."""
    assert read_entry(json.dumps(Vuln("GO-2026-0001").entry()).encode(), "GO-2026-0001") == at(FIRST)


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {"id": "GO-2026-0001"},
        {"id": "GO-2026-0002", "modified": FIRST},
        {"id": "GO-2026-0001", "modified": FIRST, "affected": {}},
    ],
)
def test_no_entry(content: object) -> None:
    """Other JSON, and the entry of another ID, is refused."""
    with pytest.raises(NoVulnDB):
        read_entry(json.dumps(content).encode(), "GO-2026-0001")
