"""From the settings to the credentials: `goproxy_mirror.wiring.credentials`."""

from __future__ import annotations

from pathlib import Path

import pytest

from goproxy_mirror.config import Settings, load
from goproxy_mirror.errors import SettingError
from goproxy_mirror.transport import AddressPolicy, Transport
from goproxy_mirror.wiring.credentials import buys_tokens, check_credentials, keyring
from tests.world.githubapi import new_key

SECRET = "hunter2-sesame"


def settings(folder: Path, toml: str) -> Settings:
    """The settings of a file in a folder."""
    (folder / "config.toml").write_text(toml)
    return load({}, config=folder / "config.toml", environ={"HOME": str(folder), "GOENV": "off"}).settings


def write(path: Path, text: str | bytes, mode: int = 0o600) -> None:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)


async def test_keyring__of_each_kind(tmp_path: Path) -> None:
    """Each rule opens its own place: with any user, with its own, as a bearer token, by SSH, by the netrc file."""
    write(tmp_path / "t", "file-secret\n")
    write(tmp_path / "netrc", "machine n.test login me password p")
    write(tmp_path / "hosts", "")
    found = keyring(
        settings(
            tmp_path,
            """
            netrc = "netrc"
            ssh_known_hosts = "hosts"
            [credentials]
            "https://a.test/" = { token_file = "t" }
            "https://b.test/" = { username = "u", password = "p" }
            "https://c.test/" = { token = "x", scheme = "bearer" }
            "https://d.test/" = { ssh = "git@d.test:", ssh_key = "/k" }
            """,
        )
    )
    headers = {}
    for host in ("a", "b", "c", "n"):
        credential = found.find(f"https://{host}.test/r")
        assert credential is not None
        headers[credential.name] = await credential.authorization()
    assert headers == {
        "https://a.test/": "Basic eC1hY2Nlc3MtdG9rZW46ZmlsZS1zZWNyZXQ=",
        "https://b.test/": "Basic dTpw",
        "https://c.test/": "Bearer x",
        "n.test": "Basic bWU6cA==",
    }
    way = found.by_ssh("https://d.test/r.git")
    assert way is not None
    assert way.url == "git@d.test:r.git"


async def test_keyring__of_an_app(tmp_path: Path) -> None:
    """An app needs a way to its API, and is found like any other."""
    write(tmp_path / "k", new_key())
    given = settings(
        tmp_path,
        '[credentials]\n"https://a.test/" = { app_id = 1, installation_id = 2, private_key_file = "k" }',
    )
    assert buys_tokens(given)
    assert check_credentials(given) == ()
    transport = Transport(policy=AddressPolicy(), user_agent="test")
    found = keyring(given, transport.post).find("https://a.test/r")
    await transport.aclose()
    assert found is not None
    assert found.name == "https://a.test/"


def test_check__files_that_are_open_to_all(tmp_path: Path) -> None:
    """A secret that everybody can read is used, and the operator is told: in containers it is often so."""
    for name in ("t", "netrc"):
        write(tmp_path / name, "s", 0o644)
    warnings = check_credentials(
        settings(tmp_path, 'netrc = "netrc"\n[credentials]\n"https://a.test/" = { token_file = "t" }')
    )
    assert len(warnings) == 2
    assert all("everybody on this machine can read it" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("row", "content", "problem"),
    [
        ('token_file = "gone"', "", "cannot be read (No such file or directory)"),
        ('token_file = "f"', "", "it is empty"),
        ('token_file = "f"', f"a\n{SECRET}", "it has several lines"),
        ('username = "u", password_file = "f"', f"{SECRET}\0", "control characters"),
        (f'token = "{SECRET}\\n"', "", "control characters"),
        ('app_id = 1, installation_id = 2, private_key_file = "f"', SECRET, "it is no RSA private key"),
        ('ssh = "git@a.test:", ssh_key = "gone"', "", "cannot be read"),
    ],
)
def test_check__secrets_that_cannot_be_used(tmp_path: Path, row: str, content: str, problem: str) -> None:
    """Before the port is opened, one line names the setting and the file, and nothing that is in it."""
    write(tmp_path / "f", content)
    with pytest.raises(SettingError) as caught:
        check_credentials(settings(tmp_path, f'[credentials]\n"https://a.test/" = {{ {row} }}'))
    assert problem in caught.value.message
    assert "https://a.test/" in caught.value.message
    assert SECRET not in caught.value.message


def test_check__a_key_that_ssh_would_not_use(tmp_path: Path) -> None:
    """ssh passes over a key that others can read, which would look like a refusal."""
    write(tmp_path / "k", "x", 0o644)
    for toml in (
        'ssh_key = "k"',
        '[credentials]\n"https://a.test/" = { ssh = "git@a.test:", ssh_key = "k" }',
    ):
        with pytest.raises(SettingError, match=r"ssh_key.*chmod 600"):
            check_credentials(settings(tmp_path, toml))


def test_check__a_host_that_can_be_none(tmp_path: Path) -> None:
    """A prefix that the one who compares URLs cannot read is refused, and not passed over."""
    with pytest.raises(SettingError, match="can be no https"):
        check_credentials(
            settings(tmp_path, '[credentials]\n"https://a b.test/" = { token = "x" }'.replace(" b", "^b"))
        )
