"""From the settings to the credentials, and whether they can be meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from goproxy_mirror.config import Settings
from goproxy_mirror.config.credentials import AppRule, SecretRule, SSHRule
from goproxy_mirror.credentials.basic import ANY_USER, SecretCredential
from goproxy_mirror.credentials.githubapp import AppCredential, Post, read_key
from goproxy_mirror.credentials.keyring import Keyring
from goproxy_mirror.credentials.netrc import read_netrc
from goproxy_mirror.credentials.prefix import Prefix
from goproxy_mirror.credentials.secretfile import (
    Watched,
    check_key_mode,
    check_secret,
    is_open_to_all,
    secret_text,
)
from goproxy_mirror.credentials.ssh import SSH, SSHRoute
from goproxy_mirror.errors import SettingError
from goproxy_mirror.ports import Credential
from goproxy_mirror.transport import UrlError


def buys_tokens(settings: Settings) -> bool:
    """Whether `keyring` needs a way to GitHub's API."""
    return any(isinstance(rule, AppRule) for rule in settings.credentials)


def keyring(settings: Settings, post: Post | None = None) -> Keyring:
    """All credentials. `post` buys the tokens of GitHub Apps. Raises `SettingError`."""
    entries: list[tuple[Prefix, Credential]] = []
    routes: list[SSHRoute] = []
    for rule in settings.credentials:
        prefix = _prefix(rule.prefix)
        match rule:
            case SSHRule():
                routes.append(SSHRoute(prefix, rule.address, rule.key))
            case SecretRule():
                user = None if rule.user is None else rule.user or ANY_USER
                entries.append((prefix, SecretCredential(rule.prefix, _secret(rule), user=user)))
            case AppRule() if post is not None:
                app = AppCredential(
                    rule.prefix,
                    app=rule.app_id,
                    installation=rule.installation_id,
                    key_file=rule.private_key_file,
                    api=rule.api_url,
                    post=post,
                )
                entries.append((prefix, app))
    ssh = SSH(
        known_hosts=settings.ssh_known_hosts,
        key=settings.ssh_key,
        agent=settings.ssh_agent,
        routes=routes,
        connect_timeout=settings.connect_timeout,
    )
    return Keyring(entries, netrc=settings.netrc, ssh=ssh)


def check_credentials(settings: Settings) -> tuple[str, ...]:
    """See that each secret can be read and used; the result is what should be told to the operator besides.

    Raises `SettingError`, which names the file and nothing in it.
    """
    keyring(settings)
    files: dict[str, Path] = {}
    for rule in settings.credentials:
        for key, path in rule.files().items():
            setting = f'credentials: "{rule.prefix}": {key}'
            _read(setting, path, read_key if key == "private_key_file" else secret_text)
            files[setting] = path
        if isinstance(rule, SSHRule) and rule.key is not None:
            _check_key(f'credentials: "{rule.prefix}": ssh_key', rule.key)
        if isinstance(rule, SecretRule) and rule.secret is not None:
            try:
                check_secret(rule.secret.get_secret_value())
            except ValueError as error:
                raise SettingError(f'credentials: "{rule.prefix}": {rule.key}: {error}') from None
    if settings.netrc is not None:
        _read("netrc", settings.netrc, read_netrc)
        files["netrc"] = settings.netrc
    if settings.ssh_key is not None:
        _check_key("ssh_key", settings.ssh_key)
    return tuple(
        f'{setting} = "{path}": everybody on this machine can read it (chmod 600)'
        for setting, path in files.items()
        if is_open_to_all(path)
    )


def _prefix(text: str) -> Prefix:
    try:
        return Prefix.parse(text)
    except UrlError as error:
        raise SettingError(f'credentials: "{text}": it can be no https:// URL: {error}') from None


def _secret(rule: SecretRule) -> Callable[[], str]:
    if rule.file is not None:
        return Watched(rule.file, secret_text).get
    assert rule.secret is not None
    return rule.secret.get_secret_value


def _read(setting: str, path: Path, read: Callable[[bytes], object]) -> None:
    try:
        Watched(path, read).get()
    except OSError as error:
        raise SettingError(
            f'{setting} = "{path}": the file cannot be read ({error.strerror}); allowed is a file that this user can read'
        ) from None
    except ValueError as error:
        raise SettingError(f'{setting} = "{path}": {error}') from None


def _check_key(setting: str, path: Path) -> None:
    try:
        check_key_mode(setting, path)
        with path.open("rb"):
            pass
    except OSError as error:
        raise SettingError(f'{setting} = "{path}": the file cannot be read ({error.strerror})') from None
