"""Group V where every address can be connected to: what a page, a redirect or a name server leads to, seen on the wire.

The running server and its git are in a network of their own (`tests/world/enclave.py`), without a forward proxy. pub.test is
at a public address there. A second server has the forbidden ranges opened: it shows that each way leads there.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from tests.threats.forbidden import (
    HONEST,
    HOSTS,
    OPENED,
    ROOM,
    WAYS,
    Host,
    add_honest,
    check_refused,
    lead_to,
)
from tests.world.enclave import PORTS, Enclave, EnclosedServer, refused
from tests.world.go import clean_environment
from tests.world.internet import Internet
from tests.world.server import Answer

pytestmark = pytest.mark.skipif(
    bool(refused()), reason=f"no network of one's own can be made here: {refused()}"
)

PUBLIC, SECOND, METADATA = "8.8.8.8", "8.8.4.4", "169.254.169.254"
LIST = "v1.0.0\n"
NUMBERS = {
    name: host.written.strip("[]")
    for name, host in HOSTS.items()
    if name not in {"V02", "V03", "V04", "V05", "V15"}
}
"""What a name server can answer."""


@dataclass(frozen=True)
class World:
    """A server that is as its users start it, and one with the forbidden ranges opened."""

    internet: Internet
    enclave: Enclave
    server: EnclosedServer
    opened: EnclosedServer
    start: Callable[..., EnclosedServer]

    def visited(self, server: EnclosedServer, path: str) -> tuple[Answer, set[tuple[str, int]]]:
        """The answer to a request, and where connections were made to meanwhile."""
        before = len(self.enclave.visits)
        answer = server.get(path)
        return answer, set(self.enclave.visits[before:])

    def check_refused(self, path: str, status: int = 403, said: str = "") -> None:
        """The request is refused, and nobody but pub.test was connected to."""
        before = len(self.enclave.visits)
        check_refused(self.server, path, status, said)
        assert set(self.enclave.visits[before:]) <= {(PUBLIC, 443)}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Iterator[World]:
    """The network and its two servers."""
    folder = tmp_path_factory.mktemp("enclosed")
    with ExitStack() as stack:
        internet = stack.enter_context(Internet(folder / "internet", authority))
        enclave = stack.enter_context(closing(Enclave(folder / "enclave", internet.port)))
        # There is no checksum database here: what comes from a module's own repository is believed.
        env = internet.certificates() | {"GONOSUMDB": "*.test"}

        def start(name: str, *arguments: str) -> EnclosedServer:
            server = EnclosedServer(
                enclave,
                folder / name,
                "--no-builtin-mirrors",
                "--connect-timeout",
                "2s",
                *arguments,
                env=env,
            )
            stack.callback(server.stop)
            return server.start()

        enclave.names |= {
            "pub.test": [[PUBLIC]],
            "localhost": [["127.0.0.1"]],
        }
        add_honest(internet, folder)
        yield World(
            internet,
            enclave,
            start("closed", "--upstream", "direct"),
            start("opened", "--upstream", "direct", *OPENED),
            start,
        )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("name", "host"), HOSTS.items(), ids=HOSTS)
def test_v01_to_v15__a_page_leads_inwards(world: World, name: str, host: Host, way: str) -> None:
    """As a repository, as a proxy, by a redirect of the page or of the repository: 403, and no connection there."""
    port = PORTS[3 + 16 * WAYS.index(way) + int(name[1:])]
    path = lead_to(world.internet, way, name, f"https://{host.written}:{port}/there")
    world.check_refused(path, said="--allow-address")
    told = world.opened.get(path).text
    assert {at for at, there in world.enclave.visits if there == port} == host.at, told


@pytest.mark.parametrize("name", NUMBERS)
def test_v01_to_v14__a_name_leads_inwards(world: World, name: str) -> None:
    """A module path whose host has such an address: 403, and no connection there."""
    world.enclave.names[f"{name}.test".lower()] = [[NUMBERS[name]]]
    path = f"/{name.lower()}.test/m{ROOM}"
    world.check_refused(path, said="--allow-address")
    assert {at for at, _ in world.visited(world.opened, path)[1]} == HOSTS[name].at


@pytest.mark.parametrize(("name", "host"), HOSTS.items(), ids=HOSTS)
def test_v01_to_v15__a_module_path_that_is_an_address(world: World, name: str, host: Host) -> None:
    """403 where it can be a module path, 404 where it can be none; never a connection."""
    path = f"/{host.written}/m{ROOM}"
    may_be = host.written[0].isdigit() and "." in host.written
    world.check_refused(path, 403 if may_be else 404)
    if may_be:
        world.opened.get(path)
        assert host.at <= {at for at, port in world.enclave.visits if port == 443}


def test_v16__a_page_s_host_is_rebound(world: World) -> None:
    """The name server's second answer is another address: the first one, which was vetted, is connected to."""
    world.enclave.names["page.test"] = [[PUBLIC], [METADATA]]
    world.internet.page("page.test/m", "page.test/m git https://pub.test/honest.repo")
    answer, visits = world.visited(world.server, f"/page.test/m{ROOM}")
    assert (answer.status, answer.text) == (200, LIST)
    assert visits == {(PUBLIC, 443)}
    assert world.enclave.lookups.count("page.test") == 1


def test_v16__a_repository_s_host_is_rebound(world: World, tmp_path: Path) -> None:
    """git connects to the address that was vetted, however often it has to connect."""
    world.enclave.names["repo.test"] = [[SECOND], [METADATA]]
    world.internet.page("pub.test/rebound", "pub.test/rebound git https://repo.test/r")
    world.internet.repository("repo.test/r", world.internet.repositories["pub.test/honest.repo"])
    for file in ("list", "v1.0.0.info"):
        answer, visits = world.visited(world.server, f"/pub.test/rebound/@v/{file}")
        assert answer.status == 200
        assert visits <= {(PUBLIC, 443), (SECOND, 443)}
    assert (SECOND, 443) in world.enclave.visits
    assert world.enclave.lookups.count("repo.test") == 1
    # Positive control: git by itself asks the name server, and goes where that says now.
    env = clean_environment(tmp_path) | {"GIT_SSL_CAINFO": str(world.internet.ca_file)}
    asked = world.enclave.command("git", "ls-remote", "https://repo.test/r")
    assert b"refs/tags/v1.0.0" in subprocess.run(asked, env=env, capture_output=True, check=True).stdout
    assert world.enclave.visits[-1] == (METADATA, 443)


def test_v16__both_answers_are_forbidden_at_their_time(world: World) -> None:
    """A name that led inwards first, and is public now, is connected to at the public address."""
    world.enclave.names["later.test"] = [[METADATA], [SECOND]]
    world.internet.page("later.test/m", "later.test/m git https://pub.test/honest.repo")
    world.check_refused(f"/later.test/m{ROOM}")
    answer, visits = world.visited(world.server, f"/later.test/m{ROOM}")
    assert answer.status == 200
    assert (METADATA, 443) not in visits


@pytest.mark.parametrize(
    "addresses", [[METADATA, PUBLIC], ["10.0.0.1", "127.0.0.1", "fd00:ec2::254", SECOND]]
)
def test_one_of_many_addresses_is_forbidden(world: World, addresses: list[str]) -> None:
    """A name with public and other addresses is connected to at a public one."""
    name = f"many{len(addresses)}.test"
    world.enclave.names[name] = [addresses]
    world.internet.page(f"{name}/m", f"{name}/m git https://{name}/r")
    world.internet.repository(f"{name}/r", world.internet.repositories["pub.test/honest.repo"])
    answer, visits = world.visited(world.server, f"/{name}/m{ROOM}")
    assert (answer.status, answer.text) == (200, LIST)
    assert visits == {(addresses[-1], 443)}
    # Positive control: where they are permitted, the first that answers is taken.
    assert world.visited(world.opened, f"/{name}/m{ROOM}")[1] - visits


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_v17__a_page_redirects_to_metadata(world: World, status: int) -> None:
    """At the first hop or at the second, with every status that redirects: 403, and no connection there."""
    port = PORTS[-1 - status % 10]
    there = f"https://{METADATA}:{port}/latest/meta-data?go-get=1"
    first, second = f"pub.test/v17-{status}", f"pub.test/v17-{status}-again"
    world.internet.answer(second, lambda exchange: exchange.reply(status, b"", {"Location": there}))
    world.internet.answer(
        first, lambda exchange: exchange.reply(status, b"", {"Location": f"https://{second}?go-get=1"})
    )
    for path in (first, second):
        world.check_refused(f"/{path}{ROOM}", said=METADATA)
        world.opened.get(f"/{path}{ROOM}")
        assert (METADATA, port) in world.enclave.visits


def test_v17__an_upstream_redirects_to_metadata(world: World) -> None:
    """Whom the operator named may be anywhere; where it leads may not."""
    world.internet.answer(
        "pub.test/upstream", lambda exchange: exchange.reply(302, b"", {"Location": f"https://{METADATA}/x"})
    )
    world.enclave.names["inner.test"] = [["10.0.0.1"]]
    world.internet.answer("inner.test/go", lambda exchange: exchange.reply(200, b"v1.0.0\n"))
    led = world.start("led", "--upstream", "https://pub.test/upstream")
    answer, visits = world.visited(led, f"/pub.test/m{ROOM}")
    assert (answer.status, visits) == (403, {(PUBLIC, 443)})
    # Positive control: an upstream of the operator's at a private address is asked.
    inner = world.start("inner", "--upstream", "https://inner.test/go")
    answer, visits = world.visited(inner, f"/pub.test/m{ROOM}")
    assert (answer.text, visits) == (LIST, {("10.0.0.1", 443)})


def test_v17__a_mirror_redirects_to_metadata(world: World) -> None:
    """The same for a mirror that the operator named, which git would follow by itself if it were let."""
    name = "nowhere.test/moved"
    there = f"https://{METADATA}:{PORTS[-12]}/r/info/refs?service=git-upload-pack"
    world.enclave.names["mirror.test"] = [["10.0.0.1"]]
    world.internet.answer("mirror.test/r", lambda exchange: exchange.reply(301, b"", {"Location": there}))
    world.internet.repository("mirror.test/honest", world.internet.repositories["pub.test/honest.repo"])
    rules = (
        "--upstream",
        "direct",
        "--order",
        "mirrors,origin",
        "--mirror",
        f"{name}=https://mirror.test/r",
        "--mirror",
    )
    mirrored = world.start("mirrored", *rules, f"{HONEST}=https://mirror.test/honest")
    answer, visits = world.visited(mirrored, f"/{name}{ROOM}")
    assert (answer.status, visits) == (502, {("10.0.0.1", 443)})
    assert METADATA in answer.text
    # Positive control: a mirror at a private address is asked, and one that leads there may be let.
    assert mirrored.get(f"/{HONEST}{ROOM}").text == LIST
    opened = world.start("mirrored-opened", *rules[:-1], *OPENED)
    assert (METADATA, PORTS[-12]) in world.visited(opened, f"/{name}{ROOM}")[1]


def test_v17__a_repository_redirects_to_where_nobody_answers(world: World) -> None:
    """I8: that is the fault of no other repository on the host that sent the redirect."""
    world.enclave.names["silent.test"] = [[SECOND]]
    place = "pub.test/silent"
    world.internet.page(place, f"{place} git https://pub.test/silent.repo")
    there = "https://silent.test:30000/info/refs?service=git-upload-pack"
    world.internet.answer(
        "pub.test/silent.repo", lambda exchange: exchange.reply(301, b"", {"Location": there})
    )
    world.check_refused(
        f"/{place}{ROOM}", 502, "silent.test"
    )  # an honest module of pub.test's is asked for there
    world.internet.page("pub.test/other", "pub.test/other git https://pub.test/honest.repo")
    assert world.server.get(f"/pub.test/other{ROOM}").text == LIST


def test_v22__the_port_of_another_service(world: World, tmp_path: Path) -> None:
    """Not even at a public address, and not even where all addresses are permitted."""
    for way in WAYS:
        path = lead_to(world.internet, way, "V22", "https://pub.test:6379/there")
        world.check_refused(path, said="port 6379")
        assert (PUBLIC, 6379) not in world.visited(world.opened, path)[1]
    # Positive control: somebody is there, and would be connected to.
    env = clean_environment(tmp_path)
    asked = world.enclave.command("git", "ls-remote", "https://pub.test:6379/there")
    subprocess.run(asked, env=env, capture_output=True, check=False)
    assert (PUBLIC, 6379) in world.enclave.visits


def test_honest(world: World) -> None:
    """Positive control of all of this: what is at a public address is built, zip and all."""
    answer, visits = world.visited(world.opened, f"/{HONEST}/@v/v1.0.0.info")
    assert answer.status == 200
    assert visits <= {(PUBLIC, 443)}
