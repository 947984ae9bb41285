"""Gathers the settings, once: TOML file < environment < flags, and what the user told the go command.

Everything that cannot be meant is a `SettingError` of one line: the setting, the value, where it was said,
what is allowed. Values are printed without credentials.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from goproxy_mirror.config.credentials import credential_rows, files_below, without_inline_secrets
from goproxy_mirror.config.database import has_password, hidden
from goproxy_mirror.config.goenv import GoEnvironment, user_config_folder, user_data_folder
from goproxy_mirror.config.rules import as_pairs
from goproxy_mirror.config.settings import Settings, flag_name
from goproxy_mirror.config.stores import is_url
from goproxy_mirror.config.tables import parse_sumdb, with_default_sumdb
from goproxy_mirror.config.upstreams import DEFAULT_UPSTREAM, parse_upstreams
from goproxy_mirror.config.values import parse_path
from goproxy_mirror.errors import SettingError

ENVIRONMENT_PREFIX = "GOPROXY_MIRROR_"
CONFIG_VARIABLE = f"{ENVIRONMENT_PREFIX}CONFIG"

# Kubernetes puts these into every container beside a Service that is named goproxy-mirror.
_KUBERNETES = re.compile(r"SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)?")

_PATHS = {"data", "store", "state", "tier", "socket", "tls_cert", "tls_key", "ca_file"}
_PATHS |= {"netrc", "ssh_key", "ssh_agent", "ssh_known_hosts"}
_TABLES = {"store_options", "mirrors", "rewrites", "upstreams", "sumdb", "credentials"}
# Rules for the same left side add up, since a rule is one more candidate; the others are decisions.
_ADDING = {"mirrors", "rewrites"}


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings; where each one that is no default was said, in words; and the file that was read."""

    settings: Settings
    origins: Mapping[str, str]
    file: Path | None


@dataclass(frozen=True, slots=True)
class _Said:
    """One source's word on a setting; relative paths in it are below `folder`."""

    value: Any
    origin: str
    folder: Path | None = None


def load(
    flags: Mapping[str, object] | None = None,
    *,
    config: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Loaded:
    """Read every source. `flags` maps field names to texts or lists of texts; None and () are absent.

    The file is `config`, else what GOPROXY_MIRROR_CONFIG names, else `goproxy-mirror/config.toml` in the
    user's configuration folder where it exists. Raises `SettingError`.
    """
    environ = os.environ if environ is None else environ
    file, text = _read(config, environ)
    sources = [_from_flags(flags or {}), _from_environment(environ), _from_file(file, text)]
    sources = [_sumdb_off(source) for source in sources]
    said: dict[str, _Said] = {}
    for name in Settings.model_fields:
        found = [source[name] for source in sources if name in source]
        if name in _TABLES and found:
            said[name] = _merged(name, found)
        elif found:
            said[name] = found[0]
            if (
                name == "database"
                and found[0].origin == flag_name(name)
                and has_password(str(found[0].value))
            ):
                raise SettingError(
                    f"database = {_shown(found[0].value)} (from {found[0].origin}): the password would stand in the list of "
                    "processes; allowed is GOPROXY_MIRROR_DATABASE, the settings file, or a URL with passfile=FILE"
                )
            if name in _PATHS:
                said[name] = replace(found[0], value=_below(found[0].folder, found[0].value))
    _add_environment_of_others(said, environ)
    return Loaded(_build(said), {name: word.origin for name, word in said.items()}, file)


def _read(config: Path | None, environ: Mapping[str, str]) -> tuple[Path | None, Mapping[str, Any]]:
    named, origin = config, "--config"
    if named is None and environ.get(CONFIG_VARIABLE):
        named, origin = Path(environ[CONFIG_VARIABLE]), CONFIG_VARIABLE
    folder = user_config_folder(environ)
    if named is None and folder is not None:
        usual = folder / "goproxy-mirror" / "config.toml"
        named, origin = (usual, "the user's settings") if usual.is_file() else (None, origin)
    if named is None:
        return None, {}
    try:
        return named, tomllib.loads(named.read_text("utf-8"))
    except OSError as error:
        problem = f"the file cannot be read ({error.strerror}); allowed is a readable TOML file"
    except UnicodeDecodeError:
        problem = "the file is not UTF-8; allowed is a TOML file in UTF-8"
    except tomllib.TOMLDecodeError as error:
        problem = f"the file is no TOML: {error}"
    raise SettingError(f'config = "{named}" (from {origin}): {problem}')


def _from_flags(flags: Mapping[str, object]) -> Mapping[str, _Said]:
    return {
        name: _Said(value, flag_name(name)) for name, value in flags.items() if value not in (None, [], ())
    }


def _sumdb_off(source: Mapping[str, _Said]) -> Mapping[str, _Said]:
    """`sumdb = "off"` says that nothing is to be proven, as GOSUMDB=off does."""
    word = source.get("sumdb")
    if word is None or word.value not in ("off", ["off"], ("off",)):
        return source
    return {"gosumdb": replace(word, value="off"), **{k: v for k, v in source.items() if k != "sumdb"}}


def _from_environment(environ: Mapping[str, str]) -> Mapping[str, _Said]:
    said = {}
    for variable, value in environ.items():
        name = variable.removeprefix(ENVIRONMENT_PREFIX)
        if variable in (name, CONFIG_VARIABLE) or _KUBERNETES.fullmatch(name) or not value.strip():
            continue
        if name.lower() not in Settings.model_fields or name != name.upper():
            nearest = ENVIRONMENT_PREFIX + _nearest(name.lower()).upper()
            raise SettingError(
                f"{variable} (from the environment): there is no such setting; did you mean {nearest}?"
            )
        said[name.lower()] = _Said(value, variable)
    return said


def _from_file(file: Path | None, text: Mapping[str, Any]) -> Mapping[str, _Said]:
    said: dict[str, _Said] = {}
    if file is None:
        return said
    for name, value in text.items():
        if name not in Settings.model_fields:
            nearest = _nearest(name)
            raise SettingError(f"{name} (from {file}): there is no such setting; did you mean {nearest}?")
        if isinstance(value, Mapping) != (name in _TABLES) and (name, value) != ("sumdb", "off"):
            allowed = f"a table [{name}]" if name in _TABLES else "a value, not a table"
            raise SettingError(f"{name} (from {file}): allowed is {allowed}")
        # In TOML, whatever follows a table's header belongs to the table.
        for key in value if name in _TABLES else ():
            if key in Settings.model_fields and not isinstance(value[key], str | list):
                raise SettingError(
                    f"{key} (from {file}): it stands below [{name}]; move it above the first table"
                )
        said[name] = _Said(value, str(file), file.absolute().parent)
    return said


def _nearest(name: str) -> str:
    return difflib.get_close_matches(name, list(Settings.model_fields), n=1, cutoff=0.0)[0]


def _merged(name: str, found: list[_Said]) -> _Said:
    """A table from several sources, strongest first."""
    pairs: list[tuple[str, Any]] = []
    for word in found:
        new: tuple[tuple[str, Any], ...]
        try:
            if name == "credentials":
                new = files_below(word.folder or Path.cwd(), credential_rows(word.value))
                new = without_inline_secrets(new) if word.origin == flag_name(name) else new
            elif name in _ADDING:
                new = tuple((left, _right_below(word.folder, right)) for left, right in as_pairs(word.value))
            else:
                new = as_pairs(word.value)
        except ValueError as error:
            raise SettingError(f"{name} (from {word.origin}): {error}") from None
        taken = {left for left, _ in pairs}
        pairs.extend(pair for pair in new if name in _ADDING or pair[0] not in taken)
    return _Said(tuple(pairs), ", ".join(word.origin for word in found))


def _below(folder: Path | None, value: Any) -> Any:
    """Relative paths mean what their writer saw: the file's own folder, or else the working folder."""
    if not isinstance(value, str) or not value.strip() or value.startswith("~") or is_url(value):
        return value
    return str((folder or Path.cwd()) / value)


def _right_below(folder: Path | None, right: str) -> str:
    """A repository that was named by a relative path; `~` is the home folder."""
    if right.startswith("~/"):
        return str(parse_path(right))
    return _below(folder, right) if right.startswith(("./", "../")) else right


def _add_environment_of_others(said: dict[str, _Said], environ: Mapping[str, str]) -> None:
    """What the user told the go command and every other program, where nothing of ours was said."""
    go = GoEnvironment(environ)
    for name, key in (
        ("upstream", "GOPROXY"),
        ("gonoproxy", "GONOPROXY"),
        ("gonosumdb", "GONOSUMDB"),
        ("gosumdb", "GOSUMDB"),
        ("private", "GOPRIVATE"),
    ):
        # Private patterns of our own replace all three of Go's: they are defaults of each other.
        if name in said or (name not in {"upstream", "gosumdb"} and "private" in said):
            continue
        if found := go.get(key):
            said[name] = _Said(found.value, found.origin)
    for name in ("https_proxy", "http_proxy", "no_proxy"):
        for key in (name.upper(), name):
            if name not in said and environ.get(key):
                said[name] = _Said(environ[key], key)
    if "ca_file" not in said and environ.get("SSL_CERT_FILE"):
        said["ca_file"] = _Said(environ["SSL_CERT_FILE"], "SSL_CERT_FILE")
    if "data" not in said:
        said.update(_data_folder(said, environ))


def _data_folder(said: Mapping[str, _Said], environ: Mapping[str, str]) -> Mapping[str, _Said]:
    if "store" in said and "state" in said:
        return {"data": _Said(said["state"].value, said["state"].origin)}
    folder = user_data_folder(environ)
    if folder is None:
        raise SettingError("data: no home folder is known to put it into; name a folder with --data")
    return {"data": _Said(str(folder / "goproxy-mirror"), "default")}


def _build(said: Mapping[str, _Said]) -> Settings:
    values = {name: word.value for name, word in said.items()}
    try:
        if "sumdb" in values:
            upstream = parse_upstreams(values.get("upstream", DEFAULT_UPSTREAM))
            values["sumdb"] = with_default_sumdb(parse_sumdb(values["sumdb"]), upstream)
    except ValueError:
        pass  # the model says which setting it was
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingError(_line(error.errors(include_url=False)[0], said)) from None


def _line(error: ErrorDetails, said: Mapping[str, _Said]) -> str:
    problem = error["msg"].removeprefix("Value error, ")
    name = str(error["loc"][0]) if error["loc"] else ""
    if not name:
        return problem
    word = said.get(name)
    if word is None:
        return f"{name}: {problem}"
    if name in _TABLES:
        return f"{name} (from {word.origin}): {problem}"
    return f"{name} = {_shown(word.value)} (from {word.origin}): {problem}"


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_shown(item) for item in value) + "]"
    text = hidden(str(value))
    text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    shortened = text if len(text) <= 200 else f"{text[:200]}…"
    return f'"{shortened}"' if isinstance(value, str) else shortened.lower()
