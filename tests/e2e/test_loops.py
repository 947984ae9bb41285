"""Proxies that lead back to themselves."""

from __future__ import annotations

from tests.conftest import StartServer
from tests.world.internet import Internet
from tests.world.server import free_port
from tests.world.upstream import Upstream

ZIP = "/golang.org/x/mod/@v/v0.22.0.zip"
ABSENT = "/golang.org/x/mod/@v/v9.9.9.zip"


def test_circle_without_a_way_out_is_508(start_server: StartServer) -> None:
    """A asks B and B asks A, and nobody else is there: 508, neither an endless walk nor an absence."""
    one, other = free_port(), free_port()
    first = start_server(
        "--upstream", f"http://127.0.0.1:{other}", "--no-builtin-mirrors", name="first", port=one
    )
    second = start_server(
        "--upstream", f"http://127.0.0.1:{one}", "--no-builtin-mirrors", name="second", port=other
    )
    for server in (first, second):
        answer = server.get(ZIP)
        assert answer.status == 508, answer.text
        assert "no-store" in answer.headers["cache-control"]


def test_circle_with_a_way_out_is_left(start_server: StartServer, upstream: Upstream) -> None:
    """A asks B, and B asks A or an upstream that lives: the file arrives, and was fetched once."""
    one, other = free_port(), free_port()
    first = start_server(
        "--upstream", f"http://127.0.0.1:{other}", "--no-builtin-mirrors", name="first", port=one
    )
    start_server(
        "--upstream",
        f"http://127.0.0.1:{one}|{upstream.url}",
        "--no-builtin-mirrors",
        name="second",
        port=other,
    )
    assert first.get(ZIP).status == 200
    assert upstream.asked[ZIP] == 1


def test_own_address_as_upstream_is_dropped(start_server: StartServer, upstream: Upstream) -> None:
    """An upstream that is this server itself is left out with a warning, and the rest of the list works."""
    port = free_port()
    server = start_server(
        "--upstream", f"http://127.0.0.1:{port},{upstream.url}", "--no-builtin-mirrors", port=port
    )
    assert server.get(ZIP).status == 200
    assert server.get(ABSENT).status == 404
    warnings = [line for line in server.log().splitlines() if "warn" in line.lower()]
    assert any(str(port) in line for line in warnings), server.log()


def test_own_name_as_upstream_is_dropped(start_server: StartServer, upstream: Upstream) -> None:
    """The same by another name for the same address, and with the address found in GOPROXY."""
    port = free_port()
    server = start_server(
        "--no-builtin-mirrors", env={"GOPROXY": f"http://localhost:{port},{upstream.url}"}, port=port
    )
    assert server.get(ZIP).status == 200
    assert server.get(ABSENT).status == 404


def test_circle_of_checksum_databases_is_508(start_server: StartServer) -> None:
    """A database that two proxies pass on to each other is answered 508 as well."""
    one, other = free_port(), free_port()
    places = [f"sum.test=http://127.0.0.1:{port}/sumdb/sum.test" for port in (other, one)]
    first = start_server("--upstream", "direct", "--sumdb", places[0], name="first", port=one)
    start_server("--upstream", "direct", "--sumdb", places[1], name="second", port=other)
    answer = first.get("/sumdb/sum.test/latest")
    assert answer.status == 508, answer.text


def test_own_address_as_goproxy_gives_way_to_the_usual_databases(
    start_server: StartServer, internet: Internet
) -> None:
    """Who has this server in GOPROXY has the places of the checksum database that the default upstreams have."""
    port = free_port()
    server = start_server(env={"GOPROXY": f"http://127.0.0.1:{port}"}, port=port)
    answer = server.get("/sumdb/sum.golang.org/latest")
    assert answer.status == 503, answer.text
    assert str(port) not in answer.text
    assert {"sum.golang.org", "sum.golang.google.cn", "goproxy.io", "goproxy.cn"} <= internet.hosts_asked
