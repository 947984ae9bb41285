"""Secrets in files: `goproxy_mirror.credentials.secretfile`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from goproxy_mirror.credentials.secretfile import Watched, check_key_mode, is_open_to_all, secret_text
from goproxy_mirror.errors import SettingError


def test_watched__a_rotated_secret(tmp_path: Path) -> None:
    """A file that is written anew, or exchanged under its name, is read anew; one that is not, is not."""
    path = tmp_path / "token"
    path.write_text("one\n")
    read: list[bytes] = []

    def note(data: bytes) -> str:
        read.append(data)
        return secret_text(data)

    watched = Watched(path, note)
    assert [watched.get(), watched.get()] == ["one", "one"]
    path.write_text("second\n")
    assert watched.get() == "second"
    fresh = tmp_path / "fresh"
    fresh.write_text("third!\n")
    fresh.replace(path)
    assert [watched.get(), watched.get()] == ["third!", "third!"]
    assert len(read) == 3


def test_watched__through_a_link_that_is_turned(tmp_path: Path) -> None:
    """As Kubernetes exchanges secrets: a folder is exchanged behind a symbolic link."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(name * 3)
    data = tmp_path / "data"
    data.symlink_to("a")
    watched = Watched(data / "token", secret_text)
    assert watched.get() == "aaa"
    (tmp_path / "new").symlink_to("b")
    (tmp_path / "new").replace(data)
    assert watched.get() == "bbb"


def test_watched__a_file_that_is_gone(tmp_path: Path) -> None:
    """A secret that was taken away is not used any more."""
    path = tmp_path / "token"
    path.write_text("one")
    watched = Watched(path, secret_text)
    watched.get()
    path.unlink()
    with pytest.raises(FileNotFoundError):
        watched.get()


@pytest.mark.parametrize("data", [b"", b" \n", b"a\nhunter2", b"hunter2\0", b"\xffhunter2", b"h" * 20_000])
def test_secret_text__what_is_none(data: bytes) -> None:
    """Nothing empty, of several lines, or that would break a header; and the message does not repeat it."""
    with pytest.raises(ValueError, match="it ") as caught:
        secret_text(data)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_is_open_to_all__by_mode(tmp_path: Path) -> None:
    """Whether others can read it."""
    path = tmp_path / "token"
    path.write_text("one")
    path.chmod(0o640)
    assert not is_open_to_all(path)
    path.chmod(0o644)
    assert is_open_to_all(path)


def test_check_key_mode__as_ssh_has_it(tmp_path: Path) -> None:
    """ssh does not use its own user's key if others can read it, and says so only in passing."""
    path = tmp_path / "key"
    path.write_text("x")
    path.chmod(0o600)
    check_key_mode("ssh_key", path)
    path.chmod(0o640)
    with pytest.raises(SettingError, match=r"ssh_key = .*mode 640.*chmod 600"):
        check_key_mode("ssh_key", path)
    if os.getuid() == 0:
        os.chown(path, 12345, 12345)
        check_key_mode("ssh_key", path)
