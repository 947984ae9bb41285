"""From module path to repository, by pages over TLS."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from goproxy_mirror.errors import NotFound, SourceUnavailable, Unreachable
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.ports import RepoRoot
from goproxy_mirror.vcs.discovery import Discovery
from tests.fakes.origin import reply
from tests.vcs.pagekit import Site, html
from tests.world.connect_proxy import ConnectProxy


async def test_a_page_names_the_repository(site: Site, discovery: Discovery) -> None:
    """The entry for the path itself, its fourth field included; asked for as the go command asks."""
    site.pages["/m"] = ["x.test/m git https://y.test/r sub/dir"]
    assert await discovery.find("x.test/m") == RepoRoot("x.test/m", "git", "https://y.test/r", "sub/dir")
    assert site.paths == ["/m?go-get=1"]


async def test_a_bare_host(site: Site, discovery: Discovery) -> None:
    """A module path may be nothing but a host."""
    site.pages["/"] = ["x.test git https://y.test/r"]
    assert (await discovery.find(ModulePath.parse("x.test"))).root == "x.test"


async def test_known_hosts_are_not_asked(site: Site, discovery: Discovery) -> None:
    """What the path tells by itself costs no request; nor does what no go command would take."""
    assert (await discovery.find("github.com/a/b/v2")).url == "https://github.com/a/b"
    for path in (
        "github.com/a",
        "github.com/a/b.git",
        "x.test/a.svn",
        "chiselapp.com/user/a/repository/b",
        "nodot/x",
    ):
        with pytest.raises(NotFound):
            await discovery.find(path)
    assert site.connections == 0


async def test_private_modules_may_be_kept_in_any_system(
    site: Site, new_discovery: Callable[..., Discovery]
) -> None:
    """GOVCS allows git and hg for public modules, everything for private ones."""
    discovery = new_discovery(private="x.test/own")
    site.pages["/own/m"] = ["x.test/own/m svn https://y.test/r"]
    site.pages["/pub/m"] = ["x.test/pub/m svn https://y.test/r"]
    site.pages["/pub/h"] = ["x.test/pub/h hg https://y.test/r"]
    assert (await discovery.find("x.test/own/m")).vcs == "svn"
    assert (await discovery.find("x.test/own/a.fossil")).vcs == "fossil"
    assert (await discovery.find("x.test/pub/h")).vcs == "hg"
    with pytest.raises(NotFound, match="GOVCS"):
        await discovery.find("x.test/pub/m")


async def test_a_proxy_wins(site: Site, discovery: Discovery) -> None:
    """An entry with `mod` beats all others, of a longer prefix too; two of them are one too many."""
    site.pages["/m"] = ["x.test/m git https://y.test/r", "x.test/m mod https://y.test/p"]
    assert await discovery.find("x.test/m") == RepoRoot("x.test/m", "mod", "https://y.test/p")
    site.pages["/n"] = ["x.test/n mod https://y.test/p", "x.test mod https://y.test/q"]
    with pytest.raises(NotFound):
        await discovery.find("x.test/n")


async def test_the_prefixs_own_page_has_to_agree(site: Site, discovery: Discovery) -> None:
    """V28: an entry for a shorter prefix counts only if that prefix's page says the very same."""
    entry = "x.test/m git https://y.test/r"
    site.pages["/m/sub"] = site.pages["/m"] = [entry]
    assert (await discovery.find("x.test/m/sub")).root == "x.test/m"
    assert site.paths == ["/m/sub?go-get=1", "/m?go-get=1"]
    for number, above in enumerate((["x.test/m git https://y.test/s"], [f"{entry} dir"], [], [entry, entry])):
        site.pages[f"/{number}/sub"] = [entry.replace("x.test/m", f"x.test/{number}")]
        site.pages[f"/{number}"] = [each.replace("x.test/m", f"x.test/{number}") for each in above]
        with pytest.raises(NotFound):
            await discovery.find(f"x.test/{number}/sub")


@pytest.mark.parametrize(
    "contents",
    [
        ["y.test/m git https://y.test/r"],
        ["x.test/mm git https://y.test/r"],
        ["x.test/m/sub git https://y.test/r"],
        ["x.test/m git https://y.test/r", "x.test git https://y.test/s"],
        ["x.test/m git https://y.test/r", "x.test/m git https://y.test/r"],
        ["x.test/m bzr https://y.test/r"],
        ["x.test/m cvs https://y.test/r"],
        ["x.test/m git file:///srv/r"],
        ["x.test/m git FILE:///srv/r"],
        ["x.test/m git y.test/r"],
        ["x.test/m git https://y.test/r /abs"],
        ["x.test/m git https://y.test/r -x"],
        ["x.test/m git https://y.test/r a b"],
        [],
    ],
    ids=[
        "V27 other host",
        "V27 longer",
        "below",
        "V29 two prefixes",
        "V29 twice",
        "bzr",
        "cvs",
        "V32 file",
        "FILE",
        "no scheme",
        "absolute",
        "dash",
        "five fields",
        "none",
    ],
)
async def test_what_the_go_command_refuses_is_absent(
    site: Site, discovery: Discovery, contents: list[str]
) -> None:
    """V27, V29, V32: the host was read, and no go command would find a module there."""
    site.pages["/m"] = contents
    with pytest.raises(NotFound, match=r"x\.test/m"):
        await discovery.find("x.test/m")


@pytest.mark.parametrize(
    ("url", "given"),
    [
        ("https://y.test", "https://y.test"),
        ("https://y.test/a/~b/c.git", "https://y.test/a/~b/c.git"),
        ("HTTPS://Y.test:443/R", "https://y.test/R"),
        ("https://y.test:8443/r", "https://y.test:8443/r"),
        ("https://y.test./a/../r", "https://y.test/r"),
        ("https://y.test/`id`", "https://y.test/%60id%60"),
        ("https://0x7f.1/r", "https://127.0.0.1/r"),
    ],
)
async def test_git_gets_what_was_understood(site: Site, discovery: Discovery, url: str, given: str) -> None:
    """A URL that is written in an unusual way is handed on in the usual one."""
    site.pages["/m"] = [f"x.test/m git {url}"]
    assert (await discovery.find("x.test/m")).url == given


@pytest.mark.parametrize(
    ("subdir", "clean"), [("a//b/", "a/b"), ("./a", "a"), (".", ""), (".hidden/a", ".hidden/a")]
)
async def test_a_subdirectory_is_cleaned(site: Site, discovery: Discovery, subdir: str, clean: str) -> None:
    """Subdirectories are joined as paths, so they are handed on as clean ones."""
    site.pages["/m"] = [f"x.test/m git https://y.test/r {subdir}"]
    assert (await discovery.find("x.test/m")).subdir == clean


async def test_v40_the_status_of_a_page_does_not_matter(site: Site, discovery: Discovery) -> None:
    """V40: an entry in an error page counts."""
    for status in (404, 403, 500, 503):
        site.pages[f"/{status}"] = reply(status, html(f"x.test/{status} git https://y.test/r"))
        assert (await discovery.find(f"x.test/{status}")).url == "https://y.test/r"


@pytest.mark.parametrize(
    ("answer", "absent"),
    [
        (reply(200, b"<html><head></head><body>hello"), True),
        (reply(200, b"plain text"), True),
        (reply(404, b"not found"), True),
        (reply(410, b""), True),
        (reply(403, b"<Error><Code>AccessDenied</Code></Error>"), True),
        (reply(401, b""), True),
        (reply(429, b""), False),
        (reply(500, b""), False),
        (reply(503, b"<html><head></head>"), False),
        (reply(302, b""), False),
        (reply(200, b"<!-- " + b"x" * 1000), False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<html>", False),
        (b"junk\r\n\r\n", False),
    ],
)
async def test_a_page_without_entries(site: Site, discovery: Discovery, answer: bytes, absent: bool) -> None:
    """A page that was read is the host's no; one that failed, or broke off, says nothing."""
    if answer.startswith(b"HTTP/1.1 200 OK\r\nContent-Length: 1000"):

        async def cut(writer: asyncio.StreamWriter) -> None:
            writer.write(answer)
            await writer.drain()

        site.pages["/m"] = cut
    else:
        site.pages["/m"] = answer
    with pytest.raises(NotFound if absent else SourceUnavailable):
        await discovery.find("x.test/m")


async def test_a_host_that_is_not_there(site: Site, discovery: Discovery, proxy: ConnectProxy) -> None:
    """No connection to the host is no absence."""
    with pytest.raises(Unreachable) as failure:
        await discovery.find("z.test/m")
    assert failure.value.host == "z.test"
    assert proxy.asked == ["z.test:443"]


async def test_pages_are_kept_and_shared(site: Site, discovery: Discovery) -> None:
    """Those who ask at once share a request; found and absent are remembered."""
    site.pages["/m"] = ["x.test/m git https://y.test/r"]
    roots = await asyncio.gather(*[discovery.find("x.test/m") for _ in range(20)])
    assert len(set(roots)) == 1
    for _ in range(3):
        with pytest.raises(NotFound):
            await discovery.find("x.test/none")
    assert site.paths == ["/m?go-get=1", "/none?go-get=1"]


async def test_an_outage_is_not_kept_and_hides_nothing_that_was_known(
    site: Site, new_discovery: Callable[..., Discovery]
) -> None:
    """A failed page is asked again; while it fails, what it said before counts."""
    discovery = new_discovery(ttl=0)
    site.pages["/m"] = reply(500)
    with pytest.raises(SourceUnavailable):
        await discovery.find("x.test/m")
    site.pages["/m"] = ["x.test/m git https://y.test/r"]
    known = await discovery.find("x.test/m")
    site.pages["/m"] = reply(500)
    assert await discovery.find("x.test/m") == known
    site.pages["/m"] = ["x.test/m git https://y.test/s"]
    assert (await discovery.find("x.test/m")).url == "https://y.test/s"
    site.pages["/m"] = []
    with pytest.raises(NotFound):
        await discovery.find("x.test/m")
