"""Credentials for S3 from a profile."""

from __future__ import annotations

from pathlib import Path

import pytest

from goproxy_mirror.errors import SettingError, StorageError, StoreRefused
from goproxy_mirror.storage.profile import ProfileCredentials


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a user who has named the profile `shop`."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "shop")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return tmp_path / "config"


def test_keys_and_region(config: Path) -> None:
    """Both are the profile's, but for a region that is named beside it."""
    keys = "aws_access_key_id = AK\naws_secret_access_key = SK\n"
    config.write_text(f"[profile shop]\n{keys}region = eu-west-9\n")
    credentials = ProfileCredentials("shop", None)
    credentials.check()
    given = credentials()
    assert (given["access_key_id"], given["secret_access_key"]) == ("AK", "SK")
    assert credentials.region == "eu-west-9"
    assert ProfileCredentials("shop", "eu-west-1").region == "eu-west-1"


def test_profile_that_is_not_there(config: Path) -> None:
    """It is named in what is said."""
    config.write_text("[profile other]\n")
    with pytest.raises(SettingError, match="shop"):
        ProfileCredentials("shop", None)


def test_profile_without_credentials(config: Path) -> None:
    """One that is empty is refused for good; one whose giver cannot be reached just now is not."""
    config.write_text("[profile shop]\nregion = eu-west-9\n")
    with pytest.raises(StoreRefused, match="shop gives no credentials: it has none"):
        ProfileCredentials("shop", None).check()
    config.write_text(
        "[profile shop]\nregion = eu-west-9\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = keys\n"
        "endpoint_url = http://127.0.0.1:9\n"
        "[profile keys]\naws_access_key_id = AK\naws_secret_access_key = SK\n"
    )
    with pytest.raises(StorageError, match="cannot be reached") as caught:
        ProfileCredentials("shop", None).check()
    assert not isinstance(caught.value, StoreRefused)
