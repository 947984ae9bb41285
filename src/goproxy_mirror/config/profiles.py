"""Where the user's profiles for Amazon's services come in: which environment they follow from, and nothing of what is in them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_ELSEWHERE = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
"""What tells of credentials that need no profile."""


@dataclass(frozen=True, slots=True)
class AwsProfile:
    """A profile in the configuration files of AWS: its `name` where one is named, and a `region` that is named beside."""

    name: str | None
    region: str | None


def aws_profile(environ: Mapping[str, str] | None = None) -> AwsProfile | None:
    """The profile that the AWS SDKs would use; None where keys in the environment, or what runs there, stand for themselves."""
    environ = os.environ if environ is None else environ
    if environ.get("AWS_ACCESS_KEY_ID"):
        return None
    name = environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or None
    if name is None and (any(environ.get(each) for each in _ELSEWHERE) or not _files(environ)):
        return None
    return AwsProfile(name, environ.get("AWS_REGION") or None)


def _files(environ: Mapping[str, str]) -> bool:
    home = environ.get("USERPROFILE" if sys.platform == "win32" else "HOME")
    named = (environ.get("AWS_SHARED_CREDENTIALS_FILE"), environ.get("AWS_CONFIG_FILE"))
    usual = [Path(home) / ".aws" / each for each in ("credentials", "config")] if home else []
    return any(each.is_file() for each in [*(Path(each) for each in named if each), *usual])
