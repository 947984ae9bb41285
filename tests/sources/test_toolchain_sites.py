"""Several sites of Go toolchains, and the homes of all other modules."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from goproxy_mirror.builder.toolchain import TOOLCHAIN
from goproxy_mirror.errors import (
    MirrorError,
    NotFound,
    OutageDisguised,
    SecurityError,
    SourceUnavailable,
    StorageError,
    Unbuildable,
    Unproven,
    Unreachable,
)
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Query, Version
from goproxy_mirror.ports import Source
from goproxy_mirror.sources.toolchain import Site, ToolchainFallback
from tests.fakes.homes import away
from tests.fakes.sources import FakeReach, FakeSource
from tests.world.distributions import version_of

LINUX, WINDOWS = version_of(), version_of("windows-amd64")
OTHER = ModulePath.parse("golang.org/x/text")


def toolchain(version: str = LINUX) -> ModuleVersion:
    """A version of the module."""
    return ModuleVersion(TOOLCHAIN, Version.parse(version))


@dataclass
class Sites:
    """Sites by name: a module proxy `go`, and `one` and `two` with archives."""

    go: FakeSource = field(default_factory=lambda: FakeSource("go", [LINUX]))
    one: FakeSource = field(default_factory=lambda: FakeSource("one", [LINUX]))
    two: FakeSource = field(default_factory=lambda: FakeSource("two", [LINUX]))
    reach: FakeReach = field(default_factory=FakeReach)
    back: set[str] = field(default_factory=set)
    inner: FakeSource = field(default_factory=lambda: FakeSource("inner"))

    def fallback(self, *, named: bool = False) -> ToolchainFallback:
        return ToolchainFallback(
            Inner(self.inner),
            [self.site(self.go, lists=True), self.site(self.one), self.site(self.two)],
            self.reach,
            named=named,
        )

    def site(self, source: FakeSource, *, lists: bool = False) -> Site:
        async def is_back() -> bool:
            return source.name in self.back

        return Site(source, source.name, lists, is_back)

    def asked(self) -> list[str]:
        return [source.name for source in (self.go, self.one, self.two, self.inner) if source.asked]


class Inner(FakeSource):
    """The homes of all modules."""

    def __init__(self, source: FakeSource) -> None:
        super().__init__(source.name, source.says, source.asked)

    def mirrors_of(self, path: ModulePath, *, builtin: bool) -> Source | None:
        return FakeSource(f"mirrors of {path}, {builtin}")


async def home_of(fallback: ToolchainFallback) -> str:
    """Who brings the .mod of a toolchain."""
    return (await fallback.go_mod(toolchain())).home.name


async def test_only_toolchains_come_from_the_sites() -> None:
    """Other modules go to their own homes and mirrors; no site hears of them."""
    sites = Sites()
    fallback = sites.fallback()
    assert (await fallback.versions(OTHER)).home.name == "inner"
    mirrors = fallback.mirrors_of(OTHER, builtin=False)
    assert isinstance(mirrors, FakeSource)
    assert mirrors.name == "mirrors of golang.org/x/text, False"
    assert sites.asked() == ["inner"]
    assert await home_of(fallback) == "go"
    assert sites.asked() == ["go", "inner"]


@pytest.mark.parametrize(
    "failure", [away("go"), SourceUnavailable("503"), NotFound("no"), SecurityError("a lie")]
)
async def test_the_next_site(failure: MirrorError, tmp_path: Path) -> None:
    """Whatever a site fails by, the next one is asked, for each of the three files."""
    sites = Sites(go=FakeSource("go", failure))
    fallback = sites.fallback()
    assert await home_of(fallback) == "one"
    assert (await fallback.info(toolchain())).home.name == "one"
    assert (await fallback.zip(toolchain(), tmp_path / "zip")).home.name == "one"


async def test_lists_come_from_who_has_one() -> None:
    """Lists and queries go to module proxies alone; what fails there is the answer, whatever archives there are."""
    sites = Sites()
    fallback = sites.fallback()
    assert [str(version) for version in (await fallback.versions(TOOLCHAIN)).value] == [LINUX]
    assert (await fallback.latest(TOOLCHAIN)).home.name == "go"
    assert (await fallback.resolve(TOOLCHAIN, Query("x"))).home.name == "go"
    sites.go.says = away("go")
    for question in (fallback.versions(TOOLCHAIN), fallback.latest(TOOLCHAIN)):
        with pytest.raises(Unreachable):
            await question
    assert sites.asked() == ["go"]


async def test_archives_alone_have_no_list() -> None:
    """Where no site can list, that is an outage that says why, never an absence."""
    sites = Sites(one=FakeSource("one", SourceUnavailable("one has no list of toolchains")))
    fallback = ToolchainFallback(Inner(sites.inner), [sites.site(sites.one)], sites.reach)
    with pytest.raises(SourceUnavailable, match="no list of toolchains"):
        await fallback.versions(TOOLCHAIN)


async def test_absent_everywhere() -> None:
    """It is absent where somebody who could be read says so, and nobody has anything else than an outage."""
    sites = Sites(
        FakeSource("go", away("go")), FakeSource("one", NotFound("no")), FakeSource("two", NotFound("no"))
    )
    with pytest.raises(NotFound):
        await home_of(sites.fallback())
    assert sites.asked() == ["go", "one", "two"]


@pytest.mark.parametrize(
    "failure", [Unbuildable("no module"), SecurityError("a lie"), OutageDisguised("recorded")]
)
async def test_no_absence_where_one_has_it(failure: MirrorError) -> None:
    """Who brings something wrong, or denies what has a record, makes an absence doubtful: that is an outage."""
    sites = Sites(
        FakeSource("go", NotFound("no")), FakeSource("one", failure), FakeSource("two", NotFound("no"))
    )
    with pytest.raises(MirrorError) as outcome:
        await home_of(sites.fallback())
    assert not isinstance(outcome.value, NotFound)
    assert failure.message in outcome.value.message


async def test_nobody_there() -> None:
    """An outage of all sites says each of them."""
    go, one, two = (FakeSource(name, away(name)) for name in ("go", "one", "two"))
    sites = Sites(go, one, two)
    with pytest.raises(SourceUnavailable, match=r"go .*\none .*\ntwo "):
        await home_of(sites.fallback())
    assert sites.reach.down == {"go", "one", "two"}


@pytest.mark.parametrize("failure", [StorageError("full"), Unproven("the database could not be asked")])
async def test_what_no_other_site_cures(failure: MirrorError) -> None:
    """A full disk, and a checksum database that cannot be asked, end the walk at once."""
    sites = Sites(go=FakeSource("go", failure))
    with pytest.raises(type(failure)):
        await home_of(sites.fallback())
    assert sites.asked() == ["go"]


async def test_who_rests_is_asked_last() -> None:
    """A host that did not answer a moment ago is asked after the others, and only if it is back."""
    sites = Sites(reach=FakeReach({"go"}))
    assert await home_of(sites.fallback()) == "one"
    sites.one.says = sites.two.says = SourceUnavailable("503")
    with pytest.raises(SourceUnavailable, match="go did not answer a moment ago"):
        await home_of(sites.fallback())
    assert not sites.go.asked
    sites.back.add("go")
    assert await home_of(sites.fallback()) == "go"
    assert sites.reach.down == set()


@pytest.mark.parametrize(
    ("builtin", "named", "asked"), [(True, False, True), (False, False, False), (False, True, True)]
)
async def test_after_an_outage_of_upstreams(builtin: bool, named: bool, asked: bool) -> None:
    """Where a list has no `direct`, only sites that the operator has named are asked."""
    mirrors = Sites().fallback(named=named).mirrors_of(TOOLCHAIN, builtin=builtin)
    assert (mirrors is not None) == asked
    if mirrors is not None:
        assert (await mirrors.go_mod(toolchain())).home.name == "go"


async def test_no_sites() -> None:
    """Without any site nobody can say anything."""
    with pytest.raises(SourceUnavailable, match="no site of Go toolchains"):
        await home_of(ToolchainFallback(Inner(FakeSource("inner")), [], FakeReach()))
