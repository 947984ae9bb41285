"""Private repositories: what git is given to open them, and that it is given to git alone."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import pytest
import trustme

from goproxy_mirror.credentials.basic import SecretCredential
from goproxy_mirror.credentials.keyring import Keyring
from goproxy_mirror.credentials.prefix import Prefix
from goproxy_mirror.credentials.ssh import SSH, SSHRoute
from goproxy_mirror.errors import Blocked, CredentialsRefused, NoRepository
from goproxy_mirror.ports import Credential
from goproxy_mirror.process import Runner
from goproxy_mirror.transport import AddressPolicy, Transport
from goproxy_mirror.vcs.git import GitRepositories
from goproxy_mirror.vcs.gitcmd import Remote
from tests.vcs.gitkit import Repo, Served, serve

NewRepo = Callable[..., Repo]
Remotes = Callable[..., GitRepositories]


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Renewed:
    """A credential of which another one is made when it was refused."""

    name = "an app"

    def __init__(self) -> None:
        self.made = 1

    async def authorization(self) -> str:
        return basic("x", f"token{self.made}")

    def refused(self) -> bool:
        self.made += 1
        return True


async def resolve(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def served(tmp_path: Path, authority: trustme.CA) -> Iterator[Served]:
    """A server at https://repo.test that lets in whoever has the password."""
    (tmp_path / "remotes").mkdir()
    with serve(tmp_path / "remotes", authority, "repo.test") as served:
        served.allowed = {basic("me", "pw")}
        yield served


@pytest.fixture
async def remotes(tmp_path: Path, authority: trustme.CA) -> AsyncIterator[Remotes]:
    """Make copies of repositories elsewhere, with credentials."""
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    made: list[Transport] = []

    def make(credentials: Keyring | None = None) -> GitRepositories:
        transport = Transport(
            policy=AddressPolicy(["127.0.0.0/8"]),
            user_agent="t",
            ca_files=[ca],
            resolver=resolve,
            credentials=credentials,
        )
        made.append(transport)
        runner = Runner(tmp_path / "state", ca_file=ca)
        return GitRepositories(tmp_path / "copies", runner, transport, credentials=credentials)

    yield make
    for transport in made:
        await transport.aclose()


def ring(served: Served, credential: Credential | None = None, path: str = "/") -> Keyring:
    prefix = served.base + path
    return Keyring([(Prefix.parse(prefix), credential or SecretCredential(prefix, lambda: "pw", user="me"))])


async def test_open__with_credentials(new_repo: NewRepo, served: Served, remotes: Remotes) -> None:
    """Who may use what is set for the URL reads the repository: its refs, commits and files."""
    commit = new_repo("m.git").commit({"go.mod": "module m\n"}, tags=("v1.0.0",))
    for repository in (
        remotes(ring(served)).open(f"{served.base}/m.git", trusted=False, credentials=True),
        remotes(ring(served)).open(f"{served.base}/m.git", trusted=True),
    ):
        found = await repository.commit("refs/tags/v1.0.0")
        assert found.id == commit
        assert await repository.blob(found, "go.mod", 100) == b"module m\n"
    assert set(served.authorizations) == {basic("me", "pw")}


async def test_open__without(new_repo: NewRepo, served: Served, remotes: Remotes) -> None:
    """Who may not gets what everybody gets, also where the refs were just fetched by somebody who may."""
    new_repo("m.git").commit(tags=("v1.0.0",))
    repositories = remotes(ring(served))
    url = f"{served.base}/m.git"
    assert (await repositories.open(url, trusted=False, credentials=True).refs()).tags
    with pytest.raises(NoRepository, match="private repository needs credentials"):
        await repositories.open(url, trusted=False).refs()
    assert served.authorizations[-1] is None
    with pytest.raises(NoRepository):
        await remotes(ring(served, path="/other/")).open(url, trusted=True).refs()
    assert served.authorizations[-1] is None


async def test_refused__is_tried_once(new_repo: NewRepo, served: Served, remotes: Remotes) -> None:
    """A password that is wrong is not tried again: hosts count."""
    new_repo("m.git").commit(tags=("v1.0.0",))
    served.allowed = set()
    repository = remotes(ring(served)).open(f"{served.base}/m.git", trusted=True)
    with pytest.raises(CredentialsRefused, match=r"did not take the credentials for https://repo\.test"):
        await repository.refs()
    assert served.authorizations == [basic("me", "pw")]


async def test_refused__a_token_that_can_be_made_anew(
    new_repo: NewRepo, served: Served, remotes: Remotes
) -> None:
    """A token that was taken back before its end costs one attempt."""
    new_repo("m.git").commit(tags=("v1.0.0",))
    served.allowed = {basic("x", "token2")}
    app = Renewed()
    repository = remotes(ring(served, app)).open(f"{served.base}/m.git", trusted=True)
    assert (await repository.refs()).tags
    served.allowed = set()
    with pytest.raises(CredentialsRefused, match="for an app"):
        await remotes(ring(served, app)).open(f"{served.base}/n.git", trusted=True).refs()
    assert app.made == 3


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked at in /proc")
async def test_userinfo__of_a_url_of_the_operators(
    new_repo: NewRepo, served: Served, remotes: Remotes
) -> None:
    """A user and password in a URL go into a header too; git would put the URL into an argument list."""
    new_repo("m.git").commit(tags=("v1.0.0",))
    seen: set[bytes] = set()

    def look(_: str) -> None:
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.add(process.read_bytes())
            except OSError:
                continue

    served.before = look
    url = served.base.replace("https://", "https://me:pw@")
    assert (await remotes().open(f"{url}/m.git", trusted=True).refs()).tags
    assert any(b"remote-https" in each and b"repo.test" in each for each in seen)
    assert not any(b"me:pw" in each for each in seen)


def test_remote__the_header_is_for_one_origin() -> None:
    """Git is told for which scheme, host and port the header is; a remote that is printed does not show it."""
    remote = Remote("https://x.test:8443/team/m.git", "https", authorization="Basic c2VzYW1l")
    assert (
        "http.https://x.test:8443/.extraHeader",
        "Authorization: Basic c2VzYW1l",
    ) in remote.configuration()
    assert "c2VzYW1l" not in repr(remote)


@pytest.fixture
def fake_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program named ssh that notes how it was called and serves the repository from here."""
    log = tmp_path / "ssh.log"
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, os, sys\n"
        f"with open({str(log)!r}, 'a') as log:\n"
        "    print(json.dumps([sys.argv[1:], dict(os.environ)]), file=log)\n"
        "os.execvp('sh', ['sh', '-c', sys.argv[-1]])\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return log


async def test_ssh__how_it_is_called(new_repo: NewRepo, remotes: Remotes, fake_ssh: Path) -> None:
    """Git calls ssh with our options, the user and host as one argument, and the quoted path; for each kind of address."""
    repo = new_repo("x.git")
    folder = repo.folder.parent
    commit = repo.commit({"go.mod": "module m\n"}, tags=("v1.0.0",))
    route = SSHRoute(Prefix.parse("https://git.test/team/"), f"ssh://git@x.test:29{folder}/", Path("/deploy"))
    keyring = Keyring(ssh=SSH(known_hosts=Path("/known hosts"), key=Path("/k"), routes=[route]))
    for url, trusted in (
        (f"ssh://git@x.test:29{folder}/x.git", True),
        ("https://git.test/team/x.git", False),
    ):
        repository = remotes(keyring).open(url, trusted=trusted, credentials=True)
        found = await repository.commit("refs/tags/v1.0.0")
        assert found.id == commit
        assert await repository.blob(found, "go.mod", 100) == b"module m\n"
        argv, environ = json.loads(fake_ssh.read_text().splitlines()[-1])
        assert argv[:2] == ["-F", "/dev/null"]
        assert argv[-4:] == ["-p", "29", "git@x.test", f"git-upload-pack '{folder}/x.git'"]
        assert 'UserKnownHostsFile="/known hosts"' in argv
        assert ('IdentityFile="/k"' if trusted else 'IdentityFile="/deploy"') in argv
        assert environ["GIT_ALLOW_PROTOCOL"] == "ssh"
        assert "SSH_AUTH_SOCK" not in environ
        assert str(repository.url) == (url if not trusted else f"ssh://x.test:29{folder}/x.git")


async def test_ssh__for_nobody_who_may_not(new_repo: NewRepo, remotes: Remotes, fake_ssh: Path) -> None:
    """V30: an SSH address that a page named is never asked, nor one without credentials set."""
    keyring = Keyring(ssh=SSH(known_hosts=Path("/known"), key=Path("/k")))
    for repositories, trusted in ((remotes(keyring), False), (remotes(), True), (remotes(Keyring()), True)):
        with pytest.raises(Blocked):
            repositories.open("ssh://git@x.test/r", trusted=trusted, credentials=True)
    for url in ("ssh://-oProxyCommand=id/r", "-oProxyCommand=id@x.test:r", "ssh://git@x.test/-oProxyCommand"):
        with pytest.raises(Blocked):
            remotes(keyring).open(url, trusted=True)
    assert not fake_ssh.exists()
