"""Group V as a client sees it: pages that lead where nobody should go, or are made to hurt, asked of the running server.

Its only way out is the forward proxy of the tests' Internet, which writes down what it is asked for; where connections go
without one is in `test_group_v_enclosed.py`.
"""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from tests.threats.forbidden import HOSTS, OPENED, ROOM, WAYS, add_honest, check_refused, lead_to
from tests.world.internet import Internet
from tests.world.local_http import Exchange
from tests.world.server import Server

MB = 1 << 20
TAG = '<meta name="go-import" content="{}">'
HTML = {"Content-Type": "text/html"}


@dataclass(frozen=True)
class World:
    """A server that is as its users start it, one that does not wait long, and one with the forbidden ranges opened."""

    internet: Internet
    server: Server
    hasty: Server
    opened: Server

    def page(self, name: str, *entries: str) -> str:
        """Give pub.test a page; the request that asks for it."""
        self.internet.page(f"pub.test/{name}", *entries)
        return f"/pub.test/{name}{ROOM}"

    def naming(self, name: str, repository: str) -> str:
        """Give pub.test a page that names a repository; the request that asks for it."""
        return self.page(name, f"pub.test/{name} git {repository}")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Iterator[World]:
    """The Internet and its servers."""
    folder = tmp_path_factory.mktemp("proxied")
    with ExitStack() as stack:
        internet = stack.enter_context(Internet(folder / "internet", authority))
        # There is no checksum database here: what comes from a module's own repository is believed.
        env = {**internet.env(), "GONOSUMDB": "*.test"}
        add_honest(internet, folder)

        def start(name: str, *arguments: str) -> Server:
            server = Server(
                folder / name, "--upstream", "direct", "--no-builtin-mirrors", *arguments, env=env
            )
            stack.callback(server.stop)
            return server.start()

        yield World(
            internet, start("server"), start("hasty", "--fetch-timeout", "3s"), start("opened", *OPENED)
        )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", HOSTS)
def test_v01_to_v15__a_page_leads_inwards(world: World, name: str, way: str) -> None:
    """As a repository, as a proxy, by a redirect of the page or of the repository: 403, and the forward proxy is not asked."""
    port = 20_000 + WAYS.index(way)
    path = lead_to(world.internet, way, name, f"https://{HOSTS[name].written}:{port}/there")
    check_refused(world.server, path, 403, "--allow-address")
    hosts = {host for host in world.internet.hosts_asked if not host.endswith(".test")}
    assert not hosts
    if name in {"V10", "V12"}:
        world.opened.get(path)
        # Positive control: where they are permitted, the proxy is asked for them. Loopback is never asked for.
        assert HOSTS[name].written in world.internet.hosts_asked
        world.internet.proxy.asked.clear()


@pytest.mark.parametrize("host", ["intranet", "metadata.google.internal", "printer.local", "a.localhost"])
def test_names_of_a_local_network(world: World, host: str) -> None:
    """A name that the forward proxy's own network may have is not asked for, by page or by redirect."""
    for way in ("repository", "proxy", "redirect"):
        path = lead_to(world.internet, way, f"local-{host}", f"https://{host}/there")
        check_refused(world.server, path, 403, host)
    assert host not in world.internet.hosts_asked
    world.server.get(lead_to(world.internet, "redirect", f"public-{host}", f"https://{host}.elsewhere.test/"))
    assert f"{host}.elsewhere.test" in world.internet.hosts_asked


LOCATIONS = {
    "V17": "https://169.254.169.254/latest/meta-data",
    "V18": "http://pub.test/plain",
    "V19": "file:///etc/passwd",
    "V20": "local_file:///etc/passwd",
    "V22": "https://pub.test:6379/",
}


@pytest.mark.parametrize("name", LOCATIONS)
@pytest.mark.parametrize("of", ["page", "repository"])
def test_v17_to_v20_v22__redirects(world: World, name: str, of: str) -> None:
    """A page or a repository that redirects inwards, from https to http, to a file, to another service: 403."""
    place = f"pub.test/{name.lower()}-{of}"
    world.internet.page(place, f"{place} git https://pub.test/{name.lower()}-repository/repo")
    asked = place if of == "page" else f"pub.test/{name.lower()}-repository/repo"
    if of == "page":
        del world.internet.pages[place]
    location = [LOCATIONS[name]]
    world.internet.answer(asked, lambda exchange: exchange.reply(302, b"", {"Location": location[0]}))
    answer = check_refused(world.server, f"/{place}{ROOM}", 403)
    assert "root:" not in answer.text
    assert "pub.test:6379" not in world.internet.proxy.asked
    # Positive control: a redirect to where one may go is followed, at once.
    there = "https://pub.test/honest.repo/info/refs?service=git-upload-pack"
    location[0] = f"https://pub.test/{name.lower()}-there?go-get=1" if of == "page" else there
    world.internet.page(f"pub.test/{name.lower()}-there", f"{place} git https://pub.test/honest.repo")
    assert world.server.get(f"/{place}{ROOM}").text == "v1.0.0\n"


def test_v21__eleven_redirects(world: World) -> None:
    """Ten are followed, as by the go command; at the eleventh the host has not said anything: 502."""

    def circle(exchange: Exchange) -> None:
        place, _, left = exchange.path.rpartition("/")
        if left == "0":
            exchange.reply(
                200, TAG.format("pub.test/p-v21/10 git https://pub.test/honest.repo").encode(), HTML
            )
        else:
            exchange.reply(302, b"", {"Location": f"https://pub.test{place}/{int(left) - 1}?go-get=1"})

    world.internet.answer("pub.test/p-v21", circle)
    check_refused(world.server, f"/pub.test/p-v21/11{ROOM}", 502, "redirects")
    assert world.server.get(f"/pub.test/p-v21/10{ROOM}").text == "v1.0.0\n"
    assert world.internet.requests.count("GET pub.test/p-v21/0") == 1


@pytest.mark.parametrize("tagged", [False, True])
def test_v23__a_page_of_1_gb(world: World, tagged: bool) -> None:
    """Its beginning is read and no more: 502 where nothing is said there, else what is said there counts."""
    name = f"p-v23-{tagged}".lower()
    sent = [0]
    entry = TAG.format(f"pub.test/{name} git https://pub.test/honest.repo") if tagged else ""

    def endless(exchange: Exchange) -> None:
        exchange.reply(200, f"<html><head>{entry}".encode(), HTML, length=1 << 30)
        for _ in range(1 << 10):
            exchange.write(b"<p>" * (MB // 3))
            sent[0] += MB

    world.internet.answer(f"pub.test/{name}", endless)
    if tagged:
        assert world.server.get(f"/pub.test/{name}{ROOM}").text == "v1.0.0\n"
    else:
        check_refused(world.server, f"/pub.test/{name}{ROOM}", 502, "end of its head")
    assert sent[0] < 64 * MB


def test_v24__a_page_that_drips(world: World) -> None:
    """A byte now and then is no answer: 504 when the time is up, and nobody else waits."""

    def drip(exchange: Exchange) -> None:
        exchange.reply(200, b"<html>", HTML, length=MB)
        while not world.internet.proxy.closing.wait(0.1):
            exchange.write(b" ")

    world.internet.answer("pub.test/p-v24", drip)
    check_refused(world.hasty, f"/pub.test/p-v24{ROOM}", 504)


HURTING = {
    "V25": TAG.format("pub.test/p-v25 git https://pub.test/r").encode() * 60_000,
    "V26 attributes": b"<a b=" * 400_000,
    "V26 quotes": b"<a b='" * 300_000,
    "V26 comments": b"<!-- <" * 300_000,
    "V26 brackets": b"<" * 3_000_000,
}


@pytest.mark.parametrize("name", HURTING)
def test_v25_v26__pages_made_to_hurt(world: World, name: str) -> None:
    """100,000 entries, markup that never ends in each of its ways: 502, and the next request is answered."""
    place = "pub.test/p-" + name.lower().replace(" ", "-")
    world.internet.answer(place, lambda exchange: exchange.reply(200, HURTING[name], HTML))
    check_refused(world.server, f"/{place}{ROOM}", 502)


ABSENT = {
    "V27": ["other.test/v27 git https://pub.test/r"],
    "V27 longer": ["pub.test/p-v27-longer/more git https://pub.test/r"],
    "V29": ["pub.test/p-v29 git https://pub.test/r", "pub.test/p-v29 git https://pub.test/s"],
    "V29 prefixes": ["pub.test git https://pub.test/r", "pub.test/p-v29-prefixes git https://pub.test/s"],
    "V32": ["pub.test/p-v32 git file:///etc"],
    "V37 blank": ["pub.test/p-v37-blank git https://pub.test/r&#10;-x"],
}


@pytest.mark.parametrize("name", ABSENT)
def test_v27_v29_v32__what_no_go_command_would_take(world: World, name: str) -> None:
    """A wrong prefix, entries that contradict each other, a file, a newline before an option: 404, the host's own no."""
    path = world.page("p-" + name.lower().replace(" ", "-"), *ABSENT[name])
    check_refused(world.server, path, 404)


def test_v28__the_root_disagrees(world: World) -> None:
    """Who writes a page below a prefix has no say about the prefix: 404 unless its own page agrees."""
    below = "pub.test/p-v28 git https://pub.test/honest.repo"
    path = world.page("p-v28/below", below)
    world.page("p-v28", "pub.test/p-v28 git https://pub.test/other.repo")
    check_refused(world.server, path, 404, "disagree")
    world.page("p-v28b/below", below.replace("p-v28", "p-v28b"))
    world.page("p-v28b", below.replace("p-v28", "p-v28b"))
    assert world.server.get("/pub.test/p-v28b" + ROOM).text == "v1.0.0\n"


def test_v40__a_404_page_with_a_valid_tag(world: World) -> None:
    """The status of a page does not matter to the go command: 200."""
    world.internet.page("pub.test/p-v40", "pub.test/p-v40 git https://pub.test/honest.repo", status=404)
    answer = world.server.get("/pub.test/p-v40" + ROOM)
    assert (answer.status, answer.text) == (200, "v1.0.0\n")


REPOSITORIES = {
    "V30": "-oProxyCommand=touch$IFS{marker}",
    "V30 option": "--upload-pack=touch$IFS{marker}",
    "V31": "ext::touch% {marker}",
    "V31 plain": "ext::touch%20{marker}",
    "V33": "ssh://-oProxyCommand=touch$IFS{marker}/r",
    "V34": "git://pub.test/honest.repo",
    "V34 http": "http://pub.test/honest.repo",
    "V35": "svn+ssh://pub.test/r",
    "V36": "https://user:hush@pub.test/honest.repo",
    "V36 name": "https://hush@pub.test/honest.repo",
    "V37": "https://pub.test/honest.repo%0a-x",
    "V37 return": "https://pub.test/honest.repo%0D%0Ahost:%20x",
}


@pytest.mark.parametrize("name", REPOSITORIES)
def test_v30_to_v37__repositories(world: World, name: str, tmp_path: Path) -> None:
    """URLs that run programs, are not secure, carry credentials or more than one line: 403, nothing runs, nothing is asked."""
    marker = tmp_path / "ran"
    before = list(world.internet.requests)
    path = world.naming("p-" + name.lower().replace(" ", "-"), REPOSITORIES[name].format(marker=marker))
    answer = check_refused(world.server, path, 403 if "% " not in REPOSITORIES[name] else 404)
    assert "hush" not in answer.text + world.server.log()
    assert not marker.exists()
    added = [each for each in world.internet.requests[len(before) :] if "honest" not in each]
    assert set(added) == {f"GET {path.removesuffix(ROOM)[1:]}"}


def test_v31__runs_where_it_is_let(tmp_path: Path) -> None:
    """Positive control: a git that may speak `ext` runs the program."""
    marker = tmp_path / "ran"
    subprocess.run(
        ["git", "-c", "protocol.ext.allow=always", "ls-remote", f"ext::touch {marker}"],
        check=False,
        capture_output=True,
    )
    assert marker.exists()


def test_v38__a_proxy_inside(world: World) -> None:
    """A page may name a module proxy, but neither this very server nor one on an inner address: 403."""
    for number, url in enumerate(
        (f"https://127.0.0.1:{world.server.port}/", "https://localhost/go", "https://10.1.2.3/go")
    ):
        name = f"p-v38-{number}"
        check_refused(world.server, world.page(name, f"pub.test/{name} mod {url}"), 403, "--allow-address")
    # Positive control: a module proxy at a public host is asked.
    world.internet.answer("pub.test/goproxy", lambda exchange: exchange.reply(200, b"v1.2.3\n"))
    path = world.page("p-v38", "pub.test/p-v38 mod https://pub.test/goproxy")
    assert world.server.get(path).text == "v1.2.3\n"


@pytest.mark.parametrize("subdir", ["../x", "a/../../b", "a\\b", ".."])
def test_v39__a_subdirectory_above(world: World, subdir: str) -> None:
    """No subdirectory leads out of the repository: 403."""
    name = f"p-v39-{next(NUMBERS)}"
    check_refused(
        world.server, world.naming(name, f"https://pub.test/honest.repo {subdir}"), 403, "subdirectory"
    )
    # Positive control: one that is there, and stays inside.
    inside = f"p-v39-{next(NUMBERS)}"
    assert world.server.get(world.naming(inside, "https://pub.test/honest.repo a/b")).status == 200


NUMBERS = itertools.count()
