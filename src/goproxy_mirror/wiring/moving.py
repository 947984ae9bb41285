"""What the commands work with that move stores: `backup`, `restore`, `import`, `export`."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from goproxy_mirror.config import Settings, StoreURL
from goproxy_mirror.config.stores import parse_store
from goproxy_mirror.errors import SettingError, disk_failures
from goproxy_mirror.mirror.archive import Readable
from goproxy_mirror.mirror.backup import Backup
from goproxy_mirror.mirror.bundle import HOME, Bundle, BundledDatabases
from goproxy_mirror.mirror.catalog import Catalog
from goproxy_mirror.mirror.chronicle import Chronicle
from goproxy_mirror.mirror.doubts import Doubts
from goproxy_mirror.mirror.exporting import Exporter
from goproxy_mirror.mirror.flights import Flights
from goproxy_mirror.mirror.importing import Importer
from goproxy_mirror.mirror.pipes import Inflow
from goproxy_mirror.mirror.policy import Policy
from goproxy_mirror.mirror.restore import Restore
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.ports import ChecksumDatabases, Witness
from goproxy_mirror.ports.moving import Lot, Outcome
from goproxy_mirror.protocol import File
from goproxy_mirror.sources.handed import HandedSource
from goproxy_mirror.sources.proven import ProvenSource
from goproxy_mirror.sources.remote import RemoteStore
from goproxy_mirror.sources.trees import Layout, LocalTree, is_folder, lots_of
from goproxy_mirror.state.files import FileAnswers, instance_id
from goproxy_mirror.state.shown import ShownTrees
from goproxy_mirror.sumdb.client import Client
from goproxy_mirror.transport import Hosts
from goproxy_mirror.verify.checker import TOOLCHAIN
from goproxy_mirror.web.services import ModuleJourney
from goproxy_mirror.wiring.modules import journey_of
from goproxy_mirror.wiring.network import outside
from goproxy_mirror.wiring.proof import TOOLCHAINS, checker_of, clients_of, databases_of
from goproxy_mirror.wiring.state import state_of
from goproxy_mirror.wiring.storage import remote_of, storage_of
from goproxy_mirror.wiring.turns import turns_of

_WAITING = ".import-"
_FORGOTTEN = 86400.0
"""Seconds after which a folder of what waits is nobody's."""

RECORDS = "sumdb"
"""The folder below the state's in which proven records and tiles are kept."""


async def backup_of(stack: AsyncExitStack, settings: Settings) -> Backup:
    """Open it until the stack is left. Raises `SettingError` where there is no store."""
    if isinstance(settings.store, Path) and not await asyncio.to_thread(settings.store.is_dir):
        raise SettingError(
            f'store = "{settings.store}": there is no such folder; allowed is the folder that `serve` publishes to '
            "(--data, --store)"
        )
    state = await stack.enter_async_context(state_of(settings))
    storage = await stack.enter_async_context(storage_of(settings, make=False))
    return Backup(storage, state.tables, settings.state / RECORDS)


async def restore_of(stack: AsyncExitStack, settings: Settings) -> Restore:
    """Open it until the stack is left; folders that are not there are made. Raises `StorageError`."""
    storage = await stack.enter_async_context(storage_of(settings))
    state = await stack.enter_async_context(state_of(settings))
    catalog = Catalog(storage, await turns_of(stack, settings))
    return Restore(storage, state.tables, settings.state / RECORDS, catalog)


@dataclass(frozen=True, slots=True)
class Import:
    """What is offered, and who takes it. `files` is how many files there are, where that is known."""

    importer: Importer
    lots: AsyncIterator[Lot | Outcome]
    files: int | None
    bundle: Bundle | None
    databases: Mapping[str, Client]

    async def run(self, done: Callable[[Outcome], None]) -> None:
        """Take everything; `done` is told of each file. Raises `StorageError`, `SourceUnavailable`."""
        if self.bundle is not None:
            await self.bundle.prove(self.databases, done)
        await self.importer.run(self.lots, done)


async def import_of(stack: AsyncExitStack, settings: Settings, source: str, layout: Layout | None) -> Import:
    """Open it until the stack is left. Raises `SettingError`, `StorageError`, `SourceUnavailable`."""
    hosts = Hosts(rest=settings.host_rest)
    transport, _, _ = outside(stack, settings, hosts)
    storage = await stack.enter_async_context(storage_of(settings))
    state = await stack.enter_async_context(state_of(settings))
    network = databases_of(settings, transport)
    databases: ChecksumDatabases = network
    bundle: Bundle | None = None
    files: int | None = None

    if _is_url(source):
        remote = RemoteStore(source, transport, instance=instance_id(settings.state))
        name, lots = remote.name, remote.lots()
    elif (url := _bucket(source)) is not None:
        from goproxy_mirror.storage.tree import BucketTree  # noqa: PLC0415 (a large library that a folder does not need)

        bucket = BucketTree(remote_of(settings, url), url.text)
        name, lots = bucket.name, lots_of(bucket, layout)
    elif (tree := await asyncio.to_thread(_tree, settings, source)) is not None:
        name, lots = tree.name, lots_of(tree, layout)
    else:
        folder = Path(stack.enter_context(_workplace(settings.state)))

        async def passed_over(file: File) -> bool:
            return not verifier.outside(file.mv.path) and await storage.find(file.key) is not None

        bundle = Bundle(_opened(stack, source), folder, passed_over)
        files = await bundle.open()
        name, lots = HOME.name, bundle.lots()
        databases = BundledDatabases(folder, network)
    clients = clients_of(settings, databases, state.heads)
    verifier = checker_of(settings, clients, state)
    hand = HandedSource(name)
    proven = ProvenSource(hand, Witness(hand.home, named=True), verifier)
    turns = await turns_of(stack, settings)
    doubts = Doubts(
        storage,
        verifier,
        state.provenance,
        settings.state / "quarantine",
        accepts=settings.verify == "prefer",
        chronicle=Chronicle(state.feed, state.ledger),
    )
    await doubts.load()
    journey = journey_of(
        settings.model_copy(update={"fetch_ahead": 0}),  # what comes next is in the lots
        storage=storage,
        policy=Policy(direct="", origin=proven, routes=[], public=proven, unlisted=""),
        verifier=verifier,
        provenance=state.provenance,
        doubts=doubts,
        flights=await stack.enter_async_context(Flights()),
        turns=turns,
        answers=FileAnswers(settings.state / "answers"),
    )
    return Import(Importer(journey, storage, hand, verifier.outside), lots, files, bundle, {**clients})


@dataclass(frozen=True, slots=True)
class Export:
    """Who makes a bundle, and the memory of what earlier ones have shown."""

    exporter: Exporter
    shown: ShownTrees
    journey: ModuleJourney


async def export_of(stack: AsyncExitStack, settings: Settings, journey: ModuleJourney) -> Export:
    """Open it until the stack is left; `journey` fetches what is not held."""
    transport, _, _ = outside(stack, settings, Hosts(rest=settings.host_rest))
    state = await stack.enter_async_context(state_of(settings))
    clients = clients_of(settings, databases_of(settings, transport), state.heads)
    verifier = checker_of(settings, clients, state)

    def database_of(path: ModulePath) -> Client | None:
        if verifier.outside(path):
            return None
        toolchain = path.value == TOOLCHAIN and not settings.gosumdb.key
        return clients.get(TOOLCHAINS if toolchain else settings.gosumdb.name)

    storage = await stack.enter_async_context(storage_of(settings, make=False))
    exporter = Exporter(journey, storage, database_of, parallel=settings.parallel_fetches)
    return Export(exporter, ShownTrees(settings.state), journey)


def _is_url(source: str) -> bool:
    return source.startswith(("http://", "https://"))


def _bucket(source: str) -> StoreURL | None:
    """The URL of a bucket, if it is one. Raises `SettingError`."""
    if "://" not in source:
        return None
    try:
        found = parse_store(source)
    except ValueError as error:
        raise SettingError(
            f'import: "{source}": {error}; or a bundle, and the https:// URL of a server with an index'
        ) from None
    return found if isinstance(found, StoreURL) else None


def _tree(settings: Settings, source: str) -> LocalTree | None:
    """A folder, if it is one."""
    if source == "-" or not is_folder(Path(source)):
        return None
    tree = LocalTree(Path(source))
    if isinstance(settings.store, Path) and tree.root.resolve() == settings.store.resolve():
        raise SettingError(f'import: "{source}" is this very store; allowed is another one')
    return tree


def _opened(stack: AsyncExitStack, source: str) -> Readable:
    """A bundle as a stream, from standard input for `-`."""
    if source == "-":
        return stack.enter_context(Inflow(sys.stdin.fileno()))
    try:
        return stack.enter_context(Path(source).open("rb"))
    except OSError as error:
        raise SettingError(
            f'import: "{source}" cannot be read ({error.strerror}); allowed are a folder, a bundle that export has written, '
            "- for one from standard input, and the URL of a server with an index"
        ) from None


@contextmanager
def _workplace(state: Path) -> Iterator[str]:
    """A folder for what waits; those that killed commands have left go first."""
    with disk_failures("make a folder for what waits"):
        state.mkdir(parents=True, exist_ok=True)
        for left in state.glob(f"{_WAITING}*"):
            if left.stat().st_mtime < time.time() - _FORGOTTEN:
                shutil.rmtree(left, ignore_errors=True)
        folder = tempfile.mkdtemp(prefix=_WAITING, dir=state)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
