"""A vulnerability database at several sites, over real sockets."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Mapping
from datetime import datetime

import pytest

from goproxy_mirror.errors import MirrorError, NotFound, SettingError, SourceUnavailable, Unreachable
from goproxy_mirror.observe import hops
from goproxy_mirror.sources.vulndb import VulnDatabaseSites
from goproxy_mirror.transport import AddressPolicy, Transport
from tests.fakes.origin import Handler, Origin, always, reply
from tests.world.vulndb import FIRST, SECOND, THIRD, Vuln, all_files, plain_files

ONE, TWO = Vuln("GO-2026-0001"), Vuln("GO-2026-0002", modified=SECOND)


def gz(content: bytes) -> bytes:
    """Compressed, with the same bytes at every run: they are in the names of tests."""
    return gzip.compress(content, mtime=0)


def at(text: str) -> datetime:
    """A time of the tests' database."""
    return datetime.fromisoformat(text)


def serving(files: Mapping[str, bytes]) -> Handler:
    """A tree of files below /db."""
    return lambda request: (
        reply(200, files[request.path.removeprefix("/db/")])
        if request.path.removeprefix("/db/") in files
        else reply(404, b"no such file")
    )


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    """A transport with short deadlines."""
    transport = Transport(policy=AddressPolicy(), user_agent="test", answer_timeout=0.5, stall_timeout=0.5)
    yield transport
    await transport.aclose()


@pytest.fixture
async def first() -> AsyncIterator[Origin]:
    """The preferred site."""
    async with Origin(serving(all_files(ONE, TWO))) as origin:
        yield origin


@pytest.fixture
async def second() -> AsyncIterator[Origin]:
    """The other site."""
    async with Origin(serving(all_files(ONE, TWO))) as origin:
        yield origin


@pytest.fixture
def database(first: Origin, second: Origin, transport: Transport) -> VulnDatabaseSites:
    """The database at both."""
    return VulnDatabaseSites([f"{first.url}/db/", f"{second.url}/db"], transport, instance="us")


async def test_the_index(database: VulnDatabaseSites, first: Origin, second: Origin) -> None:
    """The index comes from the preferred site, gzipped as govulncheck asks for it, with our name in the hop header."""
    hops.set(("1.1 other",))
    found = await database.index(None)
    assert found is not None
    files = all_files(ONE, TWO)
    assert (found.home.kind, found.home.name) == ("upstream", f"{first.url}/db")
    assert found.value.modified == at(SECOND)
    assert found.value.whole
    assert (found.value.db.packed, found.value.modules.plain) == (
        files["index/db.json.gz"],
        files["index/modules.json"],
    )
    assert first.paths == [f"/db/index/{name}.json.gz" for name in ("db", "modules", "vulns")]
    assert {request.headers["via"] for request in first.requests} == {"1.1 other, 1.1 us"}
    assert not second.requests


async def test_an_index_that_has_not_changed(database: VulnDatabaseSites, first: Origin) -> None:
    """While index/db.json says the same time, nothing else is fetched."""
    assert await database.index(at(SECOND)) is None
    assert first.paths == ["/db/index/db.json.gz"]


async def test_a_site_that_is_behind(database: VulnDatabaseSites, first: Origin, second: Origin) -> None:
    """A site with an older database than the held one is passed over for a newer; where all are, the held one is the newest."""
    three = Vuln("GO-2026-0003", modified=THIRD)
    second.handler = serving(all_files(ONE, TWO, three))
    held = datetime.fromisoformat("2026-02-20T00:00:00Z")
    found = await database.index(held)
    assert found is not None
    assert (found.home.name, found.value.modified) == (f"{second.url}/db", at(THIRD))
    second.handler = first.handler
    assert await database.index(held) is None


async def test_behind_and_away(database: VulnDatabaseSites, second: Origin) -> None:
    """That one site is behind, and the other cannot be asked, does not make what is held the newest."""
    second.handler = always(reply(500))
    with pytest.raises(SourceUnavailable, match="before 2026-03-03"):
        await database.index(at(THIRD))


async def test_a_site_in_the_middle_of_a_change(
    database: VulnDatabaseSites, first: Origin, second: Origin
) -> None:
    """Where the lists are older than index/db.json promises, a whole index elsewhere is better; else this one is told of."""
    torn = all_files(ONE, TWO, modified=THIRD)
    first.handler = serving(torn)
    found = await database.index(None)
    assert found is not None
    assert found.home.name == f"{second.url}/db"
    for broken in (serving(torn), always(reply(500))):
        second.handler = broken
        found = await database.index(None)
        assert found is not None
        assert (found.value.whole, found.value.modified, found.home.name) == (
            False,
            at(THIRD),
            f"{first.url}/db",
        )


async def test_plain_files_alone(database: VulnDatabaseSites, first: Origin) -> None:
    """A copy may lack gzipped files, and index/vulns.json."""
    files = plain_files(ONE, TWO)
    del files["index/vulns.json"]
    first.handler = serving(files)
    found = await database.index(None)
    assert found is not None
    assert (found.value.vulns, gzip.decompress(found.value.modules.packed)) == (
        None,
        files["index/modules.json"],
    )
    entry = await database.entry("GO-2026-0001", None)
    assert gzip.decompress(entry.value.packed) == files["ID/GO-2026-0001.json"]
    assert entry.home == found.home


async def test_files_that_a_server_calls_encoded(database: VulnDatabaseSites, first: Origin) -> None:
    """Where a server says that a .gz is an encoding, what is in it counts."""
    files = all_files(ONE, TWO)

    def answer(body: bytes) -> bytes:
        return reply(200, body, {"Content-Encoding": "gzip"})

    first.handler = lambda request: answer(files[request.path.removeprefix("/db/")])
    found = await database.index(None)
    assert found is not None
    assert found.home.name == f"{first.url}/db"
    assert found.value.modules.plain == files["index/modules.json"]


BROKEN = [
    reply(500, b"broken"),
    reply(403, b"blocked"),
    reply(200, b"<html>log in</html>"),
    reply(200, gz(b"<html>log in</html>")),
    reply(200, gz(b"{}")),
    reply(200, gz(b"[]")),
    reply(200, gz(bytes(100 << 20))),
    reply(200, b""),
]


@pytest.mark.parametrize("answer", BROKEN)
async def test_what_is_no_database(
    database: VulnDatabaseSites, first: Origin, second: Origin, answer: bytes
) -> None:
    """Pages, bombs and other JSON are an outage of their site: the other one answers, and without it nobody."""
    first.handler = always(answer)
    found = await database.index(None)
    assert found is not None
    assert found.home.name == f"{second.url}/db"
    entry = await database.entry("GO-2026-0001", None)
    assert entry.home.name == f"{second.url}/db"
    second.handler = always(answer)
    for question in (database.index(None), database.entry("GO-2026-0001", None)):
        with pytest.raises(SourceUnavailable, match=first.url) as failure:
            await question
        assert not isinstance(failure.value, NotFound)


async def test_a_place_without_an_index(database: VulnDatabaseSites, first: Origin, second: Origin) -> None:
    """A place that says 404 to index/db.json is no database, which is an outage, not an absence."""
    first.handler = second.handler = always(reply(404))
    with pytest.raises(SourceUnavailable, match="no vulnerability database"):
        await database.index(None)


async def test_an_entry_as_new_as_promised(
    database: VulnDatabaseSites, first: Origin, second: Origin
) -> None:
    """An entry that is older than its index says is not taken; a site that has it as promised is asked next."""
    second.handler = serving(all_files(Vuln("GO-2026-0001", modified=SECOND)))
    found = await database.entry("GO-2026-0001", at(FIRST))
    assert (found.value.modified, found.home.name) == (at(FIRST), f"{first.url}/db")
    found = await database.entry("GO-2026-0001", at(SECOND))
    assert (found.value.modified, found.home.name) == (at(SECOND), f"{second.url}/db")
    with pytest.raises(SourceUnavailable, match="has it as it was at 2026-01-01"):
        await database.entry("GO-2026-0001", at(THIRD))


async def test_an_absent_entry(database: VulnDatabaseSites, first: Origin, second: Origin) -> None:
    """An entry is absent where a site says so and nobody failed otherwise; a promised one never is."""
    with pytest.raises(NotFound):
        await database.entry("GO-2026-9999", None)
    with pytest.raises(SourceUnavailable, match="and yet the index has it") as failure:
        await database.entry("GO-2026-9999", at(FIRST))
    assert not isinstance(failure.value, NotFound)
    second.handler = always(reply(503))
    with pytest.raises(SourceUnavailable, match="503"):
        await database.entry("GO-2026-9999", None)
    second.handler = serving(all_files(Vuln("GO-2026-9999")))
    assert (await database.entry("GO-2026-9999", None)).home.name == f"{second.url}/db"


async def test_nobody_there(transport: Transport) -> None:
    """Hosts that are not there are asked last from then on, and only if they are back."""
    async with Origin() as gone:
        url = gone.url
    async with Origin(serving(all_files(ONE, TWO))) as there:
        database = VulnDatabaseSites([url, f"{there.url}/db"], transport)
        for _ in range(2):
            assert (await database.entry("GO-2026-0001", None)).home.name == f"{there.url}/db"
        assert transport.hosts.resting(url.removeprefix("http://"))
    alone = VulnDatabaseSites([url], transport)
    with pytest.raises(Unreachable):
        await alone.index(None)


@pytest.mark.parametrize("url", ["ftp://x.test", "x.test", "https://"])
def test_no_url(transport: Transport, url: str) -> None:
    """What is no URL is refused where it was set."""
    with pytest.raises(SettingError, match="cannot be a vulnerability database") as failure:
        VulnDatabaseSites([url], transport)
    assert isinstance(failure.value, MirrorError)
