"""What the journey hands to the edge."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from goproxy_mirror.ports import FileKind, RemoteFile, StoredFile


class Lasting:
    """What answers rest on that may be given again without a question; `over` once one of them may not any more."""

    __slots__ = ("over",)

    def __init__(self) -> None:
        self.over = False


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """A published file: whole, durable, and the same for ever. `home` names its source where this process fetched it.

    `lasting`: it may be answered again without being asked for, as long as it is there and that is not over.
    """

    file: StoredFile | RemoteFile
    kind: FileKind
    home: str | None = None
    lasting: Lasting | None = None

    @property
    def path(self) -> Path:
        """The file on this machine, which every `.info` and `.mod` is brought to."""
        assert isinstance(self.file, StoredFile), "only zips stay elsewhere"
        return self.file.path


@dataclass(frozen=True, slots=True)
class TextAnswer:
    """An answer that has a time to live (a list, `@latest`, a query, a checksum-database page).

    `max_age` in seconds; `stale` says that every source was down and this is what was known before; `fetched`, and
    `modified` where the content says when it was changed, in seconds since the epoch. `same_for`: seconds for which the very
    same may be answered again without being asked for, which is until `max_age` changes.
    """

    body: bytes
    content_type: str
    max_age: int
    fetched: float
    stale: bool = False
    home: str | None = None
    modified: float | None = None
    same_for: float = 0.0
