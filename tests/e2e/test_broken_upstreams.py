"""Upstreams that fail: each failure moves on or is reported as what it is, and nothing partial is ever kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import NewDeveloper, StartServer
from tests.world.go import main_package
from tests.world.modules import MOD, MOD_VERSIONS, NESTED_PROJECT, PROJECT, Modules
from tests.world.server import Server
from tests.world.store import damaged_files, published_files
from tests.world.upstream import Fault, Upstream, black_hole, closed_port

ZIP = "/golang.org/x/mod/@v/v0.22.0.zip"
MOD_FILE = "/golang.org/x/mod/@v/v0.22.0.mod"
INFO = "/golang.org/x/mod/@v/v0.22.0.info"
QUICK = ("--fetch-timeout", "4s", "--connect-timeout", "1s", "--no-builtin-mirrors")

OUTAGES = {
    "500": Fault("status", status=500),
    "503": Fault("status", status=503),
    "429": Fault("status", status=429),
    "403": Fault("status", status=403),
    "hang": Fault("hang"),
    "drip": Fault("drip"),
    "truncate": Fault("truncate"),
    "long": Fault("long"),
    "outage said as 404": Fault("outage"),
    "login page": Fault("html", where=r"\.(info|mod|zip)$|@latest$"),
}


@pytest.mark.parametrize("fault", OUTAGES.values(), ids=OUTAGES.keys())
def test_outage_is_no_absence(
    fault: Fault, start_server: StartServer, upstream: Upstream, modules: Modules
) -> None:
    """The only upstream fails: 5xx that must not be stored, a text that can be printed, and nothing is kept."""
    server = start_server("--upstream", upstream.url, *QUICK)
    upstream.break_with(fault)
    paths = (ZIP, MOD_FILE, INFO)
    with ThreadPoolExecutor() as pool:
        for failed in pool.map(server.get, paths):
            assert 500 <= failed.status <= 504, failed.text
            assert "no-store" in failed.headers["cache-control"]
            assert failed.headers["content-type"].startswith("text/plain")
            assert failed.text.strip()
            assert str(server.data) not in failed.text
    assert published_files(server.store) == []
    upstream.mend()
    assert [server.get(path).status for path in paths] == [200, 200, 200]
    assert damaged_files(server.store, modules.tree) == []


GOES_ON_AT_COMMA = {
    Fault("status", status=404): True,
    Fault("status", status=410): True,
    Fault("outage"): True,
    Fault("status", status=500): False,
    Fault("truncate"): False,
    Fault("status", status=403): False,
}
"""Failures of the first upstream, and whether the walk goes on to the second where a comma stands between."""


@pytest.mark.parametrize("separator", [",", "|"], ids=["comma", "pipe"])
def test_separators_mean_what_they_mean_to_go(
    separator: str, start_server: StartServer, upstream: Upstream, second_upstream: Upstream
) -> None:
    """`,` goes on where the first says no; `|` goes on after any failure."""
    server = start_server("--upstream", f"{upstream.url}{separator}{second_upstream.url}", *QUICK)
    files = [f"/{MOD}/@v/{version}.{kind}" for version in MOD_VERSIONS for kind in ("zip", "mod")]
    for path, (fault, goes_on_at_comma) in zip(files, GOES_ON_AT_COMMA.items(), strict=True):
        upstream.break_with(fault)
        answer = server.get(path)
        assert upstream.asked[path] >= 1
        if separator == "|" or goes_on_at_comma:
            assert answer.status == 200, (fault, answer.text)
            assert second_upstream.asked[path] == 1
        else:
            assert answer.status >= 500, fault
            assert second_upstream.asked[path] == 0


def test_pipe_passes_a_dead_first_upstream(
    start_server: StartServer, developer: NewDeveloper, modules: Modules, upstream: Upstream
) -> None:
    """A refused connection and one that is never accepted do not keep `go mod tidy` from ending well.

    The list ends as the default one does, with a `direct` that leads nowhere: golang.org cannot be reached either.
    """
    with closed_port() as refused, black_hole() as silent:
        server = start_server("--upstream", f"{refused}|{silent}|{upstream.url}|direct", *QUICK)
        go = developer(server.url)
        go.project(NESTED_PROJECT)
        go.run("mod", "tidy").ok()
        assert go.go_sum() == modules.nested_go_sum


def test_the_same_without_a_living_upstream_fails(start_server: StartServer) -> None:
    """Positive control: with nobody alive behind the dead ones, it is an outage."""
    with closed_port() as refused, black_hole() as silent:
        server = start_server("--upstream", f"{refused}|{silent}|direct", *QUICK)
        assert server.get(ZIP).status in {502, 503, 504}


def test_pipe_passes_an_upstream_that_hangs(
    start_server: StartServer,
    developer: NewDeveloper,
    modules: Modules,
    upstream: Upstream,
    second_upstream: Upstream,
) -> None:
    """An upstream that takes connections and says nothing is waited for once, then asked last."""
    upstream.break_with(Fault("hang"))
    urls = f"{upstream.url}|{second_upstream.url}|direct"
    server = start_server("--upstream", urls, "--no-builtin-mirrors", "--answer-timeout", "2s")
    go = developer(server.url)
    go.project(NESTED_PROJECT)
    go.run("mod", "tidy").ok()
    assert go.go_sum() == modules.nested_go_sum
    # The go command asks for every prefix at once; what it asks after those had to wait for nobody.
    assert upstream.asked.total() > 0
    assert not any(path.endswith(".zip") for path in upstream.asked)


def test_absence_everywhere_is_an_absence(
    start_server: StartServer, upstream: Upstream, second_upstream: Upstream
) -> None:
    """Two upstreams say 404: so does the server, and the go command may look elsewhere."""
    server = start_server("--upstream", f"{upstream.url},{second_upstream.url}", *QUICK)
    assert server.get("/golang.org/x/mod/@v/v9.9.9.info").status == 404


def test_absence_and_outage_are_an_outage(
    start_server: StartServer, upstream: Upstream, second_upstream: Upstream
) -> None:
    """One upstream says 404 and the other hides an outage behind a 404: nobody could say."""
    server = start_server("--upstream", f"{upstream.url},{second_upstream.url}", *QUICK)
    second_upstream.break_with(Fault("outage"))
    assert server.get("/golang.org/x/mod/@v/v9.9.9.info").status >= 500


def test_go_prints_what_failed(
    start_server: StartServer, developer: NewDeveloper, upstream: Upstream
) -> None:
    """The go command's own error names the upstream and its status."""
    server = start_server("--upstream", upstream.url, *QUICK)
    upstream.break_with(Fault("status", status=500))
    go = developer(server.url)
    go.project(main_package())
    failed = go.run("get", "golang.org/x/mod@v0.22.0").failed()
    assert f"127.0.0.1:{upstream.port}" in failed.stderr
    assert "500" in failed.stderr


def test_stored_modules_survive_the_upstream(
    start_server: StartServer, developer: NewDeveloper, modules: Modules, upstream: Upstream
) -> None:
    """What was fetched once is served while the upstream answers nothing but 500."""
    server = start_server("--upstream", upstream.url, *QUICK)
    first = developer(server.url)
    first.project(PROJECT)
    first.run("mod", "tidy").ok()
    upstream.break_with(Fault("status", status=500))
    second = developer(server.url)
    second.project(PROJECT)
    second.run("mod", "tidy").ok()
    assert second.go_sum() == modules.go_sum
    assert damaged_files(server.store, modules.tree) == []


def test_redirect_to_another_host_is_vetted(
    start_server: StartServer, upstream: Upstream, second_upstream: Upstream
) -> None:
    """An upstream may redirect, but not into this machine's own addresses unless they are allowed."""
    upstream.break_with(Fault("redirect", to=second_upstream.url.replace("127.0.0.1", "localhost")))
    closed = start_server("--upstream", upstream.url, *QUICK, name="closed")
    refused = closed.get(ZIP)
    assert refused.status == 403
    assert "--allow-address" in refused.text
    assert second_upstream.asked.total() == 0
    opened = start_server("--upstream", upstream.url, *QUICK, "--allow-address", "127.0.0.0/8", name="opened")
    assert opened.get(ZIP).status == 200


def test_a_zip_that_is_none_is_refused(start_server: StartServer, upstream: Upstream) -> None:
    """A zip cut short of a length that agrees with it is still no zip."""
    server: Server = start_server("--upstream", upstream.url, *QUICK)
    upstream.break_with(Fault("short", where=r"\.zip$"))
    assert server.get(ZIP).status >= 500
    assert published_files(server.store) == []
