"""The recorded database of 700 records, which the go command accepts; each way to tamper with it is seen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from goproxy_mirror.errors import MirrorError, NotFound, SourceUnavailable
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import Found, Home, Record, Records
from goproxy_mirror.sumdb.client import Client
from goproxy_mirror.sumdb.note import VerifierKey
from tests.fakes.sumdb import FakeOps

VECTORS = Path(__file__).parent.parent / "conformance/sumdb_vectors"
LOOKUPS = sorted(
    str(path.relative_to(VECTORS / "lookup")) for path in (VECTORS / "lookup").rglob("*") if path.is_file()
)
NAME = "x.test/filler@v0.0.300"
LOOKUP = f"lookup/{NAME}"


class Recorded(FakeOps):
    """The recorded answers, some of them replaced."""

    def __init__(self, replaced: dict[str, bytes] | None = None) -> None:
        super().__init__([])
        self.replaced = replaced or {}

    async def fetch(self, path: str, without: Collection[Home] = ()) -> Found[bytes]:
        await asyncio.sleep(0)
        if without:
            raise SourceUnavailable("there is no other place")
        if path in self.replaced:
            return Found(self.replaced[path], Home("upstream", "https://sum.test"))
        if not (VECTORS / path).is_file():
            raise NotFound(path)
        return Found((VECTORS / path).read_bytes(), Home("upstream", "https://sum.test"))


def client(replaced: dict[str, bytes] | None = None) -> Client:
    """A client of the recorded database."""
    return Client(VerifierKey.parse((VECTORS / "vkey").read_text()), Recorded(replaced))


def named(text: str) -> ModuleVersion:
    """The version that an escaped `path@version` names."""
    path, _, version = text.partition("@")
    return ModuleVersion(ModulePath.unescape(path), Version.unescape(version))


@pytest.mark.parametrize("name", LOOKUPS)
async def test_every_record_is_accepted(name: str) -> None:
    """The two hashes are those of the record's lines."""
    records: Records = client()
    record = await records.lookup(named(name))
    lines = (VECTORS / "lookup" / name).read_text().split("\n")
    assert record == Record(int(lines[0]), go_mod=lines[2].split()[2], zip=lines[1].split()[2], tree=700)


async def test_every_tile_is_accepted() -> None:
    """Tiles of hashes and of records, full and partial."""
    for path in sorted(path for path in (VECTORS / "tile").rglob("*") if path.is_file()):
        name = str(path.relative_to(VECTORS))
        assert await client().tile(name) == path.read_bytes(), name


def flip(offset: int) -> Callable[[bytes], bytes]:
    """One bit is another, at that offset from the beginning or the end."""

    def change(body: bytes) -> bytes:
        spot = offset % len(body)
        return body[:spot] + bytes([body[spot] ^ 1]) + body[spot + 1 :]

    return change


def other(path: str) -> Callable[[bytes], bytes]:
    """The answer to another question."""
    return lambda body: (VECTORS / path).read_bytes()


TAMPERED = {
    "number": (LOOKUP, flip(0)),
    "path": (LOOKUP, flip(5)),
    "version": (LOOKUP, lambda body: body.replace(b"v0.0.300", b"v0.0.301")),
    "zip hash": (LOOKUP, lambda body: body.replace(b" h1:", b" h1:A", 1)),
    "go.mod hash": (LOOKUP, lambda body: body.replace(b"/go.mod h1:", b"/go.mod h1:A")),
    "another record": (LOOKUP, other("lookup/x.test/filler@v0.0.99")),
    "a line less": (LOOKUP, lambda body: body.replace(body.split(b"\n")[2] + b"\n", b"")),
    "no blank line": (LOOKUP, lambda body: body.replace(b"\n\n", b"\n", 1)),
    "tree size": (LOOKUP, lambda body: body.replace(b"\n700\n", b"\n701\n")),
    "smaller tree": (LOOKUP, lambda body: body.replace(b"\n700\n", b"\n301\n")),
    "tree root": (LOOKUP, lambda body: body.replace(b"zuox", b"zuoy")),
    "tree name": (LOOKUP, lambda body: body.replace(b"go.sum database tree", b"go.sum database tree v2")),
    "signature": (LOOKUP, flip(-8)),
    "signature's key": (LOOKUP, lambda body: body.replace(b" fjkZ", b" fjkY")),
    "signer": (LOOKUP, lambda body: body.replace("— sum.test".encode(), "— sum.other".encode())),
    "no signature": (LOOKUP, lambda body: body[: body.rindex("—".encode())]),
    "nothing": (LOOKUP, lambda body: b""),
    "a page": (LOOKUP, lambda body: b"<html></html>\n"),
    "cut": (LOOKUP, lambda body: body[:-1]),
    "more": (LOOKUP, lambda body: body + b"more\n"),
    "not UTF-8": (LOOKUP, lambda body: body.replace(b"x.test/filler", b"x.test/fill\xff")),
    "control character": (LOOKUP, lambda body: body.replace(b"\n700\n", b"\r\n700\r\n")),
    "record's tile, its own hash": ("tile/8/0/001", flip(44 * 32)),
    "record's tile, another hash": ("tile/8/0/001", flip(-1)),
    "record's tile, short": ("tile/8/0/001", lambda body: body[:-32]),
    "record's tile, long": ("tile/8/0/001", lambda body: body + bytes(32)),
    "record's tile, another tile": ("tile/8/0/001", other("tile/8/0/000")),
    "parent": ("tile/8/1/000.p/2", flip(0)),
    "parent, the other hash": ("tile/8/1/000.p/2", flip(-1)),
    "edge": ("tile/8/0/002.p/188", flip(0)),
    "edge, the end": ("tile/8/0/002.p/188", flip(-1)),
    "edge, short": ("tile/8/0/002.p/188", lambda body: body[:-32]),
}


@pytest.mark.parametrize("what", TAMPERED)
async def test_tampering_is_refused(what: str) -> None:
    """The same look-up succeeds with what was recorded, and fails with one answer changed."""
    path, change = TAMPERED[what]
    body = (VECTORS / path).read_bytes()
    assert (await client({path: body}).lookup(named(NAME))).number == int(
        (VECTORS / LOOKUP).read_text().split()[0]
    )
    assert change(body) != body
    with pytest.raises(MirrorError):
        await client({path: change(body)}).lookup(named(NAME))
