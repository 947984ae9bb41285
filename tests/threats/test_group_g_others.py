"""Group G: hostile repositories of other systems than git, through the go command, with the real programs.

Each test is skipped where its system cannot be had: Mercurial is installed by scripts/install-hg, Subversion is not.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import pytest_asyncio
import trustme

from goproxy_mirror.errors import NotFound, SourceUnavailable
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion
from goproxy_mirror.ports import RepoRoot
from goproxy_mirror.process import Runner
from goproxy_mirror.transport import AddressPolicy, Hosts, Proxies, Transport
from goproxy_mirror.vcs.fallback import FallbackRepositories
from tests.threats.hostile import canary
from tests.world.go import clean_environment, go_binary
from tests.world.internet import Internet
from tests.world.local_http import Exchange
from tests.world.mercurial import HgServer, mercurial
from tests.world.zips import contents

SVN = shutil.which("svn")


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
    programs = mercurial()
    paths = [str(go_binary().parent), os.environ["PATH"]]
    monkeypatch.setenv(
        "PATH", os.pathsep.join([str(programs), *paths] if isinstance(programs, Path) else paths)
    )
    transport = Transport(
        policy=AddressPolicy(),
        user_agent="test",
        proxies=Proxies(https=internet.proxy.url),
        ca_files=[internet.ca_file],
        resolver=nobody,
        hosts=Hosts(rest=0),
    )
    runner = Runner(tmp_path / "programs", ca_file=internet.ca_file)
    found = FallbackRepositories(tmp_path / "go", runner, transport, timeout=120)
    yield found
    await found.aclose()
    await transport.aclose()


def laughs(secret: Path) -> bytes:
    """A WebDAV answer whose text would be a gigabyte, a file of this machine, and an answer of another host."""
    lines = ['<?xml version="1.0"?>', "<!DOCTYPE x [", '<!ENTITY l0 "haha">']
    lines += [f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 9)]
    lines += [
        f'<!ENTITY file SYSTEM "{secret.as_uri()}">',
        '<!ENTITY host SYSTEM "https://evil.test/x">',
        "]>",
    ]
    lines.append(
        '<D:multistatus xmlns:D="DAV:"><D:response><D:href>&file;&host;&l8;</D:href></D:response></D:multistatus>'
    )
    return "\n".join(lines).encode()


@contextmanager
def watched(name: str) -> Iterator[list[int]]:
    """The peaks of resident memory (KiB) of the running programs of that name, as they are seen meanwhile."""
    peaks: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.005):
            for process in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    status = (process / "status").read_text()
                    if status.startswith(f"Name:\t{name}\n") and (
                        peak := re.search(r"VmHWM:\s+(\d+)", status)
                    ):
                        peaks.append(int(peak[1]))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peaks
    finally:
        over.set()
        watcher.join()


@pytest.mark.skipif(SVN is None, reason="Subversion (svn) is not on this machine")
async def test_g28__subversion_entities(
    internet: Internet, repositories: FallbackRepositories, tmp_path: Path
) -> None:
    """A server's XML does not grow, reads no file and asks no other host; what it says is an outage and no absence."""
    secret = tmp_path / "secret"
    secret.write_text("the-secret")
    asked: list[tuple[str, bytes]] = []

    def answer(exchange: Exchange) -> None:
        asked.append((exchange.method, exchange.body()))
        said = {"DAV": "1,2, version-control", "Content-Type": "text/xml; charset=utf-8"}
        exchange.reply(207 if exchange.method == "PROPFIND" else 200, laughs(secret), said)

    internet.answer("svn.test/m", answer)
    internet.answer("evil.test/x", lambda exchange: exchange.reply(200, b"evil"))
    repository = repositories.open(RepoRoot("svn.test/m", "svn", "https://svn.test/m"))
    path = ModulePath.parse("svn.test/m")
    with watched("svn") as peaks:
        for question in (repository.latest(path), repository.versions(path)):
            with pytest.raises(SourceUnavailable):
                await question
    assert {"OPTIONS"} <= {method for method, _ in asked}, "svn has read such an answer"
    assert not [body for _, body in asked if b"the-secret" in body]
    assert "evil.test" not in internet.hosts_asked
    assert peaks, "an svn was seen at work"
    assert max(peaks) < 1 << 20, "in KiB"


async def test_g29__mercurial_subrepositories(
    internet: Internet, repositories: FallbackRepositories, tmp_path: Path
) -> None:
    """What a repository names below itself is neither fetched nor run; its files are a module like any other's."""
    programs = mercurial()
    if isinstance(programs, str):
        pytest.skip(programs)
    program, left = canary(tmp_path)
    folder = tmp_path / "hg" / "m"
    folder.mkdir(parents=True)

    def hg(*arguments: str, stdin: str = "", **env: str) -> None:
        environment = clean_environment(tmp_path) | {"HGRCPATH": "", "HGUSER": "a", **env}
        command = [str(programs / "hg"), *arguments]
        subprocess.run(
            command, cwd=folder, env=environment, input=stdin.encode(), capture_output=True, check=True
        )

    files = {
        "go.mod": ["module hg.test/hg/m"],
        "a.go": ["package a"],
        ".hgsub": [f"g = [git]ext::{program}", "h = ssh://-oProxyCommand=touch%20x/y", "i = ../../up"],
        ".hgsubstate": [f"{'1' * 40} g", f"{'2' * 40} h", f"{'3' * 40} i"],
    }
    patch = "".join(
        f"diff --git a/{name} b/{name}\nnew file mode 100644\n--- /dev/null\n+++ b/{name}\n@@ -0,0 +1,{len(lines)} @@\n"
        + "".join(f"+{line}\n" for line in lines)
        for name, lines in files.items()
    )
    hg("init")
    hg("import", "--bypass", "--date", "1700000000 0", "-m", "c", "-", stdin=patch)
    with HgServer(programs, folder.parent, internet, "hg.test/hg"):
        repository = repositories.open(RepoRoot("hg.test/hg/m", "hg", "https://hg.test/hg/m"))
        info = await repository.latest(ModulePath.parse("hg.test/hg/m"))
        mv = ModuleVersion(ModulePath.parse("hg.test/hg/m"), info.version)
        assert json.loads(info.body)["Time"] == "2023-11-14T22:13:20Z"
        await repository.zip(mv, tmp_path / "made.zip")
    assert sorted(contents(tmp_path / "made.zip", str(mv))) == sorted(files)
    assert not left.exists()
    with pytest.raises(subprocess.CalledProcessError):  # what a checkout with subrepositories would do
        hg(
            "update",
            "--config",
            "subrepos.git:allowed=yes",
            "--config",
            "subrepos.allowed=yes",
            GIT_ALLOW_PROTOCOL="ext",
        )
    assert left.exists()


async def test_g28__no_subversion_repository(internet: Internet, repositories: FallbackRepositories) -> None:
    """A host that says that there is nothing is no authority on versions: nothing was read there."""
    if SVN is None:
        pytest.skip("Subversion (svn) is not on this machine")
    internet.answer("svn.test/none", lambda exchange: exchange.reply(404))
    repository = repositories.open(RepoRoot("svn.test/none", "svn", "https://svn.test/none"))
    with pytest.raises((SourceUnavailable, NotFound)):
        await repository.versions(ModulePath.parse("svn.test/none"))
