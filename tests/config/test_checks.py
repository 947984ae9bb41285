"""What must hold before the port is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from goproxy_mirror.config import check_exposure, check_folders, check_ssh, load
from goproxy_mirror.errors import SettingError


def environ(tmp_path: Path) -> dict[str, str]:
    """An environment with a home folder of its own."""
    return {"HOME": str(tmp_path / "home"), "GOENV": "off"}


@pytest.mark.parametrize(
    "flags",
    [
        {"listen": ":8081", "private": "corp.example/*"},
        {"listen": "0.0.0.0:8081", "gonoproxy": "corp.example/*"},
        {"listen": "proxy.example:8081", "private": "corp.example/*"},
    ],
)
def test_private_modules_for_all(tmp_path: Path, flags: dict[str, str]) -> None:
    """Private modules are not served to other machines unless that was asked for."""
    settings = load(flags, environ=environ(tmp_path)).settings
    with pytest.raises(SettingError, match="--private-to-all") as caught:
        check_exposure(settings)
    assert "corp.example/*" in str(caught.value)
    check_exposure(settings.model_copy(update={"private_to_all": True}))


@pytest.mark.parametrize(
    "flags",
    [
        {"listen": ":8081"},
        {"listen": ":8081", "private": "none"},
        {"listen": "127.0.0.1:1", "private": "corp.example/*"},
        {"listen": "[::1]:1", "private": "corp.example/*"},
        {"listen": ":1", "socket": "/run/x.sock", "private": "corp.example/*"},
    ],
)
def test_private_modules_at_home(tmp_path: Path, flags: dict[str, str]) -> None:
    """Nothing is refused without private modules, or where only this machine can connect."""
    check_exposure(load(flags, environ=environ(tmp_path)).settings)


def test_folders_are_made(tmp_path: Path) -> None:
    """The folders are made, and nothing is left in them."""
    settings = load({"data": str(tmp_path / "a" / "b")}, environ=environ(tmp_path)).settings
    check_folders(settings, environ(tmp_path))
    assert sorted(path.name for path in (tmp_path / "a" / "b").rglob("*")) == ["state", "store"]


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A store that is no folder is refused, and named."""
    (tmp_path / "file").touch()
    settings = load(
        {"store": str(tmp_path / "file" / "store"), "data": str(tmp_path)}, environ=environ(tmp_path)
    )
    with pytest.raises(SettingError, match=r"^store = .*cannot be written to"):
        check_folders(settings.settings, environ(tmp_path))


@pytest.mark.parametrize("below", ["", "cache/download", "x"])
def test_store_in_the_module_cache(tmp_path: Path, below: str) -> None:
    """A store inside the go command's module cache is refused, with what to do instead."""
    cache = tmp_path / "modcache"
    settings = load({"store": str(cache / below), "data": str(tmp_path)}, environ=environ(tmp_path)).settings
    with pytest.raises(SettingError, match="module cache") as caught:
        check_folders(settings, environ(tmp_path) | {"GOMODCACHE": str(cache)})
    assert f"file://{cache}/cache/download" in str(caught.value)
    assert not cache.exists()


def test_store_in_another_users_module_cache(tmp_path: Path) -> None:
    """A module cache is known by its lock, also when it is not this user's, and through a symlink."""
    cache = tmp_path / "modcache"
    (cache / "cache" / "download").mkdir(parents=True)
    (cache / "cache" / "lock").touch()
    (tmp_path / "link").symlink_to(cache / "cache" / "download")
    settings = load(
        {"store": str(tmp_path / "link"), "data": str(tmp_path)}, environ=environ(tmp_path)
    ).settings
    with pytest.raises(SettingError, match="module cache"):
        check_folders(settings, environ(tmp_path))


@pytest.mark.parametrize(
    "rule",
    [
        {"mirrors": "a.example/{r}=git@m.example:{r}"},
        {"rewrites": "https://a.example/=ssh://git@m.example/"},
        {"credentials": "https://a.example/=ssh=git@m.example:"},
    ],
)
def test_ssh_needs_known_hosts_and_a_key(tmp_path: Path, rule: dict[str, str]) -> None:
    """Before the port is opened, the setting that is missing is named; nothing is needed where nobody is asked by SSH."""
    for name in ("key", "hosts"):
        (tmp_path / name).touch()
    key, hosts = {"ssh_key": str(tmp_path / "key")}, {"ssh_known_hosts": str(tmp_path / "hosts")}
    agent = {"ssh_agent": str(tmp_path / "agent")}
    for given, missing in ((key, "ssh_known_hosts"), (hosts, "ssh_key")):
        with pytest.raises(SettingError, match=f"^{missing}: it is needed"):
            check_ssh(load(rule | given, environ=environ(tmp_path)).settings)
    for given in (key | hosts, agent | hosts):
        check_ssh(load(rule | given, environ=environ(tmp_path)).settings)
    check_ssh(load({"mirrors": "a.example=https://m.example"}, environ=environ(tmp_path)).settings)


def test_ssh_with_keys_of_ones_own(tmp_path: Path) -> None:
    """Where each place by SSH has its own key, no common one is needed."""
    (tmp_path / "hosts").touch()
    rule = {
        "credentials": "https://a.example/=ssh=git@m.example:,ssh_key=/k",
        "ssh_known_hosts": str(tmp_path / "hosts"),
    }
    check_ssh(load(rule, environ=environ(tmp_path)).settings)
