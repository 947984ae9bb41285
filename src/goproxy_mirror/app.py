"""The composition root: the only place that names concrete classes.

`serve` runs worker processes, `open_services` is what each of them opens, `embedded` serves inside the running loop.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from goproxy_mirror import __version__
from goproxy_mirror.config import Settings, Upstreams, check_exposure, check_folders, check_ssh
from goproxy_mirror.config.rules import MirrorRule, builtin_mirrors
from goproxy_mirror.config.tables import with_default_sumdb
from goproxy_mirror.config.upstreams import DEFAULT_UPSTREAM, parse_upstreams, same_syntax
from goproxy_mirror.errors import NeedsTool, SettingError, StorageError, disk_failures
from goproxy_mirror.mirror.catalog import Catalog
from goproxy_mirror.mirror.checksums import ChecksumService
from goproxy_mirror.mirror.flights import Flights
from goproxy_mirror.mirror.freshness import Absences, Freshness, RecentAnswers
from goproxy_mirror.mirror.policy import Policy, Route
from goproxy_mirror.mirror.service import MirrorService
from goproxy_mirror.observe import start_log
from goproxy_mirror.ports import Credentials
from goproxy_mirror.process import Runner
from goproxy_mirror.sources.chain import Chain, Ending, Step
from goproxy_mirror.sources.checksums import ChecksumUpstreams
from goproxy_mirror.sources.directory import DirectorySource
from goproxy_mirror.sources.mirrors import ModuleHomes
from goproxy_mirror.sources.rules import MirrorRule as Rule
from goproxy_mirror.sources.rules import MirrorRules, Rewrite
from goproxy_mirror.sources.upstream import UpstreamSource
from goproxy_mirror.state.files import FileAnswers, FileTurns, Journal, instance_id
from goproxy_mirror.storage.local import LocalStorage
from goproxy_mirror.transport import AddressPolicy, Hosts, Proxies, Transport, Trust
from goproxy_mirror.vcs.discovery import Discovery
from goproxy_mirror.vcs.fallback import FallbackRepositories
from goproxy_mirror.vcs.git import GitRepositories
from goproxy_mirror.vcs.gitcmd import check_git
from goproxy_mirror.web.listening import TLSFiles
from goproxy_mirror.web.routes import Site
from goproxy_mirror.web.rsgi import App
from goproxy_mirror.web.server import ServerOptions
from goproxy_mirror.web.server import embedded as embedded_server
from goproxy_mirror.web.server import serve as serve_workers
from goproxy_mirror.web.services import Services
from goproxy_mirror.wiring.credentials import buys_tokens, check_credentials, keyring

log = structlog.get_logger(__name__)

_HOUSEKEEPING = 600.0
"""Seconds between two looks at the git repositories."""

Around = Callable[[Services], Services]


@dataclass(frozen=True, slots=True)
class Workshop:
    """Repositories that the operator names, and the means to start another program beside them."""

    repositories: GitRepositories
    transport: Transport
    runner: Runner


def serve(settings: Settings, *, announce: Callable[[str], None] | None = None) -> int:
    """Check everything that can be checked beforehand, then serve until a signal ends it; the exit status.

    `announce` is called with the URL once requests are answered. Raises `SettingError` before the port is opened.
    """
    check_exposure(settings)
    check_ssh(settings)
    settings = prepare(settings)
    options = ServerOptions(
        host=settings.listen.host,
        port=settings.listen.port,
        unix_socket=settings.socket,
        unix_socket_mode=settings.socket_mode,
        workers=settings.workers,
        tls=TLSFiles(settings.tls_cert, settings.tls_key) if settings.tls_cert and settings.tls_key else None,
        drain=settings.shutdown_timeout,
    )
    return serve_workers(options, partial(make_app, settings), announce=announce)


def prepare(settings: Settings) -> Settings:
    """The settings without upstreams that are this very server, after a look at folders, certificates, secrets and git.

    Raises `SettingError`.
    """
    start_log(settings.log_level, settings.log_format)
    check_folders(settings)
    Trust([settings.ca_file] if settings.ca_file else [])
    for warning in check_credentials(settings):
        log.warning("a secret is open", setting=warning)
    try:
        asyncio.run(check_git(_runner(settings)))
        instance_id(settings.state)  # made once, before several processes would
    except NeedsTool as error:
        raise SettingError(error.message) from error
    except OSError as error:
        raise SettingError(
            f'state = "{settings.state}": the folder cannot be written to ({error.strerror}); allowed is a folder with '
            "room, in which this user may make files (--data, --state)"
        ) from None
    try:
        LocalStorage(settings.store).open()
    except StorageError as error:
        raise SettingError(f'store = "{settings.store}": {error.message}') from error
    return _without_self(settings)


def make_app(settings: Settings, around: Around = lambda services: services) -> App:
    """One worker's application; called in the worker's process. `around` may listen to what the services are asked."""
    start_log(settings.log_level, settings.log_format)
    site = Site(
        instance=instance_id(settings.state), prefix=settings.path_prefix, public_url=settings.public_url
    )

    @asynccontextmanager
    async def opened() -> AsyncIterator[Services]:
        async with open_services(settings) as services:
            yield around(services)

    return App(opened, site, log_requests=settings.access_log)


def embedded(settings: Settings, *, around: Around) -> AbstractAsyncContextManager[str]:
    """Serve in the running event loop, on a free port of the loopback; the value is the URL for GOPROXY."""
    return embedded_server(make_app(settings, around))


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Everything that one process answers with, wired; closed when the context is left."""
    async with AsyncExitStack() as stack:
        hosts = Hosts(rest=settings.host_rest)
        transport, repositories, credentials = _outside(stack, settings, hosts)
        storage = LocalStorage(settings.store)
        with suppress(StorageError):  # what is held can be served all the same
            await asyncio.to_thread(storage.open)  # again, since a worker may take the place of a killed one
        turns = FileTurns(settings.state / "turns", wait=settings.fetch_timeout)
        fallbacks = FallbackRepositories(
            settings.state / "go", _runner(settings), transport, timeout=settings.fetch_timeout
        )
        stack.push_async_callback(fallbacks.aclose)
        policy = _policy(settings, transport, hosts, repositories, fallbacks, credentials)
        flights = await stack.enter_async_context(Flights())
        freshness = Freshness(settings.list_ttl)
        modules = MirrorService(
            storage=storage,
            policy=policy,
            catalog=Catalog(storage, turns),
            flights=flights,
            turns=turns,
            answers=RecentAnswers(FileAnswers(settings.state / "answers"), freshness),
            freshness=freshness,
            absences=Absences(settings.negative_ttl),
            provenance=Journal(settings.state / "provenance.jsonl"),
            fetch_timeout=settings.fetch_timeout,
            parallel=settings.parallel_fetches,
        )
        databases = ChecksumUpstreams(settings.sumdb, transport, instance=instance_id(settings.state))
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        stack.callback(tasks.create_task(_keep_house(repositories, settings.git_cache_size)).cancel)
        yield Services(modules, ChecksumService(databases, policy), partial(_ready, storage))


@asynccontextmanager
async def open_workshop(settings: Settings) -> AsyncIterator[Workshop]:
    """What `build` works with; closed when the context is left. Raises `SettingError` and `NeedsTool`."""
    start_log(settings.log_level, settings.log_format)
    settings.state.mkdir(parents=True, exist_ok=True)
    runner = _runner(settings)
    await check_git(runner)
    async with AsyncExitStack() as stack:
        transport, repositories, _ = _outside(stack, settings, Hosts())
        yield Workshop(repositories, transport, runner)


def _outside(
    stack: AsyncExitStack, settings: Settings, hosts: Hosts
) -> tuple[Transport, GitRepositories, Credentials]:
    """The ways out of this process, and what opens private places on them."""
    seller: Transport | None = None
    if buys_tokens(settings):
        seller = _transport(settings, Hosts())
        stack.push_async_callback(seller.aclose)
    credentials = keyring(settings, seller.post if seller else None)
    transport = _transport(settings, hosts, credentials)
    stack.push_async_callback(transport.aclose)
    repositories = GitRepositories(
        settings.state / "git",
        _runner(settings),
        transport,
        fetch_timeout=settings.fetch_timeout,
        credentials=credentials,
    )
    return transport, repositories, credentials


def _transport(settings: Settings, hosts: Hosts, credentials: Credentials | None = None) -> Transport:
    return Transport(
        policy=AddressPolicy(allow=map(str, settings.allow_address)),
        user_agent=f"goproxy-mirror/{__version__}",
        proxies=Proxies(
            https=settings.https_proxy or "", http=settings.http_proxy or "", no_proxy=settings.no_proxy
        ),
        ca_files=[settings.ca_file] if settings.ca_file else [],
        hosts=hosts,
        connect_timeout=settings.connect_timeout,
        answer_timeout=settings.answer_timeout,
        credentials=credentials,
    )


def _policy(
    settings: Settings,
    transport: Transport,
    hosts: Hosts,
    repositories: GitRepositories,
    fallbacks: FallbackRepositories,
    credentials: Credentials,
) -> Policy:
    instance = instance_id(settings.state)
    private = ",".join((*settings.private, *settings.gonoproxy))
    rules = MirrorRules(
        own=_rules(settings.mirrors),
        builtin=_rules(builtin_mirrors() if settings.builtin_mirrors else ()),
        rewrites=[Rewrite(rewrite.left, rewrite.rights) for rewrite in settings.rewrites],
        private=private,
    )

    async def connect(url: str) -> None:
        # ssh gives up by itself where a host does not connect.
        if credentials.by_ssh(url) is None:
            await transport.connectable(url)

    async def is_back(url: str, led: bool) -> bool:
        return credentials.by_ssh(url) is not None or await transport.is_back(url, led=led)

    homes = ModuleHomes(
        finder=Discovery(transport, private=private),
        repositories=repositories,
        rules=rules,
        reach=hosts,
        order=settings.order,
        connect=connect,
        is_back=is_back,
        proxy=lambda url, opens: UpstreamSource(
            url, transport, instance=instance, led=True, credentials=opens
        ),
        fallback=fallbacks.open,
        origin_wait=settings.origin_wait,
    )

    def chain(upstreams: Upstreams) -> Chain:
        steps = []
        ending = Ending()
        for step in upstreams:
            if step.kind == "url":
                source = UpstreamSource(step.url, transport, instance=instance)
                steps.append(Step(source, source.host, step.fall_through_on_any, source.is_back))
            elif step.kind == "file" and step.path is not None:
                steps.append(Step(DirectorySource(step.path), None, step.fall_through_on_any))
            else:
                ending = Ending(direct=step.kind == "direct", off=step.kind == "off")
        return Chain(steps, ending, homes, hosts)

    return Policy(
        direct=private,
        origin=homes,
        routes=[Route(glob, chain(upstreams)) for glob, upstreams in settings.upstreams.items()],
        public=chain(settings.upstream),
        unlisted=",".join((*settings.private, *settings.gonosumdb)),
    )


def _rules(rules: Sequence[MirrorRule]) -> tuple[Rule, ...]:
    return tuple(Rule(rule.pattern, rule.candidates) for rule in rules)


async def _keep_house(repositories: GitRepositories, git_cache_size: int) -> None:
    """Remove the git repositories that were not used for longest, as often as one may have grown."""
    while True:
        await asyncio.sleep(_HOUSEKEEPING)
        try:
            await repositories.prune(git_cache_size)
        except OSError as error:
            log.warning("git repositories not pruned", reason=error.strerror)


async def _ready(storage: LocalStorage) -> None:
    """Whether a file could be published now; raises `StorageError`."""
    async with storage.stage() as staged:
        with disk_failures("write to the store"):
            await asyncio.to_thread(staged.write_bytes, b"ready")


def _runner(settings: Settings) -> Runner:
    proxies = {
        "https_proxy": settings.https_proxy,
        "http_proxy": settings.http_proxy,
        "no_proxy": settings.no_proxy,
    }
    return Runner(
        settings.state / "programs",
        proxy_env={name: value for name, value in proxies.items() if value},
        ca_file=_certificates(settings),
    )


def _certificates(settings: Settings) -> Path | None:
    """One bundle of the usual CA certificates and those of `ca_file`: git takes a single file instead of the usual ones."""
    if settings.ca_file is None:
        return None
    usual = ssl.get_default_verify_paths().cafile
    parts = [settings.ca_file.read_bytes()]
    if usual is not None and not Path(usual).samefile(settings.ca_file):
        parts.append(Path(usual).read_bytes())
    bundle = settings.state / "certificates.pem"
    body = b"\n".join(parts)
    if not bundle.is_file() or bundle.read_bytes() != body:
        fresh = bundle.with_suffix(".new")
        fresh.write_bytes(body)
        fresh.replace(bundle)
    return bundle


def _without_self(settings: Settings) -> Settings:
    """Drop upstreams that lead to the address this server will listen on, with a warning."""

    def kept(upstreams: Upstreams) -> Upstreams:
        others = tuple(step for step in upstreams if step.kind != "url" or not _is_self(settings, step.url))
        if others == upstreams:
            return upstreams
        # Who told the go command to ask this proxy (`go env -w GOPROXY=…`) did not mean that it should ask itself, nor
        # that it should ask nobody.
        if not any(step.kind in {"url", "file", "off"} for step in others):
            others = parse_upstreams(DEFAULT_UPSTREAM)
        log.warning(
            "an upstream is this very server and was dropped",
            given=same_syntax(upstreams),
            used=same_syntax(others),
            listen=str(settings.listen),
        )
        return others

    upstreams: Mapping[str, Upstreams] = {glob: kept(steps) for glob, steps in settings.upstreams.items()}
    upstream = kept(settings.upstream)
    # Where nobody named the places of a checksum database, they follow from the upstreams.
    followed, follow = (with_default_sumdb({}, steps) for steps in (settings.upstream, upstream))
    sumdb = {
        name: follow[name]
        if urls == followed.get(name)
        else tuple(url for url in urls if not _is_self(settings, url))
        for name, urls in settings.sumdb.items()
    }
    return settings.model_copy(update={"upstream": upstream, "upstreams": upstreams, "sumdb": sumdb})


def _is_self(settings: Settings, url: str) -> bool:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if settings.socket is not None or port != settings.listen.port or not parts.hostname:
        return False
    try:
        addresses = {
            str(info[4][0]) for info in socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
        }
    except OSError:
        return False
    listening = settings.listen.host.strip("[]")
    everywhere = listening in {"", "0.0.0.0", "::"}  # noqa: S104 (compared)
    return any(
        _is_local(address) and (everywhere or address == listening or settings.listen.loopback)
        for address in addresses
    )


def _is_local(address: str) -> bool:
    """Whether the address is one of this machine's: only those can be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True
