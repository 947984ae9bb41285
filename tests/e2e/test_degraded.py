"""A server that cannot write any more: it serves what it has, fails in the right words, and says so to who asks for its health."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.world.modules import MOD, MOD_VERSIONS, Modules
from tests.world.polling import eventually
from tests.world.server import Server
from tests.world.upstream import Upstream

ROOM = "mount -t tmpfs -o size=700k tmpfs"


@cache
def refused() -> str:
    """Why no small disk can be made here; empty where one can."""
    try:
        made = ["unshare", "-rm", "sh", "-c", f"{ROOM} /mnt"]
        done = subprocess.run(made, capture_output=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stderr.decode("utf-8", "replace").strip()


class OnSmallDisk(Server):
    """A server whose store is on a disk with room for a few files."""

    def command(self) -> Sequence[str]:
        """How it is started: the disk is seen by the server alone."""
        self.store.mkdir(parents=True, exist_ok=True)
        script = f'{ROOM} "$0" && exec "$@"'
        return ("unshare", "-rm", "sh", "-c", script, str(self.store), *super().command())


def test_full_disk(upstream: Upstream, modules: Modules, tmp_path: Path) -> None:
    """Hits are served, misses are 507 or 503 and never an absence, nothing partial is served."""
    if refused():
        pytest.skip(refused())
    with OnSmallDisk(tmp_path, "--upstream", upstream.url) as server:
        statuses: dict[str, int] = {}
        for path, version, _ in list(modules.zips()) * 2:
            key = f"/{path}/@v/{version}.zip"
            answer = server.get(key)
            if statuses.setdefault(key, answer.status) == 200:
                assert (answer.status, answer.body) == (200, modules.file(path, version, "zip")), key
        assert {*statuses.values()} - {507, 503} == {200}
        assert {*statuses.values()} - {200} != set()
        assert server.get(f"/{MOD}/@v/{MOD_VERSIONS[0]}.mod").status in {200, 503, 507}
        assert server.get("/healthz").status == 200


def test_database_that_is_damaged(start_server: StartServer, upstream: Upstream) -> None:
    """Stored files are served and the server stays ready, but it says that it is degraded, and why."""
    server = start_server("--upstream", upstream.url)
    key = f"/{MOD}/@v/{MOD_VERSIONS[0]}.zip"
    assert server.get(key).status == 200
    database = server.data / "state" / "state.db"
    for each in database.parent.glob("state.db*"):
        each.unlink()
    database.write_bytes(b"no database" * 1000)
    eventually(
        lambda: server.get("/healthz").text != "ok\n", within=20, what="the word that something is wrong"
    )
    said = server.get("/healthz")
    assert (said.status, said.text.startswith("degraded: the state database")) == (200, True), said.text
    assert str(server.data) not in said.text
    assert (server.get(key).status, server.get("/readyz").status) == (200, 200)
