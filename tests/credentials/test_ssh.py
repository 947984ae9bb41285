"""The way to a repository by SSH: `goproxy_mirror.credentials.ssh`."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from goproxy_mirror.credentials.prefix import Prefix
from goproxy_mirror.credentials.ssh import SSH, SSHRoute
from goproxy_mirror.errors import Blocked, SettingError

KNOWN = Path("/etc/mirror/known hosts")


def options(command: str) -> dict[str, str]:
    """The options of an ssh command, by their names."""
    words = shlex.split(command)
    assert words[:6] == ["ssh", "-F", "/dev/null", "-T", "-a", "-x"]
    assert set(words[6::2]) == {"-o"}
    return dict(word.split("=", 1) for word in words[7::2])


def test_way__nothing_of_anybodys_configuration() -> None:
    """Known hosts alone are believed, nobody is asked, no key but the given one is offered, nothing is started."""
    way = SSH(known_hosts=KNOWN, key=Path("/keys/id"), connect_timeout=2.5).way("git@x.test:r.git")
    assert way is not None
    assert (way.url, way.host, way.shown) == ("git@x.test:r.git", "x.test:22", "ssh://x.test/r.git")
    said = options(way.command)
    assert said["StrictHostKeyChecking"] == said["BatchMode"] == said["IdentitiesOnly"] == "yes"
    assert said["UserKnownHostsFile"] == '"/etc/mirror/known hosts"'
    assert said["GlobalKnownHostsFile"] == "/dev/null"
    assert said["IdentityFile"] == '"/keys/id"'
    assert said["IdentityAgent"] == said["ProxyCommand"] == said["ControlPath"] == "none"
    assert said["ForwardAgent"] == said["PermitLocalCommand"] == said["PasswordAuthentication"] == "no"
    assert said["ConnectTimeout"] == "3"


def test_way__an_agent() -> None:
    """An agent's keys are offered, with a key of the settings or alone; but never beside a route's own key."""
    key, agent = Path("/k"), Path("/run/agent")
    route = SSHRoute(Prefix.parse("https://x.test/"), "git@x.test:", Path("/deploy"))
    alone = SSH(known_hosts=KNOWN, agent=agent).way("git@x.test:r")
    both = SSH(known_hosts=KNOWN, agent=agent, key=key).way("git@x.test:r")
    own = SSH(known_hosts=KNOWN, agent=agent, key=key, routes=[route]).way("https://x.test/r")
    found = [options(way.command) for way in (alone, both, own) if way is not None]
    assert [each["IdentityAgent"] for each in found] == ['"/run/agent"'] * 3
    assert [each["IdentityFile"] for each in found] == ["none", '"/k"', '"/deploy"']
    assert [each["IdentitiesOnly"] for each in found] == ["no", "no", "yes"]


def test_way__routes_from_https() -> None:
    """Below an https prefix with a route, the longest counts; with the route's own key, where it has one."""
    routes = [
        SSHRoute(Prefix.parse("https://x.test/"), "ssh://git@x.test:2222/"),
        SSHRoute(Prefix.parse("https://x.test/corp/"), "git@inner.test:", Path("/deploy")),
    ]
    ssh = SSH(known_hosts=KNOWN, key=Path("/k"), routes=routes)
    general, particular = ssh.way("https://x.test/a/r.git"), ssh.way("https://x.test/corp/r")
    assert general is not None
    assert particular is not None
    assert (general.url, options(general.command)["IdentityFile"]) == (
        "ssh://git@x.test:2222/a/r.git",
        '"/k"',
    )
    assert (particular.url, options(particular.command)["IdentityFile"]) == ("git@inner.test:r", '"/deploy"')
    for other in ("https://y.test/a", "http://x.test/a", "/srv/r", "file:///srv/r", "https://x.test:8443/a"):
        assert ssh.way(other) is None


def test_way__what_a_path_may_not_become() -> None:
    """What is appended to a route is checked as if it had been written so."""
    ssh = SSH(known_hosts=KNOWN, routes=[SSHRoute(Prefix.parse("https://x.test/"), "git@x.test:")])
    for url in (
        "https://x.test/-oProxyCommand=id",
        "https://x.test/a;id",
        "https://x.test/$(id)",
        "https://x.test/a%20b/%2e%2e",
    ):
        with pytest.raises(Blocked):
            ssh.way(url)


def test_way__without_known_hosts() -> None:
    """Nobody is asked whose key is not known, and the setting is named."""
    with pytest.raises(Blocked, match="ssh_known_hosts"):
        SSH(known_hosts=None).way("git@x.test:r")


@pytest.mark.parametrize(
    "path", ["/a$HOME", "/a%d", '/a"b', "/a'b", "/a`b", "/a\\b", "~/a", "rel", "/a\nb", "/~x"]
)
def test_paths__that_ssh_would_read_in_its_own_way(path: str) -> None:
    """Expanded names and quotes are refused when the settings are read."""
    for given in ({"key": Path(path)}, {"agent": Path(path)}, {"known_hosts": Path(path)}):
        with pytest.raises(SettingError, match="ssh would read this path"):
            SSH(**{"known_hosts": KNOWN, **given})  # type: ignore[arg-type]
