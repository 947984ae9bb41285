"""Module zips by the ids they have in the list of bad inputs (group Z): each would be a good one but for that.

Where it can be, a lenient reader takes them for the honest zip, so that the hash of what it reads is the recorded one.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from goproxy_mirror.module.version import ModuleVersion
from tests.module.zipkit import Part, archive, deflated, end, entry, with_attributes

A_GO = b"package a\n"
MB = 1 << 20


def go_mod(mv: ModuleVersion) -> bytes:
    """The go.mod file."""
    return f"module {mv.path}\n".encode()


def parts(mv: ModuleVersion) -> tuple[Part, Part]:
    """The two files that the module has."""
    prefix = f"{mv}/".encode()
    return entry(prefix + b"go.mod", go_mod(mv)), entry(
        prefix + b"a.go", A_GO, method=8, packed=deflated(A_GO)
    )


def honest(mv: ModuleVersion) -> bytes:
    """The zip as it should be."""
    return archive(*parts(mv))


def _with(name: bytes, content: bytes = b"x\n") -> Callable[[ModuleVersion], bytes]:
    """One file more, below the prefix."""
    return lambda mv: archive(*parts(mv), entry(f"{mv}/".encode() + name, content))


def _with_whole(name: bytes) -> Callable[[ModuleVersion], bytes]:
    """One file more, with all of its name."""
    return lambda mv: archive(*parts(mv), entry(name))


def _shifted(before: bytes, between: bytes = b"", *, right: bool = True) -> Callable[[ModuleVersion], bytes]:
    """Bytes that belong to no entry, before the first entry or before the directory; with `right`, offsets count them."""

    def build(mv: ModuleVersion) -> bytes:
        (first, of_first), (second, of_second) = parts(mv)
        start = len(before) if right else 0
        directory = of_first(start) + of_second(start + len(first))
        body = before + first + second + between
        return body + directory + end(2, len(directory), len(body) if right else len(body) - len(before))

    return build


def _overlapping(mv: ModuleVersion) -> bytes:
    """A file within the file before it."""
    prefix = f"{mv}/".encode()
    inner, of_inner = entry(prefix + b"inner.go", A_GO)
    outer, of_outer = entry(prefix + b"outer.go", inner)
    module, of_module = entry(prefix + b"go.mod", go_mod(mv))
    at = len(module)
    directory = of_module(0) + of_outer(at) + of_inner(at + len(outer) - len(inner))
    return module + outer + directory + end(3, len(directory), at + len(outer))


def _another_body(mv: ModuleVersion, **changes: int | bytes) -> bytes:
    module, _ = parts(mv)
    return archive(module, entry(f"{mv}/a.go".encode(), A_GO, **changes))  # type: ignore[arg-type]


def _two_ends(mv: ModuleVersion) -> bytes:
    """A second directory, of an empty zip, behind the first."""
    whole = honest(mv)
    return whole + end(0, 0, len(whole))


def _local_lies(mv: ModuleVersion) -> bytes:
    """The header in front of the data has another name than the directory."""
    module, file = parts(mv)
    other = entry(f"{mv}/b.go".encode(), A_GO, method=8, packed=deflated(A_GO))
    return archive(module, (other[0], file[1]))


def _zip64_entry(mv: ModuleVersion) -> bytes:
    name, sizes = f"{mv}/a.go".encode(), struct.pack("<2HQ", 1, 8, len(A_GO))
    local, _ = entry(name, A_GO, method=8, packed=deflated(A_GO), extra=sizes)
    _, central = entry(name, A_GO, method=8, packed=deflated(A_GO), size=0xFFFFFFFF, extra=sizes)
    return archive(parts(mv)[0], (local, central))


def _zip64_end(mv: ModuleVersion) -> bytes:
    """Records that say another number of entries than the plain end does."""
    (first, of_first), (second, of_second) = parts(mv)
    start = len(first + second)
    directory = of_first(0) + of_second(len(first))
    records = b"PK\6\6" + struct.pack("<Q2H2L4Q", 44, 45, 45, 0, 0, 1, 1, len(directory), start)
    records += b"PK\6\7" + struct.pack("<LQL", 0, start + len(directory), 1)
    return first + second + directory + records + end(2, len(directory), start)


def many(mv: ModuleVersion, count: int = 1_000_000) -> bytes:
    """A zip of that many empty files."""
    prefix = f"{mv}/".encode()
    local, directory = [], []
    at = 0
    for number in range(count):
        name = prefix + b"%07d" % number
        head = struct.pack("<5H3L2H", 20, 0, 0, 0, 0, 0, 0, 0, len(name), 0)
        local.append(b"PK\3\4" + head + name)
        directory.append(b"PK\1\2\x14\0" + head + struct.pack("<3H2L", 0, 0, 0, 0, at) + name)
        at += len(local[-1])
    whole = b"".join(directory)
    records = b"PK\6\6" + struct.pack("<Q2H2L4Q", 44, 45, 45, 0, 0, count, count, len(whole), at)
    records += b"PK\6\7" + struct.pack("<LQL", 0, at + len(whole), 1)
    return b"".join(local) + whole + records + end(0xFFFF, len(whole), at)


def _comment(mv: ModuleVersion) -> bytes:
    """Behind the end another directory and its end, as the first one's comment: one file of two is left in it."""
    whole = honest(mv)
    start = len(whole) - 22
    directory = parts(mv)[0][1](0)
    inner = directory + end(1, len(directory), len(whole))
    size, at = struct.unpack("<2L", whole[-10:-2])
    return whole[:start] + end(2, size, at, inner)


def _symlink(mv: ModuleVersion, system: int = 3) -> bytes:
    return archive(*parts(mv), with_attributes(f"{mv}/link".encode(), 0o120777 << 16, system=system))


HOSTILE: dict[str, tuple[Callable[[ModuleVersion], bytes], str]] = {
    "Z01": (_with(b"../../../../etc/cron.d/x"), "can have|does not begin"),
    "Z01 inside": (_with(b"a/../../x.go"), "can have"),
    "Z02": (_with_whole(b"/etc/cron.d/x"), "does not begin"),
    "Z02 below": (_with(b"/etc/x"), "can have"),
    "Z03": (_with(b"a\\..\\b.go"), "can have"),
    "Z04": (_with(b"a.go\0.txt"), "can have"),
    "Z05": (lambda mv: archive(*parts(mv), parts(mv)[1]), "two entries of one name"),
    "Z05 other": (lambda mv: archive(*parts(mv), entry(f"{mv}/a.go".encode(), b"evil\n")), "two entries of one name"),
    "Z06": (_with(b"A.GO"), "can have"),
    "Z07": (lambda mv: honest(ModuleVersion(mv.path, type(mv.version).parse("v9.9.9"))), "does not begin"),
    "Z07 one file": (lambda mv: archive(*parts(mv), entry(f"{mv.path}@v9.9.9/b.go".encode())), "does not begin"),
    "Z08": (_symlink, "symbolic link"),
    "Z08 of macOS": (lambda mv: _symlink(mv, 19), "symbolic link"),
    "Z09": (_overlapping, "overlaps|header"),
    "Z10": (lambda mv: _another_body(mv, method=8, packed=deflated(bytes(400 * MB))), "size"),
    "Z10 said": (lambda mv: _another_body(mv, method=8, packed=deflated(bytes(MB)), size=600 * MB), "at most"),
    "Z11": (lambda mv: _another_body(mv, method=8, packed=deflated(A_GO), size=len(A_GO) - 1), "size"),
    "Z11 larger": (lambda mv: _another_body(mv, method=8, packed=deflated(A_GO), size=len(A_GO) + 1), "size"),
    "Z11 checksum": (lambda mv: _another_body(mv, crc=1), "checksum"),
    "Z12": (_shifted(b"#!/bin/sh\n", right=False), "no zip|not where"),
    "Z12 counted": (_shifted(b"#!/bin/sh\n"), "no zip|begins with"),
    "Z12 between": (_shifted(b"", b"between"), "followed by"),
    "Z12 behind": (lambda mv: honest(mv) + b"\n", "whole|behind its end"),
    "Z13": (_two_ends, "belongs to no entry"),
    "Z14": (_local_lies, "contradicts"),
    "Z15": (_zip64_entry, "ZIP64"),
    "Z15 end": (_zip64_end, "ZIP64"),
    "Z16": (many, "at most 500000"),
    "Z17": (lambda mv: _another_body(mv, flags=1), "encrypted"),
    "Z18": (_with(b"sub/go.mod", b"module x\n"), "root directory"),
    "Z19": (_with(b"GO.MOD", b"module x\n"), "can have"),
    "Z20": (_comment, "followed by"),
}  # fmt: skip
"""What makes each, and what is said of it."""
