"""Subversion and Fossil through the fallback, with the real programs and servers; skipped where they are not installed.

What is expected is what was put into the repository: the go command, which does the work, is the authority itself.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio
import trustme

from goproxy_mirror.errors import NotFound
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Query, Version
from goproxy_mirror.ports import RepoRoot
from goproxy_mirror.process import Runner
from goproxy_mirror.transport import AddressPolicy, Hosts, Proxies, Transport
from goproxy_mirror.vcs.fallback import FallbackRepositories
from tests.world.go import clean_environment, go_binary
from tests.world.internet import Internet
from tests.world.local_http import Exchange
from tests.world.polling import eventually
from tests.world.server import free_port
from tests.world.zips import contents

MODULES = Path("/usr/lib/apache2/modules")
APACHE = shutil.which("apache2", path=f"{os.defpath}:/usr/sbin:{os.environ['PATH']}")
SUBVERSION = bool(shutil.which("svn") and shutil.which("svnadmin") and APACHE)
FILES = {"go.mod": b"module MODULE\n", "a.go": b"package a\n", "sub/b.go": b"package sub // $Id$\n"}
_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "host"}


async def nobody(host: str, port: int) -> Sequence[str]:
    """A name server that knows nobody; the forward proxy finds the hosts."""
    raise OSError("Name or service not known")


@pytest_asyncio.fixture
async def internet(authority: trustme.CA, tmp_path: Path) -> AsyncIterator[Internet]:
    """An Internet of its own."""
    with Internet(tmp_path / "internet", authority) as internet:
        yield internet


@pytest_asyncio.fixture
async def repositories(
    internet: Internet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[FallbackRepositories]:
    """Repositories in that Internet."""
    monkeypatch.setenv("PATH", os.pathsep.join([str(go_binary().parent), os.environ["PATH"]]))
    transport = Transport(
        policy=AddressPolicy(),
        user_agent="test",
        proxies=Proxies(https=internet.proxy.url),
        ca_files=[internet.ca_file],
        resolver=nobody,
        hosts=Hosts(rest=0),
    )
    found = FallbackRepositories(
        tmp_path / "go", Runner(tmp_path / "programs", ca_file=internet.ca_file), transport
    )
    yield found
    await found.aclose()
    await transport.aclose()


def forwarding(port: int) -> Callable[[Exchange], None]:
    """Pass requests on to a server of this machine, and its answers back."""

    def forward(exchange: Exchange) -> None:
        query = f"?{exchange.query_text}" if exchange.query_text else ""
        headers = {name: value for name, value in exchange.headers.items() if name not in _HOP_BY_HOP}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request(exchange.method, exchange.raw_path + query, exchange.body(), headers)
            answer = connection.getresponse()
            said = {n: v for n, v in answer.getheaders() if n.lower() not in _HOP_BY_HOP}
            exchange.reply(answer.status, answer.read(), said)
        finally:
            connection.close()

    return forward


@contextmanager
def running(command: Sequence[str], port: int, folder: Path, path: str) -> Iterator[None]:
    """A server, from when it answers at a path until the end of the block."""

    def answers() -> bool:
        assert process.poll() is None
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().status < 400
        except OSError:
            return False
        finally:
            connection.close()

    nothing = subprocess.DEVNULL
    with subprocess.Popen(
        command, cwd=folder, env=environment(folder), stdout=nothing, stderr=nothing
    ) as process:
        try:
            eventually(answers, what=f"an answer of {command[0]}")
            yield
        finally:
            process.kill()


def environment(folder: Path) -> Mapping[str, str]:
    return clean_environment(folder) | {"USER": "somebody", "PATH": f"{os.environ['PATH']}:/usr/sbin"}


def run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, check=True)


def write(folder: Path, module: str) -> None:
    for name, data in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data.replace(b"MODULE", module.encode()))


async def check(repositories: FallbackRepositories, vcs: str, module: str, tmp_path: Path) -> Version:
    """The newest revision is a module with these files, under its own name too; no other is one."""
    repository = repositories.open(RepoRoot(module, vcs, f"https://{module}"))
    path = ModulePath.parse(module)
    assert await repository.versions(path) == ()
    info = await repository.latest(path)
    mv = ModuleVersion(path, info.version)
    assert (await repository.info(mv)).body == info.body
    assert json.loads(info.body)["Origin"]["VCS"] == vcs
    assert await repository.go_mod(mv) == f"module {module}\n".encode()
    await repository.zip(mv, tmp_path / "made.zip")
    expected = {name: data.replace(b"MODULE", module.encode()) for name, data in FILES.items()}
    assert dict(contents(tmp_path / "made.zip", str(mv))) == expected
    with pytest.raises(NotFound):
        await repository.resolve(path, Query("nosuch"))
    return info.version


@pytest.mark.skipif(not SUBVERSION, reason="Subversion or Apache is not on this machine")
@pytest.mark.skipif(
    not (MODULES / "mod_dav_svn.so").exists(), reason="Apache has no mod_dav_svn on this machine"
)
async def test_subversion(internet: Internet, repositories: FallbackRepositories, tmp_path: Path) -> None:
    """A revision by its number; keywords stay as they are, and nothing from elsewhere is brought along."""
    folder = tmp_path / "server"
    folder.mkdir()
    run(folder, "svnadmin", "create", "svn")
    run(folder, "svn", "checkout", f"file://{folder}/svn", "tree")
    write(folder / "tree", "svn.test/svn")
    run(folder / "tree", "svn", "add", *FILES.keys() - {"sub/b.go"}, "sub")
    run(folder / "tree", "svn", "propset", "svn:keywords", "Id", "sub/b.go")
    run(folder / "tree", "svn", "propset", "svn:externals", "https://evil.test/x x", ".")
    run(folder / "tree", "svn", "commit", "-m", "c")
    port = free_port()
    lines = [
        f"ServerRoot {folder}",
        "ServerName localhost",
        f"PidFile {folder}/pid",
        f"Listen 127.0.0.1:{port}",
        *(
            f"LoadModule {name}_module {MODULES}/mod_{name}.so"
            for name in ("mpm_prefork", "authz_core", "dav", "dav_svn")
        ),
        f"ErrorLog {folder}/errors",
        f"<Location /svn>\nDAV svn\nSVNPath {folder}/svn\n</Location>",
    ]
    (folder / "apache.conf").write_text("\n".join([*lines, ""]))
    internet.answer("svn.test", forwarding(port))
    internet.answer("evil.test", lambda exchange: exchange.reply(200))
    with running([str(APACHE), "-X", "-f", str(folder / "apache.conf")], port, folder, "/svn/"):
        version = await check(repositories, "svn", "svn.test/svn", tmp_path)
    assert version.value.endswith("-000000000001")
    assert "evil.test" not in internet.hosts_asked


@pytest.mark.skipif(shutil.which("fossil") is None, reason="Fossil is not on this machine")
async def test_fossil(internet: Internet, repositories: FallbackRepositories, tmp_path: Path) -> None:
    """A copy is made without anybody's name, and the trunk's newest check-in is the module."""
    folder = tmp_path / "server"
    (folder / "tree").mkdir(parents=True)
    run(folder, "fossil", "init", "f.fossil", "-A", "somebody")
    run(folder / "tree", "fossil", "open", "../f.fossil", "--force")
    write(folder / "tree", "fossil.test/f")
    run(folder / "tree", "fossil", "add", *FILES)
    run(folder / "tree", "fossil", "commit", "-m", "c", "--no-warnings")
    port = free_port()
    internet.answer("fossil.test", forwarding(port))
    command = ["fossil", "server", "--localhost", "--port", str(port), str(folder / "f.fossil")]
    with running(command, port, folder, "/"):
        version = await check(repositories, "fossil", "fossil.test/f", tmp_path)
    assert version.is_pseudo
