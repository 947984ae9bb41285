"""Which database proves modules, and where it is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from goproxy_mirror.config import Settings, load
from goproxy_mirror.config.tables import places_of
from goproxy_mirror.errors import SettingError
from goproxy_mirror.wiring.proof import check_database

KEY = "sum.corp.example+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
GOOD = "localhost.localdev/sumdb+00000c67+AcTrnkbUA+TU4heY3hkjiSES/DSQniBqIeQ/YppAUtK6"


def settings(folder: Path, *, flags: dict[str, object] | None = None, **environ: str) -> Settings:
    return load({"data": str(folder), **(flags or {})}, environ={"HOME": str(folder), **environ}).settings


def test_default_is_the_public_database(tmp_path: Path) -> None:
    """It is asked at its own two hosts, then through the upstreams."""
    found = settings(tmp_path, GOPROXY="https://a.example")
    assert found.gosumdb.name == "sum.golang.org"
    check_database(found)
    assert places_of(found.gosumdb, found.sumdb, found.upstream)["sum.golang.org"] == (
        "https://sum.golang.org",
        "https://sum.golang.google.cn",
        "https://a.example/sumdb/sum.golang.org",
    )


@pytest.mark.parametrize(
    ("text", "name", "key", "url"),
    [
        ("off", "", "", ""),
        ("sum.golang.org", "sum.golang.org", "", ""),
        ("sum.golang.google.cn", "sum.golang.org", "", "https://sum.golang.google.cn"),
        ("sum.golang.org https://m.example/sumdb", "sum.golang.org", "", "https://m.example/sumdb"),
        (KEY, "sum.corp.example", KEY, ""),
        (f"{KEY} https://s.example", "sum.corp.example", KEY, "https://s.example"),
    ],
)
def test_gosumdb_as_the_go_command_reads_it(tmp_path: Path, text: str, name: str, key: str, url: str) -> None:
    """From the environment, and from a setting."""
    for found in (
        settings(tmp_path, GOSUMDB=text),
        settings(tmp_path, flags={"gosumdb": text}, GOSUMDB="off"),
    ):
        assert (found.gosumdb.name, found.gosumdb.key, found.gosumdb.url) == (name, key, url)


@pytest.mark.parametrize("text", ["sum.other.example", "a b c", "x+1", f"{KEY} ftp://s.example", ""])
def test_wrong_gosumdb(tmp_path: Path, text: str) -> None:
    """A name without a known key, or what is none, is refused with what is allowed."""
    with pytest.raises(SettingError, match="allowed"):
        settings(tmp_path, flags={"gosumdb": text or " "})


def test_sumdb_off(tmp_path: Path) -> None:
    """`sumdb = "off"` switches the proof off, by a flag, the environment or the file."""
    file = tmp_path / "config.toml"
    file.write_text('sumdb = "off"\n')
    assert not settings(tmp_path, flags={"sumdb": ["off"]}).gosumdb.name
    assert not settings(tmp_path, GOPROXY_MIRROR_SUMDB="off").gosumdb.name
    assert not load(
        {"data": str(tmp_path)}, config=file, environ={"HOME": str(tmp_path)}
    ).settings.gosumdb.name


def test_database_of_ones_own(tmp_path: Path) -> None:
    """It is asked where it says, else at its name, then through the upstreams."""
    found = settings(tmp_path, flags={"gosumdb": KEY}, GOPROXY="https://a.example")
    assert places_of(found.gosumdb, found.sumdb, found.upstream)["sum.corp.example"] == (
        "https://sum.corp.example",
        "https://a.example/sumdb/sum.corp.example",
    )
    found = settings(tmp_path, flags={"gosumdb": KEY, "sumdb": ["sum.corp.example=https://b.example"]})
    assert places_of(found.gosumdb, found.sumdb, found.upstream)["sum.corp.example"] == ("https://b.example",)


def test_closed_database_proves_nothing(tmp_path: Path) -> None:
    """It is told before anything is served."""
    with pytest.raises(SettingError, match="nothing could be proven"):
        check_database(settings(tmp_path, flags={"sumdb": ["sum.golang.org=off"]}))


def test_key_that_is_none(tmp_path: Path) -> None:
    """The hash in a key has to be the key's; positive control: one that is."""
    with pytest.raises(SettingError, match="gosumdb"):
        check_database(settings(tmp_path, flags={"gosumdb": KEY}))
    check_database(settings(tmp_path, flags={"gosumdb": GOOD}))
