"""I7: whatever goes well or wrong, no secret is in a log, an answer, a list of processes or a file of ours."""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.conftest import StartServer
from tests.world.githubapi import AppAPI, new_key
from tests.world.go import clean_environment
from tests.world.internet import Internet
from tests.world.repositories import Commit, write_repository
from tests.world.server import Server, program

HOSTS = ("inline", "file", "user", "bearer", "netrc", "app")
SECRETS = {host: f"sesame-{host}-0f3b" for host in HOSTS} | {"upstream": "sesame-upstream-0f3b"}
LINUX = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are looked at in /proc")


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


RIGHT = {
    "inline": basic("x-access-token", SECRETS["inline"]),
    "file": basic("x-access-token", SECRETS["file"]),
    "user": basic("builder", SECRETS["user"]),
    "bearer": f"Bearer {SECRETS['bearer']}",
    "netrc": basic("me", SECRETS["netrc"]),
    "app": basic("x-access-token", "ghs_1"),
    "upstream": basic("up", SECRETS["upstream"]),
}


def found_in(data: bytes) -> set[str]:
    """Whose secrets stand in some bytes: as they are, escaped, or as a header has them."""
    found = set()
    for name, secret in SECRETS.items():
        forms = (
            secret,
            quote(secret, safe=""),
            RIGHT[name].split()[1],
            base64.b64encode(secret.encode()).decode(),
        )
        if any(form.encode() in data for form in forms):
            found.add(name)
    if b"ghs_1" in data or b"PRIVATE KEY" in data:
        found.add("app")
    return found


class Processes:
    """What could be seen of all processes whenever the Internet was asked for something."""

    def __init__(self) -> None:
        self.arguments: set[bytes] = set()
        self.environments: set[bytes] = set()

    def look(self) -> None:
        for process in Path("/proc").iterdir():
            if process.name.isdigit():
                with contextlib.suppress(OSError):
                    self.arguments.add((process / "cmdline").read_bytes())
                    self.environments.add((process / "environ").read_bytes())


def module(host: str) -> str:
    return f"{host}.corp.example/team/m"


@pytest.fixture
def house(internet: Internet, tmp_path: Path) -> Internet:
    """A private host for each kind of credential, and a module proxy behind a password."""
    for host in HOSTS:
        path = module(host)
        files = {"go.mod": f"module {path}\n".encode(), "m.go": b"package m\n"}
        folder = write_repository(
            tmp_path / f"{host}.git", [Commit(files, "2024-05-01T00:00:00Z", ("v1.0.0",))]
        )
        internet.page(path, f"{path} git https://{path}.git")
        internet.repository(f"{path}.git", folder)
        internet.protect(f"{host}.corp.example", RIGHT[host])
    (tmp_path / "tree").mkdir()
    internet.tree("upstream.corp.example", tmp_path / "tree")
    internet.protect("upstream.corp.example", RIGHT["upstream"])
    return internet


@pytest.fixture
def api(tmp_path: Path) -> Iterator[AppAPI]:
    """GitHub's API for the app."""
    key = new_key()
    (tmp_path / "app.pem").write_bytes(key)
    with AppAPI(key, time.time) as api:
        yield api


@pytest.fixture
def settings(tmp_path: Path, api: AppAPI) -> tuple[str, ...]:
    """Flags for all kinds of credentials; the inline secret is in the environment, and others in a settings file."""
    (tmp_path / "token").write_text(SECRETS["file"])
    (tmp_path / "netrc").write_text(f"machine netrc.corp.example login me password {SECRETS['netrc']}")
    (tmp_path / "ssh-key").write_bytes(new_key())
    (tmp_path / "ssh-key").chmod(0o600)
    (tmp_path / "known_hosts").write_text("")
    (tmp_path / "config.toml").write_text(
        f"""
        netrc = "netrc"
        ssh_key = "ssh-key"
        ssh_known_hosts = "known_hosts"
        upstream = "https://up:{SECRETS["upstream"]}@upstream.corp.example,direct"
        private = "corp.example,*.corp.example"
        log_level = "debug"
        access_log = true
        negative_ttl = 0
        list_ttl = 0
        [credentials]
        "https://file.corp.example/" = {{ token_file = "token" }}
        "https://user.corp.example/team/" = {{ username = "builder", password = "{SECRETS["user"]}" }}
        "https://bearer.corp.example/" = {{ token = "{SECRETS["bearer"]}", scheme = "bearer" }}
        "https://app.corp.example/" = {{ app_id = 12, installation_id = 34, private_key_file = "app.pem", api_url = "{api.url}" }}
        """
    )
    return (
        "--config",
        str(tmp_path / "config.toml"),
        "--mirror",
        "ssh.corp.example/{r}=ssh://git@127.0.0.1:1/{r}",
    )


ENVIRONMENT = {"GOPROXY_MIRROR_CREDENTIALS": f"https://inline.corp.example/=token={SECRETS['inline']}"}


def everything(server: Server) -> bytes:
    """All that the server has said and kept."""
    parts = [server.log().encode()]
    for folder, _, names in os.walk(server.data):
        parts += [(Path(folder) / name).read_bytes() + name.encode() for name in names]
    return b"\n".join(parts)


def provoke(server: Server, house: Internet, *hosts: str) -> bytes:
    """Ask for everything that each host has and has not; all that was answered."""
    said = []
    for host in hosts:
        for rest in (
            "list",
            "v1.0.0.info",
            "v1.0.0.mod",
            "v1.0.0.zip",
            "v9.9.9.info",
            "main.info",
            "feed.info",
        ):
            answer = server.get(f"/{module(host)}/@v/{rest}")
            said.append(repr((answer.status, answer.headers)).encode() + answer.body)
    for path in (
        "/upstream.example/m/@v/list", "/ssh.corp.example/m/@v/list", "/sumdb/sum.golang.org/supported",
        "/sumdb/sum.golang.org/lookup/upstream.example/m@v1.0.0", "/", "/version", "/readyz", "/x/../y",
    ):  # fmt: skip
        answer = server.get(path)
        said.append(repr((answer.status, answer.headers)).encode() + answer.body)
    return b"\n".join(said)


@LINUX
def test_secrets__are_nowhere(start_server: StartServer, house: Internet, settings: tuple[str, ...]) -> None:
    """Every kind of credential is used, then refused, redirected, cut off and misunderstood in every way."""
    processes = Processes()
    house.watch = processes.look
    server = start_server(*settings, env=ENVIRONMENT)
    said = [provoke(server, house, *HOSTS)]
    # The control: all of them were sent, each to its own host, and git was among those who sent them.
    assert {(name.split(".")[0], value) for name, value in house.authorizations} == set(RIGHT.items())
    assert [server.get(f"/{module(host)}/@v/v1.0.0.zip").status for host in HOSTS] == [200] * len(HOSTS)
    assert any(b"remote-https" in arguments for arguments in processes.arguments)
    assert found_in(b"\n".join(processes.environments)) >= {
        "inline",
        "file",
        "user",
        "bearer",
        "netrc",
        "app",
    }
    for status in (401, 403, 404, 500):
        for guard in house.guards.values():
            guard.authorizations, guard.status = set(), status
        said.append(provoke(server, house, *HOSTS))
    for host in HOSTS:
        house.guards.pop(f"{host}.corp.example")
        house.redirects[f"{module(host)}.git"] = f"elsewhere.example/{host}"
    said.append(provoke(server, house, *HOSTS))
    house.refuse(*(f"{host}.corp.example" for host in HOSTS), "upstream.corp.example")
    said.append(provoke(server, house, *HOSTS))
    said.append(everything(server))
    server.stop()
    said.append(everything(server))
    assert found_in(b"\n".join(said)) == set()
    assert found_in(b"\n".join(processes.arguments)) == set()
    assert "elsewhere.example" not in {name.split("/")[0] for name, _ in house.authorizations}


def test_secrets__the_search_finds_them(tmp_path: Path) -> None:
    """The control of the search itself: each form of each secret is found."""
    for name, secret in SECRETS.items():
        for form in (secret, RIGHT[name], quote(f"https://u:{secret}@x"), f"machine x password {secret}"):
            if name != "app" or form != RIGHT[name]:
                assert name in found_in(f"…{form}…".encode())
    assert found_in(RIGHT["app"].encode()) == {"app"}
    assert found_in(new_key()) == {"app"}


@pytest.mark.parametrize(
    "command", [("config", "show"), ("config", "check"), ("env",), ("fetch", "app.corp.example/team/m")]
)
def test_secrets__commands_print_none(
    house: Internet, settings: tuple[str, ...], tmp_path: Path, command: tuple[str, ...]
) -> None:
    """What commands print, and the data folder that they leave, has no secret in it."""
    env = clean_environment(tmp_path) | dict(house.env()) | ENVIRONMENT
    env["GOPROXY_MIRROR_DATA"] = str(tmp_path / "d")
    done = subprocess.run(
        program(*command, *settings[:2]),
        env=env,
        capture_output=True,
        timeout=120,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said.decode()
    for folder, _, names in os.walk(tmp_path / "d"):
        said += b"".join((Path(folder) / name).read_bytes() for name in names)
    assert found_in(said) == set()


@pytest.mark.parametrize(
    "row",
    [
        f'"https://u:{SECRETS["inline"]}@x.example/" = {{ token = "x" }}',
        f'"https://x.example/" = {{ token = "{SECRETS["inline"]}\\n" , scheme = "x" }}',
        f'"https://x.example/" = {{ token = "a\\n{SECRETS["inline"]}" }}',
        f'"https://x.example/" = "{SECRETS["inline"]}"',
    ],
)  # fmt: skip
def test_secrets__wrong_settings_are_not_repeated(tmp_path: Path, row: str) -> None:
    """The one line with which the program ends has no secret in it."""
    (tmp_path / "config.toml").write_text(f"[credentials]\n{row}\n")
    done = subprocess.run(
        program("serve", "--config", str(tmp_path / "config.toml"), "--data", str(tmp_path / "d")),
        env=clean_environment(tmp_path), capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert found_in(done.stdout + done.stderr) == set()
