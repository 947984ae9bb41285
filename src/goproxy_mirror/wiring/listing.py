"""From the settings to every rule about where things come from, as it can be shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from goproxy_mirror.config import Settings
from goproxy_mirror.config.rules import MirrorRule
from goproxy_mirror.config.tables import SUM_GOLANG_NAMES, places_of
from goproxy_mirror.config.upstreams import Upstreams, same_syntax
from goproxy_mirror.module.patterns import expand, match_globs
from goproxy_mirror.module.sshaddress import SSHAddress, is_ssh
from goproxy_mirror.ports.inspection import Place, Rule, RuleKind
from goproxy_mirror.sources.rules import MirrorRules
from goproxy_mirror.transport import Hosts, Target, UrlError, shown
from goproxy_mirror.verify.checker import TOOLCHAIN
from goproxy_mirror.wiring.rules import rules_of

EVERYTHING_ELSE = "all other modules"


@dataclass(frozen=True, slots=True)
class Filled:
    """A mirror rule, whose names stand for something where it was chosen by a module path.

    `root` is the path of the repository's root then, else the pattern.
    """

    kind: RuleKind
    rule: MirrorRule
    root: str
    urls: tuple[str, ...]


def listed_rules(settings: Settings, hosts: Hosts, wanted: str = "") -> Iterator[Rule]:
    """All rules, or those that `wanted` names: a left side as it is written, a glob over left sides, or a module path."""
    for filled in chosen_mirrors(settings, wanted):
        yield Rule(filled.kind, filled.root, places(filled.urls, hosts), _note(filled))
    for rewrite in settings.rewrites:
        if not wanted or wanted.startswith(rewrite.left.rstrip("/")):
            yield Rule("rewrite", rewrite.left, places(rewrite.rights, hosts))
    for glob, steps in chosen_upstreams(settings, wanted):
        yield Rule("upstream", glob, _steps(steps), same_syntax(steps))
    for name, urls in databases(settings).items():
        if not wanted or wanted == name:
            note = "proves every module" if name == settings.gosumdb.name else ""
            yield Rule("sumdb", name, places(urls, None), note if urls else "the way to it is closed")
    if not wanted or wanted == TOOLCHAIN:
        yield Rule("toolchains", TOOLCHAIN, places(settings.toolchains, None))
    if not wanted:
        yield Rule("vulndb", "the vulnerability database", places(settings.vulndb, None))


def chosen_mirrors(settings: Settings, wanted: str) -> Iterator[Filled]:
    """The mirror rules by their left sides, own ones first, with what the rewrites make of their URLs."""
    rules = rules_of(settings)
    tables: tuple[tuple[RuleKind, Iterable[MirrorRule]], ...] = (
        ("own", settings.mirrors),
        ("built-in", settings.builtin_rules),
    )
    for kind, table in tables:
        for rule in sorted(table, key=lambda each: each.pattern.text):
            match = rule.pattern.match(wanted) if may_be_module(wanted) else None
            found = rules.find(wanted) if match is not None else None
            if found is not None and match is not None and found.own == (kind == "own"):
                urls = tuple(expand(url, match.captures) for url in rule.candidates)
                if found.urls != urls:
                    continue  # another rule of this table is the one that counts
                yield Filled(kind, rule, found.root, _rewritten(rules, urls, wanted))
            elif not wanted or wanted == rule.pattern.text or match_globs(wanted, rule.pattern.text):
                urls = tuple(rule.candidates)
                yield Filled(kind, rule, rule.pattern.text, _rewritten(rules, urls, ""))


def chosen_upstreams(settings: Settings, wanted: str) -> Iterator[tuple[str, Upstreams]]:
    """The lists of upstreams by glob, the public one at last; of a module path the one that counts."""
    for glob, steps in settings.upstreams.items():
        if not wanted or wanted == glob:
            yield glob, steps
        elif match_globs(glob, wanted):
            yield glob, steps
            return
    private = ",".join((*settings.private, *settings.gonoproxy))
    if not wanted or (may_be_module(wanted) and not (private and match_globs(private, wanted))):
        yield EVERYTHING_ELSE, settings.upstream


def databases(settings: Settings) -> Mapping[str, tuple[str, ...]]:
    """The places of each checksum database, the proving one first; other names of one that has the same places are left out."""
    known = dict(places_of(settings.gosumdb, settings.sumdb, settings.upstream))
    main, *others = SUM_GOLANG_NAMES
    for name in others:
        if known.get(name) == known.get(main):
            known.pop(name, None)
    return dict(sorted(known.items(), key=lambda item: item[0] != settings.gosumdb.name))


def places(urls: Iterable[str], hosts: Hosts | None) -> tuple[Place, ...]:
    """The places of some URLs or templates; with `hosts` in the order in which mirrors would be asked now."""
    found = [Place(shown_of(url), host_of(url)) for url in urls]
    if hosts is None:
        return tuple(found)
    order: list[Place] = []
    for is_remote, group in groupby(found, lambda place: place.host is not None):
        run = list(group)
        order += hosts.ranked(run, lambda place: place.host) if is_remote else run
    return tuple(order)


def shown_of(url: str) -> str:
    """A URL or template without credentials."""
    if is_ssh(url):
        return url
    return shown(url)


def host_of(url: str) -> str | None:
    """Whom a URL or template asks, as `HostHealth.host` has it; None on this machine, or where a name stands for the host."""
    if is_ssh(url):
        try:
            return SSHAddress.parse(url.replace("{", "").replace("}", "")).authority
        except ValueError:
            return None
    try:
        return Target.parse(url).authority
    except UrlError:
        return None


def _rewritten(rules: MirrorRules, urls: Iterable[str], path: str) -> tuple[str, ...]:
    if path and rules.is_private(path):
        return tuple(urls)
    return tuple(dict.fromkeys(each for url in urls for each in (url, *rules.rewritten(url))))


def _note(filled: Filled) -> str:
    return "" if filled.root == filled.rule.pattern.text else f"by the rule {filled.rule.pattern.text}"


def _steps(steps: Upstreams) -> tuple[Place, ...]:
    return tuple(Place(step.name, host_of(step.url) if step.kind == "url" else None) for step in steps)


def may_be_module(text: str) -> bool:
    """Whether a text is a module path by its looks, and no pattern, glob or URL."""
    return not set("*?[\\{:") & set(text) and "." in text.partition("/")[0]
