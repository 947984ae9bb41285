"""The setting `store`: a folder, or the URL of a bucket and what its service needs beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from goproxy_mirror.config.values import parse_path, without_userinfo

_SCHEMES = ("s3", "gs", "az", "memory")
_ALLOWED = "allowed are a folder, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX and memory://"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~+-]+)*/?")
OPTIONS = {
    "endpoint": "URL of the service, where it is not the provider's own",
    "region": "its region",
    "virtual_hosted_style_request": "the bucket is in the host name (true), or in the path (false)",
    "copy_if_not_exists": "how large files are created once, where it is not as S3 does it",
    "skip_signature": "ask without credentials",
    "unsigned_payload": "do not sign what is uploaded",
    "request_payer": "who asks pays",
    "server_side_encryption": "kind of encryption",
    "sse_kms_key_id": "key of the encryption",
    "sse_bucket_key_enabled": "use the bucket's key",
    "disable_tagging": "send no tags",
    "checksum_algorithm": "checksum of uploads",
    "imdsv1_fallback": "older instance metadata",
    "metadata_endpoint": "URL of the instance metadata",
    "role_arn": "role to take",
    "service_account": "path of Google's service account file",
    "application_credentials": "path of Google's application credentials",
    "account_name": "account of Azure",
    "tenant_id": "tenant of Azure",
    "client_id": "client of Azure",
    "federated_token_file": "path of the token of Azure's workload identity",
    "use_azure_cli": "credentials of the az command",
    "use_emulator": "Azure's emulator",
}
"""What is passed on. Secrets are none of it: they come from the environment, as with the providers' own tools."""


@dataclass(frozen=True, slots=True)
class StoreURL:
    """A store that is no folder."""

    text: str

    @property
    def scheme(self) -> str:
        """`s3`, `gs`, `az` or `memory`."""
        return self.text.partition(":")[0]

    def __str__(self) -> str:
        return self.text


def is_url(value: object) -> bool:
    """Whether a text is meant as a URL."""
    return isinstance(value, str) and "://" in value


def parse_store(value: object) -> Path | StoreURL:
    """A folder, or the URL of a bucket."""
    if isinstance(value, StoreURL):
        return value
    if not isinstance(value, str) or not is_url(value):
        return parse_path(value)
    text = value.strip()
    if without_userinfo(text) != text:
        raise ValueError(f"it carries credentials, which belong into the environment; {_ALLOWED}")
    try:
        parts = urlsplit(text)
        host = parts.netloc
    except ValueError:
        raise ValueError(_ALLOWED) from None
    if parts.scheme not in _SCHEMES or parts.query or parts.fragment:
        raise ValueError(_ALLOWED)
    if parts.scheme == "memory":
        if host or parts.path.strip("/"):
            raise ValueError(f"nothing follows memory://; {_ALLOWED}")
        return StoreURL("memory://")
    if not _BUCKET.fullmatch(host):
        raise ValueError(
            f'"{host}" can be no bucket, whose name has 3 to 63 letters, digits and .-_; {_ALLOWED}'
        )
    if not _PREFIX.fullmatch(parts.path) or {".", ".."} & set(parts.path.split("/")):
        raise ValueError(f"a prefix is of letters, digits and ._~+- between single slashes; {_ALLOWED}")
    return StoreURL(text.rstrip("/"))


def parse_store_options(value: object) -> Mapping[str, str]:
    """`NAME=VALUE` texts, or a table."""
    rows = value.items() if isinstance(value, Mapping) else _pairs(value)
    options: dict[str, str] = {}
    for name, said in rows:
        if name not in OPTIONS:
            secret = any(word in name for word in ("secret", "token", "key", "password"))
            hint = "a secret belongs into the environment" if secret else "there is no such option"
            raise ValueError(f'"{name}": {hint}; allowed are {", ".join(OPTIONS)}')
        text = str(said).lower() if isinstance(said, bool) else str(said).strip()
        if not text or without_userinfo(text) != text:
            raise ValueError(f'"{name}": allowed is a value without credentials')
        options[name] = text
    return options


def _pairs(value: object) -> list[tuple[str, object]]:
    if not isinstance(value, list | tuple):
        raise ValueError("allowed is NAME=VALUE")
    pairs: list[tuple[str, object]] = []
    for item in value:
        match item:
            case (name, said):
                pairs.append((str(name), said))
            case str() if "=" in item:
                name, _, text = item.partition("=")
                pairs.append((name.strip(), text))
            case _:
                raise ValueError("allowed is NAME=VALUE")
    return pairs
