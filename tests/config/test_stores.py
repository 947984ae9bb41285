"""The setting `store`, where it is no folder, and what goes with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from goproxy_mirror.config import Settings, StoreURL, as_toml, load
from goproxy_mirror.config.stores import OPTIONS, parse_store, parse_store_options
from goproxy_mirror.errors import SettingError


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket",
        "s3://bucket/a/b",
        "gs://bucket/a.b",
        "az://container/x_y",
        "memory://",
        "s3://my.bucket-1/v1",
    ],
)
def test_buckets(text: str) -> None:
    """A bucket with a prefix or without; a slash at the end means nothing."""
    assert parse_store(text) == StoreURL(text)
    if text != "memory://":
        assert parse_store(f"{text}/") == StoreURL(text)


@pytest.mark.parametrize("text", ["store", "./s3:", "~/x", "/srv/a:b", "s3:bucket"])
def test_folders(text: str) -> None:
    """What is no URL is a folder."""
    assert isinstance(parse_store(text), Path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http://host/bucket", "allowed are a folder"),
        ("s3://", "can be no bucket"),
        ("s3://b", "can be no bucket"),
        ("s3://bucket/../x", "a prefix"),
        ("s3://bucket//x", "a prefix"),
        ("s3://bucket/a b", "a prefix"),
        ("s3://bucket?region=x", "allowed are"),
        ("s3://key:hidden@bucket", "belong into the environment"),
        ("memory://x", "nothing follows"),
    ],
)
def test_what_can_be_no_store(text: str, said: str) -> None:
    """Each is refused in words, and a secret in it is not repeated."""
    with pytest.raises(SettingError, match=said) as caught:
        load({"store": text, "data": "x"}, environ={"HOME": "/nowhere"})
    assert "hidden" not in caught.value.message


def test_options() -> None:
    """They come as texts or as a table, and are shown again as one."""
    assert parse_store_options(["region=x", "endpoint=http://h:1"]) == {
        "region": "x",
        "endpoint": "http://h:1",
    }
    loaded = load(
        {"store": "s3://bucket/x", "data": "x", "store_options": ["endpoint=https://h"]},
        environ={"HOME": "/nowhere", "GOPROXY_MIRROR_STORE_OPTIONS": "region=r endpoint=https://other"},
    )
    assert loaded.settings.store_options == {"endpoint": "https://h", "region": "r"}
    assert '"endpoint" = "https://h"' in as_toml(loaded)
    assert 'store = "s3://bucket/x"' in as_toml(loaded)


@pytest.mark.parametrize("name", ["secret_access_key", "session_token", "account_key", "sas_key", "password"])
def test_secrets_are_no_options(name: str) -> None:
    """A secret is refused with a word on where it belongs, and is not repeated."""
    with pytest.raises(SettingError, match="belongs into the environment") as caught:
        load({"store": "s3://bucket", "data": "x", "store_options": [f"{name}=hidden"]}, environ={})
    assert "hidden" not in caught.value.message
    assert not set(OPTIONS) & {name}


def test_memory_is_one_process(tmp_path: Path) -> None:
    """Several workers would each have a memory of their own."""
    with pytest.raises(ValueError, match="workers = 1"):
        Settings(data=tmp_path, store="memory://", workers=2)  # type: ignore[arg-type]
    assert str(Settings(data=tmp_path, store="memory://").store) == "memory://"  # type: ignore[arg-type]
