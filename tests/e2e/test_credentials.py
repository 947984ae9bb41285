"""Private repositories, from the server's settings to the go command."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import NewDeveloper, StartServer
from tests.world.go import Go, go_binary, main_package
from tests.world.internet import Internet
from tests.world.polling import eventually
from tests.world.repositories import Commit, write_repository
from tests.world.server import program
from tests.world.sshd import SSHD, SSHServer, new_key

MODULE = "git.corp.example/team/secret"
UNCHECKED = {"GOSUMDB": "sum.golang.org", "GONOSUMDB": "git.corp.example"}


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The repository of a private module, with a second module in a folder of its own."""
    files = {
        "go.mod": f"module {MODULE}\n".encode(),
        "secret.go": b"package secret\n",
        "sub/go.mod": f"module {MODULE}/sub\n".encode(),
        "sub/sub.go": b"package sub\n",
    }
    return write_repository(
        tmp_path / "secret.git", [Commit(files, "2024-05-01T00:00:00Z", ("v1.0.0", "sub/v1.2.0"), ("dev",))]
    )


@pytest.fixture
def house(internet: Internet, repository: Path) -> Internet:
    """A private git host: page and repository are for those alone who have the token."""
    internet.page(MODULE, f"{MODULE} git https://{MODULE}.git")
    internet.page(f"{MODULE}/sub", f"{MODULE} git https://{MODULE}.git")
    internet.repository(f"{MODULE}.git", repository)
    internet.protect("git.corp.example", basic("x-access-token", "t0ken"))
    return internet


@pytest.fixture
def token(tmp_path: Path) -> Path:
    """A file with the token."""
    path = tmp_path / "token"
    path.write_text("t0ken\n")
    path.chmod(0o600)
    return path


def test_token__the_go_command_gets_a_private_module(
    start_server: StartServer, developer: NewDeveloper, house: Internet, token: Path
) -> None:
    """The developer has no access to the host and no credentials; the server has. Nothing is sent to any other host."""
    rule = f"https://git.corp.example/=token_file={token}"
    server = start_server("--upstream", "direct", "--private", "git.corp.example", "--credential", rule)
    go = developer(server.url, UNCHECKED)
    go.project(main_package(MODULE, f"{MODULE}/sub"))
    go.run("mod", "tidy").ok()
    go.run("build", "./...").ok()
    assert f"{MODULE} v1.0.0" in (go.work / "go.mod").read_text()
    assert f"{MODULE}/sub v1.2.0" in (go.work / "go.mod").read_text()
    go.run("list", "-m", f"{MODULE}@dev").ok()
    assert {name.split("/")[0] for name, _ in house.authorizations} == {"git.corp.example"}
    assert "t0ken" not in server.log()


def test_without_credentials__a_no_that_tells_what_to_set(start_server: StartServer, house: Internet) -> None:
    """Whoever has no credentials hears that there is nothing for them, and which settings would change that."""
    server = start_server("--upstream", "direct", "--private", "git.corp.example")
    answer = server.get(f"/{MODULE}/@v/list")
    assert answer.status == 404
    assert "credentials" in answer.text
    house.guards.clear()
    house.protect(f"{MODULE}.git", "nobody")
    other = server.get(f"/{MODULE}/sub/@v/list")
    assert other.status == 404
    assert "settings credentials, netrc" in other.text


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("place", ["git.corp.example", f"{MODULE}.git"])
def test_wrong_token__is_no_absence(
    start_server: StartServer, house: Internet, token: Path, place: str, status: int
) -> None:
    """A refused credential is an outage that names it, for the page as for the repository; a new token counts at once."""
    house.guards.clear()
    guard = house.protect(place, "nobody", status=status)
    rule = f"https://git.corp.example/=token_file={token}"
    server = start_server("--upstream", "direct", "--private", "git.corp.example", "--credential", rule)
    answer = server.get(f"/{MODULE}/@v/v1.0.0.info")
    assert answer.status == 502, answer.text
    assert "the credentials for https://git.corp.example/" in answer.text
    assert "t0ken" not in answer.text + server.log()
    guard.authorizations.add(basic("x-access-token", "rotated"))
    token.write_text("rotated\n")
    assert server.get(f"/{MODULE}/@v/v1.0.0.info").status == 200


def test_hidden__by_a_host_that_says_not_found(
    start_server: StartServer, house: Internet, token: Path
) -> None:
    """Hosts that say 404 to strangers are believed, and the text says which credentials were not enough."""
    house.guards.clear()
    house.protect(f"{MODULE}.git", "nobody", status=404)
    rule = f"https://git.corp.example/=token_file={token}"
    server = start_server("--upstream", "direct", "--private", "git.corp.example", "--credential", rule)
    answer = server.get(f"/{MODULE}/@v/list")
    assert answer.status == 404
    assert "the credentials for https://git.corp.example/" in answer.text


def test_strangers_page__borrows_nothing(start_server: StartServer, house: Internet, token: Path) -> None:
    """A page at another host that names the private repository gets what everybody gets, also once it was fetched."""
    house.page("evil.example/x", f"evil.example/x git https://{MODULE}.git")
    rule = f"https://git.corp.example/=token_file={token}"
    server = start_server("--upstream", "direct", "--private", "git.corp.example", "--credential", rule)
    assert server.get(f"/{MODULE}/@v/list").text == "v1.0.0\n"
    before = len(house.authorizations)
    answer = server.get("/evil.example/x/@v/list")
    assert answer.status == 404
    assert "v1.0.0" not in answer.text
    assert server.get("/evil.example/x/@v/dev.info").status == 404
    assert len(house.authorizations) == before


def test_redirect__credentials_stay_at_home(start_server: StartServer, house: Internet, token: Path) -> None:
    """A private host that sends git elsewhere sends no credentials along."""
    house.redirects["git.corp.example/team/secret.git"] = "elsewhere.example/secret.git"
    house.repository("elsewhere.example/secret.git", house.repositories.pop(f"{MODULE}.git"))
    rule = f"https://git.corp.example/=token_file={token}"
    server = start_server("--upstream", "direct", "--private", "git.corp.example", "--credential", rule)
    assert server.get(f"/{MODULE}/@v/list").text == "v1.0.0\n"
    assert any(each.startswith("POST elsewhere.example/") for each in house.requests)
    assert {name.split("/")[0] for name, _ in house.authorizations} == {"git.corp.example"}


def test_module_proxy__of_a_private_host(
    start_server: StartServer, house: Internet, tmp_path: Path, token: Path
) -> None:
    """An upstream behind a token; a wrong one is said to be that."""
    versions = tmp_path / "tree" / "corp.example" / "m" / "@v"
    versions.mkdir(parents=True)
    (versions / "list").write_text("v1.0.0\n")
    house.tree("goproxy.corp.example", tmp_path / "tree")
    house.protect("goproxy.corp.example", "Bearer t0ken")
    rule = f"https://goproxy.corp.example/=token_file={token},scheme=bearer"
    server = start_server(
        "--upstream", "https://goproxy.corp.example", "--credential", rule, "--list-ttl", "0"
    )
    assert server.get("/corp.example/m/@v/list").text == "v1.0.0\n"
    token.write_text("old")
    answer = server.get("/corp.example/other/@v/list")
    assert answer.status == 502
    assert "the credentials for https://goproxy.corp.example/" in answer.text


def test_run__with_the_developers_own_netrc(house: Internet, tmp_path: Path) -> None:
    """`run` opens what the developer's own netrc file opens, on a path that nobody else knows."""
    go = Go(tmp_path / "developer", goproxy="off", env={**house.env(), "GOPRIVATE": "git.corp.example"})
    netrc = tmp_path / "developer" / "home" / ".netrc"
    netrc.write_text("machine git.corp.example login x-access-token password t0ken")
    netrc.chmod(0o600)
    go.project(main_package(MODULE))
    argv = program("run", "--data", str(tmp_path / "data"), "--", str(go_binary()))

    def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*argv, *arguments],
            env=go.env | env,
            cwd=go.work,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    without = run("mod", "tidy", NETRC=os.devnull, GONOPROXY="none")
    assert without.returncode != 0
    done = run("mod", "tidy", GONOPROXY="none")
    assert done.returncode == 0, done.stderr
    assert f"{MODULE} v1.0.0" in (go.work / "go.mod").read_text()
    shown = run("env", "GOPROXY").stdout
    assert len(shown.strip().rpartition("/")[2]) == 16
    assert "t0ken" not in done.stderr + without.stderr


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[SSHServer]:
    """An SSH server."""
    if SSHD is None:
        pytest.skip("there is no sshd on this machine")
    with SSHServer(tmp_path / "sshd") as server:
        yield server


def ssh_flags(ssh: SSHServer, key: Path | None = None, known_hosts: Path | None = None) -> tuple[str, ...]:
    return (
        "--upstream", "direct", "--private", "git.corp.example", "--ssh-key", str(key or ssh.key),
        "--ssh-known-hosts", str(known_hosts or ssh.known_hosts),
    )  # fmt: skip


def test_ssh__in_the_place_of_https(
    start_server: StartServer, developer: NewDeveloper, house: Internet, ssh: SSHServer, repository: Path
) -> None:
    """A page that names an https URL, whose repository is set to be fetched by SSH."""
    house.guards.clear()
    del house.repositories[f"{MODULE}.git"]
    rule = f"https://git.corp.example/team/=ssh={ssh.address(repository.parent)}"
    server = start_server(*ssh_flags(ssh), "--credential", rule)
    go = developer(server.url, UNCHECKED)
    go.project(main_package(MODULE, f"{MODULE}/sub"))
    go.run("mod", "tidy").ok()
    assert f"{MODULE} v1.0.0" in (go.work / "go.mod").read_text()
    assert f"https://{MODULE}.git" in server.get(f"/{MODULE}/@v/v1.0.0.info").text
    assert str(repository) not in server.get(f"/{MODULE}/@v/v9.0.0.info").text


def test_ssh__by_a_mirror_rule(
    start_server: StartServer, house: Internet, ssh: SSHServer, repository: Path
) -> None:
    """A rule that names an SSH address; the module's host need not be there."""
    house.refuse("git.corp.example")
    rule = f"git.corp.example/team/{{r}}={ssh.address(repository.parent)}/{{r}}.git"
    server = start_server(*ssh_flags(ssh), "--mirror", rule)
    assert server.get(f"/{MODULE}/@v/list").text == "v1.0.0\n"
    assert server.get(f"/{MODULE}/@v/v1.0.0.zip").status == 200


def test_ssh__hosts_and_keys_that_are_not_known(
    start_server: StartServer, house: Internet, ssh: SSHServer, repository: Path, tmp_path: Path
) -> None:
    """An unknown host, one with another key, a key that opens nothing, a port where nobody is: 502, and what it was."""
    house.refuse("git.corp.example")
    rule = f"git.corp.example/team/{{r}}={ssh.address(repository.parent)}/{{r}}.git"
    unknown, changed = tmp_path / "unknown", tmp_path / "changed"
    unknown.write_text("")
    changed.write_text(ssh.known_hosts.read_text().split()[0] + " " + ssh.key.with_suffix(".pub").read_text())
    other = new_key(tmp_path / "other")
    for name, flags, expected in (
        ("unknown", ssh_flags(ssh, known_hosts=unknown), "is not in ssh_known_hosts"),
        ("changed", ssh_flags(ssh, known_hosts=changed), "has another host key than ssh_known_hosts has"),
        ("other", ssh_flags(ssh, key=other), "did not take the SSH key"),
    ):
        answer = start_server(*flags, "--mirror", rule, name=f"server-{name}").get(f"/{MODULE}/@v/list")
        assert (answer.status, expected in answer.text) == (502, True), answer.text
    ssh.__exit__(None, None, None)
    answer = start_server(*ssh_flags(ssh), "--mirror", rule, name="gone").get(f"/{MODULE}/@v/list")
    assert (answer.status, "could not be reached" in answer.text) == (502, True), answer.text


def test_ssh__an_agent(
    start_server: StartServer, house: Internet, ssh: SSHServer, repository: Path, tmp_path: Path
) -> None:
    """Keys of an agent, with no key of our own."""
    house.refuse("git.corp.example")
    socket = tmp_path / "agent.sock"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        eventually(socket.exists, what="the agent")
        subprocess.run(
            ["ssh-add", "-q", str(ssh.key)], env={**os.environ, "SSH_AUTH_SOCK": str(socket)}, check=True
        )
        rule = f"git.corp.example/team/{{r}}={ssh.address(repository.parent)}/{{r}}.git"
        server = start_server(
            "--upstream", "direct", "--private", "git.corp.example", "--mirror", rule,
            "--ssh-agent", str(socket), "--ssh-known-hosts", str(ssh.known_hosts),
        )  # fmt: skip
        assert server.get(f"/{MODULE}/@v/list").text == "v1.0.0\n"
    finally:
        agent.terminate()
        agent.wait(20)
