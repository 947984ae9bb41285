"""Mirror rules and rewrites: the operator's, and the built-in table."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from goproxy_mirror.config.values import file_path, redact
from goproxy_mirror.errors import SettingError
from goproxy_mirror.module.patterns import PathPattern, expand
from goproxy_mirror.module.sshaddress import ALLOWED, SSHAddress, is_ssh

Pairs = tuple[tuple[str, str], ...]

_RIGHT = (
    "allowed on the right are https:// URLs, file:// URLs and absolute paths, without credentials, and SSH addresses "
    f"({ALLOWED})"
)


@dataclass(frozen=True, slots=True)
class MirrorRule:
    """`pattern` is the module path of a repository's root, `candidates` are URL templates, the best first.

    A candidate is an https URL, an SSH address, or a `file://` URL since the operator may name a repository of this
    machine.
    """

    pattern: PathPattern
    candidates: tuple[str, ...]
    builtin: bool = False


@dataclass(frozen=True, slots=True)
class RewriteRule:
    """Any repository whose URL begins with `left` is also at `right` + the rest; all end with a slash.

    Or, with `pattern`, any repository whose URL (without `https://`) it matches is also where the names on the right lead to.
    """

    left: str
    rights: tuple[str, ...]
    pattern: PathPattern | None = None


def parse_mirrors(value: object) -> tuple[MirrorRule, ...]:
    """Rules from pairs of pattern and template; pairs with the same pattern become one rule."""
    if isinstance(value, tuple) and all(isinstance(rule, MirrorRule) for rule in value):
        return value
    return tuple(
        _mirror_rule(left, rights, builtin=False) for left, rights in grouped(as_pairs(value)).items()
    )


def parse_rewrites(value: object) -> tuple[RewriteRule, ...]:
    """Rewrites from pairs of URL prefixes; pairs with the same left side become one rule."""
    if isinstance(value, tuple) and all(isinstance(rule, RewriteRule) for rule in value):
        return value
    pairs = tuple(
        (_left_prefix(left), _right_side(right) if "{" in left else _with_slash(_right_side(right)))
        for left, right in as_pairs(value)
    )
    return tuple(_rewrite_rule(left, rights) for left, rights in grouped(pairs).items())


def as_pairs(value: object) -> Pairs:
    """`LEFT=RIGHT` pairs from a table, a list of `LEFT=RIGHT` texts, or one text with blanks between."""
    if isinstance(value, str):
        value = value.split()
    if isinstance(value, Mapping):
        return tuple(
            (str(left), right) for left, rights in value.items() for right in _texts(str(left), rights)
        )
    if not isinstance(value, list | tuple):
        raise ValueError("allowed is a table of LEFT = RIGHT")
    pairs: list[tuple[str, str]] = []
    for item in value:
        if isinstance(item, tuple) and len(item) == 2:
            pairs.append((str(item[0]), str(item[1])))
            continue
        left, equals, right = str(item).partition("=")
        if not equals or not left.strip() or not right.strip():
            raise ValueError(f'"{redact(str(item))}" is not of the form LEFT=RIGHT')
        pairs.append((left.strip(), right.strip()))
    return tuple(pairs)


def grouped(pairs: Pairs) -> dict[str, tuple[str, ...]]:
    """The right sides of each left side, both in the order of their first appearance, without repetitions."""
    found: dict[str, dict[str, None]] = {}
    for left, right in pairs:
        found.setdefault(left, {})[right] = None
    return {left: tuple(rights) for left, rights in found.items()}


@cache
def builtin_mirrors() -> tuple[MirrorRule, ...]:
    """The built-in table (`builtin_mirrors.toml`): known vanity prefixes and the repositories behind them."""
    text = resources.files("goproxy_mirror.config").joinpath("builtin_mirrors.toml").read_text("utf-8")
    table = as_pairs(tomllib.loads(text)["mirrors"])
    return tuple(_mirror_rule(left, rights, builtin=True) for left, rights in grouped(table).items())


@cache
def builtin_examples() -> Mapping[str, str]:
    """A module by which each rule of the built-in table can be tried, by the rule's pattern (`builtin_examples.toml`)."""
    text = resources.files("goproxy_mirror.config").joinpath("builtin_examples.toml").read_text("utf-8")
    named: dict[str, str] = tomllib.loads(text)["examples"]
    literal = [rule.pattern.text for rule in builtin_mirrors() if not rule.pattern.names]
    return {**{path: path for path in literal}, **named}


def _texts(left: str, rights: object) -> Iterable[str]:
    if isinstance(rights, str):
        return (rights,)
    if isinstance(rights, list) and rights and all(isinstance(right, str) for right in rights):
        return rights
    raise ValueError(f'"{redact(left)}" = {rights!r}: allowed on the right is a text or a list of texts')


def _mirror_rule(left: str, rights: tuple[str, ...], *, builtin: bool) -> MirrorRule:
    try:
        pattern = PathPattern.parse(left)
        candidates = tuple(_right_side(right) for right in rights)
        for candidate in candidates:
            example = expand(candidate, dict.fromkeys(pattern.names, "x"))
            if is_ssh(candidate):
                _check_ssh(candidate, example)
    except SettingError as error:
        raise ValueError(error.message) from None
    return MirrorRule(pattern, candidates, builtin)


def _rewrite_rule(left: str, rights: tuple[str, ...]) -> RewriteRule:
    """With names on the left, each side is one repository's URL; else the beginning of many."""
    try:
        pattern = PathPattern.parse(left.removeprefix("https://")) if "{" in left else None
        for right in rights:
            names = pattern.names if pattern else ()
            example = expand(right, dict.fromkeys(names, "x")) + ("" if pattern else "x")
            if is_ssh(right):
                _check_ssh(right, example)
    except SettingError as error:
        raise ValueError(error.message) from None
    return RewriteRule(left, rights, pattern)


def _left_prefix(left: str) -> str:
    parts = _split(left)
    if parts is None or parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(
            f'"{redact(left)}": allowed on the left is an https:// URL such as https://github.com/'
        )
    if "@" in parts.netloc:
        raise ValueError(f'"{redact(left)}": allowed on the left is a URL without credentials')
    return left.rstrip("/") if "{" in left else _with_slash(left)


def _right_side(right: str) -> str:
    """An https URL or an SSH address as it is; a path or `file://` URL of this machine as a `file://` URL."""
    if is_ssh(right):
        return right
    if Path(right).is_absolute():
        # as_uri() would escape the braces of a template.
        return Path(right).as_uri().replace("%7B", "{").replace("%7D", "}") + (
            "/" if right.endswith("/") else ""
        )
    parts = _split(right)
    if parts is None or "@" in parts.netloc:
        raise ValueError(f'"{redact(right)}": {_RIGHT}')
    if parts.scheme == "file" and not parts.netloc and file_path(parts.path).is_absolute():
        return right
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError(f'"{redact(right)}": {_RIGHT}')
    return right


def _check_ssh(right: str, example: str) -> None:
    try:
        SSHAddress.parse(example)
    except ValueError:
        raise ValueError(f'"{redact(right)}": {_RIGHT}') from None


def _split(url: str) -> SplitResult | None:
    if any(ord(letter) <= 32 or ord(letter) == 127 for letter in url):
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _with_slash(url: str) -> str:
    # `git@host:team/` is below the user's home folder, `git@host:/team/` is not.
    return url if url.endswith(("/", ":")) else f"{url}/"
