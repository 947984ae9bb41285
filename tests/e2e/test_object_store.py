"""Servers whose store is a bucket of a real S3-compatible service, and the real go command."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import NewDeveloper, StartServer
from tests.contracts.stores import bucket, new_prefix, use_credentials
from tests.world.faults import FaultyWay
from tests.world.go import clean_environment
from tests.world.modules import PROJECT, Modules
from tests.world.objectstore import BUCKET, ObjectServer, object_server
from tests.world.polling import eventually
from tests.world.server import Answer, Server, fetch, program
from tests.world.upstream import Upstream

ZIP = "/golang.org/x/mod/@v/v0.21.0.zip"
MOD = "/golang.org/x/mod/@v/v0.21.0.mod"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    """A real S3-compatible server."""
    found = object_server()
    if isinstance(found, str):
        pytest.skip(found)
    with ObjectServer(found, tmp_path_factory.mktemp("s3")) as server:
        yield server


def stored(s3: ObjectServer, prefix: str) -> set[str]:
    """The names of everything that is published in a part of the bucket."""
    folder = s3.folder / BUCKET / prefix
    names = {str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file()}
    return {name for name in names if not name.startswith((".", "_"))}


def test_two_servers_share_a_bucket(
    s3: ObjectServer,
    start_server: StartServer,
    developer: NewDeveloper,
    modules: Modules,
    upstream: Upstream,
    tmp_path: Path,
) -> None:
    """What one server fetched the other serves, to the real go command and without any upstream; `verify` reads it there."""
    prefix = new_prefix()
    arguments = (*s3.arguments(prefix), "--workers", "2")
    first = start_server("--upstream", upstream.url, *arguments, env=s3.env(), name="first")
    go = developer(first.url)
    go.project(PROJECT)
    go.run("mod", "tidy").ok()
    go.run("mod", "download").ok()
    assert go.go_sum() == modules.go_sum
    eventually(lambda: "golang.org/x/mod/@v/list" in stored(s3, prefix), what="the derived list")
    first.stop()
    second = start_server("--upstream", "off", *arguments, env=s3.env(), name="second")
    go = developer(second.url)
    go.project(PROJECT)
    go.run("mod", "download").ok()
    go.run("mod", "tidy").ok()
    assert go.go_sum() == modules.go_sum
    for server in (first, second):
        assert s3.secret not in server.log()
        assert s3.access not in server.log()
    done = run("verify", "--data", str(second.data), *s3.arguments(prefix), s3=s3, folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_outage_of_the_bucket(s3: ObjectServer, start_server: StartServer, upstream: Upstream) -> None:
    """While the service is down, what was brought here is served, after a restart too; the rest is 503 and never 404."""
    arguments = ("--upstream", upstream.url, *s3.arguments(new_prefix()), "--connect-timeout", "1")
    server = start_server(*arguments, env=s3.env())
    body = server.get(ZIP).body
    assert server.get("/readyz").status == 200
    s3.stop()
    try:
        for restarted in (False, True):
            if restarted:
                server.stop()
                server.start(wait=False)
                eventually(lambda: answers(server), what="an answer of the server")
            assert (server.get(ZIP).status, server.get(ZIP).body) == (200, body)
            refused = server.get(MOD)
            assert (refused.status, refused.headers["cache-control"]) == (503, "no-store")
            assert "object store" in refused.text
            eventually(lambda: server.get("/readyz").status == 503, what="readiness to end")
    finally:
        s3.start()
    assert server.get(MOD).status == 200
    assert server.get("/readyz").status == 200


def answers(server: Server) -> bool:
    """Whether it answers at all."""
    try:
        return server.get("/healthz").status == 200
    except OSError:
        return False


def test_large_zips_are_left_to_the_bucket(
    s3: ObjectServer, start_server: StartServer, upstream: Upstream, developer: NewDeveloper
) -> None:
    """With `--redirect-above`, a large zip is had from the bucket by a URL for this one file, whole and in part; go follows."""
    arguments = ("--upstream", upstream.url, *s3.arguments(new_prefix()), "--redirect-above", "10KB")
    server = start_server(*arguments, env=s3.env())
    body = server.get(ZIP).body  # the first comes from here
    assert body[:2] == b"PK"
    head = server.get(ZIP, method="HEAD")
    assert (head.status, head.headers["content-length"]) == (200, str(len(body)))
    assert server.get(ZIP, {"If-None-Match": head.headers["etag"]}).status == 304
    first = server.get(ZIP)
    assert (first.status, first.headers["cache-control"], first.body) == (302, "no-store", b"")
    assert "X-Amz-Expires=300" in first.headers["location"]
    assert s3.secret not in first.headers["location"]
    wanted = {"Range": "bytes=5-1004"}
    whole, part = followed(first), followed(server.get(ZIP, wanted), wanted)
    assert (whole.status, whole.body, whole.headers["content-type"]) == (200, body, "application/zip")
    assert (part.status, part.body) == (206, body[5:1005])
    assert server.get(MOD).status == 200
    go = developer(server.url)
    go.project({"go.mod": "module example.com/project\n"})
    go.run("mod", "download", "golang.org/x/mod@v0.21.0").ok()


def test_zip_that_is_larger_than_the_tier(
    s3: ObjectServer, start_server: StartServer, upstream: Upstream
) -> None:
    """It is served whole from disk, however small the folder; what breaks off on the way is 503, never a part of a file."""
    with FaultyWay(s3.port) as way:
        arguments = ("--upstream", upstream.url, *s3.arguments(new_prefix(), url=way.url))
        server = start_server(*arguments, "--tier-size", "20KB", env=s3.env())
        body = server.get(ZIP).body
        for fault in ("truncated", "503"):
            shutil.rmtree(server.data / "state/tier/golang.org")
            way.clear(lambda call, fault=fault: fault if call.method == "GET" else None)  # type: ignore[misc]
            refused = server.get(ZIP, {"X-Not-Plain": "so not answered from memory"})
            assert (refused.status, refused.headers["cache-control"]) == (503, "no-store")
            way.clear()
            assert server.get(ZIP).body == body


def followed(answer: Answer, headers: dict[str, str] | None = None) -> Answer:
    """The answer of where an answer leads."""
    url = urlsplit(answer.headers["location"])
    assert url.port is not None
    return fetch(url.port, f"{url.path}?{url.query}", headers)


def run(*arguments: str, s3: ObjectServer, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the program to its end."""
    (folder / "home").mkdir(exist_ok=True)
    return subprocess.run(
        program(*arguments),
        env=clean_environment(folder / "home") | {"GOSUMDB": "off"} | s3.env(),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.mark.parametrize(
    ("store", "environment", "said"),
    [
        ("s3://no-such-bucket/x", {}, "NoSuchBucket"),
        (f"s3://{BUCKET}/x", {"AWS_SECRET_ACCESS_KEY": "not-the-one"}, "credentials must allow"),
    ],
)
def test_store_that_cannot_be_used_ends_the_start(
    s3: ObjectServer, tmp_path: Path, store: str, environment: dict[str, str], said: str
) -> None:
    """No such bucket, and no right to it: exit status 2, and one line that says so without a secret."""
    options = ("--data", str(tmp_path / "data"), "--store-option", f"endpoint={s3.url}")
    done = subprocess.run(
        program("serve", "--listen", "127.0.0.1:0", "--store", store, *options),
        env=clean_environment(tmp_path) | s3.env() | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not {s3.secret, s3.access, "not-the-one"} & set(done.stderr.replace('"', " ").split())


async def test_removed_by_one_node_is_gone_from_another(
    s3: ObjectServer,
    start_server: StartServer,
    upstream: Upstream,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What `verify` and `prune` beside one server take out leaves the folder and the memory of another, and it alone."""
    prefix = new_prefix()
    arguments = (*s3.arguments(prefix), "--list-ttl", "1s", "--workers", "2")
    first = start_server("--upstream", upstream.url, *arguments, env=s3.env(), name="first")
    second = start_server("--upstream", "off", *arguments, env=s3.env(), name="second")
    for path in (MOD, ZIP):
        body = first.get(path).body
        assert {second.get(path).body for _ in range(4)} == {body}
    use_credentials(monkeypatch, s3)
    async with bucket(s3, tmp_path / "node", prefix) as node:
        await node.delete(ZIP.lstrip("/"))
    assert second.get(ZIP).status == 200, "nobody asks the bucket at each hit"
    for _ in range(4):
        await asyncio.to_thread(eventually, lambda: second.get(ZIP).status == 404, what="the end of the file")
    assert second.get(MOD).status == 200
    await asyncio.to_thread(
        eventually, lambda: not (first.data / f"state/tier{ZIP}").exists(), what="its end there"
    )
    assert first.get(ZIP).status == 200, "fetched again where there is a source"


def test_credentials_of_a_profile(
    s3: ObjectServer, start_server: StartServer, upstream: Upstream, tmp_path: Path
) -> None:
    """A profile that is named, whose credentials a program gives for an hour, opens the bucket to every worker; nothing shows them."""
    program = tmp_path / "give"
    given = {
        "Version": 1, "AccessKeyId": s3.access, "SecretAccessKey": s3.secret,
        "Expiration": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
    }  # fmt: skip
    program.write_text(f"#!/bin/sh\necho called >> {tmp_path}/calls\necho '{json.dumps(given)}'\n")
    program.chmod(0o700)
    config = tmp_path / "config"
    config.write_text(f"[profile shop]\nregion = us-east-1\ncredential_process = {program}\n")
    env = {"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "shop"}
    prefix = new_prefix()
    server = start_server("--upstream", upstream.url, *s3.arguments(prefix), "--workers", "2", env=env)
    assert server.get(ZIP).status == 200
    assert ZIP.lstrip("/") in stored(s3, prefix)
    assert (tmp_path / "calls").exists()
    assert s3.secret not in server.log()


def test_profile_that_gives_nothing_ends_the_start(s3: ObjectServer, tmp_path: Path) -> None:
    """A profile whose program fails: exit status 2, and one line that names it."""
    (tmp_path / "config").write_text("[profile shop]\ncredential_process = false\n")
    done = subprocess.run(
        program("serve", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "data"), *s3.arguments("x")),
        env=clean_environment(tmp_path)
        | {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_PROFILE": "shop"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "AWS profile shop gives no credentials" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
