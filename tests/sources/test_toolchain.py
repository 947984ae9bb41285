"""One site of Go toolchains, over real sockets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from goproxy_mirror.builder.toolchain import GO_MOD, TOOLCHAIN
from goproxy_mirror.errors import (
    NotFound,
    SettingError,
    SourceUnavailable,
    StorageError,
    Unbuildable,
)
from goproxy_mirror.module.dirhash import hash_zip
from goproxy_mirror.module.modzip import ZipWriter
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Query, Version
from goproxy_mirror.sources.toolchain import ArchiveSite
from goproxy_mirror.transport import AddressPolicy, Transport
from tests.fakes.origin import Origin, Request, always, reply
from tests.world.distributions import FILES, TIME, module_hash, tar_gz, version_of, windows_zip

LINUX, WINDOWS = version_of(), version_of("windows-amd64")
OTHER = ModulePath.parse("golang.org/x/text")


def toolchain(version: str = LINUX) -> ModuleVersion:
    """A version of the module."""
    return ModuleVersion(TOOLCHAIN, Version.parse(version))


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
