"""The composition root: the only place that names concrete classes.

`serve` runs worker processes, `open_services` is what each of them opens, `embedded` serves inside the running loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal

import structlog

from goproxy_mirror.config import Settings, check_exposure, check_folders, check_ssh
from goproxy_mirror.errors import NeedsTool, SettingError
from goproxy_mirror.mirror.backup import Backup
from goproxy_mirror.mirror.checksums import ChecksumService
from goproxy_mirror.mirror.chronicle import Chronicle
from goproxy_mirror.mirror.doubts import Doubts
from goproxy_mirror.mirror.flights import Flights
from goproxy_mirror.mirror.restore import Restore
from goproxy_mirror.mirror.together import first_of
from goproxy_mirror.mirror.uses import Uses
from goproxy_mirror.observe import start_log
from goproxy_mirror.ports.inspection import Listing
from goproxy_mirror.process import Runner
from goproxy_mirror.state.files import FileAnswers, instance_id
from goproxy_mirror.state.opening import import_ahead
from goproxy_mirror.state.statefile import check_state
from goproxy_mirror.transport import Hosts, Transport, Trust
from goproxy_mirror.vcs.fallback import FallbackRepositories
from goproxy_mirror.vcs.git import GitRepositories
from goproxy_mirror.vcs.gitcmd import check_git
from goproxy_mirror.web.listening import TLSFiles
from goproxy_mirror.web.routes import Site
from goproxy_mirror.web.rsgi import App
from goproxy_mirror.web.server import FORKED, ServerOptions
from goproxy_mirror.web.server import embedded as embedded_server
from goproxy_mirror.web.server import serve as serve_workers
from goproxy_mirror.web.services import Services
from goproxy_mirror.wiring.credentials import check_credentials
from goproxy_mirror.wiring.front import front_of
from goproxy_mirror.wiring.inspection import Inspection, inspection_of, listing_of
from goproxy_mirror.wiring.keeping import Keeping, keeping_of
from goproxy_mirror.wiring.modules import feed_of, journey_of
from goproxy_mirror.wiring.moving import Export, Import, backup_of, export_of, import_of, restore_of
from goproxy_mirror.wiring.network import outside, runner_of
from goproxy_mirror.wiring.oneself import without_self
from goproxy_mirror.wiring.proof import check_database, checker_of, clients_of, databases_of
from goproxy_mirror.wiring.sources import policy_of
from goproxy_mirror.wiring.state import state_of
from goproxy_mirror.wiring.storage import check_store, storage_of
from goproxy_mirror.wiring.turns import turns_of
from goproxy_mirror.wiring.upkeep import Upkeep
from goproxy_mirror.wiring.vulndb import vulnerabilities_of

log = structlog.get_logger(__name__)

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
    if not settings.gosumdb.name:
        log.warning(
            "modules are not proven: the checksum database is off",
            setting="gosumdb",
            instead="each has to stay what it was when it was first seen",
        )
    options = ServerOptions(
        host=settings.listen.host,
        port=settings.listen.port,
        unix_socket=settings.socket,
        unix_socket_mode=settings.socket_mode,
        workers=settings.workers,
        tls=TLSFiles(settings.tls_cert, settings.tls_key) if settings.tls_cert and settings.tls_key else None,
        drain=settings.shutdown_timeout,
        front=front_of(settings),
    )
    if settings.workers > 1 and FORKED:
        import_ahead(settings.database)
    return serve_workers(options, partial(make_app, settings), announce=announce)


def prepare(settings: Settings) -> Settings:
    """The settings without upstreams that are this very server, after a look at folders, certificates, secrets and git.

    Raises `SettingError`.
    """
    start_log(settings.log_level, settings.log_format)
    check_folders(settings)
    check_state(settings.state, settings.database)
    check_database(settings)
    Trust([settings.ca_file] if settings.ca_file else [])
    for warning in check_credentials(settings):
        log.warning("a secret is open", setting=warning)
    try:
        asyncio.run(check_git(runner_of(settings)))
        instance_id(settings.state)  # made once, before several processes would
    except NeedsTool as error:
        raise SettingError(error.message) from error
    except OSError as error:
        raise SettingError(
            f'state = "{settings.state}": the folder cannot be written to ({error.strerror}); allowed is a folder with '
            "room, in which this user may make files (--data, --state)"
        ) from None
    check_store(settings)
    return without_self(settings)


def make_app(settings: Settings, around: Around = lambda services: services) -> App:
    """One worker's application; called in the worker's process. `around` may listen to what the services are asked."""
    start_log(settings.log_level, settings.log_format)
    site = Site(
        instance=instance_id(settings.state),
        prefix=settings.path_prefix,
        public_url=settings.public_url,
        https=settings.tls_cert is not None,
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
        transport, repositories, credentials = outside(stack, settings, hosts)
        storage = await stack.enter_async_context(storage_of(settings))
        turns = await turns_of(stack, settings)
        fallbacks = FallbackRepositories(
            settings.state / "go", runner_of(settings), transport, timeout=settings.fetch_timeout
        )
        stack.push_async_callback(fallbacks.aclose)
        state = await stack.enter_async_context(state_of(settings))
        databases = databases_of(settings, transport)
        clients = clients_of(settings, databases, state.heads)
        verifier = checker_of(settings, clients, state)
        policy = policy_of(settings, transport, hosts, repositories, fallbacks, credentials, verifier)
        flights = await stack.enter_async_context(Flights())
        answers = FileAnswers(settings.state / "answers")
        chronicle = Chronicle(state.feed, state.ledger)
        doubts = Doubts(
            storage,
            verifier,
            state.provenance,
            settings.state / "quarantine",
            accepts=settings.verify == "prefer",
            chronicle=chronicle,
        )
        modules = journey_of(
            settings,
            storage=storage,
            policy=policy,
            verifier=verifier,
            provenance=state.provenance,
            doubts=doubts,
            flights=flights,
            turns=turns,
            answers=answers,
        )
        instance = instance_id(settings.state)
        vulnerabilities = vulnerabilities_of(
            settings, transport, instance=instance, answers=answers, turns=turns, flights=flights
        )
        feed = feed_of(settings, state.feed, storage)
        uses = Uses(state.uses, complete=settings.track_use and settings.front == "off")
        upkeep = Upkeep(
            state,
            hosts,
            verifier,
            doubts,
            repositories,
            answers,
            feed,
            uses,
            modules.ahead,
            chronicle,
            settings.git_cache_size,
        )
        stack.push_async_callback(upkeep.last)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        stack.callback(tasks.create_task(upkeep.run()).cancel)
        yield Services(
            modules,
            ChecksumService(databases, policy, clients),
            storage.ready,
            vulnerabilities,
            feed,
            uses.touch if settings.track_use else None,
            state.answers,
        )


@asynccontextmanager
async def open_workshop(settings: Settings) -> AsyncIterator[Workshop]:
    """What `build` works with; closed when the context is left. Raises `SettingError` and `NeedsTool`."""
    start_log(settings.log_level, settings.log_format)
    settings.state.mkdir(parents=True, exist_ok=True)
    runner = runner_of(settings)
    await check_git(runner)
    async with AsyncExitStack() as stack:
        transport, repositories, _ = outside(stack, settings, Hosts())
        yield Workshop(repositories, transport, runner)


@asynccontextmanager
async def open_inspection(settings: Settings, *, of_store: bool = False) -> AsyncIterator[Inspection]:
    """What `verify`, `sumdb` and `mirrors test` work with; closed when the context is left.

    Raises `SettingError`; with `of_store` also where the store is not there.
    """
    start_log(settings.log_level, settings.log_format)
    check_state(settings.state, settings.database)
    check_database(settings)
    check_credentials(settings)
    async with AsyncExitStack() as stack:
        yield await inspection_of(stack, settings, of_store=of_store)


@asynccontextmanager
async def open_backup(settings: Settings) -> AsyncIterator[Backup]:
    """What `backup` works with. Raises `SettingError`."""
    start_log(settings.log_level, settings.log_format)
    check_state(settings.state)
    async with AsyncExitStack() as stack:
        yield await backup_of(stack, settings)


@asynccontextmanager
async def open_restore(settings: Settings) -> AsyncIterator[Restore]:
    """What `restore` works with. Raises `SettingError` and `StorageError`."""
    start_log(settings.log_level, settings.log_format)
    check_folders(settings)
    check_state(settings.state)
    async with AsyncExitStack() as stack:
        yield await restore_of(stack, settings)


@asynccontextmanager
async def open_keeping(settings: Settings) -> AsyncIterator[Keeping]:
    """What `prune` and `reindex` work with; closed when the context is left. Raises `SettingError`."""
    start_log(settings.log_level, settings.log_format)
    check_state(settings.state, settings.database)
    async with AsyncExitStack() as stack:
        yield await keeping_of(stack, settings)


@asynccontextmanager
async def open_import(
    settings: Settings, source: str, layout: Literal["goproxy", "athens"] | None
) -> AsyncIterator[Import]:
    """What `import` works with. Raises `SettingError`, `StorageError`, and `SourceUnavailable` for a bundle that is none."""
    try:
        async with AsyncExitStack() as stack:
            yield await import_of(stack, settings, source, layout)
    except BaseExceptionGroup as group:  # the tasks behind it make one of whatever is raised before them
        raise first_of(group) from None


@asynccontextmanager
async def open_export(settings: Settings) -> AsyncIterator[Export]:
    """What `export` works with. Raises `SettingError` and `StorageError`."""
    try:
        async with open_services(settings) as services, AsyncExitStack() as stack:
            yield await export_of(stack, settings, services.modules)
    except BaseExceptionGroup as group:
        raise first_of(group) from None


async def list_places(settings: Settings, wanted: str = "") -> Listing:
    """The rules about where things come from, and what is known of the hosts; all, or those that `wanted` names.

    Nobody is asked. Raises `SettingError`.
    """
    start_log(settings.log_level, settings.log_format)
    return await listing_of(settings, wanted)
