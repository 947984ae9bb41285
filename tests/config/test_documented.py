"""The settings' documents, in both languages."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from goproxy_mirror.config import Settings, load
from goproxy_mirror.config.settings import default_of, flag_name
from goproxy_mirror.config.show import plain

DOCS = Path(__file__).parents[2] / "docs"
ROW = re.compile(
    r"^\| `(?P<name>\w+)` \| (?P<flags>.*?) \| (?P<default>.*?) \| (?P<meaning>.+) \|$", re.MULTILINE
)


@pytest.fixture(params=["settings.md", "settings.zh-CN.md"])
def text(request: pytest.FixtureRequest) -> str:
    """One of the two documents."""
    return (DOCS / str(request.param)).read_text("utf-8")


def test_every_setting_is_documented(text: str) -> None:
    """Each setting has one row, in the order of the settings, and there is no row of a setting that does not exist."""
    assert [row["name"] for row in ROW.finditer(text)] == list(Settings.model_fields)


def test_flags_are_right(text: str) -> None:
    """A row names the setting's flag, and its opposite if it is a switch."""
    for row in ROW.finditer(text):
        flag = flag_name(row["name"])
        expected = [flag, f"--no-{flag[2:]}"] if isinstance(default_of(row["name"]), bool) else [flag]
        assert re.findall(r"`(--[\w-]+)`", row["flags"]) == expected


def test_defaults_are_right(text: str) -> None:
    """A row shows the default that counts, where it is a fixed one."""
    follows_from_elsewhere = {"upstream", "private", "ca_file", "https_proxy", "http_proxy", "no_proxy"}
    for row in ROW.finditer(text):
        name = row["name"]
        value = default_of(name)
        if name in follows_from_elsewhere or (value is None and row["default"] != "–"):
            continue
        assert row["default"].strip("`–") == written(plain(name, value)), name


def written(value: object) -> str:
    """A default as the documents write it."""
    match value:
        case None | {}:
            return ""
        case bool():
            return str(value).lower()
        case list():
            return ",".join(value)
        case _:
            return str(value)


def test_default_upstreams_are_right(text: str) -> None:
    """The default list of upstreams is the one that counts."""
    row = next(row for row in ROW.finditer(text) if row["name"] == "upstream")
    assert f"`{plain('upstream', default_of('upstream'))}`".replace("|", r"\|") in row["default"]


def test_example_is_right(text: str, tmp_path: Path) -> None:
    """The example is a settings file that can be meant."""
    example = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert example is not None
    (tmp_path / "example.toml").write_text(example[1], "utf-8")
    loaded = load(config=tmp_path / "example.toml", environ={"HOME": str(tmp_path), "GOENV": "off"})
    assert set(tomllib.loads(example[1])) <= set(loaded.origins)
