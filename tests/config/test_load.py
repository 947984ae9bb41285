"""Gathering the settings from their sources."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from goproxy_mirror.config import Settings, as_toml, load
from goproxy_mirror.errors import SettingError

ENVIRON = {"HOME": "/nowhere/home", "GOENV": "off"}


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], Path]:
    """Write a settings file."""

    def write(text: str) -> Path:
        path = tmp_path / "settings.toml"
        path.write_text(text)
        return path

    return write


def refusal(flags: Mapping[str, object] | None = None, config: Path | None = None, **environ: str) -> str:
    """The one line that refuses these settings."""
    with pytest.raises(SettingError) as caught:
        load(flags, config=config, environ=ENVIRON | environ)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing said, the proxy listens on loopback and asks the default upstreams, then the origin."""
    monkeypatch.setattr("sys.platform", "linux")
    loaded = load(environ=ENVIRON)
    settings = loaded.settings
    assert str(settings.listen) == "127.0.0.1:8081"
    assert [step.name for step in settings.upstream] == ["https://goproxy.io", "https://goproxy.cn", "direct"]
    assert all(step.fall_through_on_any for step in settings.upstream[:2])
    assert settings.store == Path("/nowhere/home/.local/share/goproxy-mirror/store")
    assert settings.state == Path("/nowhere/home/.local/share/goproxy-mirror/state")
    assert settings.order == ("origin", "mirrors")
    assert loaded.file is None


def test_flag_above_environment_above_file(file: Callable[[str], Path]) -> None:
    """The nearer word counts, and it is known where it was said."""
    config = file('workers = 2\nlist_ttl = "2m"\nlog_level = "error"\n')
    loaded = load(
        {"workers": "4"},
        config=config,
        environ=ENVIRON | {"GOPROXY_MIRROR_WORKERS": "3", "GOPROXY_MIRROR_LIST_TTL": "3m"},
    )
    assert (loaded.settings.workers, loaded.settings.list_ttl, loaded.settings.log_level) == (4, 180, "error")
    assert loaded.origins["workers"] == "--workers"
    assert loaded.origins["list_ttl"] == "GOPROXY_MIRROR_LIST_TTL"
    assert loaded.origins["log_level"] == str(config)


def test_rules_add_up(file: Callable[[str], Path]) -> None:
    """Mirror rules of all sources count: flags first, then the environment, the file, the built-in table."""
    config = file(
        '[mirrors]\n"a.example/{r}" = ["https://file.example/{r}"]\n"b.example" = "https://b.example/b"\n'
    )
    settings = load(
        {"mirrors": ["a.example/{r}=https://flag.example/{r}"]},
        config=config,
        environ=ENVIRON | {"GOPROXY_MIRROR_MIRRORS": "a.example/{r}=https://environment.example/{r}"},
    ).settings
    assert [rule.pattern.text for rule in settings.mirrors] == ["a.example/{r}", "b.example"]
    assert settings.mirrors[0].candidates == (
        "https://flag.example/{r}",
        "https://environment.example/{r}",
        "https://file.example/{r}",
    )
    assert (*settings.mirrors, *settings.builtin_rules)[2].builtin


def test_decisions_replace(file: Callable[[str], Path]) -> None:
    """Another list for the same glob replaces the weaker source's one, and keeps the others."""
    config = file('[upstreams]\n"a.example/*" = "https://file.example"\n"b.example/*" = "direct"\n')
    settings = load({"upstreams": ["a.example/*=off"]}, config=config, environ=ENVIRON).settings
    assert {glob: steps[0].kind for glob, steps in settings.upstreams.items()} == {
        "a.example/*": "off",
        "b.example/*": "direct",
    }


def test_relative_paths(file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A relative path is below the settings file's folder, or below the working folder."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    config = file('store = "files"\n[mirrors]\n"a.example" = "./git/a"\n')
    settings = load({"state": "records"}, config=config, environ=ENVIRON).settings
    assert settings.store == tmp_path / "files"
    assert settings.state == tmp_path / "work" / "records"
    assert settings.mirrors[0].candidates == ((tmp_path / "git" / "a").as_uri(),)


def test_file_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file in the user's configuration folder is read where it exists and no other is named."""
    monkeypatch.setattr("sys.platform", "linux")
    usual = tmp_path / "goproxy-mirror" / "config.toml"
    usual.parent.mkdir()
    usual.write_text("workers = 7\n")
    environ = ENVIRON | {"XDG_CONFIG_HOME": str(tmp_path)}
    assert load(environ=environ).settings.workers == 7
    other = tmp_path / "other.toml"
    other.write_text("workers = 8\n")
    assert load(environ=environ | {"GOPROXY_MIRROR_CONFIG": str(other)}).settings.workers == 8


def test_upstreams_of_the_user() -> None:
    """A GOPROXY that the user set counts where nothing of ours is set; one of ours stands above it."""
    environ = ENVIRON | {"GOPROXY": "https://users.example,off"}
    loaded = load(environ=environ)
    assert [step.name for step in loaded.settings.upstream] == ["https://users.example", "off"]
    assert loaded.origins["upstream"] == "GOPROXY in the environment"
    assert load({"upstream": "direct"}, environ=environ).settings.upstream[0].kind == "direct"


def test_private_modules_of_the_user() -> None:
    """GOPRIVATE is the default of GONOPROXY and GONOSUMDB, as the go command has it."""
    settings = load(environ=ENVIRON | {"GOPRIVATE": "corp.example/*", "GONOSUMDB": "none"}).settings
    assert settings.private == settings.gonoproxy == ("corp.example/*",)
    assert settings.gonosumdb == ("none",)


def test_private_modules_of_ours() -> None:
    """Private patterns of ours replace all three of Go's, so that none of those weakens them."""
    environ = ENVIRON | {"GONOPROXY": "none", "GOPRIVATE": "else.example"}
    settings = load({"private": "corp.example/*"}, environ=environ).settings
    assert settings.private == settings.gonoproxy == settings.gonosumdb == ("corp.example/*",)


def test_network_of_the_user(tmp_path: Path) -> None:
    """Proxies and certificates come from the variables that every program knows."""
    (tmp_path / "ca.pem").touch()
    settings = load(
        environ=ENVIRON
        | {
            "https_proxy": "http://small.example:1",
            "HTTPS_PROXY": "http://capital.example:1",
            "http_proxy": "proxy.example:2",
            "NO_PROXY": "corp.example",
            "SSL_CERT_FILE": str(tmp_path / "ca.pem"),
        }
    ).settings
    assert settings.https_proxy == "http://capital.example:1"
    assert settings.http_proxy == "http://proxy.example:2"
    assert settings.no_proxy == "corp.example"
    assert settings.ca_file == tmp_path / "ca.pem"


def test_checksum_databases() -> None:
    """The known database has its two hosts and what the http upstreams pass through; both of its names mean it."""
    settings = load({"upstream": "https://a.example/x/,file:///srv/cache,direct"}, environ=ENVIRON).settings
    assert settings.sumdb["sum.golang.org"] == (
        "https://sum.golang.org",
        "https://sum.golang.google.cn",
        "https://a.example/x/sumdb/sum.golang.org",
    )
    assert settings.sumdb["sum.golang.google.cn"] == settings.sumdb["sum.golang.org"]


def test_own_checksum_databases() -> None:
    """Another database is added; URLs for the known one replace its own; `off` closes it."""
    settings = load(
        {"sumdb": ["sum.corp.example=https://a.example/,https://b.example", "sum.golang.org=off"]},
        environ=ENVIRON,
    ).settings
    assert settings.sumdb["sum.corp.example"] == ("https://a.example", "https://b.example")
    assert settings.sumdb["sum.golang.org"] == settings.sumdb["sum.golang.google.cn"] == ()


def test_empty_environment_is_silent() -> None:
    """An empty variable says nothing, since container files often pass on what is not set."""
    assert load(environ=ENVIRON | {"GOPROXY_MIRROR_WORKERS": "", "HTTPS_PROXY": ""}).settings.workers == 1


def test_variables_of_kubernetes() -> None:
    """The variables of a Kubernetes Service that is named goproxy-mirror are no settings."""
    load(
        environ=ENVIRON
        | {
            "GOPROXY_MIRROR_SERVICE_HOST": "10.0.0.1",
            "GOPROXY_MIRROR_SERVICE_PORT_HTTP": "8081",
            "GOPROXY_MIRROR_PORT": "tcp://10.0.0.1:8081",
            "GOPROXY_MIRROR_PORT_8081_TCP_ADDR": "10.0.0.1",
        }
    )


def test_unknown_names(file: Callable[[str], Path]) -> None:
    """An unknown name is refused with the nearest known one, wherever it was said."""
    assert "did you mean list_ttl?" in refusal(config=file("list_tll = 5\n"))
    assert "did you mean GOPROXY_MIRROR_WORKERS?" in refusal(GOPROXY_MIRROR_WORKER="2")
    assert "did you mean GOPROXY_MIRROR_WORKERS?" in refusal(GOPROXY_MIRROR_workers="2")


def test_setting_below_a_table(file: Callable[[str], Path]) -> None:
    """A setting that TOML takes for a part of the table above it is explained."""
    config = file('[mirrors]\n"a.example" = "https://m.example/a"\nworkers = 2\n')
    assert "move it above the first table" in refusal(config=config)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("workers = [\n", "no TOML"),
        ("mirrors = 5\n", "allowed is a table [mirrors]"),
        ("[workers]\na = 1\n", "allowed is a value"),
        ('[mirrors]\n"a.example" = 5\n', "allowed on the right is a text or a list of texts"),
        ("list_ttl = true\n", "list_ttl = true"),
        ('listen = "8081"\n', "allowed is host:port"),
        ("allow_address = 5\n", "CIDR"),
    ],
)
def test_wrong_files(file: Callable[[str], Path], text: str, problem: str) -> None:
    """A wrong settings file is refused in one line that names the file, the setting, and what is allowed."""
    config = file(text)
    line = refusal(config=config)
    assert problem in line
    assert str(config) in line


def test_missing_file(tmp_path: Path) -> None:
    """A file that was named and is not there is refused, by either way of naming it."""
    assert "No such file" in refusal(config=tmp_path / "missing.toml")
    assert "GOPROXY_MIRROR_CONFIG" in refusal(GOPROXY_MIRROR_CONFIG=str(tmp_path / "missing.toml"))


def test_file_that_is_no_text(tmp_path: Path) -> None:
    """A file that is not UTF-8 is refused."""
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe")
    assert "UTF-8" in refusal(config=tmp_path / "x.toml")


def test_value_of_a_wrong_setting() -> None:
    """A refusal names the setting, the value, where it was said, and what is allowed."""
    assert refusal({"workers": "0"}) == (
        'workers = "0" (from --workers): allowed is a whole number from 1 to 256'
    )
    assert refusal(GOPROXY_MIRROR_NEGATIVE_TTL="2m").startswith(
        'negative_ttl = "2m" (from GOPROXY_MIRROR_NEGATIVE_TTL): allowed is a time from 0s to 1m'
    )
    assert refusal(GOPROXY="drect").startswith(
        'upstream = "drect" (from GOPROXY in the environment): "drect" is no'
    )


def test_control_characters_are_not_printed() -> None:
    """A value with line ends or escape sequences stays one harmless line."""
    assert "\x1b" not in refusal({"listen": "\x1b[2J\nx"})


@pytest.mark.parametrize(
    "flags",
    [
        {"upstream": "https://user:hunter2@h.example,drect"},
        {"upstream": "https://user:hunter2@"},
        {"upstream": "https://user:hun,hunter2@h.example"},
        {"sumdb": ["sum.golang.org=https://user:hunter2@"]},
        {"https_proxy": "ftp://user:hunter2@proxy.example"},
        {"rewrites": ["https://user:hunter2@h.example/=https://m.example/"]},
        {"mirrors": ["https://user:hunter2@h.example"]},
        {"upstreams": ["a/*=https://user:hunter2@"]},
    ],
)
def test_refusals_keep_secrets(flags: Mapping[str, object]) -> None:
    """No refusal shows a password."""
    assert "hunter2" not in refusal(flags)


def test_settings_keep_secrets() -> None:
    """Neither the settings themselves nor what is printed of them shows a password."""
    loaded = load(
        {
            "upstream": "https://user:hunter2@h.example,direct",
            "upstreams": ["a.example/*=https://user:hunter2@h.example"],
            "sumdb": ["sum.corp.example=https://user:hunter2@h.example"],
            "https_proxy": "http://user:hunter2@h.example",
        },
        environ=ENVIRON,
    )
    assert "hunter2" not in repr(loaded) + str(loaded.settings) + as_toml(loaded)
    assert "https://***@h.example,direct" in as_toml(loaded)


def test_shown_settings_mean_the_same(file: Callable[[str], Path]) -> None:
    """What `config show` prints is a settings file that means the same."""
    loaded = load(
        {
            "mirrors": ["a.example/{r}=/srv/git/{r}", "a.example/{r}=https://m.example/{r}"],
            "rewrites": ["https://github.com/=https://m.example/"],
            "upstreams": ["a.example/*=https://x.example|direct"],
            "sumdb": ["sum.golang.org=off"],
            "private": "corp.example/*",
            "allow_address": ["198.18.0.0/15"],
            "origin_wait": "1500ms",
            "order": "mirrors,origin",
        },
        environ=ENVIRON,
    )
    text = as_toml(loaded)
    assert set(tomllib.loads(text)) <= set(Settings.model_fields)
    assert load(config=file(text), environ=ENVIRON).settings == loaded.settings


def test_overlapping_folders() -> None:
    """The state folder is never inside the store, which is served, nor the other way round."""
    assert "two folders apart" in refusal({"store": "/srv/a", "state": "/srv/a/state"})
    assert "two folders apart" in refusal({"store": "/srv/a", "state": "/srv/a"})


def test_half_of_a_certificate(tmp_path: Path) -> None:
    """A certificate needs its key."""
    (tmp_path / "cert.pem").touch()
    assert "it needs tls_key" in refusal({"tls_cert": str(tmp_path / "cert.pem")})


def test_no_home_folder() -> None:
    """Where no home folder is known, the folder has to be named; both halves will do."""
    with pytest.raises(SettingError, match="--data"):
        load(environ={})
    settings = load({"store": "/srv/a", "state": "/srv/b"}, environ={}).settings
    assert (settings.store, settings.state) == (Path("/srv/a"), Path("/srv/b"))


def test_settings_are_frozen() -> None:
    """Nobody changes a setting after it was read."""
    settings = load(environ=ENVIRON).settings
    with pytest.raises(ValueError, match="frozen"):
        settings.workers = 2
