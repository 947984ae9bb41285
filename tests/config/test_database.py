"""The setting `database`: which URLs can be meant, and that no password in one is ever shown."""

from __future__ import annotations

import pytest

from goproxy_mirror.config.load import load
from goproxy_mirror.config.show import as_toml
from goproxy_mirror.errors import SettingError

HOME = {"HOME": "/nowhere"}
BAD = {
    "/": "postgresql://u:12/se@db.test/x",
    "/ first": "postgresql://u:se/12@db.test/x",
    "#": "postgresql://u:12#se@db.test/x",
    "?": "postgresql://u:12?se@db.test/x",
    "@": "postgresql://u:12@se@db.test/x",
    "%": "postgresql://u:12%se@db.test/x",
    "another kind": "mysql://u:12se@db.test/x",
    "a driver": "postgresql+psycopg://u:12se@db.test/x",
    "no URL": "host=db.test password=12se dbname=x",
    "no name": "postgresql://u:12se@db.test",
    "port": "postgresql://u:12se@db.test:port/x",
}
GOOD = {
    "postgresql://u:s%40e@db.test:5433/x": "postgresql://u:***@db.test:5433/x",
    "postgres://u@one.test:1,two.test:2/x?password=se&sslmode=require": (
        "postgresql://u@one.test:1,two.test:2/x?password=***&sslmode=require"
    ),
    "postgresql:///x?host=/var/run/postgresql": "postgresql:///x?host=/var/run/postgresql",
    "postgresql:///?service=modules": "postgresql:///?service=modules",
    "postgresql://me%40tenant@[::1]/x?passfile=/run/secrets/a@b": (
        "postgresql://me%40tenant@[::1]/x?passfile=/run/secrets/a@b"
    ),
}


@pytest.mark.parametrize("url", BAD.values(), ids=BAD.keys())
def test_what_cannot_be_meant_is_refused(url: str) -> None:
    """Above all a password that was not escaped, a part of which would be taken for something that may be shown."""
    with pytest.raises(SettingError) as refused:
        load(environ=HOME | {"GOPROXY_MIRROR_DATABASE": url})
    said = refused.value.message.split(" (from ")[0]  # behind it stands how one writes it
    assert "12" not in said
    assert "se" not in said.removeprefix("database = ")


@pytest.mark.parametrize("url", GOOD.keys())
def test_what_can_be_meant_is_shown_without_its_password(url: str) -> None:
    """All that PostgreSQL's own programs take; what is shown can be read again."""
    loaded = load(environ=HOME | {"GOPROXY_MIRROR_DATABASE": url})
    assert f'database = "{GOOD[url]}"' in as_toml(loaded)
    again = load(environ=HOME | {"GOPROXY_MIRROR_DATABASE": GOOD[url]})
    assert again.settings.database == GOOD[url]


@pytest.mark.parametrize("url", ["postgresql://u:se@db.test/x", "postgresql://u@db.test/x?password=se"])
def test_no_password_on_the_command_line(url: str) -> None:
    """Everybody on the machine could read it; a user's name alone may stand there."""
    with pytest.raises(SettingError, match="passfile=FILE") as refused:
        load({"database": url}, environ=HOME)
    assert not {"=se", ":se"} & {refused.value.message[n : n + 3] for n in range(999)}
    assert load({"database": "postgresql://u@db.test/x"}, environ=HOME).settings.database
