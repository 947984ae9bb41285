"""git and forward proxies: it connects where the transport has vetted, whatever it would make of the settings itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from goproxy_mirror.process import Runner
from goproxy_mirror.transport import AddressPolicy, Proxies, Transport
from goproxy_mirror.vcs.git import GitRepositories
from tests.vcs.gitkit import Repo, serve
from tests.vcs.pagekit import nobody
from tests.world.connect_proxy import ConnectProxy


@pytest.mark.parametrize("no_proxy", [".repo.test", "other.test repo.test"])
async def test_git_goes_where_the_transport_says(
    new_repo: Callable[..., Repo], authority: trustme.CA, tmp_path: Path, no_proxy: str
) -> None:
    """An exception in NO_PROXY that git understands otherwise does not make it connect by itself, past the vetting."""
    root = new_repo("m.git").folder.parent
    Repo(root / "n.git").commit({"go.mod": "module n\n"}, tags=("v1.0.0",))
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    with serve(root, authority, "repo.test") as served, ConnectProxy() as proxy:
        host = served.base.removeprefix("https://")
        proxy.routes["repo.test"] = int(host.partition(":")[2])
        transport = Transport(
            policy=AddressPolicy(),
            user_agent="t",
            ca_files=[ca],
            resolver=nobody,
            proxies=Proxies(https=proxy.url, no_proxy=no_proxy),
        )
        environment = {"HTTPS_PROXY": proxy.url, "NO_PROXY": no_proxy}
        runner = Runner(tmp_path / "state", ca_file=ca, proxy_env=environment)
        remote = GitRepositories(tmp_path / "copies", runner, transport, refs_timeout=30, fetch_timeout=30)
        for trusted in (True, False):
            repository = remote.open(f"{served.base}/n.git", trusted=trusted)
            assert (await repository.refs()).tags
        assert set(proxy.asked) == {host}
        # Positive control: git by itself does not ask the proxy.
        alone = await runner.run(
            ["git", "ls-remote", f"{served.base}/n.git"], cwd=tmp_path, timeout=30, output_limit=1 << 20
        )
        assert b"Could not resolve host" in alone.stderr
        await transport.aclose()
