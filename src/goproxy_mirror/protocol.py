"""The GOPROXY protocol: URL path to typed request, and each request's key.

    /<module>/@v/list             List
    /<module>/@latest             Latest
    /<module>/@v/<version>.info   File, or Resolve where it is no canonical version that fits the path
    /<module>/@v/<version>.mod    File
    /<module>/@v/<version>.zip    File
    /sumdb/<name>/…               SumDB: supported, latest, lookup/<module>@<version>, tile/…

Module and version are escaped as `module/path.py` says. A key is the very path without its leading slash, so
a store is also a tree of static files that any server can serve.

Two kinds of refusal, since the go command goes on to its next proxy on 404 only: `BadRequest` (400) is for
what no go command ever sends (broken encoding, control bytes, traversal); `NotFound` (404) and its subclasses
for well-formed paths that name nothing that can exist. The reference is
https://go.dev/ref/mod#goproxy-protocol.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from goproxy_mirror.errors import BadRequest, InvalidVersion, NotFound
from goproxy_mirror.module.path import ModulePath, check_path_major, match_path_major
from goproxy_mirror.module.version import ModuleVersion, Query, Version
from goproxy_mirror.ports import FileKind

MAX_PATH = 2048
"""Characters of a URL path; a longer one is no request of the go command."""

MAX_ELEMENT = 255
"""Characters between two slashes, since an element becomes a file name; file systems end there."""

# Queries that the go command answers from the list by itself, and so never asks a proxy for.
_CLIENT_QUERIES = frozenset({"latest", "upgrade", "patch"})

_KINDS = {kind.value: kind for kind in FileKind}
_VISIBLE = re.compile(r"[ -~]*+")
_DATABASE_NAME = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z._:-]|/(?=[0-9A-Za-z]))*+")
_DATABASE_ASKED = re.compile(r"/(?=(?:lookup|tile)/)|/(?=(?:supported|latest)\Z)")
_TILE = re.compile(
    r"tile/([1-9][0-9]?)/(data|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*+[0-9]{3})(?:\.p/([1-9][0-9]*+))?"
)


@dataclass(frozen=True, slots=True)
class List:
    """The versions of a module."""

    path: ModulePath

    @property
    def key(self) -> str:
        return f"{self.path.escaped}/@v/list"

    def __str__(self) -> str:
        return f"the versions of {self.path}"


@dataclass(frozen=True, slots=True)
class Latest:
    """The version to take where the list has none."""

    path: ModulePath

    @property
    def key(self) -> str:
        return f"{self.path.escaped}/@latest"

    def __str__(self) -> str:
        return f"{self.path}@latest"


@dataclass(frozen=True, slots=True)
class Resolve:
    """The version that a query stands for.

    The query may be a canonical version whose major does not fit the path: `v2.0.0` of a module without a
    suffix is answered with `v2.0.0+incompatible` where it has no go.mod file.
    """

    path: ModulePath
    query: Query

    @property
    def key(self) -> str:
        return f"{self.path.escaped}/@v/{self.query.escaped}.info"

    def __str__(self) -> str:
        return f"{self.path}@{self.query}"


@dataclass(frozen=True, slots=True)
class File:
    """One of the three files of a module version."""

    mv: ModuleVersion
    kind: FileKind

    @property
    def path(self) -> ModulePath:
        return self.mv.path

    @property
    def key(self) -> str:
        return file_key(self.mv, self.kind)

    def __str__(self) -> str:
        return f"{self.mv}{self.kind.value}"


@dataclass(frozen=True, slots=True)
class SumDB:
    """A question to a checksum database: `path` is what the database itself is asked.

    `module` is the one that a `lookup/…` names, so that a policy can keep private names at home.
    """

    name: str
    path: str
    module: ModulePath | None = None

    @property
    def key(self) -> str:
        return f"sumdb/{self.name}/{self.path}"

    def __str__(self) -> str:
        return f"{self.path} of {self.name}"


ModuleRequest: TypeAlias = List | Latest | Resolve | File
Request: TypeAlias = ModuleRequest | SumDB


def file_key(mv: ModuleVersion, kind: FileKind) -> str:
    """The key of a module version's file (`golang.org/x/text/@v/v0.3.0.zip`)."""
    return f"{stem_of(mv)}{kind.value}"


def stem_of(mv: ModuleVersion) -> str:
    """With what the keys of a version begin."""
    return f"{mv.path.escaped}/@v/{mv.version.escaped}"


@lru_cache(maxsize=4096)
def parse(path: str) -> Request:
    """The request that a URL path makes: decoded once, without the server's own prefix.

    Remembers what it has answered, since a build asks the same things of a proxy again and again; refusals are not kept.

    Raises BadRequest for what can only be a mistake or an attack, InvalidPath or InvalidVersion for a module
    path or a version that cannot exist, and NotFound for a path that the protocol does not have.
    """
    _refuse_malformed(path)
    text = path.removeprefix("/")
    if any(len(element) > MAX_ELEMENT for element in text.split("/")):
        raise NotFound(f"a path element has more than {MAX_ELEMENT} characters")
    if text.startswith("sumdb/"):
        return _parse_sumdb(text.removeprefix("sumdb/"))
    module, separator, name = text.partition("/@v/")
    if separator:
        return _parse_file(ModulePath.unescape(module), name)
    if text.endswith("/@latest"):
        return Latest(ModulePath.unescape(text.removesuffix("/@latest")))
    raise NotFound(
        f"{path!a} is no path of the module proxy protocol (https://go.dev/ref/mod#goproxy-protocol)"
    )


def _refuse_malformed(path: str) -> None:
    """Refuse what no go command sends, before anything looks at it more closely."""
    if len(path) > MAX_PATH:
        raise BadRequest(f"the path has {len(path)} characters; at most {MAX_PATH} are served")
    if not _VISIBLE.fullmatch(path):
        raise BadRequest("the path has a character outside visible ASCII")
    if "%" in path or "\\" in path:
        raise BadRequest('the path has a "%" or a backslash after decoding')
    if {".", ".."} & set(path.split("/")):
        raise BadRequest('the path has a "." or ".." element')


def _parse_file(path: ModulePath, name: str) -> ModuleRequest:
    """What follows `@v/`."""
    if name == "list":
        return List(path)
    escaped, dot, ending = name.rpartition(".")
    kind = _KINDS.get(dot + ending)
    if kind is None:
        raise NotFound(f"{path}: {name!a} is neither list nor the .info, .mod or .zip of a version")
    try:
        return _of_version(path, escaped, kind)
    except InvalidVersion as error:
        raise InvalidVersion(f"{path}: {error.message}") from None


def _of_version(path: ModulePath, escaped: str, kind: FileKind) -> Resolve | File:
    if kind is not FileKind.INFO:
        return File(ModuleVersion(path, Version.unescape_for(path, escaped)), kind)
    query = Query.unescape(escaped)
    if query.value in _CLIENT_QUERIES:
        raise NotFound(f"{path}@{query} is for the go command to work out from @v/list and @latest")
    try:
        version = Version(query.value)
    except InvalidVersion:
        return Resolve(path, query)
    path_major = path.split_major()[1]
    if not path_major and not match_path_major(version.value, path_major):
        return Resolve(path, query)
    check_path_major(version.value, path_major)
    return File(ModuleVersion(path, version), kind)


def _parse_sumdb(text: str) -> SumDB:
    """What follows `sumdb/`: a database's name, which may have slashes, and what it is asked."""
    asked = _DATABASE_ASKED.search(text)
    if asked is None:
        raise NotFound("a checksum database has supported, latest, lookup/… and tile/…")
    name, path = text[: asked.start()], text[asked.end() :]
    if not _DATABASE_NAME.fullmatch(name):
        raise NotFound(f"{name!a} cannot be the name of a checksum database")
    if path.startswith("tile/"):
        _check_tile(path)
        return SumDB(name, path)
    if path.startswith("lookup/"):
        return SumDB(name, path, _looked_up(path.removeprefix("lookup/")))
    return SumDB(name, path)


def _looked_up(text: str) -> ModulePath:
    module, at, version = text.partition("@")
    if not at or "/" in version:
        raise BadRequest(f"lookup/{text!a} is not of the form lookup/module@version")
    path = ModulePath.unescape(module)
    Version.unescape_for(path, version)
    return path


def _check_tile(path: str) -> None:
    """Refuse all but the one spelling of a tile's coordinates (https://go.dev/design/25530-sumdb)."""
    match = _TILE.fullmatch(path)
    if match is None or not _tile_exists(*match.groups()):
        raise BadRequest(f"malformed tile path {path!a}")


def _tile_exists(height: str, level: str, index: str, width: str | None) -> bool:
    """Height 1 to 30, level 0 to 63 or data, index below 2**63 in the fewest groups, width < 2**height."""
    digits = index.replace("/", "").replace("x", "")
    return (
        int(height) <= 30
        and (level == "data" or int(level) <= 63)
        and not index.startswith("x000")
        and len(digits) <= 21
        and int(digits) < 1 << 63
        and (width is None or (len(width) <= 10 and int(width) < 1 << int(height)))
    )
