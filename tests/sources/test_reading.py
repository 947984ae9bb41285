"""What an answer of the proxy protocol must look like."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.sources.reading import (
    Unreadable,
    check_mod,
    check_zip,
    newest,
    read_info,
    read_list,
    read_time,
    tagged,
)

M = ModulePath.parse("x.test/m")
M2 = ModulePath.parse("x.test/m/v2")
MV = ModuleVersion(M, Version.parse("v1.0.0"))


def texts(path: ModulePath, body: bytes) -> list[str]:
    return [str(version) for version in tagged(read_list(path, body))]


def test_a_list_is_what_a_client_could_use_of_it() -> None:
    """U15: of a hostile list only versions of this module are left, each once."""
    lines = [
        b"v1.0.0",
        b"v1.0.0",
        b"  v1.2.0-rc.1\t2024-01-02T03:04:05Z extra",
        b"v2.0.0",
        b"v2.0.0+incompatible",
        b"v1.0",
        b"v1.0.0+meta",
        b"v0.0.0-20240102030405-0123456789ab",
        b"../../etc/passwd",
        b"v1.0.0/../..",
        b"<html>",
        b"\xff\xfe",
        b"v1.0." + b"9" * 10_000,
        b"\x00v1.3.0",
        "v１.0.0".encode(),
        b"",
    ]
    assert texts(M, b"\n".join(lines)) == ["v1.0.0", "v1.2.0-rc.1", "v2.0.0+incompatible"]
    assert texts(M2, b"v2.0.0\r\nv1.0.0\nv2.1.0\nv3.0.0\nv2.0.0+incompatible") == ["v2.0.0", "v2.1.0"]
    assert texts(M, b"") == []


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["v1.0.0", "v1.1.0", "v1.2.0-rc.1"], "v1.1.0"),
        (["v1.2.0-rc.1", "v1.2.0-rc.2"], "v1.2.0-rc.2"),
        (["v0.0.0-20240102030405-0123456789ab", "v0.9.0"], "v0.9.0"),
        (
            ["v0.0.0-20240102030405-0123456789ab", "v0.0.0-20250102030405-0123456789ab"],
            "v0.0.0-20250102030405-0123456789ab",
        ),
        (
            [
                "v0.0.0-20240102030405-0123456789ab 2026-01-01T00:00:00Z",
                "v0.0.0-20250102030405-0123456789ab 2025-01-01T00:00:00Z",
            ],
            "v0.0.0-20240102030405-0123456789ab",
        ),
        ([], None),
    ],
)
def test_the_newest_of_a_list(lines: list[str], expected: str | None) -> None:
    """Releases before prereleases before pseudo-versions, and of those the newest by the list's time or their own."""
    version = newest(read_list(M, "\n".join(lines).encode()))
    assert (str(version) if version else None) == expected


def test_an_info_is_kept_byte_for_byte() -> None:
    """The body is not made anew: Origin and the spelling of the JSON stay."""
    body = b'{"Version":"v1.0.0", "Time":"2024-01-02T03:04:05.5+02:00","Origin":{"VCS":"git","URL":"a\\u003cb"}}\n'
    info = read_info(M, body, MV.version)
    assert info.body == body
    assert info.time == datetime(2024, 1, 2, 1, 4, 5, 500_000, tzinfo=UTC)


@pytest.mark.parametrize("body", [b'{"Version":"v1.0.0"}', b'{"Version":"v1.0.0","Time":null}'])
def test_an_info_need_not_have_a_time(body: bytes) -> None:
    """The go command takes an info without a time."""
    assert read_info(M, body, MV.version).time is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>login</html>",
        b"[]",
        b'"v1.0.0"',
        b"{}",
        b'{"Version":7}',
        b'{"Version":null}',
        b'{"Version":"v1.0.0","Time":"yesterday"}',
        b'{"Version":"v1.0.0","Time":1700000000}',
        b'{"Version":"v1.0.0","Time":"2024-13-02T03:04:05Z"}',
        b'{"Version":"v1.0.0"} trailing',
        b'{"Version":"v1.0.0","X":NaN}',
        b'\xef\xbb\xbf{"Version":"v1.0.0"}',
        '{"Version":"v1.0.0"}'.encode("utf-16"),
        b'{"Version":"v1.0.0","X":"\xff"}',
        b'{"Version":"v1.0.0","version":"v6.6.6"}',
        '{"Version":"v1.0.0","ver\u017fion":"v6.6.6"}'.encode(),
        b'{"Version":"v1.0.0","X":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"Version":"v1.0.0","X":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
        b'{"Version":"v1.0.0","X":' + b"9" * 10_000 + b"}",
    ],
)
def test_what_is_no_info(body: bytes) -> None:
    """U17, U18, and whatever a client could read in another way than we do."""
    with pytest.raises(Unreadable):
        read_info(M, body, MV.version)


def test_an_info_says_the_version_that_was_asked_for() -> None:
    """U16: another version than the one asked for is refused, however valid."""
    with pytest.raises(Unreadable, match=r"v1\.0\.1"):
        read_info(M, b'{"Version":"v1.0.1","Time":"2024-01-02T03:04:05Z"}', MV.version)


@pytest.mark.parametrize("said", ["v1.0", "master", "v2.0.0", "v1.0.0+meta", "", "v1.0.0\\n"])
def test_a_query_is_answered_with_a_version_of_the_module(said: str) -> None:
    """What `@latest` or a query names must be a version that the path can have."""
    with pytest.raises(Unreadable):
        read_info(M, b'{"Version":"%s"}' % said.encode())
    assert str(read_info(M, b'{"Version":"v2.0.0+incompatible"}').version) == "v2.0.0+incompatible"


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("2024-02-29T23:59:59Z", True),
        ("2024-01-01T00:00:00.123456789Z", True),
        ("0001-01-01T00:00:00Z", True),
        ("2024-01-01T00:00:00-23:59", True),
        ("2023-02-29T00:00:00Z", False),
        ("2024-01-01T24:00:00Z", False),
        ("2024-01-01T00:00:60Z", False),
        ("2024-01-01T00:00:00,5Z", False),
        ("2024-01-01 00:00:00Z", False),
        ("2024-01-01T00:00:00z", False),
        ("2024-01-01T00:00:00+24:00", False),
        ("2024-1-01T00:00:00Z", False),
        ("2024-01-01T00:00:00", False),
        ("２024-01-01T00:00:00Z", False),
    ],
)
def test_times_are_those_of_rfc_3339(text: str, good: bool) -> None:
    """As Go's JSON has them, and nothing looser."""
    assert (read_time(text) is not None) is good


@pytest.mark.parametrize(
    "body", [b"", b"<!doctype html><p>module", b'{"error":"module"}', b"\n\n", b"go 1.20\n"]
)
def test_what_is_no_go_mod_file(body: bytes) -> None:
    """Pages and JSON errors with status 200 are not published for ever."""
    with pytest.raises(Unreadable):
        check_mod(body)


@pytest.mark.parametrize(
    "body", [b"module x.test/m\n", b"// c\nmodule (\n\tother.test/y\n)\n", b'\xef\xbb\xbfmodule "a"']
)
def test_what_may_be_a_go_mod_file(body: bytes) -> None:
    """U19: what the module line says is judged by the go command's rules, not here."""
    check_mod(body)


def zip_of(*names: str, comment: bytes = b"") -> bytes:
    """A zip with these entries."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in names:
            archive.writestr(name, "x" * 100)
        archive.comment = comment
    return made.getvalue()


WHOLE = zip_of("x.test/m@v1.0.0/go.mod", "x.test/m@v1.0.0/m.go")


@pytest.mark.parametrize("body", [WHOLE, zip_of(), zip_of("x.test/m@v1.0.0/a", comment=b"PK\x05\x06 hello")])
def test_whole_zips_of_the_version_pass(body: bytes, tmp_path: Path) -> None:
    """Also one without entries, and one with a comment."""
    (tmp_path / "z").write_bytes(body)
    check_zip(tmp_path / "z")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<!doctype html><html>please log in</html>",
        WHOLE[:-1],
        WHOLE[: len(WHOLE) // 2],
        WHOLE + b"surplus",
        b"junk" + WHOLE,
    ],
    ids=[
        "empty",
        "U13 HTML",
        "U01 cut",
        "half",
        "U24 surplus",
        "prepended",
    ],
)
def test_what_is_no_whole_zip(body: bytes, tmp_path: Path) -> None:
    """U01, U13, U24: pages, cut files, surplus bytes."""
    (tmp_path / "z").write_bytes(body)
    with pytest.raises(Unreadable):
        check_zip(tmp_path / "z")
