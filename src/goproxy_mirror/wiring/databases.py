"""From the settings and the state to how each checksum database is doing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from goproxy_mirror.config import Settings
from goproxy_mirror.ports import DatabaseState, HostHealth
from goproxy_mirror.ports.inspection import DatabaseReport, PlaceReport
from goproxy_mirror.sources.checksums import ChecksumUpstreams
from goproxy_mirror.state.files import instance_id
from goproxy_mirror.state.opening import State
from goproxy_mirror.sumdb.client import Client
from goproxy_mirror.sumdb.note import SAME_DATABASE
from goproxy_mirror.transport import Transport, shown
from goproxy_mirror.verify.places import ask_place, size_of
from goproxy_mirror.verify.sumdb_ops import SumDBOps
from goproxy_mirror.wiring.listing import databases, host_of
from goproxy_mirror.wiring.proof import TOOLCHAINS, key_of


async def reports_of(
    settings: Settings, state: State, transport: Transport, *, timeout: float
) -> Sequence[DatabaseReport]:
    """Ask every place of every database for its newest tree, the proving database first. Raises `StorageError`."""
    health = {each.host: each for each in await state.health.load()}
    configured = databases(settings)
    names = dict.fromkeys(
        name for name in configured if SAME_DATABASE.get(name, name) == name or name == settings.gosumdb.name
    )
    async with asyncio.TaskGroup() as tasks:
        asked = [
            tasks.create_task(
                _report(settings, state, transport, name, configured[name], health, timeout=timeout)
            )
            for name in names
        ]
    reports = [task.result() for task in asked]
    known = {each.name: each for each in await state.heads.all()}
    others = [_unused(each) for name, each in known.items() if name not in names]
    return [*(_with_state(each, known.get(each.name)) for each in reports), *others]


async def place_reports(
    settings: Settings, state: State, transport: Transport, name: str, urls: Sequence[str], *, timeout: float
) -> Sequence[PlaceReport]:
    """How each place of a database answers now."""
    key = key_of(settings, name)
    instance, base = instance_id(settings.state), settings.state / "sumdb"

    async def ask(url: str) -> PlaceReport:
        # By both of its names, where it has two: the tree is one, and so is what is known of it.
        place = ChecksumUpstreams(
            {name: (url,), key.name if key else name: (url,)}, transport, instance=instance
        )
        client = None if key is None else Client(key, SumDBOps(key.name, place, state.heads, base))
        return await ask_place(name, shown(url), host_of(url), place, key, client, timeout=timeout)

    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(ask(url)) for url in urls]
    return [task.result() for task in asked]


async def _report(
    settings: Settings,
    state: State,
    transport: Transport,
    name: str,
    urls: Sequence[str],
    health: dict[str, HostHealth],
    *,
    timeout: float,
) -> DatabaseReport:
    key = key_of(settings, name)
    proves = []
    if name == settings.gosumdb.name:
        proves.append("every module")
    if name == TOOLCHAINS and not settings.gosumdb.key:
        proves.append("Go toolchains")
    found = await place_reports(settings, state, transport, name, urls, timeout=timeout)
    places = [replace(each, health=health.get(each.host or "")) for each in found]
    return DatabaseReport(
        name,
        key.hash.hex() if key is not None else "",
        " and ".join(proves),
        places,
        None,
        None,
        None,
        None,
    )


def _with_state(report: DatabaseReport, known: DatabaseState | None) -> DatabaseReport:
    if known is None:
        return report
    return replace(
        report, size=size_of(known), advanced=known.advanced, evidence=known.evidence, forked=known.forked
    )


def _unused(known: DatabaseState) -> DatabaseReport:
    """A database that the settings do not name any more."""
    return DatabaseReport(
        known.name, "", "", (), size_of(known), known.advanced, known.evidence, known.forked
    )
