"""Every setting: its type, its default, and the sentence that explains it.

The model is pure: it reads no environment, and files only to see that they can be read. `load.py` gathers the
values. Field names are the keys of the TOML file, the flags, and the environment's names after `GOPROXY_MIRROR_`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic import PlainValidator as By

from goproxy_mirror.config import rules, sites, tables
from goproxy_mirror.config.credentials import CredentialRule, parse_credentials
from goproxy_mirror.config.database import parse_database
from goproxy_mirror.config.fields import (
    About,
    Folder,
    Front,
    Globs,
    LogFormat,
    LogLevel,
    OptionalFile,
    OptionalProxy,
    OptionalSSHFile,
    Order,
    Switch,
    Verify,
    optional,
    parse_order,
)
from goproxy_mirror.config.stores import StoreURL, parse_store, parse_store_options
from goproxy_mirror.config.upstreams import DEFAULT_UPSTREAM, Upstreams, parse_upstreams
from goproxy_mirror.config.values import (
    IPNetwork,
    Listen,
    one_of,
    parse_bytes,
    parse_listen,
    parse_mode,
    parse_networks,
    parse_path,
    parse_path_prefix,
    parse_public_url,
    parse_readable_file,
    parse_ssh_path,
    seconds,
    whole_number,
)


class Settings(BaseModel):
    """What the operator has decided. Durations are in seconds, sizes in bytes, paths absolute.

    Raises pydantic's `ValidationError`; `load.load` turns it into a `SettingError`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    listen: Annotated[
        Listen,
        By(parse_listen),
        About("Listening", "Address to listen on; `:8081` is every interface.", "HOST:PORT"),
    ] = Listen("127.0.0.1", 8081)
    socket: Annotated[
        Path | None,
        optional(parse_path),
        About("Listening", "Unix socket to listen on, instead of an address.", "PATH"),
    ] = None
    socket_mode: Annotated[
        int | None,
        optional(parse_mode),
        About("Listening", "Who may connect to the Unix socket, in octal (660); else the umask.", "MODE"),
    ] = None
    public_url: Annotated[
        str | None,
        optional(parse_public_url),
        About("Listening", "URL that clients use where a web server stands in front (no prefix).", "URL"),
    ] = None
    path_prefix: Annotated[
        str,
        By(parse_path_prefix),
        About("Listening", "URL path before every route, such as `/goproxy`.", "PREFIX"),
    ] = ""
    tls_cert: Annotated[
        OptionalFile, About("Listening", "Certificate chain (PEM), to serve https.", "FILE")
    ] = None
    tls_key: Annotated[OptionalFile, About("Listening", "Private key (PEM) of the certificate.", "FILE")] = (
        None
    )
    front: Annotated[
        Front,
        By(one_of("off", "nginx", "caddy")),
        About("Listening", "A web server that serves what is stored: nginx, caddy, or off.", "WORD"),
    ] = "off"
    workers: Annotated[
        int, By(whole_number(1, 256)), About("Listening", "Worker processes; they share the store.", "N")
    ] = 1
    shutdown_timeout: Annotated[
        float,
        By(seconds(0, 86400)),
        About("Listening", "How long running downloads may go on after a stop signal.", "TIME"),
    ] = 60.0

    data: Annotated[
        Folder,
        About("Folders", "Folder of everything that is kept: `store` and `state` are below it.", "DIR"),
    ]
    store: Annotated[
        Path | StoreURL,
        By(parse_store),
        About(
            "Folders",
            "Folder of the published files, if not below data; or a bucket: s3://…, gs://…, az://…",
            "DIR|URL",
        ),
    ] = Field(default_factory=lambda found: found["data"] / "store")
    state: Annotated[
        Folder,
        About("Folders", "Folder of repositories and records (never served), if not below data.", "DIR"),
    ] = Field(default_factory=lambda found: found["data"] / "state")
    store_options: Annotated[
        Mapping[str, str],
        By(parse_store_options),
        About(
            "Folders",
            "What a bucket's service needs: endpoint=URL, region=NAME and others; no secrets.",
            "NAME=VALUE",
            flag="--store-option",
            many=True,
        ),
    ] = Field(default_factory=dict)
    tier: Annotated[
        Folder, About("Folders", "Folder of what was last used of a bucket, if not below state.", "DIR")
    ] = Field(default_factory=lambda found: found["state"] / "tier")
    tier_size: Annotated[
        int, By(parse_bytes), About("Folders", "Size that this folder may reach.", "SIZE")
    ] = 10 * 10**9
    redirect_above: Annotated[
        int | None,
        optional(parse_bytes),
        About("Folders", "Zips of this size and more are fetched from the bucket by the clients.", "SIZE"),
    ] = None
    database: Annotated[
        str,
        By(parse_database),
        About("Folders", "PostgreSQL database that several nodes share, instead of SQLite.", "URL"),
    ] = Field(default="", repr=False)

    upstream: Annotated[
        Upstreams,
        By(parse_upstreams),
        About("Sources", "Where modules come from, in the syntax of GOPROXY.", "LIST"),
    ] = parse_upstreams(DEFAULT_UPSTREAM)
    upstreams: Annotated[
        Mapping[str, Upstreams],
        By(tables.parse_pattern_upstreams),
        About(
            "Sources",
            "Another list for the modules that a glob matches; the first that matches counts.",
            "GLOB=LIST",
            flag="--upstream-for",
            many=True,
        ),
    ] = Field(default_factory=dict)
    sumdb: Annotated[
        Mapping[str, tuple[str, ...]],
        By(tables.parse_sumdb),
        About("Sources", "URLs of a checksum database, the preferred one first.", "NAME=URL,…", many=True),
    ] = Field(default_factory=lambda found: tables.with_default_sumdb({}, found["upstream"]), repr=False)
    gosumdb: Annotated[
        tables.ProvingDatabase,
        By(tables.parse_gosumdb),
        About(
            "Sources", "The checksum database that proves every module, as GOSUMDB.", "NAME[+HASH+KEY] [URL]"
        ),
    ] = tables.ProvingDatabase(tables.SUM_GOLANG_ORG)
    verify: Annotated[
        Verify,
        By(one_of("require", "prefer")),
        About("Sources", "Whether modules wait for a database that cannot be reached (prefer: no).", "WORD"),
    ] = "require"
    order: Annotated[
        Order,
        By(parse_order),
        About("Sources", "What `direct` tries first: a module's own repository, or mirrors.", "ORDER"),
    ] = ("origin", "mirrors")
    toolchains: Annotated[
        tuple[str, ...],
        By(sites.parse_sites),
        About("Sources", "Where `direct` gets Go toolchains from; `off` asks no such site.", "URL,…"),
    ] = Field(default=sites.TOOLCHAIN_SITES, repr=False)
    vulndb: Annotated[
        tuple[str, ...],
        By(sites.parse_sites),
        About("Sources", "Vulnerability database behind /vulndb/, at one URL or several; or `off`.", "URL,…"),
    ] = Field(default=sites.VULNERABILITY_DATABASES, repr=False)

    mirrors: Annotated[
        tuple[rules.MirrorRule, ...],
        By(rules.parse_mirrors),
        About(
            "Mirrors",
            "Another repository for the modules that a pattern matches.",
            "PATTERN=URL",
            flag="--mirror",
            many=True,
        ),
    ] = ()
    rewrites: Annotated[
        tuple[rules.RewriteRule, ...],
        By(rules.parse_rewrites),
        About(
            "Mirrors", "Another URL for every repository below a URL.", "URL=URL", flag="--rewrite", many=True
        ),
    ] = ()
    builtin_mirrors: Annotated[
        Switch, About("Mirrors", "Use the built-in table (golang.org/x, k8s.io, gopkg.in, …).")
    ] = True

    private: Annotated[
        Globs,
        About("Private modules", "Modules from their own repository only, as GOPRIVATE.", "GLOBS"),
    ] = ()
    gonoproxy: Annotated[
        Globs,
        About("Private modules", "More modules that no upstream is asked for, as GONOPROXY.", "GLOBS"),
    ] = Field(default_factory=lambda found: found["private"])
    gonosumdb: Annotated[
        Globs,
        About(
            "Private modules",
            "Modules outside the checksum database, as GONOSUMDB; else the private.",
            "GLOBS",
        ),
    ] = Field(default_factory=lambda found: found["private"])
    private_to_all: Annotated[
        Switch,
        About("Private modules", "Serve private modules to whoever can connect from other machines."),
    ] = False
    credentials: Annotated[
        tuple[CredentialRule, ...],
        By(parse_credentials),
        About(
            "Private modules",
            "What opens the repositories below a URL: `token_file=FILE` and others.",
            "URL=KEY=FILE,…",
            flag="--credential",
            many=True,
        ),
    ] = ()
    netrc: Annotated[
        Path | None,
        optional(parse_readable_file("a file that this user can read")),
        About("Private modules", "Names and passwords by host, as in ~/.netrc.", "FILE"),
    ] = None
    ssh_key: Annotated[
        OptionalSSHFile, About("Private modules", "Private key for repositories by SSH.", "FILE")
    ] = None
    ssh_agent: Annotated[
        Path | None,
        optional(parse_ssh_path),
        About("Private modules", "Socket of an SSH agent, as SSH_AUTH_SOCK.", "PATH"),
    ] = None
    ssh_known_hosts: Annotated[
        OptionalSSHFile,
        About("Private modules", "Keys of the SSH hosts that are believed.", "FILE"),
    ] = None

    allow_address: Annotated[
        tuple[IPNetwork, ...],
        By(parse_networks),
        About(
            "Network", "Addresses that a module's page may lead to, although not public.", "CIDR", many=True
        ),
    ] = ()
    ca_file: Annotated[
        OptionalFile, About("Network", "CA certificates (PEM) to trust, as SSL_CERT_FILE.", "FILE")
    ] = None
    https_proxy: Annotated[
        OptionalProxy, About("Network", "Proxy for outgoing https requests, as HTTPS_PROXY.", "URL")
    ] = Field(default=None, repr=False)
    http_proxy: Annotated[
        OptionalProxy, About("Network", "Proxy for outgoing http requests, as HTTP_PROXY.", "URL")
    ] = Field(default=None, repr=False)
    no_proxy: Annotated[
        str, By(str), About("Network", "Hosts that are asked without a proxy, as NO_PROXY.", "HOSTS")
    ] = ""
    connect_timeout: Annotated[
        float, By(seconds(0.1, 300)), About("Network", "How long a connection may take.", "TIME")
    ] = 5.0
    answer_timeout: Annotated[
        float,
        By(seconds(0.1, 3600)),
        About("Network", "How long a host that has connected may take to begin its answer.", "TIME"),
    ] = 60.0
    origin_wait: Annotated[
        float,
        By(seconds(0, 300)),
        About("Network", "How long the origin may take until mirrors start.", "TIME"),
    ] = 3.0
    host_rest: Annotated[
        float,
        By(seconds(0, 86400)),
        About("Network", "How long a host that did not answer is left alone.", "TIME"),
    ] = 60.0
    fetch_timeout: Annotated[
        float,
        By(seconds(1, 86400)),
        About("Network", "How long the fetch of one file may take in all.", "TIME"),
    ] = 600.0

    list_ttl: Annotated[
        float,
        By(seconds(0, 31536000)),
        About("Limits", "How long version lists, @latest and queries are fresh.", "TIME"),
    ] = 60.0
    negative_ttl: Annotated[
        float, By(seconds(0, 60)), About("Limits", "How long a no is remembered.", "TIME")
    ] = 60.0
    parallel_fetches: Annotated[
        int,
        By(whole_number(1, 10000)),
        About("Limits", "Fetches at the same time, in each worker; zips are counted apart.", "N"),
    ] = 32
    track_use: Annotated[
        Switch, About("Limits", "Remember when each version was asked for last (for prune --unused-for).")
    ] = True
    fetch_ahead: Annotated[
        int, By(whole_number(0, 1000)), About("Limits", "Files fetched before anybody asks, at a time.", "N")
    ] = 32
    git_cache_size: Annotated[
        int, By(parse_bytes), About("Limits", "Size that the kept git repositories may reach.", "SIZE")
    ] = 10 * 10**9

    log_level: Annotated[
        LogLevel,
        By(one_of("debug", "info", "warning", "error")),
        About("Log", "The least severe messages to log: debug, info, warning, error.", "LEVEL"),
    ] = "info"
    log_format: Annotated[
        LogFormat,
        By(one_of("console", "json")),
        About("Log", "Lines for people (console) or for machines (json).", "FORMAT"),
    ] = "console"
    access_log: Annotated[Switch, About("Log", "Log every request.")] = False

    @property
    def builtin_rules(self) -> tuple[rules.MirrorRule, ...]:
        """The built-in table, unless it is switched off."""
        return rules.builtin_mirrors() if self.builtin_mirrors else ()

    @property
    def opens_private_places(self) -> bool:
        """Whether this server has credentials of any kind, or a word that some modules are private."""
        return bool(self.private or self.gonoproxy or self.credential_names)

    @property
    def credential_names(self) -> tuple[str, ...]:
        """What there are credentials for or from, for a message."""
        kinds = [name for name in ("netrc", "ssh_key", "ssh_agent") if getattr(self, name) is not None]
        return (*(rule.prefix for rule in self.credentials), *kinds)

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        if (self.tls_cert is None) != (self.tls_key is None):
            one, other = ("tls_cert", "tls_key") if self.tls_cert else ("tls_key", "tls_cert")
            raise ValueError(f'{one} = "{self.tls_cert or self.tls_key}": it needs {other}; allowed are both')
        store = self.store
        if isinstance(store, StoreURL):
            if store.scheme == "memory" and self.workers > 1:
                raise ValueError(
                    'store = "memory://": each process would have its own; allowed is workers = 1'
                )
            return self
        if self.state.is_relative_to(store) or store.is_relative_to(self.state):
            raise ValueError(
                f'store = "{self.store}", state = "{self.state}": one is inside the other; allowed are two '
                "folders apart, since the store is served and the state never is"
            )
        return self


def about(name: str) -> About:
    """What the help says of a setting."""
    return next(item for item in Settings.model_fields[name].metadata if isinstance(item, About))


def flag_name(name: str) -> str:
    """The long option of a setting, `--list-ttl`."""
    return about(name).flag or "--" + name.replace("_", "-")


def default_of(name: str) -> Any:
    """The setting's fixed default, or None where it follows from other settings."""
    field = Settings.model_fields[name]
    return None if field.is_required() or field.default_factory else field.default
