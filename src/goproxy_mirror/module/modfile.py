"""What a go.mod file says (golang.org/x/mod/modfile).

Three readings, since the go command has three. `module_path` only looks for the module line and forgives
everything else: it decides whether a repository's folder holds the module. `parse_lax` is for other people's
files: statements that concern the main module alone, and unknown ones, are passed over. `parse` refuses what
it does not know.

Reading takes some seconds for a file of 16 MiB, the most that a module may have: not on the event loop.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from goproxy_mirror.errors import InvalidVersion
from goproxy_mirror.module import semver
from goproxy_mirror.module.modsyntax import Block, InvalidModFile, Line, statements, unquote
from goproxy_mirror.module.path import ModulePath, check_path_major, module_path_problem, split_path_version
from goproxy_mirror.module.version import ModuleVersion, Version, canonical_version

__all__ = ["GoMod", "InvalidModFile", "Replace", "Retract", "module_path", "parse", "parse_lax", "parse_work"]

# What Go calls white space; Python adds some control characters.
_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_GO_VERSION = re.compile(r"[1-9][0-9]*+\.(?:0|[1-9][0-9]*+)(?:\.(?:0|[1-9][0-9]*+))?(?:[a-z]+[0-9]+)?")
_LAX_GO_VERSION = re.compile(r"v?([1-9][0-9]*+\.(?:0|[1-9][0-9]*+))[^0-9][^\n]*")
_LANGUAGE = re.compile(r"([1-9][0-9]*+)\.(0|[1-9][0-9]*+)(?:\.(?:0|[1-9][0-9]*+)|[a-z]++(?:0|[1-9][0-9]*+))?")
_TOOLCHAIN = re.compile(r"default\Z|go1(?:\.|\Z)")
_DIRECTORY = re.compile(r"\.{0,2}[/\\]|\.{1,2}\Z|[A-Za-z]:")

_BLOCKS = frozenset({"module", "godebug", "require", "exclude", "replace", "retract", "tool", "ignore"})
_WORK_BLOCKS = frozenset({"use", "replace", "godebug"})
_SINGLE = frozenset({"go", "toolchain"})
_LAX_VERBS = frozenset({"go", "module", "retract", "require", "ignore"})


class Retract(NamedTuple):
    """A retracted range of versions, both ends included, and why."""

    low: str
    high: str
    rationale: str


class Replace(NamedTuple):
    """A replacement: `old_version` is empty where it is for all, `new_version` where `new` is a folder."""

    old: str
    old_version: str
    new: str
    new_version: str


@dataclass(frozen=True, slots=True)
class GoMod:
    """A go.mod file. Texts are empty where the file does not say.

    `required` has the paths and versions as they stand there; `replaces` and `excludes` are only filled by `parse`, and `uses`
    by `parse_work`.
    """

    module: str = ""
    go: str = ""
    toolchain: str = ""
    required: tuple[tuple[str, str], ...] = ()
    retracts: tuple[Retract, ...] = ()
    replaces: tuple[Replace, ...] = ()
    excludes: tuple[tuple[str, str], ...] = ()
    uses: tuple[str, ...] = ()

    @property
    def requires(self) -> tuple[ModuleVersion, ...]:
        """What is required and can be asked of a proxy: a path that is no module's stands for a replaced folder."""
        return tuple(
            ModuleVersion(ModulePath(path), Version(version))
            for path, version in self.required
            if module_path_problem(path) is None
        )

    def is_retracted(self, version: str) -> bool:
        """Whether a version lies in a retracted range."""
        return any(
            semver.compare(retract.low, version) <= 0 <= semver.compare(retract.high, version)
            for retract in self.retracts
        )

    def language_at_least(self, major: int, minor: int) -> bool:
        """Whether the file's language version is that or later; release candidates count as the release."""
        match = _LANGUAGE.fullmatch(self.go)
        if match is None:
            return False
        wanted = (len(str(major)), str(major), len(str(minor)), str(minor))
        return (len(match[1]), match[1], len(match[2]), match[2]) >= wanted


def module_path(data: bytes) -> str:
    """The path on the first module line, or empty. Forgives all other lines, and does not check the path.

    A `module (` line yields "(", as it does for the go command.
    """
    for raw in data.split(b"\n"):
        line = raw.partition(b"//")[0]
        if b"module" not in line:
            continue
        text = line.decode(errors="surrogateescape").strip(_SPACE)
        rest = text.removeprefix("module")
        path = rest.lstrip(_SPACE)
        if len(rest) == len(text) or len(path) == len(rest) or not path:
            continue
        return (unquote(path) or "") if path[0] in '"`' else path
    return ""


def parse(data: bytes) -> GoMod:
    """Read a main module's file. Raises InvalidModFile."""
    return _Reader(strict=True).read(data)


def parse_work(data: bytes) -> GoMod:
    """Read a go.work file, which has `use` lines and no requirements. Raises InvalidModFile."""
    return _Reader(strict=True, blocks=_WORK_BLOCKS).read(data)


def parse_lax(data: bytes) -> GoMod:
    """Read another module's file, passing over what only a main module may say. Raises InvalidModFile."""
    return _Reader(strict=False).read(data)


@dataclass(slots=True)
class _Reader:
    strict: bool
    blocks: frozenset[str] = _BLOCKS
    texts: dict[str, str] = field(default_factory=dict)
    required: list[tuple[str, str]] = field(default_factory=list)
    retracts: list[Retract] = field(default_factory=list)
    replaces: list[Replace] = field(default_factory=list)
    excludes: list[tuple[str, str]] = field(default_factory=list)
    uses: list[str] = field(default_factory=list)

    def read(self, data: bytes) -> GoMod:
        # The whole syntax comes first: its errors hide those of statements.
        for statement in list(statements(data)):
            if isinstance(statement, Line):
                self._add(statement, statement.tokens[0], statement.tokens[1:], statement.before)
            elif len(statement.tokens) == 1 and statement.tokens[0] in self.blocks:
                for line in statement.lines:
                    self._add(line, statement.tokens[0], line.tokens, line.before, statement)
            elif self.strict:
                raise InvalidModFile(statement.number, f"unknown block type: {' '.join(statement.tokens)}")
        return GoMod(
            required=tuple(self.required),
            retracts=tuple(self.retracts),
            replaces=tuple(self.replaces),
            excludes=tuple(self.excludes),
            uses=tuple(self.uses),
            **self.texts,
        )

    def _add(
        self,
        line: Line,
        verb: str,
        args: tuple[str, ...],
        before: tuple[str, ...],
        block: Block | None = None,
    ) -> None:
        if not self.strict and verb not in _LAX_VERBS:
            return
        if self.strict and verb not in self.blocks | _SINGLE:
            raise InvalidModFile(line.number, f"unknown directive: {verb}")
        match verb:
            case "go":
                self._once(line, verb, args)
                self.texts[verb] = self._go_version(line, args[0])
            case "toolchain":
                self._once(line, verb, args)
                if not _TOOLCHAIN.match(args[0]):
                    raise InvalidModFile(line.number, f"invalid toolchain version {args[0]!a}")
                self.texts[verb] = args[0]
            case "module":
                self._once(line, verb, args)
                self.texts[verb] = _string(line, args[0])
            case "require" | "exclude":
                self._require(line, verb, args)
            case "retract":
                self._retract(line, args, before, block)
            case "replace":
                self.replaces.append(_replace(line, args))
            case "use":
                _count(line, verb, args)
                self.uses.append(_string(line, args[0]))
            case "tool" | "ignore":
                _count(line, verb, args)
                _string(line, args[0])
            case "godebug":
                _count(line, verb, args)
                if "=" not in args[0] or set(args[0]) & set("\"`',"):
                    raise InvalidModFile(line.number, "usage: godebug key=value")

    def _once(self, line: Line, verb: str, args: Sequence[str]) -> None:
        if verb in self.texts:
            raise InvalidModFile(line.number, f"repeated {verb} statement")
        _count(line, verb, args)

    def _go_version(self, line: Line, text: str) -> str:
        if _GO_VERSION.fullmatch(text):
            return text
        match = None if self.strict else _LAX_GO_VERSION.fullmatch(text)
        if match is None:
            raise InvalidModFile(line.number, f"invalid go version {text!a}: must match format 1.23.0")
        return match[1]

    def _require(self, line: Line, verb: str, args: Sequence[str]) -> None:
        _count(line, verb, args, 2)
        path = _string(line, args[0])
        version = _version(line, args[1])
        _check_major(line, path, version)
        (self.required if verb == "require" else self.excludes).append((path, version))

    def _retract(
        self, line: Line, args: tuple[str, ...], before: tuple[str, ...], block: Block | None
    ) -> None:
        try:
            low, high, rest = _interval(line, args)
        except InvalidModFile:
            if self.strict:
                raise
            return  # a later syntax, perhaps: not to be refused in other people's files
        if rest and self.strict:
            raise InvalidModFile(line.number, f"unexpected token after version: {rest[0]!a}")
        comments = (*before, line.suffix) if before or line.suffix or block is None else block.before
        rationale = "\n".join(comment[2:].strip(_SPACE) for comment in comments if comment)
        self.retracts.append(Retract(low, high, rationale))


def _count(line: Line, verb: str, args: Sequence[str], count: int = 1) -> None:
    if len(args) != count:
        wanted = "a module path and a version" if count == 2 else "exactly one argument"
        raise InvalidModFile(line.number, f"{verb} directive expects {wanted}")


def _string(line: Line, token: str) -> str:
    """A token's text; quotes may only stand around the whole, and only double ones."""
    if token.startswith('"'):
        text = unquote(token)
        if text is None:
            raise InvalidModFile(line.number, f"invalid quoted string: {token!a}")
        return text
    if set(token) & set("\"'`"):
        raise InvalidModFile(line.number, "invalid quoted string: unquoted string cannot contain quote")
    return token


def _version(line: Line, token: str) -> str:
    text = _string(line, token)
    version = canonical_version(text)
    if not version:
        raise InvalidModFile(line.number, f"version {text!a} invalid: must be of the form v1.2.3")
    return version


def _check_major(line: Line, path: str, version: str = "") -> None:
    parts = split_path_version(path)
    if parts is None:
        raise InvalidModFile(line.number, f"invalid module path {path!a}")
    if version:
        try:
            check_path_major(version, parts[1])
        except InvalidVersion as error:
            raise InvalidModFile(line.number, f"{path}: {error.message}") from None


def _interval(line: Line, args: tuple[str, ...]) -> tuple[str, str, tuple[str, ...]]:
    """The bounds of `v1` or `[v1, v2]`, as they stand there, and the tokens behind them."""
    if len(args) >= 5 and (args[0], args[2], args[4]) == ("[", ",", "]"):
        return _string(line, args[1]), _string(line, args[3]), args[5:]
    if not args or args[0] in {"(", "["}:
        raise InvalidModFile(line.number, "expected a version or [low, high]")
    version = _string(line, args[0])
    return version, version, args[1:]


def _replace(line: Line, args: tuple[str, ...]) -> Replace:
    arrow = 1 if args[1:2] == ("=>",) else 2
    if args[arrow : arrow + 1] != ("=>",) or not arrow + 2 <= len(args) <= arrow + 3:
        raise InvalidModFile(
            line.number, "usage: replace module/path [v1.2.3] => other/module v1.4 or ../local/directory"
        )
    old = _string(line, args[0])
    old_version = _version(line, args[1]) if arrow == 2 else ""
    _check_major(line, old, old_version)
    new = _string(line, args[arrow + 1])
    new_version = _version(line, args[arrow + 2]) if len(args) == arrow + 3 else ""
    if bool(new_version) == bool(_DIRECTORY.match(new)) or ("\\" in new and not new_version):
        problem = (
            "cannot have a version"
            if new_version
            else "must have a version, or be a directory path with slashes"
        )
        raise InvalidModFile(line.number, f"replacement {new!a} {problem}")
    return Replace(old, old_version, new, new_version)
