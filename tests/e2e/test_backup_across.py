"""A backup of one kind of store and database, restored into the other, and back."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.e2e.moving import Mover, contents, rows
from tests.world.modules import Modules
from tests.world.objectstore import BUCKET, ObjectServer, object_server
from tests.world.postgres import Postgres
from tests.world.server import Server
from tests.world.store import damaged_files
from tests.world.upstream import Upstream

TABLES = ("provenance", "pins", "feed", "tree_heads", "lies")


def test_folder_to_bucket_and_back(
    start_server: StartServer, upstream: Upstream, modules: Modules, tmp_path: Path
) -> None:
    """Every file and every row arrives, both ways; a server over the bucket and PostgreSQL goes on where the first one was."""
    program = object_server()
    if isinstance(program, str):
        pytest.skip(program)
    server = start_server("--upstream", upstream.url)
    for path, version, _ in modules.zips():
        for ending in ("info", "mod", "zip"):
            assert server.get(f"/{path}/@v/{version}.{ending}").status == 200
    index = server.get("/index").body
    server.stop()
    mover = Mover(tmp_path)
    packed = mover.run("backup", data=server.data)
    assert packed.status == 0, packed.err
    with ExitStack() as stack:
        s3 = stack.enter_context(ObjectServer(program, tmp_path))
        postgres = stack.enter_context(Postgres())
        shared = (*s3.arguments("all"), "--database", postgres.database())
        far = Mover(tmp_path, shared, s3.env())
        node = tmp_path / "node" / "data"
        restored = far.run("restore", data=node, stdin=packed.out)
        assert (restored.status, b" 0 refused" in restored.out) == (0, True), restored.text
        again = far.run("restore", data=node, stdin=packed.out)
        assert (again.status, "--merge" in again.err) == (2, True), again.text
        objects = s3.folder / BUCKET / "all"
        assert {key: hash_ for key, hash_ in contents(objects).items() if "/_state/" not in key} == contents(
            server.store
        )
        with Server(tmp_path / "node", "--upstream", "off", *shared, env=s3.env()) as second:
            assert second.get("/index").body == index
            path, version, _ = next(iter(modules.zips()))
            assert second.get(f"/{path}/@v/{version}.zip").body == modules.file(path, version, "zip")
        back = far.run("backup", data=node)
        assert back.status == 0, back.err
    home = tmp_path / "home"
    done = mover.run("restore", data=home, stdin=back.out)
    assert (done.status, b" 0 refused" in done.out) == (0, True), done.text
    assert contents(home / "store") == contents(server.store)
    assert damaged_files(home / "store", modules.tree) == []
    for table in TABLES:
        assert rows(home, table) == rows(server.data, table), table
    assert len(rows(home, "pins")) > 0
