"""What a developer's own programs would use: `goproxy_mirror.config.own`."""

from __future__ import annotations

from pathlib import Path

import pytest

from goproxy_mirror.config import load
from goproxy_mirror.config.own import with_own_credentials
from goproxy_mirror.config.settings import Settings


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with everything in it."""
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".netrc").write_text("machine x.test login a password b")
    (tmp_path / "agent").touch()
    for name in ("known_hosts", "id_rsa", "id_ed25519"):
        (tmp_path / ".ssh" / name).touch(mode=0o600)
    return tmp_path


def own(home: Path, environ: dict[str, str] | None = None, **flags: str) -> Settings:
    environ = {"HOME": str(home), "GOENV": "off", **(environ or {})}
    return with_own_credentials(load(flags, environ=environ).settings, environ)


def test_everything__where_nothing_was_said(home: Path) -> None:
    """The netrc file, the agent, the known hosts and the first usual key."""
    found = own(home, {"SSH_AUTH_SOCK": str(home / "agent")})
    assert found.netrc == home / ".netrc"
    assert found.ssh_agent == home / "agent"
    assert found.ssh_known_hosts == home / ".ssh" / "known_hosts"
    assert found.ssh_key == home / ".ssh" / "id_ed25519"


def test_nothing__in_an_empty_home(tmp_path: Path) -> None:
    """What is not there is not used, and no error."""
    found = own(tmp_path, {"SSH_AUTH_SOCK": str(tmp_path / "gone"), "NETRC": str(tmp_path / "gone")})
    assert found.credential_names == ()
    assert found.ssh_known_hosts is None


def test_settings__go_first(home: Path) -> None:
    """What was named in the settings stays, and a named key is the only one."""
    (home / "other").touch()
    found = own(
        home, {"SSH_AUTH_SOCK": str(home / "agent")}, netrc=str(home / "other"), ssh_key=str(home / "other")
    )
    assert (found.netrc, found.ssh_key, found.ssh_agent) == (home / "other", home / "other", None)
    assert found.ssh_known_hosts == home / ".ssh" / "known_hosts"


@pytest.mark.parametrize(
    ("goauth", "used"), [("off", False), ("git /x", False), ("git /x; netrc", True), ("netrc", True)]
)
def test_netrc__as_goauth_has_it(home: Path, goauth: str, used: bool) -> None:
    """Whoever has taken the go command away from the netrc file means us too."""
    assert (own(home, {"GOAUTH": goauth}).netrc is not None) is used


def test_netrc__named_by_the_environment(home: Path) -> None:
    """NETRC counts before the home folder."""
    (home / "mine").touch()
    assert own(home, {"NETRC": str(home / "mine")}).netrc == home / "mine"


def test_key__that_ssh_would_not_use(home: Path) -> None:
    """A key that others can read is passed over, as ssh does."""
    (home / ".ssh" / "id_ed25519").chmod(0o644)
    assert own(home).ssh_key == home / ".ssh" / "id_rsa"


def test_paths__that_ssh_would_not_take(tmp_path: Path) -> None:
    """A home folder with a strange name costs SSH alone."""
    strange = tmp_path / "o'neil"
    (strange / ".ssh").mkdir(parents=True)
    (strange / ".ssh" / "known_hosts").touch()
    (strange / ".netrc").touch()
    found = own(strange)
    assert (found.ssh_known_hosts, found.netrc) == (None, strange / ".netrc")
