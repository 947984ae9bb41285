"""Mirror rules: which repositories stand for a module path, and where whole hosts may also be had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from goproxy_mirror.module.patterns import PathPattern, PatternMatch, expand, match_globs


@dataclass(frozen=True, slots=True)
class MirrorRule:
    """`pattern` matches the module path of a repository's root; `targets` are URL templates, the preferred first."""

    pattern: PathPattern
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Any repository URL that begins with `left` may also be had at `right` + the rest.

    With `pattern`, any repository URL that it matches (without `https://`) may also be had where the names on the right lead to.
    """

    left: str
    rights: tuple[str, ...]
    pattern: PathPattern | None = None

    def of(self, url: str) -> tuple[str, ...]:
        """Where the repository may also be had."""
        if self.pattern is None:
            return (
                tuple(right + url[len(self.left) :] for right in self.rights)
                if url.startswith(self.left)
                else ()
            )
        match = self.pattern.match(url.removeprefix("https://")) if url.startswith("https://") else None
        if match is None or match.rest or any(set(text) == {"."} for text in match.captures.values()):
            return ()
        return _expanded(self.rights, match)


@dataclass(frozen=True, slots=True)
class Mirrored:
    """A module path's mirrors by rule: the path (prefix) of the repository's root, and where to get it.

    `own`: the operator wrote the rule; else it is of the built-in table.
    """

    root: str
    urls: tuple[str, ...]
    own: bool


class MirrorRules:
    """Users' rules before the built-in table; within each, more literal elements win, then more literal characters."""

    def __init__(
        self,
        own: Iterable[MirrorRule],
        builtin: Iterable[MirrorRule],
        rewrites: Sequence[Rewrite],
        private: str,
    ) -> None:
        self._own = _ranked(own)
        self._builtin = _ranked(builtin)
        # The longest left side is the most particular.
        self._rewrites = sorted(rewrites, key=lambda rewrite: -len(rewrite.left))
        self._private = private

    def find(self, path: str, *, builtin: bool = True) -> Mirrored | None:
        """The mirrors that a rule names for a module path; their rewrites are not among them."""
        private = self.is_private(path)
        own = [rule for rule in self._own if not private or match_globs(self._private, rule.pattern.text)]
        tables = (own, True), (self._builtin if builtin and not private else (), False)
        for rules, is_own in tables:
            for rule in rules:
                match = rule.pattern.match(path)
                # A name may be all dots where literals stand around it in its element: no path is made of that.
                if match is not None and not any(set(text) == {"."} for text in match.captures.values()):
                    return Mirrored(match.root, _expanded(rule.targets, match), is_own)
        return None

    def rewritten(self, url: str) -> tuple[str, ...]:
        """Where a repository URL may also be had, the preferred first."""
        urls: dict[str, None] = {}
        for rewrite in self._rewrites:
            urls |= dict.fromkeys(rewrite.of(url))
        return tuple(urls)

    def is_private(self, path: str) -> bool:
        return bool(self._private) and match_globs(self._private, path)


def rules_from(table: Mapping[str, Sequence[str]]) -> tuple[MirrorRule, ...]:
    """Rules from a settings table; raises `SettingError` for a pattern or a name that cannot be meant."""
    rules = []
    for text, targets in table.items():
        pattern = PathPattern.parse(text)
        for target in targets:
            expand(target, dict.fromkeys(pattern.names, "x"))
        rules.append(MirrorRule(pattern, tuple(targets)))
    return tuple(rules)


def _ranked(rules: Iterable[MirrorRule]) -> tuple[MirrorRule, ...]:
    return tuple(sorted(rules, key=lambda rule: rule.pattern.specificity, reverse=True))


def _expanded(targets: Sequence[str], match: PatternMatch) -> tuple[str, ...]:
    return tuple(expand(target, match.captures) for target in targets)
