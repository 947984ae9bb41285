"""Lists and queries when every source is down: the last answer, and a header that says so."""

from __future__ import annotations

import pytest

from tests.conftest import NewDeveloper, StartServer
from tests.world.go import main_package
from tests.world.modules import MOD, MOD_VERSIONS
from tests.world.polling import eventually
from tests.world.server import Server
from tests.world.upstream import Fault, Upstream

LIST = f"/{MOD}/@v/list"
LATEST = f"/{MOD}/@latest"


@pytest.fixture
def server(start_server: StartServer, upstream: Upstream) -> Server:
    """A server whose lists are never fresh."""
    return start_server("--upstream", upstream.url, "--no-builtin-mirrors", "--list-ttl", "0s")


@pytest.mark.parametrize("path", [LIST, LATEST], ids=["list", "latest"])
def test_answered_stale(path: str, server: Server, upstream: Upstream) -> None:
    """A list that was given once is given again while the upstream is down; the answer says that it is old."""
    fresh = server.get(path)
    assert fresh.status == 200
    assert "warning" not in fresh.headers
    upstream.break_with(Fault("status", status=500))
    stale = server.get(path)
    assert (stale.status, stale.body) == (200, fresh.body)
    assert stale.headers["warning"].startswith("110 ")
    upstream.mend()
    eventually(lambda: "warning" not in server.get(path).headers)


def test_never_asked_is_an_outage(server: Server, upstream: Upstream) -> None:
    """Positive control: without an older answer, the same outage is an outage."""
    upstream.break_with(Fault("status", status=500))
    assert server.get(LIST).status >= 500
    assert server.get(LATEST).status >= 500


def test_held_versions_are_listed(server: Server, upstream: Upstream) -> None:
    """Where no list was ever asked for, the versions that are held are better than nothing."""
    for kind in ("info", "mod"):
        assert server.get(f"/{MOD}/@v/v0.21.0.{kind}").status == 200
    upstream.break_with(Fault("status", status=500))
    eventually(lambda: server.get(LIST).status == 200)
    answer = server.get(LIST)
    assert answer.text.split() == ["v0.21.0"]
    assert answer.headers["warning"].startswith("110 ")


def test_go_get_latest_during_an_outage(server: Server, upstream: Upstream, developer: NewDeveloper) -> None:
    """`go get x@latest` works for a developer while every source is down, if somebody asked before."""
    for _ in range(2):
        go = developer(server.url)
        go.project(main_package(f"{MOD}/semver"))
        go.run("get", f"{MOD}@latest").ok()
        assert f"{MOD} {MOD_VERSIONS[-1]}" in (go.work / "go.mod").read_text()
        upstream.break_with(Fault("status", status=500))


def test_answers_outlive_a_restart(server: Server, upstream: Upstream) -> None:
    """What was known before a restart is known after it."""
    fresh = server.get(LIST)
    upstream.break_with(Fault("status", status=500))
    server.stop()
    server.start()
    stale = server.get(LIST)
    assert (stale.status, stale.body) == (200, fresh.body)
