"""What git's exchanges with a remote say about its host, and the one retry of a connection that broke."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from goproxy_mirror.errors import MirrorError, SourceUnavailable
from goproxy_mirror.ports import HostHealth
from goproxy_mirror.process import Completed, Runner
from goproxy_mirror.transport import AddressPolicy, Transport
from goproxy_mirror.vcs import giterrors
from goproxy_mirror.vcs.git import GitRepositories
from goproxy_mirror.vcs.gitcmd import Remote as GitRemote
from goproxy_mirror.vcs.gitremote import Endpoint
from tests.vcs.gitkit import Repo, Served, serve

NewRepo = Callable[..., Repo]
CUT = (200, {"Content-Type": "application/x-git-upload-pack-result"}, b"000dpackfile\n0fff\x01PACK")


@dataclass
class Remote:
    """A server of repositories, and the copies of them."""

    served: Served
    transport: Transport
    repositories: GitRepositories

    def is_fetch(self) -> bool:
        """Whether the present request asks for objects."""
        return b"command=fetch" in self.served.requests[-1][1]

    @property
    def health(self) -> HostHealth | None:
        """What is known of the server."""
        host = self.served.base.partition("://")[2]
        return next((each for each in self.transport.hosts.snapshot() if each.host == host), None)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "remotes").mkdir()
    with serve(tmp_path / "remotes") as served:
        yield served


@pytest.fixture
async def remote(tmp_path: Path, served: Served) -> AsyncIterator[Remote]:
    transport = Transport(policy=AddressPolicy(["127.0.0.0/8"]), user_agent="t", connect_timeout=2)
    runner = Runner(tmp_path / "state")
    copies = GitRepositories(tmp_path / "copies", runner, transport, refs_timeout=5, fetch_timeout=30)
    yield Remote(served, transport, copies)
    await transport.aclose()


async def test_answers_are_counted(new_repo: NewRepo, remote: Remote) -> None:
    """What git fetched says how long the host takes; that it has no such repository is an answer."""
    new_repo("m.git").commit(tags=("v1.0.0",))
    await remote.repositories.open(f"{remote.served.base}/m.git", trusted=True).commit("refs/tags/v1.0.0")
    assert remote.health is not None
    before = remote.health.requests
    assert before >= 2
    assert remote.health.seconds > 0
    with suppress(MirrorError):
        await remote.repositories.open(f"{remote.served.base}/none.git", trusted=True).refs()
    assert (remote.health.requests, remote.health.failures) == (before + 1, 0)


async def test_outages_are_counted(remote: Remote) -> None:
    """A status of 5xx is a failure; one of 403 says nothing about the host."""
    remote.served.answers = lambda _: (403, {}, b"")
    with pytest.raises(SourceUnavailable):
        await remote.repositories.open(f"{remote.served.base}/m.git", trusted=True).refs()
    assert not remote.transport.hosts.snapshot()
    remote.served.answers = lambda _: (503, {}, b"")
    with pytest.raises(SourceUnavailable):
        await remote.repositories.open(f"{remote.served.base}/n.git", trusted=True).refs()
    assert remote.health is not None
    assert remote.health.failures > 0


async def test_a_fetch_that_broke_is_tried_once_more(new_repo: NewRepo, remote: Remote) -> None:
    """A single broken connection costs nobody the home."""
    commit = new_repo("m.git").commit(tags=("v1.0.0",))
    repository = remote.repositories.open(f"{remote.served.base}/m.git", trusted=True)
    await repository.refs()
    cuts = [CUT]
    remote.served.answers = lambda _: cuts.pop() if remote.is_fetch() and cuts else None
    assert (await repository.commit("refs/tags/v1.0.0")).id == commit
    assert not cuts
    assert remote.health is not None
    assert remote.health.failures > 0


async def test_a_remote_that_breaks_all_the_time(remote: Remote) -> None:
    """The second time is the last, for whatever else is asked of that remote within a minute."""
    talked: list[str] = []

    async def attempt(there: GitRemote) -> Completed:
        talked.append(there.url)
        return Completed(128, b"", b"fatal: early EOF")

    endpoint = Endpoint(f"{remote.served.base}/m.git", trusted=True, transport=remote.transport)
    for times in (2, 3, 4):
        assert (await endpoint.talk(attempt)).returncode == 128
        assert len(talked) == times


@pytest.mark.parametrize(
    ("said", "broken", "outage"),
    [
        ("error: RPC failed; curl 18 transfer closed with outstanding read data remaining\nfatal: early EOF", True, True),
        ("fatal: fetch-pack: unexpected disconnect while reading sideband packet", True, True),
        ("fatal: the remote end hung up unexpectedly", True, True),
        ("error: RPC failed; curl 56 Recv failure: Connection reset by peer", True, True),
        ("error: RPC failed; curl 92 HTTP/2 stream 5 was not closed cleanly: INTERNAL_ERROR (err 2)", True, True),
        ("fatal: unable to access 'https://x/': Empty reply from server", True, True),
        ("error: RPC failed; HTTP 503 curl 22 The requested URL returned error: 503\nfatal: hung up", False, True),
        ("The requested URL returned error: 403\nfatal: the remote end hung up unexpectedly", False, False),
        ("remote: fatal: early EOF\n", False, False),
        ("error: index-pack died of signal 9\nfatal: early EOF", False, False),
        ("git@x: Permission denied (publickey).\nfatal: the remote end hung up unexpectedly", False, False),
        ("fatal: unable to access 'https://x/': Failed to connect to x port 443: Connection refused", False, False),
        ("fatal: could not parse", False, False),
    ],
)  # fmt: skip
def test_what_counts_as_broken(said: str, broken: bool, outage: bool) -> None:
    """Only a connection that ended too early is asked again; where git says more than that, it would end so again."""
    assert giterrors.is_broken(said.encode()) is broken
    assert giterrors.is_outage(said.encode()) is outage
