"""Sites of Go toolchains: archives over real sockets, and the walk over several sites."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from goproxy_mirror.builder.toolchain import GO_MOD, TOOLCHAIN
from goproxy_mirror.errors import (
    MirrorError,
    NotFound,
    OutageDisguised,
    SecurityError,
    SettingError,
    SourceUnavailable,
    StorageError,
    Unbuildable,
    Unproven,
    Unreachable,
)
from goproxy_mirror.module.dirhash import hash_zip
from goproxy_mirror.module.modzip import ZipWriter
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Query, Version
from goproxy_mirror.ports import Source
from goproxy_mirror.sources.toolchain import ArchiveSite, Site, ToolchainFallback
from goproxy_mirror.transport import AddressPolicy, Transport
from tests.fakes.homes import away
from tests.fakes.origin import Origin, Request, always, reply
from tests.fakes.sources import FakeReach, FakeSource
from tests.world.distributions import FILES, TIME, module_hash, tar_gz, version_of, windows_zip

LINUX, WINDOWS = version_of(), version_of("windows-amd64")
OTHER = ModulePath.parse("golang.org/x/text")


def toolchain(version: str = LINUX) -> ModuleVersion:
    """A version of the module."""
    return ModuleVersion(TOOLCHAIN, Version.parse(version))


# One site of archives.


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    """A transport with short deadlines."""
    transport = Transport(policy=AddressPolicy(), user_agent="test", answer_timeout=0.5, stall_timeout=0.5)
    yield transport
    await transport.aclose()


def archives(request: Request) -> bytes:
    """A site that has one release for two systems."""
    files = {
        "/golang/go1.99.1.linux-amd64.tar.gz": tar_gz(),
        "/golang/go1.99.1.windows-amd64.zip": windows_zip(),
    }
    return reply(200, files[request.path]) if request.path in files else reply(404, b"nothing here")


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    """The site's server."""
    async with Origin(archives) as origin:
        yield origin


@pytest.fixture
def site(origin: Origin, transport: Transport) -> ArchiveSite:
    """The site, below a path of its server."""
    return ArchiveSite(f"{origin.url}/golang/", transport, instance="us")


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    """An empty file for a zip."""
    path = tmp_path / "staged"
    path.touch()
    return path


@pytest.mark.parametrize("version", [LINUX, WINDOWS])
async def test_the_files_of_a_toolchain(
    origin: Origin, site: ArchiveSite, staged: Path, version: str
) -> None:
    """All three files of a version are made of its archive; nothing but the zip stays, and the hop header is sent."""
    mv = toolchain(version)
    body = f'{{"Version":"{version}","Time":"{TIME}"}}'.encode()
    info = await site.info(mv)
    assert (info.value.body, info.home.kind, info.home.name) == (body, "mirror", f"{origin.url}/golang")
    go_mod = await site.go_mod(mv)
    assert (go_mod.value, go_mod.info) == (GO_MOD, info.value)
    made = await site.zip(mv, staged)
    assert (hash_zip(staged), made.info) == (module_hash(version), info.value)
    assert [each.name for each in staged.parent.iterdir()] == ["staged"]
    assert {request.headers["via"] for request in origin.requests} == {"1.1 us"}


async def test_only_the_beginning_is_read_for_a_time(
    origin: Origin, transport: Transport, site: ArchiveSite
) -> None:
    """For .info and .mod the archive is read up to VERSION, and the rest is not waited for."""

    async def endless(writer: asyncio.StreamWriter) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"
        # What does not compress keeps the rest of the archive beyond the beginning that is read.
        beginning = tar_gz({"VERSION": FILES["VERSION"], "bin/go": bytes(random_bytes(400_000))})
        writer.write(head + beginning[: 300 << 10])
        await writer.drain()
        await asyncio.Event().wait()

    origin.handler = lambda _: endless
    assert (await site.info(toolchain())).value.time is not None
    assert (await site.go_mod(toolchain())).value == GO_MOD


def random_bytes(count: int) -> bytes:
    """Bytes that do not compress."""
    import random

    return random.Random(1).randbytes(count)


@pytest.mark.parametrize("status", [404, 410])
async def test_absence(origin: Origin, site: ArchiveSite, staged: Path, status: int) -> None:
    """An archive that is not there is an absence for each of the three files."""
    origin.handler = always(reply(status, b"gone"))
    for question in (site.info(toolchain()), site.go_mod(toolchain()), site.zip(toolchain(), staged)):
        with pytest.raises(NotFound, match=f"answered {status}") as failure:
            await question
        assert failure.value.source == site.home.name


async def test_other_versions_are_not_asked_for(origin: Origin, site: ArchiveSite, staged: Path) -> None:
    """What is no toolchain's version is absent without a request."""
    for question in (site.info(toolchain("v0.0.1")), site.zip(toolchain("v0.0.1"), staged)):
        with pytest.raises(NotFound, match="v0\\.0\\.1-goVERSION"):
            await question
    assert origin.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        reply(500, b"broken"),
        reply(403, b"blocked"),
        reply(200, b"<html>log in</html>"),
        reply(200, tar_gz({**FILES, "VERSION": b"go1.99.2\n"})),
        reply(200, windows_zip()),
        reply(200, tar_gz()[:-100]),
        reply(200, tar_gz(), {"Content-Length": str(len(tar_gz()) + 1)}),
    ],
)
async def test_outages(origin: Origin, site: ArchiveSite, staged: Path, answer: bytes) -> None:
    """A broken site, a page, a cut or wrong archive are no absence; nothing is left beside the staged file."""
    origin.handler = lambda _: lambda writer: cut_off(writer, answer)
    with pytest.raises(SourceUnavailable) as failure:
        await site.zip(toolchain(), staged)
    assert failure.value.source == site.home.name
    assert site.host in failure.value.message
    assert [each.name for each in staged.parent.iterdir()] == ["staged"]


async def cut_off(writer: asyncio.StreamWriter, answer: bytes) -> None:
    """Answer, and close the connection."""
    writer.write(answer)
    await writer.drain()


@pytest.mark.parametrize("body", [b"<html>log in</html>", tar_gz({**FILES, "VERSION": b"go1.99.2\n"})])
async def test_a_beginning_that_is_none(origin: Origin, site: ArchiveSite, body: bytes) -> None:
    """What is no archive of that release has no .info and no .mod either, and its site is named."""
    origin.handler = always(reply(200, body))
    for question in (site.info(toolchain()), site.go_mod(toolchain())):
        with pytest.raises(Unbuildable, match=site.host):
            await question


async def test_lists_and_queries(site: ArchiveSite, origin: Origin) -> None:
    """A site of archives has no list, says so without being asked, and that is no absence."""
    for question in (
        site.versions(TOOLCHAIN),
        site.latest(TOOLCHAIN),
        site.resolve(TOOLCHAIN, Query("go1.99")),
    ):
        with pytest.raises(SourceUnavailable, match="no list of toolchains") as failure:
            await question
        assert not isinstance(failure.value, NotFound)
    assert origin.requests == []


async def test_who_leaves_ends_the_work(
    site: ArchiveSite, staged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cancelled conversion stops its thread before the files that it works on are taken away."""
    begun, ended = threading.Event(), threading.Event()

    def slow(archive: Path, _mv: ModuleVersion, _into: Path, go_on: Callable[[], bool]) -> None:
        begun.set()
        while go_on():
            threading.Event().wait(0.01)
        assert archive.exists()
        ended.set()
        raise SourceUnavailable("nobody waits for it any more")

    monkeypatch.setattr("goproxy_mirror.sources.toolchain.write_module", slow)
    task = asyncio.create_task(site.zip(toolchain(), staged))
    await asyncio.to_thread(begun.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
    assert [each.name for each in staged.parent.iterdir()] == ["staged"]


async def test_a_disk_that_is_full(site: ArchiveSite, tmp_path: Path) -> None:
    """That the archive cannot be written is the store's failure, not the site's."""
    with pytest.raises(StorageError):
        await site.zip(toolchain(), tmp_path / "missing" / "staged")


async def test_a_zip_that_cannot_be_written(
    site: ArchiveSite, staged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same while the module is written."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ZipWriter, "begin", full)
    with pytest.raises(StorageError, match="could not write the zip"):
        await site.zip(toolchain(), staged)


def test_no_url(transport: Transport) -> None:
    """What is no URL is refused where it was set."""
    with pytest.raises(SettingError, match="cannot be a site of Go toolchains"):
        ArchiveSite("ftp://x.test/golang", transport)


# Several sites, and the homes of all other modules.


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
