"""The table `credentials`: what opens the repositories and proxies below a URL.

    "https://github.com/corp/"  = { token_file = "…" }                        also token, username, scheme = "bearer"
    "https://git.example/"      = { username = "…", password_file = "…" }     also password
    "https://github.com/other/" = { app_id = …, installation_id = …, private_key_file = "…" }   also api_url
    "https://git.example/team/" = { ssh = "ssh://git@git.example/team/" }     also ssh_key

No message here repeats a value, since any may be a secret in the wrong place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from goproxy_mirror.config.values import PLAIN_FILE, VEIL, parse_path, redact
from goproxy_mirror.module.sshaddress import ALLOWED, SSHAddress, is_plain_file

Row = Mapping[str, str]
Rows = tuple[tuple[str, Row], ...]

_INLINE = ("token", "password")
_FILES = ("token_file", "password_file", "private_key_file", "ssh_key")
_FORMS: tuple[tuple[set[str], set[str]], ...] = (
    ({"token"}, {"username", "scheme"}),
    ({"token_file"}, {"username", "scheme"}),
    ({"username", "password"}, set()),
    ({"username", "password_file"}, set()),
    ({"app_id", "installation_id", "private_key_file"}, {"api_url"}),
    ({"ssh"}, {"ssh_key"}),
)
_ALLOWED = "; or ".join(
    ", ".join([*sorted(needed), *(f"[{key}]" for key in sorted(more))]) for needed, more in _FORMS
)
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,20}", re.ASCII)
_USER = re.compile(r"[^\x00-\x1f\x7f:]{1,200}")
_UNPRINTED = re.compile(r"[\x00-\x20\x7f]")


@dataclass(frozen=True, slots=True)
class SecretRule:
    """A secret of its own or in a file. `user` None: it goes as a bearer token; "": as a token beside any user."""

    prefix: str
    user: str | None
    secret: SecretStr | None = field(repr=False)
    file: Path | None
    key: str

    def row(self) -> dict[str, str]:
        """The row as it was written, without its secret."""
        shown = {"username": self.user} if self.user else {}
        bearer = {"scheme": "bearer"} if self.user is None else {}
        return {**shown, self.key: VEIL if self.file is None else str(self.file), **bearer}

    def files(self) -> dict[str, Path]:
        return {} if self.file is None else {self.key: self.file}


@dataclass(frozen=True, slots=True)
class AppRule:
    """A GitHub App's installation."""

    prefix: str
    app_id: str
    installation_id: str
    private_key_file: Path
    api_url: str

    def row(self) -> dict[str, str]:
        ids = {"app_id": self.app_id, "installation_id": self.installation_id}
        return {**ids, "private_key_file": str(self.private_key_file), "api_url": self.api_url}

    def files(self) -> dict[str, Path]:
        return {"private_key_file": self.private_key_file}


@dataclass(frozen=True, slots=True)
class SSHRule:
    """Repositories below the prefix are fetched by SSH, from `address` + the rest."""

    prefix: str
    address: str
    key: Path | None

    def row(self) -> dict[str, str]:
        return {"ssh": self.address} | ({"ssh_key": str(self.key)} if self.key else {})

    def files(self) -> dict[str, Path]:
        return {}


CredentialRule = SecretRule | AppRule | SSHRule


def credential_rows(value: object) -> Rows:
    """Rows from a TOML table of tables, or from texts `URL=KEY=VALUE,KEY=VALUE` (one text: with blanks between)."""
    if isinstance(value, Mapping):
        return tuple((str(prefix), _row(str(prefix), row)) for prefix, row in value.items())
    items = value.split() if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        raise ValueError("allowed is a table of URL = { KEY = VALUE, … }")
    rows = []
    for item in items:
        if isinstance(item, tuple) and len(item) == 2:
            rows.append((str(item[0]), _row(str(item[0]), item[1])))
            continue
        prefix, equals, text = str(item).partition("=")
        if not equals or not prefix.lower().startswith("https://"):
            raise ValueError("a row is not of the form https://HOST/PATH=KEY=VALUE,KEY=VALUE")
        rows.append((prefix, _row(prefix, text)))
    return tuple(rows)


def _row(prefix: str, row: object) -> Row:
    if isinstance(row, str):
        pairs = [pair.partition("=") for pair in row.split(",")]
        if not all(equals for _, equals, _ in pairs):
            raise ValueError(f'"{redact(prefix)}": its row is not of the form KEY=VALUE,KEY=VALUE')
        return {key.strip(): value.strip() for key, _, value in pairs}
    if isinstance(row, Mapping) and all(isinstance(each, str | int) for each in row.values()):
        return {str(key): str(each) for key, each in row.items()}
    raise ValueError(f'"{redact(prefix)}": allowed on the right is a table such as {{ token_file = "FILE" }}')


def without_inline_secrets(rows: Rows) -> Rows:
    """The rows, of which none may hold a secret itself: a command line can be seen by everybody on the machine."""
    for prefix, row in rows:
        for key in _INLINE:
            if key in row:
                raise ValueError(
                    f'"{redact(prefix)}": {key} would stand in the list of processes; allowed on the command line is '
                    f"{key}_file=FILE"
                )
    return rows


def files_below(folder: Path, rows: Rows) -> Rows:
    """The rows with the paths in them made absolute."""
    return tuple(
        (
            prefix,
            {
                key: str(folder / text) if key in _FILES and text and not text.startswith("~") else text
                for key, text in row.items()
            },
        )
        for prefix, row in rows
    )


def parse_credentials(value: object) -> tuple[CredentialRule, ...]:
    """The rules. Files are only looked at by whoever uses them."""
    if isinstance(value, tuple) and all(isinstance(rule, CredentialRule) for rule in value):
        return value
    rules: dict[str, CredentialRule] = {}
    for left, row in credential_rows(value):
        rule = _rule(_prefix(left), row)
        if rule.prefix in rules:
            raise ValueError(f'"{rule.prefix}" is there twice; allowed is one row for each URL')
        rules[rule.prefix] = rule
    return tuple(rules.values())


def _prefix(text: str) -> str:
    try:
        parts = urlsplit(text)
        good = parts.scheme == "https" and bool(parts.hostname) and not parts.query and not parts.fragment
        _ = parts.port
    except ValueError:
        good = False
    if not good or "@" in text or "\\" in text or _UNPRINTED.search(text) or not text.isascii():
        raise ValueError(
            f'"{redact(text).partition("?")[0]}": allowed on the left is an https:// URL without credentials, such as '
            "https://github.com/corp/"
        )
    return text if parts.path else f"{text}/"


def _rule(prefix: str, row: Row) -> CredentialRule:
    keys = set(row)
    if not any(needed <= keys <= needed | more for needed, more in _FORMS):
        unknown = sorted(keys - {key for needed, more in _FORMS for key in needed | more})
        # A key that nobody knows may be a secret without its key.
        what = "a key that does not exist" if unknown else "keys that do not belong together"
        raise ValueError(f'"{prefix}" has {what}; allowed are {_ALLOWED}')
    empty = sorted(key for key, text in row.items() if not text)
    if empty:
        raise ValueError(f'"{prefix}": {empty[0]} is empty')
    if "app_id" in keys:
        return _app(prefix, row)
    if "ssh" in keys:
        return _ssh(prefix, row)
    key = next(key for key in ("token", "token_file", "password", "password_file") if key in keys)
    user: str | None = row.get("username", "")
    if user and not _USER.fullmatch(user):
        raise ValueError(f'"{prefix}": a username has no colons and no control characters')
    scheme = row.get("scheme", "basic")
    if scheme not in {"basic", "bearer"}:
        raise ValueError(f'"{prefix}": scheme: allowed are "basic" and "bearer"')
    if scheme == "bearer":
        if user:
            raise ValueError(f'"{prefix}": a bearer token has no username')
        user = None
    if key.endswith("_file"):
        return SecretRule(prefix, user, None, _file(prefix, row, key), key)
    return SecretRule(prefix, user, SecretStr(row[key]), None, key)


def _app(prefix: str, row: Row) -> AppRule:
    if not _NAME.fullmatch(row["app_id"]) or not _NUMBER.fullmatch(row["installation_id"]):
        raise ValueError(
            f'"{prefix}": app_id is the number or the client id of a GitHub App, installation_id a number'
        )
    host = urlsplit(prefix).netloc
    default = "https://api.github.com" if host.lower() == "github.com" else f"https://{host}/api/v3"
    api = row.get("api_url", default)
    parts = urlsplit(api)
    if parts.scheme not in {"https", "http"} or not parts.hostname or "@" in api or _UNPRINTED.search(api):
        raise ValueError(f'"{prefix}": api_url: allowed is the URL of a GitHub\'s API, such as {default}')
    if parts.scheme == "http" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
        raise ValueError(f'"{prefix}": api_url: tokens are sold over https alone')
    key = _file(prefix, row, "private_key_file")
    return AppRule(prefix, row["app_id"], row["installation_id"], key, api.rstrip("/"))


def _ssh(prefix: str, row: Row) -> SSHRule:
    address = row["ssh"]
    if prefix.endswith("/") and not address.endswith(("/", ":")):
        address += "/"
    if not prefix.endswith("/"):
        address = address.rstrip("/")
    try:
        SSHAddress.parse(address + ("x" if address.endswith(("/", ":")) else ""))
    except ValueError:
        raise ValueError(f'"{prefix}": ssh: allowed are {ALLOWED}, of plain characters') from None
    key = _file(prefix, row, "ssh_key") if "ssh_key" in row else None
    if key is not None and not is_plain_file(str(key)):
        raise ValueError(f'"{prefix}": ssh_key: {PLAIN_FILE}')
    return SSHRule(prefix, address, key)


def _file(prefix: str, row: Row, key: str) -> Path:
    try:
        return parse_path(row[key])
    except ValueError as error:
        raise ValueError(f'"{prefix}": {key}: {error}') from None
