"""From the settings to the places that can be tried, each rule with a module to try it by."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from goproxy_mirror.config import Settings
from goproxy_mirror.config.rules import builtin_examples
from goproxy_mirror.config.upstreams import Upstreams, UpstreamStep
from goproxy_mirror.errors import NotFound, SettingError
from goproxy_mirror.mirror.trials import Candidate, Trials
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import Version
from goproxy_mirror.ports import Home, RepoRoot, Source, Storage, Verifier, Witness
from goproxy_mirror.ports.inspection import Place, PlaceReport, Trial, TriedRule, Word
from goproxy_mirror.sources.directory import DirectorySource
from goproxy_mirror.sources.origin import RepositorySource
from goproxy_mirror.sources.proven import ProvenSource
from goproxy_mirror.sources.toolchain import ArchiveSite
from goproxy_mirror.sources.upstream import UpstreamSource
from goproxy_mirror.state.files import instance_id
from goproxy_mirror.state.opening import State
from goproxy_mirror.transport import Transport
from goproxy_mirror.vcs.git import GitRepositories
from goproxy_mirror.verify.checker import TOOLCHAIN
from goproxy_mirror.wiring.databases import place_reports
from goproxy_mirror.wiring.listing import (
    Filled,
    chosen_mirrors,
    chosen_upstreams,
    databases,
    host_of,
    may_be_module,
    shown_of,
)

_Pending = Coroutine[Any, Any, TriedRule]

_PUBLIC_EXAMPLE = "golang.org/x/mod"
_TOOLCHAIN_EXAMPLE = "v0.0.1-go1.21.0.linux-amd64"

_NO_EXAMPLE = "name a module to test this rule"


@dataclass(frozen=True, slots=True)
class Bench:
    """What places are tried with."""

    settings: Settings
    storage: Storage
    state: State
    transport: Transport
    repositories: GitRepositories
    verifier: Verifier

    async def tried(
        self, wanted: Sequence[str], *, timeout: float, done: Callable[[TriedRule], None] = lambda _: None
    ) -> Sequence[TriedRule]:
        """Try every rule that is wanted (nothing: all) within `timeout` seconds; `done` is told of each as soon as it is tried.

        What is wanted is as for `listed_rules`. Raises `SettingError` where it names no rule.
        """
        for want in filter(may_be_module, wanted):
            try:
                ModulePath.parse(want)
            except NotFound as error:
                raise SettingError(f'"{want}": {error.message}') from None
        until = asyncio.get_running_loop().time() + timeout
        trials = Trials(self.verifier, until=until)
        stored = await self._stored(wanted)
        pending = [
            *self._mirrors(wanted, stored, trials),
            *self._upstreams(wanted, stored, trials),
            *self._toolchains(wanted, trials),
            *self._databases(wanted, timeout),
        ]
        if not pending:
            raise nothing_named(wanted)

        async def one(each: _Pending) -> TriedRule:
            rule = await each
            done(rule)
            return rule

        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(one(each)) for each in pending]
        return [task.result() for task in asked]

    async def _stored(self, wanted: Sequence[str]) -> Sequence[str]:
        """Some modules of the store: a rule can be tried by one that somebody has asked for."""
        if wanted and all(may_be_module(each) for each in wanted):
            return ()
        found: dict[str, None] = {}
        async for key in self.storage.list(""):
            folder, at, _ = key.partition("/@v/")
            if at and len(found) < 10_000:
                try:
                    found[ModulePath.unescape(folder).value] = None
                except NotFound:
                    continue
        return tuple(found)

    def _mirrors(self, wanted: Sequence[str], stored: Sequence[str], trials: Trials) -> Iterable[_Pending]:
        seen: set[str] = set()
        for want in wanted or ("",):
            for filled in chosen_mirrors(self.settings, want):
                if filled.root not in seen:
                    seen.add(filled.root)
                    yield self._mirror(filled, want, stored, trials)

    async def _mirror(self, filled: Filled, want: str, stored: Sequence[str], trials: Trials) -> TriedRule:
        left = filled.rule.pattern.text
        named = may_be_module(want) and filled.rule.pattern.match(want)
        path = want if named else self._example(filled, stored)
        if not path:
            return TriedRule(filled.kind, left, "", (), _NO_EXAMPLE)
        fitting = (each for each in chosen_mirrors(self.settings, path) if each.rule is filled.rule)
        real = next(fitting, None)
        if real is None:
            return TriedRule(filled.kind, left, path, (), f"another rule counts for {path}; {_NO_EXAMPLE}")
        module = ModulePath.parse(path)
        candidates = [self._repository(real, url) for url in real.urls]
        others = [
            source
            for _, steps in list(chosen_upstreams(self.settings, path))[:1]
            for step in steps
            if (source := self._upstream(step)) is not None
        ]
        return TriedRule(filled.kind, left, path, await trials.over(module, candidates, others))

    def _example(self, filled: Filled, stored: Sequence[str]) -> str:
        if filled.kind == "own":
            for path in stored:
                chosen = next(iter(chosen_mirrors(self.settings, path)), None)
                if chosen is not None and chosen.rule is filled.rule:
                    return path
            return "" if filled.rule.pattern.names else filled.rule.pattern.text
        return builtin_examples().get(filled.rule.pattern.text, "")

    def _repository(self, filled: Filled, url: str) -> Candidate:
        repository = self.repositories.open(url, trusted=True)
        place = Place(shown_of(url), host_of(url))
        home = Home("mirror", "a local repository" if repository.local else repository.url)
        root = RepoRoot(filled.root, "git", "" if repository.local else repository.url)
        source = RepositorySource(repository, root, home, authority=repository.local)
        named = filled.kind == "own" or not self.settings.gosumdb.name
        witness = Witness(home, named=named, authority=repository.local)
        return Candidate(place, source, ProvenSource(source, witness, self.verifier), repository.refs)

    def _upstreams(self, wanted: Sequence[str], stored: Sequence[str], trials: Trials) -> Iterable[_Pending]:
        seen: set[str] = set()
        for want in wanted or ("",):
            for glob, steps in chosen_upstreams(self.settings, want):
                if glob not in seen and any(step.kind in {"url", "file"} for step in steps):
                    seen.add(glob)
                    yield self._list(glob, steps, want, stored, trials)

    async def _list(
        self, glob: str, steps: Upstreams, want: str, stored: Sequence[str], trials: Trials
    ) -> TriedRule:
        path = want if may_be_module(want) else ""
        if not path and glob in self.settings.upstreams:
            fitting = (each for each in stored if _first_list(self.settings, each) == glob)
            path = next(fitting, "")
        elif not path:
            path = _PUBLIC_EXAMPLE
        if not path:
            return TriedRule("upstream", glob, "", (), _NO_EXAMPLE)
        candidates = []
        for step in steps:
            source = self._upstream(step)
            if source is not None:
                place = Place(step.name, host_of(step.url) if step.kind == "url" else None)
                candidates.append(Candidate(place, source, self._named(source)))
        return TriedRule("upstream", glob, path, await trials.over(ModulePath.parse(path), candidates))

    def _upstream(self, step: UpstreamStep) -> UpstreamSource | DirectorySource | None:
        if step.kind == "url":
            return UpstreamSource(step.url, self.transport, instance=instance_id(self.settings.state))
        return DirectorySource(step.path) if step.kind == "file" and step.path is not None else None

    def _named(self, source: UpstreamSource | DirectorySource) -> Source:
        return ProvenSource(source, Witness(source.home, named=True), self.verifier)

    def _toolchains(self, wanted: Sequence[str], trials: Trials) -> Iterable[_Pending]:
        if self.settings.toolchains and (not wanted or TOOLCHAIN in wanted):
            yield self._sites(trials)

    async def _sites(self, trials: Trials) -> TriedRule:
        instance = instance_id(self.settings.state)
        version = Version(_TOOLCHAIN_EXAMPLE)
        candidates = []
        for url in self.settings.toolchains:
            is_proxy = url.endswith("/mod")
            site = (UpstreamSource if is_proxy else ArchiveSite)(url, self.transport, instance=instance)
            witness = Witness(site.home, named=False, authority=is_proxy)
            vouched = ProvenSource(site, witness, self.verifier)
            candidates.append(Candidate(Place(site.home.name, site.host), site, vouched, only=version))
        tried = await trials.over(ModulePath(TOOLCHAIN), candidates)
        return TriedRule("toolchains", TOOLCHAIN, f"{TOOLCHAIN}@{version}", tried)

    def _databases(self, wanted: Sequence[str], timeout: float) -> Iterable[_Pending]:
        for name, urls in databases(self.settings).items():
            if urls and (not wanted or name in wanted):
                yield self._database(name, urls, timeout)

    async def _database(self, name: str, urls: Sequence[str], timeout: float) -> TriedRule:
        reports = await place_reports(self.settings, self.state, self.transport, name, urls, timeout=timeout)
        return TriedRule("sumdb", name, "latest", tuple(map(_trial, reports)))


def nothing_named(wanted: Sequence[str]) -> SettingError:
    """What is said where no rule is meant."""
    return SettingError(
        f'"{" ".join(wanted)}": no rule is named so; allowed are a module path, the left side of a rule as '
        "`goproxy-mirror mirrors list` shows it, and a glob over left sides, such as 'golang.org/*'"
    )


def _first_list(settings: Settings, path: str) -> str:
    """The glob whose list of upstreams counts for a module."""
    return next((glob for glob, _ in chosen_upstreams(settings, path)), "")


def _trial(report: PlaceReport) -> Trial:
    word = Word.PROVEN
    if report.agrees is False:
        word = Word.LIED
    elif report.agrees is None:
        word = Word.UNPROVEN if report.seconds is not None else Word.UNREACHABLE
    reason = f"a tree of {report.size} records" if report.agrees else report.reason
    return Trial(Place(report.url, report.host), word, report.seconds, None, reason)
