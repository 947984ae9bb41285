"""From a Go distribution, as it is downloaded, to the module `golang.org/toolchain` that the go command asks for.

Who makes the distributions makes the modules of the same files (cmd/distpack): the module has what the distribution has but
for its documentation and tests, below the module's own prefix, and each `go.mod` is called `_go.mod`, since a module can have
no other inside. So one is made of the other here, to the same hash. The archive goes through this piece by piece; nothing is
unpacked, and no name in it becomes a path.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import cast

from isal import isal_zlib

from goproxy_mirror.errors import InvalidVersion, SourceUnavailable
from goproxy_mirror.module.filenames import TreeNames
from goproxy_mirror.module.gojson import go_json
from goproxy_mirror.module.modzip import MAX_ZIP, ZipWriter, zip_prefix
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.tarreader import InvalidTar, TarReader
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.module.zipreader import ZipReader
from goproxy_mirror.ports import Info

TOOLCHAIN = ModulePath.parse("golang.org/toolchain")

GO_MOD = b"module golang.org/toolchain\n"
"""The `.mod` of every toolchain."""

MOST_UNPACKED = 1 << 30
"""Bytes that a distribution may unpack to; one of today has 300 MB, its tests and documentation included."""

_VERSION = re.compile(r"v0\.0\.1-(go[0-9][0-9A-Za-z.]*)\.([a-z0-9]+)-([a-z0-9]+)")
_ROOT = "go/"
_LEFT_OUT = frozenset({"api", "doc", "misc", "test"})
_MOST_VERSION = 4096
_MOST_BEGINNING = 16 << 20
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_LOCAL = struct.Struct("<4s5H3L2H")
_DESCRIPTOR = struct.Struct("<4s3L")

_DAMAGED = cast("type[Exception]", isal_zlib.error)  # its stub takes the class for an instance


@dataclass(frozen=True, slots=True)
class Distribution:
    """What a toolchain's version stands for: `release` is `go1.21.0`, `file` the archive's name on the download sites."""

    release: str
    file: str

    @classmethod
    def of(cls, version: Version) -> Distribution:
        """Raises `InvalidVersion` for what is the version of no toolchain."""
        match = _VERSION.fullmatch(version.value)
        if match is None:
            raise InvalidVersion(
                f"{TOOLCHAIN}@{version}: a toolchain's version is v0.0.1-goVERSION.GOOS-GOARCH"
            )
        release, system, machine = match.groups()
        # The one file that is not called as the go command calls the machine.
        if (system, machine) == ("linux", "arm"):
            machine = "armv6l"
        return cls(release, f"{release}.{system}-{machine}.{'zip' if system == 'windows' else 'tar.gz'}")


def write_module(archive: Path, mv: ModuleVersion, into: Path, go_on: Callable[[], bool]) -> Info:
    """Write the module's zip to `into`; the `.info` with the time that the distribution's VERSION says.

    `go_on` is asked before each file; once it says no, what stands in `into` is worthless. Raises `SourceUnavailable` for an
    archive that is none, another version's, or one that no module can be made of. Takes seconds: not for the event loop.
    """
    wanted = Distribution.of(mv.version)
    names = TreeNames()
    info: Info | None = None
    with archive.open("rb") as opened, ZipWriter(into, zip_prefix(mv)) as writer:
        files = (
            _zipped(archive)
            if wanted.file.endswith(".zip")
            else _tarred(TarReader(opened, limit=MOST_UNPACKED))
        )
        for name, pieces in files:
            if not go_on():
                raise SourceUnavailable(f"{mv}: nobody waits for it any more")
            if name.partition("/")[0] in _LEFT_OUT:
                continue
            called = _renamed(name)
            problem = _problem(names, called)
            if problem:
                raise SourceUnavailable(f"no module can have the file {called!a}: {problem}")
            if name == "VERSION":
                text = _text(pieces)
                info = _info(mv, wanted, text)
                writer.add(called, [text])
            else:
                writer.add(called, pieces)
        if info is None:
            raise SourceUnavailable(f"{wanted.file} has no go/VERSION, so it is no Go distribution")
    if into.stat().st_size > MAX_ZIP:
        raise SourceUnavailable(f"the module's zip has more than the {MAX_ZIP} bytes that are allowed")
    return info


def read_info(beginning: bytes, mv: ModuleVersion) -> Info:
    """The `.info` from the first bytes of the archive, since VERSION stands near its beginning. Raises `SourceUnavailable`."""
    wanted = Distribution.of(mv.version)
    if wanted.file.endswith(".zip"):
        files = _beginning_of_zip(beginning)
    else:
        files = _tarred(TarReader(BytesIO(beginning), limit=_MOST_BEGINNING))
    for name, pieces in files:
        if name == "VERSION":
            return _info(mv, wanted, _text(pieces))
    raise InvalidTar(f"{wanted.file} has no go/VERSION near its beginning")


def _tarred(reader: TarReader) -> Iterator[tuple[str, Iterator[bytes]]]:
    for file in reader:
        yield _below_root(file.name), reader.read()


def _zipped(archive: Path) -> Iterator[tuple[str, Iterator[bytes]]]:
    with ZipReader(archive) as reader:
        for member in reader.members:
            if not member.name.endswith("/"):
                yield _below_root(member.name), reader.read(member)


def _beginning_of_zip(data: bytes) -> Iterator[tuple[str, Iterator[bytes]]]:
    """The files of a zip of which only the beginning is there, for as long as they can be read from front to back."""
    position = 0
    while position + _LOCAL.size <= len(data):
        mark, _, _, method, _, _, _, packed, _, name_length, extra_length = _LOCAL.unpack_from(data, position)
        start = position + _LOCAL.size + name_length + extra_length
        if mark != b"PK\3\4" or method != 8:
            break
        inflate = isal_zlib.decompressobj(-isal_zlib.MAX_WBITS)
        try:
            body = inflate.decompress(data[start:], _MOST_BEGINNING)
        except _DAMAGED:
            break
        if not inflate.eof:
            break
        name = data[position + _LOCAL.size : start - extra_length].decode("utf-8", "replace")
        yield _below_root(name), iter([body])
        position = len(data) - len(inflate.unused_data) + (0 if packed else _DESCRIPTOR.size)


def _below_root(name: str) -> str:
    if not name.startswith(_ROOT):
        raise SourceUnavailable(f"the archive has {name[:200]!a}, which no Go distribution has")
    return name.removeprefix(_ROOT)


def _renamed(name: str) -> str:
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}_go.mod" if last == "go.mod" else name


def _problem(names: TreeNames, name: str) -> str | None:
    if name.rpartition("/")[2].lower() == "go.mod":
        return "go.mod file not in module root directory"
    return names.problem(name)


def _text(pieces: Iterator[bytes]) -> bytes:
    """The VERSION file, of which a hostile archive could have any length."""
    text = b""
    for piece in pieces:
        text += piece
        if len(text) > _MOST_VERSION:
            raise SourceUnavailable("the archive's VERSION is none of a Go distribution")
    return text


def _info(mv: ModuleVersion, wanted: Distribution, text: bytes) -> Info:
    """What VERSION says: the release in its first line, and its time in a line of its own (since go1.21)."""
    lines = text.decode("utf-8", "replace").split("\n")
    if lines[0] != wanted.release:
        raise SourceUnavailable(f"{wanted.file} says that it is {lines[0][:40]!a}, not {wanted.release}")
    stamps = [line.removeprefix("time ") for line in lines[1:] if line.startswith("time ")]
    content = {"Version": mv.version.value}
    time = None
    if stamps and _TIME.fullmatch(stamps[0]):
        with suppress(ValueError):
            time = datetime.fromisoformat(stamps[0]).astimezone(UTC)
            content["Time"] = stamps[0]
    return Info(mv.version, time, go_json(content))
