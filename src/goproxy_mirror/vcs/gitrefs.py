"""What a remote advertises: read from `git ls-remote`, and kept beside the copy for all worker processes."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from goproxy_mirror.ports import Refs

_HEADS = b"refs/heads/"
_TAGS = b"refs/tags/"
_PEELED = b"^{}"
_ID = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_FIRST_LINE = b"refs 1 "

# git-check-ref-format(1). A server may advertise anything; such a name is never given back to git.
_BAD_NAME = re.compile(rb"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|$)|\.$|/$")


@dataclass(frozen=True, slots=True)
class Advertised:
    """What a remote advertised at `fetched` (seconds since the epoch)."""

    refs: Refs
    fetched: float

    def id_of(self, ref: str) -> str | None:
        """The id that `HEAD`, `refs/heads/…` or `refs/tags/…` leads to at last; None where it is not there."""
        if ref == "HEAD":
            return self.refs.head
        if ref.startswith("refs/heads/"):
            return self.refs.heads.get(ref.removeprefix("refs/heads/"))
        if ref.startswith("refs/tags/"):
            tag = ref.removeprefix("refs/tags/")
            return self.refs.peeled.get(tag) or self.refs.tags.get(tag)
        return None

    def tip_of(self, ref: str) -> str | None:
        """The id that a ref stands on: that of the tag, where it is an annotated one."""
        if ref.startswith("refs/tags/"):
            return self.refs.tags.get(ref.removeprefix("refs/tags/"))
        return self.id_of(ref)

    def name_of(self, oid: str) -> str | None:
        """A ref that leads to an id, or None."""
        return next((name for name, found in self.names() if found == oid), None)

    def names(self) -> Iterator[tuple[str, str]]:
        """Each ref's full name, and the id that it leads to at last: heads, HEAD, then tags."""
        for head, oid in self.refs.heads.items():
            yield f"refs/heads/{head}", oid
        if self.refs.head is not None:
            yield "HEAD", self.refs.head
        for tag, oid in self.refs.tags.items():
            yield f"refs/tags/{tag}", self.refs.peeled.get(tag, oid)

    @property
    def sha256(self) -> bool:
        """Whether the repository names its objects by SHA-256 (it does so for all, or for none)."""
        return any(len(oid) == 64 for _, oid in islice(self.names(), 1))


def is_wanted(line: bytes) -> bool:
    """Whether a line of `git ls-remote` names HEAD, a head or a tag."""
    name = line[line.find(b"\t") + 1 :]
    return name.startswith((_HEADS, _TAGS)) or name == b"HEAD"


def parse(lines: Iterable[bytes], fetched: float) -> Advertised:
    """Read the lines of `git ls-remote`. What is no ref of interest is passed over."""
    head: str | None = None
    heads: dict[str, str] = {}
    tags: dict[str, str] = {}
    peeled: dict[str, str] = {}
    for line in lines:
        oid, _, name = line.partition(b"\t")
        if not _ID.fullmatch(oid):
            continue
        value = oid.decode("ascii")
        if name == b"HEAD":
            head = value
            continue
        bare = name.removesuffix(_PEELED)
        if _BAD_NAME.search(bare):
            continue
        if bare.startswith(_HEADS) and bare == name:
            heads[bare[len(_HEADS) :].decode("utf-8", "surrogateescape")] = value
        elif bare.startswith(_TAGS):
            kind = tags if bare == name else peeled
            kind[bare[len(_TAGS) :].decode("utf-8", "surrogateescape")] = value
    return Advertised(Refs(head, heads, tags, peeled), fetched)


def keep(path: Path, lines: Sequence[bytes], fetched: float) -> Advertised:
    """Read the lines, and keep them for the other processes; where they cannot be kept, they cannot."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        written = path.with_name(f"{path.name}.{os.getpid()}")
        with written.open("wb") as file:
            file.write(_FIRST_LINE + repr(fetched).encode("ascii") + b"\n")
            file.writelines(line + b"\n" for line in lines)
        written.replace(path)
    return parse(lines, fetched)


def load(path: Path, earliest: float, latest: float) -> Advertised | None:
    """The kept answer, unless there is none, it is damaged, or it was fetched outside of these times."""
    try:
        with path.open("rb") as file:
            first = file.readline()
            if not first.startswith(_FIRST_LINE):
                return None
            fetched = float(first[len(_FIRST_LINE) :])
            if not earliest <= fetched <= latest:
                return None
            return parse((line.rstrip(b"\n") for line in file), fetched)
    except (OSError, ValueError):
        return None
