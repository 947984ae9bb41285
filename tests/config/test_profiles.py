"""Which environment names an AWS profile."""

from __future__ import annotations

from pathlib import Path

import pytest

from goproxy_mirror.config.profiles import AwsProfile, aws_profile

NAMED = {"AWS_PROFILE": "shop"}


@pytest.mark.parametrize(
    ("environ", "profile"),
    [
        ({}, None),
        (NAMED, AwsProfile("shop", None)),
        (NAMED | {"AWS_REGION": "eu-west-1"}, AwsProfile("shop", "eu-west-1")),
        (NAMED | {"AWS_ACCESS_KEY_ID": "AK"}, None),
        (NAMED | {"AWS_WEB_IDENTITY_TOKEN_FILE": "token"}, AwsProfile("shop", None)),
    ],
)
def test_named_profile(environ: dict[str, str], profile: AwsProfile | None) -> None:
    """One that is named counts, unless keys are there, as the SDKs have it."""
    assert aws_profile(environ) == profile


def test_usual_profile(tmp_path: Path) -> None:
    """What is in the home folder counts where nothing else is named, and what runs here has no credentials of its own."""
    environ = {"HOME": str(tmp_path)}
    assert aws_profile(environ) is None
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text("")
    assert aws_profile(environ) == AwsProfile(None, None)
    assert aws_profile(environ | {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/x"}) is None
    (tmp_path / "elsewhere").write_text("")
    assert aws_profile({"AWS_CONFIG_FILE": str(tmp_path / "elsewhere")}) == AwsProfile(None, None)
