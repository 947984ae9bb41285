"""go.sum files, and the records of checksum databases, which have the same lines."""

from __future__ import annotations

from typing import NamedTuple

from goproxy_mirror.errors import BadRequest, InvalidPath, InvalidVersion
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import Version

_GO_MOD = "/go.mod"

# Early go commands wrote the hash of an empty file for a module without go.mod; the go command passes such
# lines over.
_EMPTY_GO_MOD = "h1:G7mAYYxgmS0lVkHyy2hEOLQCFB0DlQFTMLWggykrydY="


class InvalidGoSum(BadRequest):
    """The text is no go.sum file; the message begins with the line."""


class GoSumLine(NamedTuple):
    """The hash of a module's zip, or of its go.mod file alone."""

    path: ModulePath
    version: Version
    go_mod: bool
    hash: str

    def __str__(self) -> str:
        return f"{self.path} {self.version}{_GO_MOD if self.go_mod else ''} {self.hash}"


def parse_go_sum(data: bytes) -> tuple[GoSumLine, ...]:
    """The lines of a go.sum file: `path version[/go.mod] hash`. Raises InvalidGoSum."""
    lines = []
    for number, raw in enumerate(data.decode(errors="replace").split("\n"), 1):
        fields = raw.split()
        if not fields:
            continue
        if len(fields) != 3:
            raise InvalidGoSum(
                f"go.sum:{number}: {len(fields)} fields instead of a module, a version and a hash"
            )
        path, version, hash_ = fields
        if hash_ == _EMPTY_GO_MOD:
            continue
        try:
            lines.append(
                GoSumLine(
                    ModulePath(path), Version(version.removesuffix(_GO_MOD)), version.endswith(_GO_MOD), hash_
                )
            )
        except (InvalidPath, InvalidVersion) as error:
            raise InvalidGoSum(f"go.sum:{number}: {error.message}") from None
    return tuple(lines)
