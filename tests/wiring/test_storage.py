"""From the settings to the store that they mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from goproxy_mirror.config import Settings, StoreURL
from goproxy_mirror.config.stores import OPTIONS
from goproxy_mirror.errors import SettingError, StorageError
from goproxy_mirror.storage.local import LocalStorage
from goproxy_mirror.storage.objects import Honours, ObjectStorage
from goproxy_mirror.storage.remote import Remote
from goproxy_mirror.wiring.storage import _probe, check_store, remote_of, storage_of

MEMORY = StoreURL("memory://")


def settings(folder: Path, **values: object) -> Settings:
    """Settings with a data folder, and what else is said."""
    return Settings(data=folder, **values)  # type: ignore[arg-type]


async def test_folder_or_bucket(tmp_path: Path) -> None:
    """A folder is made unless that is not wanted; a URL is a bucket."""
    async with storage_of(settings(tmp_path), make=False) as storage:
        assert isinstance(storage, LocalStorage)
        assert not (tmp_path / "store").exists()
    async with storage_of(settings(tmp_path)):
        assert (tmp_path / "store").exists()
    async with storage_of(settings(tmp_path, store="memory://")) as storage:
        assert isinstance(storage, ObjectStorage)
        await storage.ready()
        assert (tmp_path / "state/tier").exists()


async def test_several_nodes_need_conditional_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several nodes, as `database` says, are refused where the service replaces what is there; one node is not."""
    several = settings(tmp_path, store="memory://", database="postgresql://modules@db.example/modules")
    await _probe(several, MEMORY)  # positive control: memory does not replace

    async def replaces(_self: ObjectStorage) -> Honours:
        return Honours(writes=False, copies=False)

    monkeypatch.setattr(ObjectStorage, "probe", replaces)
    with pytest.raises(SettingError, match="several nodes"):
        await _probe(several, MEMORY)
    await _probe(settings(tmp_path, store="memory://"), MEMORY)


async def test_bucket_that_is_down_ends_no_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held can be served meanwhile."""

    async def down(_self: ObjectStorage) -> Honours:
        raise StorageError("no answer in time")

    monkeypatch.setattr(ObjectStorage, "probe", down)
    await _probe(settings(tmp_path, store="memory://"), MEMORY)


def test_store_that_cannot_be_opened(tmp_path: Path) -> None:
    """A file where the folder would be is said before anybody is served; so is an option of another service."""
    (tmp_path / "store").write_bytes(b"")
    with pytest.raises(SettingError, match="store ="):
        check_store(settings(tmp_path))
    with pytest.raises(SettingError, match="account_name"):
        check_store(settings(tmp_path, store="s3://bucket/x", store_options={"account_name": "x"}))


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_is_some_services(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the setting allows is taken by one of the three services at least. Nobody is asked."""
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "x")
    value = {
        "copy_if_not_exists": "multipart",
        "checksum_algorithm": "sha256",
        "server_side_encryption": "AES256",
    }
    switches = {"skip_signature", "unsigned_payload", "request_payer", "disable_tagging", "imdsv1_fallback"}
    switches |= {"virtual_hosted_style_request", "sse_bucket_key_enabled", "use_azure_cli", "use_emulator"}
    said = value.get(name, "true" if name in switches else "https://service.example")
    refusals = []
    for url in ("s3://bucket/x", "gs://bucket/x", "az://container/x"):
        try:
            Remote(url, {"account_name": "account"} | {name: said} if url.startswith("az") else {name: said})
        except SettingError as error:
            refusals.append(error.message)
    assert sum("is not valid for store" in each for each in refusals) < 3, refusals


def test_profile_without_what_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is named ends the start with how to install it; one that just lies there changes nothing."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("goproxy_mirror.storage.profile.find_spec", lambda _name: None)
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").write_text("[default]\nregion = us-east-1\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    url = StoreURL("s3://modules")
    remote_of(settings(tmp_path, store="s3://modules"), url)
    monkeypatch.setenv("AWS_PROFILE", "shop")
    with pytest.raises(SettingError, match=r"shop.*goproxy-mirror\[aws\]"):
        remote_of(settings(tmp_path, store="s3://modules"), url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AK")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SK")
    remote_of(settings(tmp_path, store="s3://modules"), url)


def test_endpoint_of_every_service(tmp_path: Path) -> None:
    """The option `endpoint` means the same for all of them."""
    for store in ("s3://modules", "gs://modules", "az://modules"):
        options = {"endpoint": "http://127.0.0.1:9"} | (
            {"account_name": "a"} if store.startswith("az") else {}
        )
        remote_of(settings(tmp_path, store=store, store_options=options), StoreURL(store))
