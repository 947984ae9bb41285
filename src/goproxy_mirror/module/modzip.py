"""Module zips: which files of a tree belong into one, and how it is written (golang.org/x/mod/zip).

A zip must unpack to the same files on every system, so names that some system cannot have, and names that
differ in case alone, make the whole module invalid; files that are not the module's own (vendored packages,
nested modules, symbolic links) are left out. The bytes of a zip are nobody's business: its hash covers names
and contents alone.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Generic, Protocol, Self, TypeVar

from isal import isal_zlib

from goproxy_mirror.errors import Unbuildable
from goproxy_mirror.module.dirhash import hash1
from goproxy_mirror.module.filenames import TreeNames, parent, unclean
from goproxy_mirror.module.modfile import GoMod
from goproxy_mirror.module.version import ModuleVersion
from goproxy_mirror.module.zipmember import LEVEL, Packed

MAX_ZIP = 500 << 20
"""Bytes that a module zip may have, and that its files may have together."""

MAX_GO_MOD = 16 << 20
"""Bytes that a module's go.mod file may have."""

MAX_LICENSE = 16 << 20
"""Bytes that the LICENSE file in a module's root may have."""

TOO_LARGE = f"module source tree too large (max size is {MAX_ZIP} bytes)"
"""The go command's words where a module's files are more than `MAX_ZIP` bytes."""

_TYPE, _REGULAR, _SYMLINK, _GITLINK = 0o170000, 0o100000, 0o120000, 0o160000


class Entry(Protocol):
    """A file of a tree, as `ports.TreeEntry` is: the path from the module's root, git's mode and size."""

    @property
    def path(self) -> bytes: ...

    @property
    def mode(self) -> int: ...

    @property
    def size(self) -> int | None: ...


E = TypeVar("E", bound=Entry)


@dataclass(frozen=True, slots=True)
class Checked(Generic[E]):
    """Every entry of a tree in one of three lists, each in the tree's order, with the reason unless it is valid.

    `size_problem` is there where the valid files are too many bytes together.
    """

    valid: tuple[E, ...]
    omitted: tuple[tuple[E, str], ...]
    invalid: tuple[tuple[E, str], ...]
    size_problem: str | None

    @property
    def problem(self) -> str | None:
        """Why no module can be made of the tree, one line per reason (the first five), or None if one can."""
        if self.size_problem or not self.invalid:
            return self.size_problem
        lines = [
            f"{entry.path.decode(errors='backslashreplace')}: {reason}" for entry, reason in self.invalid[:5]
        ]
        if len(self.invalid) > len(lines):
            lines.append(f"and {len(self.invalid) - len(lines)} more files")
        return "\n".join(lines)


def check_files(entries: Iterable[E], go_mod: GoMod | None = None) -> Checked[E]:
    """Sort a tree's files: those of the module's zip, those left out, and those that forbid a zip.

    `go_mod` is what `parse_lax` makes of the tree's own go.mod file, or None where it is missing or cannot be
    read: go 1.24 changed which vendored files are left out.
    """
    files = [(entry.path.decode(errors="surrogateescape"), entry) for entry in entries]
    omission = _Omission(
        modules={parent(name) for name, entry in files if _is_go_mod(name) and _is_regular(entry)},
        new_vendoring=go_mod is not None and go_mod.language_at_least(1, 24),
    )
    names = TreeNames()
    valid: list[E] = []
    omitted: dict[str, tuple[E, str]] = {}
    invalid: dict[str, tuple[E, str]] = {}
    room = MAX_ZIP
    for name, entry in files:
        reason = omission.reason(name, entry.mode)
        problem = None if reason else names.problem(name)
        if not reason and not problem:
            reason = _irregularity(entry)
        if not reason and not problem:
            size = entry.size or 0
            room -= size
            problem = size_problem(name, size)
        if not reason and not problem:
            valid.append(entry)
        elif name not in omitted and name not in invalid:  # a hostile tree may have a name more than once
            if reason:
                omitted[name] = (entry, reason)
            elif problem:
                invalid[name] = (entry, problem)
    return Checked(
        tuple(valid), tuple(omitted.values()), tuple(invalid.values()), TOO_LARGE if room < 0 else None
    )


class _Omission:
    """Why files are left out whatever their name; `modules` are the folders that have a go.mod file of their own."""

    def __init__(self, *, modules: set[str], new_vendoring: bool) -> None:
        self._modules = modules
        self._new_vendoring = new_vendoring
        self._nested = {"": False}

    def reason(self, name: str, mode: int) -> str | None:
        if mode & _TYPE == _GITLINK:
            return "submodules are not part of a module"
        if unclean(name):
            return None
        if self._vendored(name):
            return "file is in vendor directory"
        if self._in_nested_module(parent(name)):
            return "file is in another module"
        if name == ".hg_archival.txt":
            return "file is inserted by 'hg archive' and is always omitted"
        return None

    def _vendored(self, name: str) -> bool:
        """Whether a file is in a package whose import path has the element `vendor` before its last one.

        Until go 1.24 everything two folders below one named vendor, and by an error everything below a nested
        vendor folder, counted; the hashes of old versions rest on that.
        """
        if self._new_vendoring and name == "vendor/modules.txt":
            return True
        if name.startswith("vendor/"):
            start = len("vendor/")
        else:
            found = name.find("/vendor/")
            if found < 0:
                return False
            start = len("/vendor/") + (found if self._new_vendoring else 0)
        return "/" in name[start:]

    def _in_nested_module(self, folder: str) -> bool:
        climbed = []
        while folder not in self._nested and folder not in self._modules:
            climbed.append(folder)
            folder = parent(folder)
        nested = self._nested.get(folder, True)
        self._nested.update((below, nested) for below in climbed)
        return nested


def _is_go_mod(name: str) -> bool:
    return name[-6:].lower() == "go.mod" and name[-7:-6] in {"", "/"}


def _irregularity(entry: Entry) -> str | None:
    """Why an entry whose name is well is left out, or None: only regular files are written."""
    if _is_regular(entry):
        return None
    return "file is a symbolic link" if entry.mode & _TYPE == _SYMLINK else "not a regular file"


def _is_regular(entry: Entry) -> bool:
    return entry.mode & _TYPE == _REGULAR


def size_problem(name: str, size: int) -> str | None:
    """Why a file is too large, or None; only go.mod and LICENSE in the root have limits of their own."""
    limit = {"go.mod": MAX_GO_MOD, "LICENSE": MAX_LICENSE}.get(name)
    if limit is not None and size > limit:
        return f"{name} file too large (max size is {limit} bytes)"
    return None


_HAS_DESCRIPTOR, _IS_UTF8 = 0x8, 0x800
_AMBIGUOUS = re.compile(r"[^ -\[\]-}]")
_LOCAL = struct.Struct("<4s5H3L2H")
_DESCRIPTOR = struct.Struct("<4s3L")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_END = struct.Struct("<4s4H2LH")


def zip_prefix(mv: ModuleVersion) -> str:
    """What the name of every file in a module's zip begins with."""
    return f"{mv}/"


class _Packing:
    """A file that is being written."""

    def __init__(self, name: str, full_name: str, offset: int) -> None:
        self.name = name
        self.full_name = full_name
        self.raw_name = full_name.encode()
        self.offset = offset
        self.flags = _HAS_DESCRIPTOR | _utf8_flag(full_name)
        self.crc = self.size = self.packed = 0
        self.digest = hashlib.sha256()
        self._deflate: Any = None

    def deflate(self) -> Any:
        """Its compressor."""
        if self._deflate is None:
            self._deflate = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, -isal_zlib.MAX_WBITS)
        return self._deflate

    def local_header(self) -> bytes:
        return _LOCAL.pack(b"PK\3\4", 20, self.flags, 8, 0, 0, 0, 0, 0, len(self.raw_name), 0) + self.raw_name

    def descriptor(self) -> bytes:
        return _DESCRIPTOR.pack(b"PK\7\10", self.crc, self.packed, self.size)

    def central_header(self) -> bytes:
        sizes = (self.crc, self.packed, self.size, len(self.raw_name))
        fields = (20, 20, self.flags, 8, 0, 0, *sizes, 0, 0, 0, 0, 0, self.offset)
        return _CENTRAL.pack(b"PK\1\2", *fields) + self.raw_name


class ZipWriter:
    """Writes a module zip, in the container that the go command uses.

    That is: all deflated, sizes behind the data, no times, no attributes, no folders. Names are given without the
    prefix (see `zip_prefix`), and have passed `check_files`. A body comes in pieces between `begin` and `end`, with
    `add`, or packed with `put`. Raises Unbuildable when the files are too many bytes: their sizes in the tree may have
    said less, since git converts what it archives. As a context manager, it finishes the zip unless there was an
    exception. Compressing is work for the processor: not for the event loop.
    """

    def __init__(self, path: Path, prefix: str) -> None:
        self._file: BinaryIO = path.open("wb")
        self._prefix = prefix
        self._position = 0
        self._room = MAX_ZIP
        self._begun: _Packing | None = None
        self._central: list[bytes] = []
        self._digests: list[tuple[str, bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        with self._file:
            if kind is None:
                self._finish()

    @property
    def hash(self) -> str:
        """The `h1:` hash of the files written so far."""
        return hash1(self._digests)

    def add(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write a whole file."""
        self.begin(name)
        for chunk in chunks:
            self.write(chunk)
        self.end()

    def put(self, name: str, member: Packed) -> None:
        """Write a whole file that is packed already."""
        entry = _Packing(name, self._prefix + name, self._position)
        self._room -= member.size
        problem = TOO_LARGE if self._room < 0 else size_problem(name, member.size)
        if problem:
            raise Unbuildable(problem)
        entry.size, entry.crc, entry.packed = member.size, member.crc, len(member.deflated)
        self._put(entry.local_header() + member.deflated + entry.descriptor())
        self._central.append(entry.central_header())
        self._digests.append((entry.full_name, member.sha256))

    def begin(self, name: str) -> None:
        """Begin a file."""
        self._begun = _Packing(name, self._prefix + name, self._position)
        self._put(self._begun.local_header())

    def write(self, chunk: bytes) -> None:
        """Go on with the file that was begun."""
        entry = self._packing()
        entry.size += len(chunk)
        self._room -= len(chunk)
        problem = TOO_LARGE if self._room < 0 else size_problem(entry.name, entry.size)
        if problem:
            raise Unbuildable(problem)
        entry.crc = isal_zlib.crc32(chunk, entry.crc)
        entry.digest.update(chunk)
        self._put_packed(entry, entry.deflate().compress(chunk))

    def end(self) -> None:
        """End the file that was begun."""
        entry = self._packing()
        self._put_packed(entry, entry.deflate().flush())
        self._put(entry.descriptor())
        self._central.append(entry.central_header())
        self._digests.append((entry.full_name, entry.digest.digest()))
        self._begun = None

    def _packing(self) -> _Packing:
        if self._begun is None:
            raise ValueError("no file was begun")
        return self._begun

    def _put_packed(self, entry: _Packing, data: bytes) -> None:
        entry.packed += len(data)
        self._put(data)

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._position += len(data)

    def _finish(self) -> None:
        count, start = len(self._central), self._position
        self._put(b"".join(self._central))
        end, size = self._position, self._position - start
        if count >= 0xFFFF:
            self._put(_END64.pack(b"PK\6\6", _END64.size - 12, 45, 45, 0, 0, count, count, size, start))
            self._put(_LOCATOR64.pack(b"PK\6\7", 0, end, 1))
            count, size, start = 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF
        self._put(_END.pack(b"PK\5\6", 0, 0, count, count, size, start, 0))


def _utf8_flag(name: str) -> int:
    """Set where other encodings than UTF-8 would read the name differently."""
    return _IS_UTF8 if _AMBIGUOUS.search(name) else 0
