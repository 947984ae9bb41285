"""The homes of one module, whose hosts, pages and repositories say what a test tells them to."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from goproxy_mirror.errors import MirrorError, Unreachable
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Query, Version
from goproxy_mirror.ports import Home, Info, RepoRoot, Repository, Source, Witness
from goproxy_mirror.sources.mirrors import ModuleHomes
from goproxy_mirror.sources.rules import MirrorRules, Rewrite, rules_from
from tests.fakes.sources import FakeReach, FakeSource

ORIGIN = "https://go.test/text"
PATH = ModulePath.parse("vanity.test/x/text")
RULE = {"vanity.test/x/{repo}": ["https://one.test/{repo}", "https://two.test/{repo}"]}


@dataclass
class FakeRepository:
    """Only a URL: what is read from it is a `FakeSource` by that URL."""

    url: str

    @property
    def local(self) -> bool:
        return self.url.startswith("file://")


class FakeOther:
    """The modules of a repository that is not kept in git: says its versions, or raises."""

    def __init__(self, says: Sequence[str] | MirrorError) -> None:
        self._source = FakeSource("other", says)

    async def versions(self, path: ModulePath) -> tuple[Version, ...]:
        return (await self._source.versions(path)).value

    async def latest(self, path: ModulePath) -> Info:
        return (await self._source.latest(path)).value

    async def resolve(self, path: ModulePath, query: Query) -> Info:
        return (await self._source.resolve(path, query)).value

    async def info(self, mv: ModuleVersion) -> Info:
        return (await self._source.info(mv)).value

    async def go_mod(self, mv: ModuleVersion) -> bytes:
        return (await self._source.go_mod(mv)).value

    async def zip(self, mv: ModuleVersion, into: Path) -> None:
        await self._source.zip(mv, into)


@dataclass
class World:
    """A module's homes by URL, and who can be connected to."""

    says: dict[str, Sequence[str] | MirrorError] = field(default_factory=dict)
    page: RepoRoot | MirrorError = field(
        default_factory=lambda: RepoRoot("vanity.test/x/text", "git", ORIGIN)
    )
    silent: set[str] = field(default_factory=set)
    sources: dict[str, FakeSource] = field(default_factory=dict)
    trusted: dict[str, bool] = field(default_factory=dict)
    opened: dict[str, bool] = field(default_factory=dict)
    reach: FakeReach = field(default_factory=FakeReach)
    roots: dict[str, RepoRoot] = field(default_factory=dict)
    woken: list[str] = field(default_factory=list)
    other: Sequence[str] | MirrorError = ("v1.2.3",)
    named: dict[str, bool] = field(default_factory=dict)
    """Of each home that was vouched for by its name, whether the operator or the module itself named it."""

    def homes(
        self,
        rules: Mapping[str, Sequence[str]] = RULE,
        *,
        builtin: Mapping[str, Sequence[str]] | None = None,
        rewrites: Mapping[str, Sequence[str]] | None = None,
        order: tuple[Literal["origin", "mirrors"], Literal["origin", "mirrors"]] = ("origin", "mirrors"),
        private: str = "",
    ) -> ModuleHomes:
        return ModuleHomes(
            finder=self,
            repositories=self,  # type: ignore[arg-type]
            rules=MirrorRules(
                rules_from(rules),
                rules_from(builtin or {}),
                [Rewrite(left, tuple(rights)) for left, rights in (rewrites or {}).items()],
                private,
            ),
            reach=self.reach,
            order=order,
            connect=self.connect,
            is_back=self.is_back,
            proxy=self.proxy,
            fallback=self.fallback,
            origin_wait=0.05,
            vouch=self.vouch,
        )

    def vouch(self, source: Source, witness: Witness) -> Source:
        self.named[witness.home.name] = witness.named
        return source

    def static(self, path: str) -> RepoRoot | None:
        parts = path.split("/")
        if parts[0] == "github.com" and len(parts) >= 3:
            root = "/".join(parts[:3])
            return RepoRoot(root, "git", f"https://{root}")
        return None

    async def find(self, path: str) -> RepoRoot:
        if isinstance(self.page, MirrorError):
            raise self.page
        return self.page

    def open(self, url: str, *, trusted: bool, credentials: bool = False) -> FakeRepository:
        self.trusted[url] = trusted
        self.opened[url] = credentials
        return FakeRepository(url)

    def proxy(self, url: str, credentials: bool) -> FakeSource:
        self.opened[url] = credentials
        return FakeSource(url)

    def fallback(self, root: RepoRoot) -> FakeOther:
        return FakeOther(self.other)

    async def connect(self, url: str) -> None:
        host = url.split("/")[2]
        if host in self.silent:
            await asyncio.Event().wait()

    async def is_back(self, url: str, led: bool) -> bool:
        assert led == (url == ORIGIN), "only of the origin nobody but a page has told"
        self.woken.append(url)
        return True

    def source(self, repository: Repository, root: RepoRoot, home: Home, *, authority: bool) -> FakeSource:
        source = FakeSource(repository.url, self.says.get(repository.url, ["v1.0.0"]))
        self.roots[repository.url] = root
        return self.sources.setdefault(repository.url, source)

    def asked(self) -> list[str]:
        return [url for url, source in self.sources.items() if source.asked]


def away(host: str) -> Unreachable:
    """What a host that does not answer comes to."""
    return Unreachable(f"{host} did not answer", host=host)


async def home_of(homes: ModuleHomes, path: ModulePath = PATH) -> str:
    """Who answers for the module."""
    return (await homes.versions(path)).home.name
