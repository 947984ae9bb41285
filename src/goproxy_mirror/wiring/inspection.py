"""What the commands work with that look at a store and its sources from outside: `verify`, `sumdb`, `mirrors`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from goproxy_mirror.config import Settings
from goproxy_mirror.errors import SettingError, StorageError, Unproven
from goproxy_mirror.mirror.catalog import Catalog
from goproxy_mirror.mirror.chronicle import Chronicle
from goproxy_mirror.mirror.doubts import Doubts
from goproxy_mirror.mirror.scrub import Scrub
from goproxy_mirror.module.version import ModuleVersion
from goproxy_mirror.ports import FileCounts, FileKind, Home, HostHealth, Lie, Pin, Pins
from goproxy_mirror.ports.inspection import DatabaseReport, Listing
from goproxy_mirror.sources.reading import read_info
from goproxy_mirror.state.opening import State
from goproxy_mirror.state.statefile import NAME
from goproxy_mirror.state.unfinished import Unfinished
from goproxy_mirror.transport import Hosts, Transport
from goproxy_mirror.wiring.databases import reports_of
from goproxy_mirror.wiring.listing import listed_rules
from goproxy_mirror.wiring.network import outside
from goproxy_mirror.wiring.proof import checker_of, clients_of, databases_of
from goproxy_mirror.wiring.state import state_of
from goproxy_mirror.wiring.storage import storage_of
from goproxy_mirror.wiring.trials import Bench, nothing_named
from goproxy_mirror.wiring.turns import turns_of

_LIES_FOR = 30 * 86400.0
"""Seconds for which a lie is shown."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """An opened store and state, and the ways out. `bench` tries places, `unfinished` knows the runs of `scrub` that were
    interrupted."""

    settings: Settings
    scrub: Scrub
    unfinished: Unfinished
    bench: Bench
    _state: State
    _transport: Transport

    async def databases(self, *, timeout: float) -> Sequence[DatabaseReport]:
        """Ask each checksum database at each of its places, `timeout` seconds for all. Raises `StorageError`."""
        return await reports_of(self.settings, self._state, self._transport, timeout=timeout)

    async def counts(self) -> FileCounts:
        """How many published files are proven. Raises `StorageError`."""
        return await self._state.provenance.counts()

    async def evidence(self, name: str) -> bytes | None:
        """What shows that a checksum database has signed two histories. Raises `StorageError`."""
        return await self._state.heads.fork(name)

    async def forget_fork(self, name: str, *, and_tree: bool) -> None:
        """Remove that evidence; with `and_tree` our newest tree too. Raises `StorageError`."""
        await self._state.heads.forget_fork(name, and_tree=and_tree)

    async def keep_health(self) -> None:
        """Remember how the hosts have answered. Raises `StorageError`."""
        await self._state.health.save(self._transport.hosts.snapshot())


class _KnownPins:
    """`ports.Pins` for a trial, which pins nothing: who is tried first has no right to be believed for ever."""

    def __init__(self, pins: Pins) -> None:
        self._pins = pins

    async def pin(self, mv: ModuleVersion, kind: FileKind, hash_: str, home: Home) -> Pin:
        held = await self.get(mv, kind)
        if held is None:
            raise Unproven(
                f"{mv}{kind.value}: {home.name} has it, but no checksum database is asked about this module, and its hash is not "
                "known here yet",
                source=home.name,
            )
        return held

    async def get(self, mv: ModuleVersion, kind: FileKind) -> Pin | None:
        return await self._pins.get(mv, kind)


async def inspection_of(stack: AsyncExitStack, settings: Settings, *, of_store: bool) -> Inspection:
    """Open it until the stack is left. `of_store`: a store that is not there is no empty one. Raises `SettingError`."""
    check_there(settings, of_store=of_store)
    hosts = Hosts(rest=settings.host_rest)
    transport, repositories, _ = outside(stack, settings, hosts)
    state = await stack.enter_async_context(state_of(settings))
    with suppress(StorageError):  # whoever needs the state says so
        hosts.restore(await state.health.load())
    clients = clients_of(settings, databases_of(settings, transport), state.heads)
    verifier = checker_of(settings, clients, state)
    storage = await stack.enter_async_context(storage_of(settings, make=False))
    doubts = Doubts(
        storage,
        verifier,
        state.provenance,
        settings.state / "quarantine",
        chronicle=Chronicle(state.feed, state.ledger),
    )
    turns = await turns_of(stack, settings)
    scrub = Scrub(
        storage=storage,
        verifier=verifier,
        records=state.provenance,
        catalog=Catalog(storage, turns),
        doubts=doubts,
        read_info=read_info,
    )
    trying = checker_of(settings, clients, state, pins=_KnownPins(state.pins))
    bench = Bench(settings, storage, state, transport, repositories, trying)
    return Inspection(settings, scrub, Unfinished(settings.state), bench, state, transport)


def check_there(settings: Settings, *, of_store: bool = True) -> None:
    """Make the state folder; with `of_store` refuse a store that is not there. Raises `SettingError`."""
    if of_store and isinstance(settings.store, Path) and not _is_there(settings.store):
        raise SettingError(
            f'store = "{settings.store}": there is no such folder; allowed is the folder that `serve` publishes to '
            "(--data, --store)"
        )
    try:
        settings.state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(
            f'state = "{settings.state}": the folder cannot be made ({error.strerror}); allowed is a folder in which this '
            "user may make files (--data, --state)"
        ) from None


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return False
    return True


async def listing_of(settings: Settings, wanted: str = "") -> Listing:
    """Every rule that is in force, and what was learnt of the hosts. Nothing is asked of anybody, and nothing is made.

    Raises `SettingError` where `wanted` names no rule.
    """
    health: Sequence[HostHealth] = ()
    lies: Sequence[Lie] = ()
    unknown = ""
    if settings.database or _is_there(settings.state / NAME):
        async with state_of(settings) as state:
            try:
                health = await state.health.load()
                lies = await state.lies.since(time.time() - _LIES_FOR)
            except StorageError as error:
                unknown = error.message
    hosts = Hosts(rest=settings.host_rest)
    hosts.restore(health)
    rules = tuple(listed_rules(settings, hosts, wanted))
    if not rules:
        raise nothing_named([wanted])
    named = {place.host for rule in rules for place in rule.places}
    shown = [each for each in health if not wanted or each.host in named]
    return Listing(rules, shown, tuple(reversed(lies)), unknown)
