"""Where pages, answers and redirects may lead.

127.0.0.1 stands for the public Internet here (its range is opened), 127.0.0.2 for a forbidden address with a server
that records whoever connects. Every refusal has its positive control: with that address opened too, the same request
reaches that server.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from goproxy_mirror.errors import Blocked, MirrorError, SourceUnavailable, Unreachable
from goproxy_mirror.transport import Transport
from tests.fakes.origin import Origin, always, reply
from tests.transport.conftest import Names

PUBLIC = ("127.0.0.1/32",)
EVERYWHERE = ("127.0.0.0/8",)
LIMIT = 1 << 20


@pytest.fixture
async def inside() -> AsyncIterator[Origin]:
    """A server at a forbidden address."""
    async with Origin(always(reply(200, b"secret")), host="127.0.0.2") as origin:
        yield origin


def redirect(location: str, status: int = 302) -> bytes:
    return reply(status, headers={"Location": location})


async def outcome(transport: Transport, url: str, *, led: bool = True) -> bytes | type[MirrorError]:
    try:
        return (await transport.get(url, limit=LIMIT, led=led)).body
    except MirrorError as error:
        return type(error)


async def test_v16_a_second_answer_of_the_name_server_changes_nothing(
    make_transport: Callable[..., Transport], names: Names, inside: Origin
) -> None:
    """V16: a name that is vetted and then rebound to an inner address is connected to at the vetted one."""
    async with Origin(always(reply(200, b"public"))) as origin:

        class Rebinding(Names):
            async def __call__(self, host: str, port: int) -> Sequence[str]:
                self.asked.append(host)
                return ["127.0.0.1"] if len(self.asked) == 1 else ["127.0.0.2"]

        rebinding = Rebinding()
        transport = make_transport(allow=PUBLIC, resolver=rebinding)
        for _ in range(3):
            assert await outcome(transport, f"http://x.test:{origin.port}/") == b"public"
        assert rebinding.asked == ["x.test"]
        # The next look-up is vetted anew.
        assert await outcome(transport, f"http://x.test:{inside.port}/") is Blocked
        assert inside.connections == 0

        names.table["x.test"] = ["127.0.0.2"]
        control = make_transport(allow=EVERYWHERE)
        assert await outcome(control, f"http://x.test:{inside.port}/") == b"secret"


@pytest.mark.parametrize(
    "host", ["127.0.0.2", "[::ffff:127.0.0.2]", "2130706434", "0177.0.0.2", "x.test", "x.test."]
)
async def test_a_forbidden_address_is_not_connected_to(
    make_transport: Callable[..., Transport], names: Names, inside: Origin, host: str
) -> None:
    """V01 to V15: by name or by number, a forbidden address is refused, and the message says which flag opens it."""
    names.table["x.test"] = ["127.0.0.2"]
    url = f"http://{host}:{inside.port}/"
    with pytest.raises(Blocked, match=r"--allow-address 127\.0\.0\.0/8"):
        await make_transport(allow=PUBLIC).get(url, limit=LIMIT, led=True)
    assert inside.connections == 0
    if "[" not in host:
        assert await outcome(make_transport(allow=EVERYWHERE), url) == b"secret"


async def test_a_fake_ip_resolver_is_explained(
    make_transport: Callable[..., Transport], names: Names
) -> None:
    """Where the name server answers from 198.18.0.0/15, the refusal names the range to open."""
    names.table["x.test"] = ["198.18.3.4"]
    with pytest.raises(Blocked, match=r"fake-IP.*--allow-address 198\.18\.0\.0/15"):
        await make_transport().get("https://x.test/", limit=LIMIT, led=True)


async def test_forbidden_addresses_among_permitted_ones_are_dropped(
    make_transport: Callable[..., Transport], names: Names, inside: Origin
) -> None:
    """A name with a public and a private address is connected to at the public one."""
    async with Origin(always(reply(200, b"public"))) as origin:
        names.table["x.test"] = ["127.0.0.2", "10.0.0.1", "127.0.0.1"]
        assert await outcome(make_transport(allow=PUBLIC), f"http://x.test:{origin.port}/") == b"public"
    assert inside.connections == 0


async def test_the_operators_own_hosts_are_not_vetted(
    make_transport: Callable[..., Transport], inside: Origin
) -> None:
    """What the settings name may be anywhere."""
    transport = make_transport(allow=())
    assert await outcome(transport, inside.url, led=False) == b"secret"
    assert await outcome(transport, inside.url, led=True) is Blocked


@pytest.mark.parametrize("led", [True, False])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_v17_a_redirect_inwards_is_refused(
    make_transport: Callable[..., Transport], inside: Origin, led: bool, status: int
) -> None:
    """V17: whoever named the first host, a redirect to a forbidden address is not followed."""
    async with Origin(always(redirect(f"{inside.url}/latest/meta-data", status))) as origin:
        assert await outcome(make_transport(allow=PUBLIC), origin.url, led=led) is Blocked
        assert inside.connections == 0
        assert await outcome(make_transport(allow=EVERYWHERE), origin.url, led=led) == b"secret"
    assert inside.paths == ["/latest/meta-data"]


async def test_v18_no_redirect_from_https_to_http(
    make_transport: Callable[..., Transport], server_tls: ssl.SSLContext
) -> None:
    """V18: security once had is not given up, at whoever's word; http may lead to http."""
    transport = make_transport()
    async with Origin(always(reply(200, b"plain"))) as plain:
        async with Origin(always(redirect(plain.url)), tls=server_tls) as origin:
            assert await outcome(transport, origin.url, led=True) is Blocked
            assert await outcome(transport, origin.url, led=False) is SourceUnavailable
        assert plain.connections == 0
        async with Origin(always(redirect(plain.url))) as origin:
            assert await outcome(transport, origin.url) == b"plain"


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "local-file:///etc/passwd",
        "local_file:///etc/passwd",
        "gopher://x.test/",
        "javascript:0",
        "https://",
        ":",
    ],
)
async def test_v19_v20_u08_no_redirect_to_other_schemes(transport: Transport, location: str) -> None:
    """V19, V20: a page's redirect to another scheme is blocked; U08: an upstream's is its failure."""
    async with Origin(always(redirect(location))) as origin:
        assert await outcome(transport, origin.url, led=True) is Blocked
        assert await outcome(transport, origin.url, led=False) is SourceUnavailable


@pytest.mark.parametrize(("hops", "arrives"), [(10, True), (11, False)])
async def test_v21_ten_redirects_and_no_more(transport: Transport, hops: int, arrives: bool) -> None:
    """V21, U07: ten redirects are followed, the eleventh is an outage."""
    async with Origin(lambda request: reply(200, b"there")) as origin:
        origin.handler = lambda request: (
            reply(200, b"there") if request.path == f"/{hops}" else redirect(f"/{int(request.path[1:]) + 1}")
        )
        expected = b"there" if arrives else SourceUnavailable
        assert await outcome(transport, f"{origin.url}/0") == expected
    assert len(origin.requests) == 11


@pytest.mark.parametrize("port", [22, 6379])
async def test_v22_ports_of_other_services(
    make_transport: Callable[..., Transport], names: Names, port: int
) -> None:
    """V22: a page does not lead to the port of another service, not even at a public address; the operator may."""
    names.table["x.test"] = ["127.0.0.1"]
    transport = make_transport()
    assert await outcome(transport, f"http://x.test:{port}/", led=True) is Blocked
    assert await outcome(transport, f"http://127.0.0.1:{port}/", led=False) is Unreachable


async def test_credentials_stay_with_their_host(
    make_transport: Callable[..., Transport], names: Names
) -> None:
    """A redirect to another host or port loses the authorization; one within the host keeps it."""
    names.table["y.test"] = ["127.0.0.1"]
    async with Origin() as other, Origin() as origin:
        answers = {"/": redirect("/moved"), "/moved": redirect(f"http://y.test:{other.port}/away")}
        origin.handler = lambda request: answers[request.path]
        url = origin.url.replace("://", "://user:secret@")
        assert await outcome(make_transport(), url, led=False) == b"hello"
    assert all("authorization" in request.headers for request in origin.requests)
    assert len(origin.requests) == 2
    assert [request.headers.get("authorization") for request in other.requests] == [None]


async def test_what_redirects_carry_is_not_read(transport: Transport) -> None:
    """A redirect's own body, however large or broken, is not looked at."""
    async with Origin() as origin:
        huge = b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Encoding: gzip\r\nContent-Length: 99999999\r\n\r\nx"
        origin.handler = lambda request: reply(200, b"there") if request.path == "/there" else huge
        assert await outcome(transport, origin.url) == b"there"


async def test_a_redirect_without_a_location_is_an_answer(transport: Transport) -> None:
    """A 302 that leads nowhere comes back as it is."""
    async with Origin(always(reply(302, b"?"))) as origin:
        assert (await transport.get(origin.url, limit=LIMIT)).status == 302


async def test_a_name_without_an_address_is_unreachable_and_rests(
    make_transport: Callable[..., Transport], names: Names
) -> None:
    """A host that has no address is not asked for again at once."""
    transport = make_transport()
    for match in ("has no address", "left alone for a minute"):
        with pytest.raises(Unreachable, match=match) as failure:
            await transport.get("https://x.test/", limit=LIMIT, led=True)
        assert failure.value.host == "x.test"
    assert names.asked == ["x.test"]
