"""The streams that stores are moved in: a tar, packed with zstd, whose every file is preceded by its SHA-256.

    goproxy-mirror.json     what the stream is, and the version of its form
    SHA256SUMS/000001       the hashes of the files up to the next such list, as sha256sum reads them
    …
    END.json                how many files and bytes that were: a stream without it was cut off

Plain tar and zstd read all of it. The same content makes the same bytes: names come in the order in which they are added, and no
times, owners or modes are kept. All of it blocks.
"""

from __future__ import annotations

import json
import re
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from goproxy_mirror.errors import StorageError
from goproxy_mirror.module.tarreader import InvalidTar, StreamReader, TarFile

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FORM = 1
"""The version of the form. A reader refuses what is newer than it knows."""

TOGETHER = 96
"""Files whose hashes stand in one list; so many are open at the same time while they are written."""

_HEAD, _END, _SUMS = "goproxy-mirror.json", "END.json", "SHA256SUMS/"
_MOST_TEXT = 1 << 20
_MOST_FILE = 1 << 30
_PIECE = 1 << 20
_BLOCK = 512
_MAGIC = b"\x28\xb5\x2f\xfd"
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


class Readable(Protocol):
    """What a stream is read from. Raises OSError."""

    def read(self, size: int = -1, /) -> bytes: ...


class Writable(Protocol):
    """What a stream is written to. Raises OSError."""

    def write(self, data: bytes, /) -> int: ...

    def flush(self) -> None: ...


class DamagedArchive(InvalidTar):
    """The stream is none of ours, is damaged, or was cut off."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file to be written: its name in the stream, and its content or where that lies."""

    name: str
    content: bytes | Path


class ArchiveWriter:
    """Writes a stream of `kind` to `out`, which stays open. Raises OSError of `out`."""

    def __init__(
        self, out: Writable, kind: str, about: Mapping[str, object] | None = None, *, compress: bool = True
    ) -> None:
        self._out = out
        self._packer = (
            zstd.ZstdCompressor(options={zstd.CompressionParameter.checksum_flag: 1}) if compress else None
        )
        self._lists = self.files = self.bytes = 0
        self._whole(_HEAD, _json({"kind": kind, "form": FORM, **(about or {})}))

    def add(self, entries: Sequence[Entry]) -> list[str]:
        """Write files; the names of those that were left out, since they are gone. Raises `StorageError` where one cannot be
        read."""
        left_out: list[str] = []
        for start in range(0, len(entries), TOGETHER):
            left_out += self._add(entries[start : start + TOGETHER])
        return left_out

    def end(self) -> None:
        """Say that this is all."""
        self._whole(_END, _json({"files": self.files, "bytes": self.bytes}))
        self._write(b"\0" * (2 * _BLOCK))
        if self._packer is not None:
            self._out.write(self._packer.flush())
        self._out.flush()

    def _add(self, entries: Sequence[Entry]) -> list[str]:
        left_out = []
        with ExitStack() as stack:
            opened: list[tuple[str, BinaryIO, int]] = []
            lines = []
            for entry in entries:
                try:
                    file: BinaryIO = (
                        BytesIO(entry.content)
                        if isinstance(entry.content, bytes)
                        else stack.enter_context(entry.content.open("rb"))
                    )
                    hash_, size = _hashed(file)
                except FileNotFoundError:
                    left_out.append(entry.name)
                    continue
                except OSError as error:
                    raise StorageError(f"{entry.name} cannot be read: {error.strerror}") from error
                opened.append((entry.name, file, size))
                lines.append(f"{hash_}  {entry.name}\n")
            if not opened:
                return left_out
            self._lists += 1
            self._whole(f"{_SUMS}{self._lists:06}", "".join(lines).encode())
            for name, file, size in opened:
                self._copy(name, file, size)
        return left_out

    def _copy(self, name: str, file: BinaryIO, size: int) -> None:
        self._header(name, size)
        left = size
        while left:
            try:
                piece = file.read(min(left, _PIECE))
            except OSError as error:
                raise StorageError(f"{name} cannot be read: {error.strerror}") from error
            if not piece:
                raise StorageError(f"{name} became shorter while it was read")
            left -= len(piece)
            self._write(piece)
        self._write(b"\0" * (-size % _BLOCK))
        self.files += 1
        self.bytes += size

    def _whole(self, name: str, content: bytes) -> None:
        self._header(name, len(content))
        self._write(content + b"\0" * (-len(content) % _BLOCK))

    def _header(self, name: str, size: int) -> None:
        info = tarfile.TarInfo(name)
        info.size = size
        self._write(info.tobuf(tarfile.PAX_FORMAT))

    def _write(self, data: bytes) -> None:
        self._out.write(data if self._packer is None else self._packer.compress(data))


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a stream; its content is read by `ArchiveReader.copy` or `content`, before the next one."""

    name: str
    size: int
    sha256: str


class ArchiveReader:
    """Reads a stream, packed or not. Raises `DamagedArchive` for whatever is not as it was written.

    `about` is what the writer has said of the stream, with `kind` and `form`.
    """

    def __init__(self, file: Readable) -> None:
        self._reader = StreamReader(_Unpacked(file))
        self._files = iter(self._reader)
        self.about = self._begin()

    @property
    def kind(self) -> str:
        return str(self.about["kind"])

    def __iter__(self) -> Iterator[Member]:
        sums: dict[str, str] = {}
        files = size = 0
        while True:
            file = self._next()
            if file.name == _END:
                said = self._json(file)
                if sums or said.get("files") != files or said.get("bytes") != size:
                    raise DamagedArchive("the stream is damaged: some of its files are missing")
                if next(self._files, None) is not None:
                    raise DamagedArchive("the stream is damaged: it goes on behind its end")
                return
            if file.name.startswith(_SUMS):
                if sums:
                    raise DamagedArchive(f"the stream is damaged: {next(iter(sums))} is missing")
                sums = self._sums(file)
                continue
            hash_ = sums.pop(file.name, None)
            if hash_ is None:
                raise DamagedArchive(f"the stream is damaged: it has no hash of {file.name!a}")
            if file.size > _MOST_FILE:
                raise DamagedArchive(f"the stream has a file of {file.size} bytes: {file.name!a}")
            files += 1
            size += file.size
            yield Member(file.name, file.size, hash_)

    def copy(self, member: Member, out: BinaryIO) -> None:
        """Write the member's content. What stands in `out` is worthless where this raises. Raises OSError of `out`."""
        found = sha256()
        for piece in self._reader.read():
            found.update(piece)
            out.write(piece)
        if found.hexdigest() != member.sha256:
            raise DamagedArchive(f"the stream is damaged: {member.name} is not what was written")

    def content(self, member: Member, most: int = 64 << 20) -> bytes:
        """The same in memory, of a file of at most `most` bytes."""
        if member.size > most:
            raise DamagedArchive(f"the stream has {member.size} bytes as {member.name!a}")
        out = BytesIO()
        self.copy(member, out)
        return out.getvalue()

    def _begin(self) -> Mapping[str, Any]:
        try:
            file = self._next()
        except DamagedArchive as error:
            raise DamagedArchive(
                f"this is no backup and no bundle of goproxy-mirror, or its beginning is damaged: {error.message}"
            ) from None
        about = self._json(file) if file.name == _HEAD else {}
        if not isinstance(about.get("kind"), str) or not isinstance(about.get("form"), int):
            raise DamagedArchive(
                "this is no backup and no bundle of goproxy-mirror: it does not begin like one"
            )
        if about["form"] > FORM:
            raise DamagedArchive(
                f"the stream has form {about['form']}, and this version of the program reads forms up to {FORM}: a newer "
                "version has written it, so use that one"
            )
        return about

    def _next(self) -> TarFile:
        try:
            return next(self._files)
        except StopIteration:
            raise DamagedArchive("the stream was cut off") from None
        except DamagedArchive:
            raise
        except InvalidTar as error:
            raise DamagedArchive(error.message) from None

    def _sums(self, file: TarFile) -> dict[str, str]:
        found = {}
        for line in self._text(file).decode("utf-8", "replace").splitlines():
            match = _LINE.fullmatch(line)
            if match is None:
                raise DamagedArchive(f"the stream is damaged: {file.name} is no list of hashes")
            found[match[2]] = match[1]
        return found

    def _json(self, file: TarFile) -> dict[str, Any]:
        try:
            said = json.loads(self._text(file))
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise DamagedArchive(f"the stream is damaged: {file.name} says nothing")
        return said

    def _text(self, file: TarFile) -> bytes:
        if file.size > _MOST_TEXT:
            raise DamagedArchive(f"the stream is damaged: {file.name} has {file.size} bytes")
        return b"".join(self._reader.read())


class _Unpacked:
    """`module.tarreader.Unpacked` of a file that is packed with zstd, or not at all."""

    def __init__(self, file: Readable) -> None:
        beginning = self._of(file, len(_MAGIC))
        whole = _Rejoined(beginning, file)
        self._packed = beginning == _MAGIC
        self._file: Readable = zstd.ZstdFile(cast("BinaryIO", whole), "rb") if self._packed else whole

    def read(self, size: int) -> bytes:
        data = self._some(size)
        if len(data) < size:
            raise DamagedArchive("the stream was cut off")
        return data

    def end(self) -> None:
        while rest := self._some(_PIECE):
            if rest.strip(b"\0"):
                raise DamagedArchive("the stream is damaged: it has something behind its end")

    def _some(self, size: int) -> bytes:
        return self._of(self._file, size)

    @staticmethod
    def _of(file: Readable, size: int) -> bytes:
        try:
            return _exactly(file, size)
        except OSError as error:
            raise StorageError(f"the stream cannot be read ({error.strerror})") from None
        except EOFError:
            raise DamagedArchive("the stream was cut off") from None
        except zstd.ZstdError:
            raise DamagedArchive("the stream is damaged: it cannot be unpacked") from None


class _Rejoined:
    """A stream that cannot go back, with what was read of it already in front again."""

    def __init__(self, beginning: bytes, file: Readable) -> None:
        self._beginning = beginning
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        if self._beginning and size > 0:
            part, self._beginning = self._beginning[:size], self._beginning[size:]
            return part
        return self._file.read(size)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    @property
    def closed(self) -> bool:
        return False


def _exactly(file: Readable, size: int) -> bytes:
    """So many bytes, or what there is; a pipe gives fewer than were asked for. Raises OSError."""
    parts = []
    while size and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _hashed(file: BinaryIO) -> tuple[str, int]:
    found, size = sha256(), 0
    while piece := file.read(_PIECE):
        found.update(piece)
        size += len(piece)
    file.seek(0)
    return found.hexdigest(), size


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
