"""The table `credentials`, from the settings file to the rules."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from goproxy_mirror.config import Loaded, as_toml, check_exposure, load
from goproxy_mirror.config.credentials import AppRule, SecretRule, SSHRule, parse_credentials
from goproxy_mirror.errors import SettingError

SECRET = "hunter2-sesame"


def loaded(tmp_path: Path, toml: str = "", **given: object) -> Loaded:
    """The settings of a file and of flags, in an empty environment."""
    (tmp_path / "config.toml").write_text(toml)
    environ = {"HOME": str(tmp_path), "GOENV": "off", **{k: str(v) for k, v in given.items() if k.isupper()}}
    flags = {k: v for k, v in given.items() if k.islower()}
    return load(flags, config=tmp_path / "config.toml", environ=environ)


def test_rules__of_each_kind(tmp_path: Path) -> None:
    """Tokens, passwords, GitHub Apps and SSH; paths are below the file's folder."""
    found = loaded(
        tmp_path,
        f"""
        [credentials]
        "https://a.test" = {{ token = "{SECRET}" }}
        "https://b.test/x/" = {{ token_file = "t", scheme = "bearer" }}
        "https://c.test/" = {{ username = "me", password_file = "/p" }}
        "https://github.com/corp/" = {{ app_id = 12, installation_id = 34, private_key_file = "k" }}
        "https://ghe.test/corp/" = {{ app_id = "Iv1.a", installation_id = 34, private_key_file = "k" }}
        "https://d.test/" = {{ ssh = "ssh://git@d.test", ssh_key = "deploy" }}
        "https://e.test/a" = {{ ssh = "git@e.test:a/" }}
        """,
    ).settings.credentials
    secret, bearer, password, app, enterprise, by_ssh, short = found
    assert isinstance(secret, SecretRule)
    assert secret.secret is not None
    assert (secret.prefix, secret.user, secret.secret.get_secret_value()) == ("https://a.test/", "", SECRET)
    assert isinstance(bearer, SecretRule)
    assert (bearer.user, bearer.file) == (None, tmp_path / "t")
    assert isinstance(password, SecretRule)
    assert (password.user, password.file) == ("me", Path("/p"))
    assert app == AppRule("https://github.com/corp/", "12", "34", tmp_path / "k", "https://api.github.com")
    assert isinstance(enterprise, AppRule)
    assert enterprise.api_url == "https://ghe.test/api/v3"
    assert by_ssh == SSHRule("https://d.test/", "ssh://git@d.test/", tmp_path / "deploy")
    assert short == SSHRule("https://e.test/a", "git@e.test:a", None)


def test_sources__a_row_replaces_a_weaker_one(tmp_path: Path) -> None:
    """A flag counts before the environment and the file, row by row."""
    toml = '[credentials]\n"https://a.test/" = { token = "file" }\n"https://b.test/" = { token = "file" }'
    found = loaded(
        tmp_path,
        toml,
        credentials=["https://a.test/=token_file=flag"],
        GOPROXY_MIRROR_CREDENTIALS="https://a.test/=token=env https://c.test/=username=u,password=env",
    ).settings.credentials
    rows = {rule.prefix: rule.row() for rule in found}
    assert rows == {
        "https://a.test/": {"token_file": str(Path.cwd() / "flag")},
        "https://c.test/": {"username": "u", "password": "***"},
        "https://b.test/": {"token": "***"},
    }


def test_flags__no_secret_in_the_list_of_processes(tmp_path: Path) -> None:
    """On a command line a secret can be named by its file alone."""
    for row in (f"https://a.test/=token={SECRET}", f"https://a.test/=username=u,password={SECRET}"):
        with pytest.raises(
            SettingError, match=r"list of processes; allowed on the command line is \w+_file=FILE"
        ) as caught:
            loaded(tmp_path, credentials=[row])
        assert SECRET not in caught.value.message


def test_shown__without_secrets(tmp_path: Path) -> None:
    """`config show`, and whatever prints a rule by accident, has *** for a secret; the text can be read as TOML."""
    found = loaded(
        tmp_path, f'[credentials]\n"https://a.test/" = {{ username = "u", password = "{SECRET}" }}'
    )
    text = as_toml(found)
    assert SECRET not in text + repr(found.settings) + str(found.settings.credentials)
    assert tomllib.loads(text)["credentials"] == {"https://a.test/": {"username": "u", "password": "***"}}


@pytest.mark.parametrize(
    "row",
    [
        f'"http://a.test/" = {{ token = "{SECRET}" }}',
        f'"https://u:{SECRET}@a.test/" = {{ token = "x" }}',
        f'"a.test" = {{ token = "{SECRET}" }}',
        f'"https://a.test/?t={SECRET}" = {{ token = "x" }}',
        '"ssh://git@a.test/" = { ssh_key = "k" }',
        f'"https://a.test/" = "{SECRET}"',
        f'"https://a.test/" = ["{SECRET}"]',
        f'"https://a.test/" = {{ {SECRET} = "x" }}',
        f'"https://a.test/" = {{ token = "{SECRET}", password = "x" }}',
        f'"https://a.test/" = {{ password = "{SECRET}" }}',
        '"https://a.test/" = { token = "" }',
        f'"https://a.test/" = {{ token = "{SECRET}", scheme = "digest" }}',
        f'"https://a.test/" = {{ token = "{SECRET}", scheme = "bearer", username = "u" }}',
        f'"https://a.test/" = {{ username = "a:b", password = "{SECRET}" }}',
        '"https://a.test/" = { app_id = "a b", installation_id = 1, private_key_file = "k" }',
        '"https://a.test/" = { app_id = 1, installation_id = "x", private_key_file = "k" }',
        '"https://a.test/" = { app_id = 1, installation_id = 1, private_key_file = "k", api_url = "http://api.test" }',
        '"https://a.test/" = { app_id = 1, installation_id = 1, private_key_file = "k", api_url = "https://u@api.test" }',
        '"https://a.test/" = { ssh = "-oProxyCommand=id@x:" }',
        '"https://a.test/" = { ssh = "ssh://-oProxyCommand=id/" }',
        '"https://a.test/" = { ssh = "https://a.test/" }',
        '"https://a.test/" = { ssh = "git@a.test:", ssh_key = "a$b" }',
        '"https://a.test" = { token = "x" }\n"https://a.test/" = { token = "y" }',
    ],
)
def test_wrong_rows(tmp_path: Path, row: str) -> None:
    """What cannot be meant is refused in one line, with the place where it was said and without the secret in it."""
    with pytest.raises(SettingError, match="credentials") as caught:
        loaded(tmp_path, f"[credentials]\n{row}")
    assert SECRET not in caught.value.message
    assert "config.toml" in caught.value.message


@pytest.mark.parametrize("text", [SECRET, f"https://a.test/={SECRET}", f"token={SECRET}", 5, [f"{SECRET}=x"]])
def test_wrong_texts(text: object) -> None:
    """A row of the environment that has no form is not repeated."""
    with pytest.raises(ValueError, match=r"KEY=VALUE|allowed") as caught:
        parse_credentials(text)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("name", ["netrc", "ssh_key", "ssh_known_hosts"])
def test_files__must_be_readable(tmp_path: Path, name: str) -> None:
    """A file that is not there is noticed at the start."""
    with pytest.raises(SettingError, match=rf"{name} = .*cannot be read \(No such file"):
        loaded(tmp_path, f'{name} = "missing"')
    (tmp_path / "there").touch()
    assert getattr(loaded(tmp_path, f'{name} = "there"').settings, name) == tmp_path / "there"


def test_files__that_ssh_would_read_in_its_own_way(tmp_path: Path) -> None:
    """Names with quotes or what ssh expands are refused."""
    with pytest.raises(SettingError, match=r"ssh_agent = .*ssh would read this path"):
        loaded(tmp_path, 'ssh_agent = "/run/$USER/agent"')


@pytest.mark.parametrize(
    "toml",
    ['netrc = "f"', 'ssh_key = "f"', 'ssh_agent = "f"', '[credentials]\n"https://a.test/" = { token = "x" }'],
)
def test_exposure__of_what_credentials_open(tmp_path: Path, toml: str) -> None:
    """Whoever can connect could ask for whatever the server may read, so that must be meant."""
    (tmp_path / "f").touch()
    check_exposure(loaded(tmp_path, toml).settings)
    with pytest.raises(SettingError, match=r"credentials.*--private-to-all"):
        check_exposure(loaded(tmp_path, toml, listen=":8081").settings)
    check_exposure(loaded(tmp_path, toml, listen=":8081", private_to_all="true").settings)
