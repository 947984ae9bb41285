"""Where a repository's URL may be connected to: `goproxy_mirror.vcs.gitremote`, with real servers and a real git."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import pytest
import trustme

from goproxy_mirror.errors import (
    Blocked,
    NoRepository,
    NotFound,
    SourceTimeout,
    SourceUnavailable,
    Unreachable,
)
from goproxy_mirror.process import Runner
from goproxy_mirror.transport import AddressPolicy, Transport
from goproxy_mirror.vcs.git import GitRepositories
from goproxy_mirror.vcs.gitremote import Endpoint, Slots, folder_name, local_path
from tests.vcs.gitkit import Repo, Served, serve

NewRepo = Callable[..., Repo]
HOSTS = {
    "127.0.0.1": ["127.0.0.1"],
    "repo.test": ["127.0.0.1"],
    "moved.test": ["127.0.0.1"],
    "inner.test": ["10.0.0.1"],
    "dead.test": ["127.0.0.2"],
}


async def resolve(host: str, port: int) -> Sequence[str]:
    """Names that no name server knows: whoever connects to them was given the address."""
    if host not in HOSTS:
        raise OSError("no such name")
    return HOSTS[host]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def served(tmp_path: Path, authority: trustme.CA) -> Iterator[Served]:
    """A server at https://repo.test that gives the folder `remotes`."""
    (tmp_path / "remotes").mkdir()
    with serve(tmp_path / "remotes", authority, "repo.test") as served:
        yield served


@pytest.fixture
async def remote(tmp_path: Path, authority: trustme.CA) -> AsyncIterator[GitRepositories]:
    """Copies of repositories elsewhere; 127.0.0.0/8 is permitted, 10.0.0.0/8 is not."""
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    transport = Transport(
        policy=AddressPolicy(["127.0.0.0/8"]),
        user_agent="t",
        ca_files=[ca],
        resolver=resolve,
        connect_timeout=2,
    )
    runner = Runner(tmp_path / "state", ca_file=ca)
    yield GitRepositories(tmp_path / "copies", runner, transport, refs_timeout=30, fetch_timeout=30)
    await transport.aclose()


async def test_vetted__git_connects_to_the_very_address(
    new_repo: NewRepo, served: Served, remote: GitRepositories
) -> None:
    """The name is in no name server; git reaches it by the address that was vetted, and checks its certificate."""
    repo = new_repo("m.git")
    commit = repo.commit({"go.mod": "module m\n"}, tags=("v1.0.0",))
    repository = remote.open(f"{served.base}/m.git", trusted=False)
    assert repository.url == f"{served.base}/m.git"
    assert not repository.local
    found = await repository.commit("refs/tags/v1.0.0")
    assert found.id == commit
    assert await repository.blob(found, "go.mod", 100) == b"module m\n"


@pytest.mark.parametrize(
    "url",
    [
        "http://repo.test/m", "git://repo.test/m", "ssh://repo.test/m", "ssh://-oProxyCommand=x/m", "-oProxyCommand=x",
        "ext::sh -c id", "file:///etc", "/etc", "svn+ssh://repo.test/m", "https://user:pw@repo.test/m",
        "https://user@repo.test/m", "https://repo.test/m\nx", "https://repo.test/ m", "https://-x/\x00",
        "git@repo.test:m", "repo.test/m", "https://repo.test\\@inner.test/m", "", "--upload-pack=x", "fd::17",
    ],
)  # fmt: skip
def test_urls__that_a_page_may_not_lead_to(remote: GitRepositories, url: str) -> None:
    """V30 to V37: only https, without a user, in plain characters, is ever given to git."""
    with pytest.raises(Blocked) as caught:
        remote.open(url, trusted=False)
    assert "pw" not in caught.value.message


def test_urls__nothing_is_vetted_without_a_transport(tmp_path: Path, runner: Runner) -> None:
    """Who cannot vet asks nobody."""
    with pytest.raises(Blocked):
        GitRepositories(tmp_path, runner).open("https://repo.test/m", trusted=False)


async def test_vetted__a_forbidden_address(remote: GitRepositories) -> None:
    """A name that leads inside is refused before git starts; the operator's word opens it."""
    with pytest.raises(Blocked, match=r"--allow-address 10\.0\.0\.0/8"):
        await remote.open("https://inner.test/m", trusted=False).refs()


async def test_unreachable__by_name_and_by_connection(remote: GitRepositories, served: Served) -> None:
    """The host is named, so that it can be left alone for a while."""
    port = served.base.rpartition(":")[2]
    for host in ("none.test", "dead.test"):
        for trusted in (True, False):
            with pytest.raises(Unreachable) as caught:
                await remote.open(f"https://{host}:{port}/m", trusted=trusted).refs()
            assert caught.value.host == f"{host}:{port}"


async def test_unreachable__an_unknown_authority(tmp_path: Path, served: Served) -> None:
    """A certificate that nobody we trust has signed is as good as no answer."""
    runner = Runner(tmp_path / "state")
    plain = GitRepositories(tmp_path / "copies2", runner)
    url = served.base.replace("repo.test", "127.0.0.1")
    with pytest.raises(Unreachable, match="certificate"):
        await plain.open(f"{url}/m", trusted=True).refs()


async def test_status__what_each_means(new_repo: NewRepo, served: Served, remote: GitRepositories) -> None:
    """404 and a question for a password are absence, all else is an outage."""
    statuses = {
        404: NoRepository,
        410: NoRepository,
        401: NoRepository,
        403: SourceUnavailable,
        500: SourceUnavailable,
    }
    for status, kind in statuses.items():
        challenge = {"WWW-Authenticate": 'Basic realm="x"'} if status == 401 else {}
        served.answers = lambda _, status=status, challenge=challenge: (status, challenge, b"hush")  # type: ignore[misc]
        with pytest.raises(kind) as caught:
            await remote.open(f"{served.base}/{status}.git", trusted=False).refs()
        assert isinstance(caught.value, NotFound) == (kind is NoRepository)
        assert caught.value.source == f"{served.base}/{status}.git"


@pytest.mark.parametrize("page", [b"", b"<html>", b"<html>\nlog in\n"])
async def test_page__is_no_empty_repository(served: Served, remote: GitRepositories, page: bytes) -> None:
    """A captive portal answers everything with 200; git would see a repository without versions in it."""
    served.answers = lambda _: (200, {"Content-Type": "text/html"}, page)
    with pytest.raises(SourceUnavailable):
        await remote.open(f"{served.base}/html.git", trusted=False).refs()


async def test_empty__a_repository_without_refs(
    new_repo: NewRepo, served: Served, remote: GitRepositories
) -> None:
    """It is there, and has nothing: an answer."""
    new_repo("empty.git")
    assert not (await remote.open(f"{served.base}/empty.git", trusted=False).refs()).tags


async def test_redirect__a_repository_that_has_moved(
    new_repo: NewRepo, served: Served, remote: GitRepositories
) -> None:
    """git follows nothing; where the server says 301, the new place is looked up, vetted and used."""
    commit = new_repo("new/m.git").commit(tags=("v1.0.0",))

    def answer(path: str) -> tuple[int, dict[str, str], bytes] | None:
        if path.startswith("/old/"):
            return 301, {"Location": path.replace("/old/", "/new/")}, b""
        return None

    served.answers = answer
    with serve(served.root) as plain:
        plain.answers = answer
        for url, trusted in ((f"{served.base}/old/m.git", False), (f"{plain.base}/old/m.git", True)):
            repository = remote.open(url, trusted=trusted)
            assert (await repository.commit("refs/tags/v1.0.0")).id == commit
            assert repository.url == url


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("https://inner.test/m.git/info/refs?service=git-upload-pack", Blocked),
        ("http://repo.test/m.git/info/refs?service=git-upload-pack", Blocked),
        ("file:///etc/passwd", Blocked),
        ("https://repo.test:{port}/login", SourceUnavailable),
        ("https://repo.test:{port}/old/m.git/info/refs?service=git-upload-pack", SourceUnavailable),
    ],
)
async def test_redirect__where_nobody_follows(
    served: Served, remote: GitRepositories, location: str, kind: type[Exception]
) -> None:
    """V17 to V21: an inner address, plain http, a file, a page for people, a circle."""
    there = location.replace("{port}", served.base.rpartition(":")[2])
    served.answers = lambda path: (
        (302, {"Location": there}, b"") if path.startswith("/old/") else (200, {}, b"hi")
    )
    with pytest.raises(kind):
        await remote.open(f"{served.base}/old/m.git", trusted=False).refs()


async def test_deadline__a_server_that_hangs(new_repo: NewRepo, served: Served, tmp_path: Path) -> None:
    """The time is bounded, and nothing of git is left."""
    new_repo("m.git").commit()
    served.before = lambda _: __import__("time").sleep(3)
    slow = GitRepositories(tmp_path / "slow", Runner(tmp_path / "state"), refs_timeout=0.5)
    url = served.base.replace("https://repo.test", "http://127.0.0.1")
    with serve(served.root) as plain:
        plain.before = served.before
        with pytest.raises(SourceTimeout, match=r"did not finish within 0\.5 s") as caught:
            await slow.open(f"{plain.base}/m.git", trusted=True).refs()
    assert url
    assert caught.value.source is not None


async def test_cut_off__in_the_middle_of_an_answer(
    new_repo: NewRepo, served: Served, remote: GitRepositories
) -> None:
    """A pack that breaks off is an outage, and the next attempt succeeds."""
    commit = new_repo("m.git").commit(tags=("v1.0.0",))
    repository = remote.open(f"{served.base}/m.git", trusted=False)
    await repository.refs()
    served.answers = lambda path: (
        200,
        {"Content-Type": "application/x-git-upload-pack-result"},
        b"0011packfile\n0fff",
    )
    with pytest.raises(SourceUnavailable):
        await repository.commit("refs/tags/v1.0.0")
    served.answers = lambda _: None
    assert (await repository.commit("refs/tags/v1.0.0")).id == commit


async def test_cancelled__nothing_is_left_running(
    new_repo: NewRepo, served: Served, remote: GitRepositories
) -> None:
    """A fetch that nobody waits for any more ends with all its processes, and leaves a healthy copy."""
    commit = new_repo("m.git").commit(tags=("v1.0.0",))
    repository = remote.open(f"{served.base}/m.git", trusted=False)
    await repository.refs()
    reached, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold(path: str) -> None:
        loop.call_soon_threadsafe(reached.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(60)

    served.before = hold
    task = asyncio.create_task(repository.commit("refs/tags/v1.0.0"))
    await reached.wait()
    assert mine(remote)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not mine(remote)
    go_on.set()
    served.before = lambda _: None
    assert (await repository.commit("refs/tags/v1.0.0")).id == commit


def mine(repositories: GitRepositories) -> list[str]:
    """The command lines of all processes whose environment names these repositories."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if str(repositories._folder).encode() in (entry / "environ").read_bytes():
                    found.append((entry / "cmdline").read_text())
            except OSError:
                continue
    return found


async def test_slots__a_slow_host_leaves_room() -> None:
    """No more than so many with one host, and another host is not held up by those that wait."""
    slots = Slots(total=3, per_host=2)
    inside: list[str] = []
    go_on = asyncio.Event()

    async def talk(host: str) -> None:
        async with slots.take(host):
            inside.append(host)
            await go_on.wait()

    async with asyncio.TaskGroup() as group:
        for host in ("slow", "slow", "slow", "slow", "other", "other"):
            group.create_task(talk(host))
        await asyncio.sleep(0.01)
        assert sorted(inside) == ["other", "slow", "slow"]
        go_on.set()
    assert len(inside) == 6


def test_local_path__what_is_one() -> None:
    """An absolute path, or a file URL of this machine, percent-encoded or not."""
    assert local_path("/srv/a b.git") == Path("/srv/a b.git")
    assert local_path("file:///srv/a%20b.git") == Path("/srv/a b.git")
    assert local_path("file://localhost/srv/r") == Path("/srv/r")
    for url in ("file://other/srv/r", "file:srv", "srv/r", "https://x/y", "a:b", "./r", "/a\0b", ""):
        assert local_path(url) is None


def test_endpoint__what_is_shown_of_it() -> None:
    """No credentials, and of a local path the last name only."""
    local = Endpoint("/srv/secret/r.git", trusted=True, transport=None)
    assert local.name == "file://.../r.git"
    remote = Endpoint("https://user:pw@x.test/r?token=t", trusted=True, transport=None)
    assert remote.url == remote.name == "https://x.test/r"
    assert remote.host == "x.test"


def test_folder_name__one_for_each_url() -> None:
    """Distinct by digest, readable at the end, without what no file name may hold."""
    names = {
        folder_name(url) for url in ("https://x/A", "https://x/a", "https://x/a/", "/x:y", "https://u:p@x/a")
    }
    assert len(names) == 5
    assert folder_name("https://github.com/Foo/Bar.git").endswith("-https---github-com-foo-bar-git")
    assert all("u" not in name.partition("-")[2] for name in names)


async def test_no_repository__on_a_local_path(tmp_path: Path, repositories: GitRepositories) -> None:
    """A folder that is none, and one that is no repository: absent, without telling paths."""
    (tmp_path / "plain").mkdir()
    for folder in ("none", "plain"):
        repository = repositories.open(str(tmp_path / folder), trusted=True)
        assert repository.local
        with pytest.raises(NoRepository) as caught:
            await repository.refs()
        assert str(tmp_path) not in caught.value.message
