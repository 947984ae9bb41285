"""From the settings to the mirror rules, as the sources apply them and as the commands show them."""

from __future__ import annotations

from collections.abc import Sequence

from goproxy_mirror.config import Settings
from goproxy_mirror.config.rules import MirrorRule
from goproxy_mirror.sources.rules import MirrorRule as Applied
from goproxy_mirror.sources.rules import MirrorRules, Rewrite


def rules_of(settings: Settings) -> MirrorRules:
    """The operator's rules, the built-in table unless it is off, and the rewrites."""
    return MirrorRules(
        own=_applied(settings.mirrors),
        builtin=_applied(settings.builtin_rules),
        rewrites=[Rewrite(rewrite.left, rewrite.rights, rewrite.pattern) for rewrite in settings.rewrites],
        private=",".join((*settings.private, *settings.gonoproxy)),
    )


def _applied(rules: Sequence[MirrorRule]) -> tuple[Applied, ...]:
    return tuple(Applied(rule.pattern, rule.candidates) for rule in rules)
