"""From the settings to who vouches for modules: checksum databases, pins, and the verifier over both."""

from __future__ import annotations

from collections.abc import Mapping

from goproxy_mirror.config import Settings
from goproxy_mirror.config.tables import places_of
from goproxy_mirror.errors import SettingError
from goproxy_mirror.ports import ChecksumDatabases, Pins, TreeHeads
from goproxy_mirror.sources.checksums import ChecksumUpstreams
from goproxy_mirror.state.files import instance_id
from goproxy_mirror.state.opening import State
from goproxy_mirror.sumdb.client import Client
from goproxy_mirror.sumdb.note import KNOWN_KEYS, SAME_DATABASE, VerifierKey
from goproxy_mirror.transport import Transport
from goproxy_mirror.verify.checker import Checker
from goproxy_mirror.verify.sumdb_ops import SumDBOps

TOOLCHAINS = "sum.golang.org"
"""The database that has the records of Go's toolchains, whichever one modules are proven by."""


def check_database(settings: Settings) -> None:
    """See that the key of the proving database is one, and that it can be asked somewhere. Raises `SettingError`."""
    name = settings.gosumdb.name
    if name and not _places(settings).get(name):
        raise SettingError(
            f'gosumdb = "{settings.gosumdb}": the way to that database is closed (sumdb), so nothing could be proven; '
            "allowed is a database that can be asked, or off"
        )
    if settings.gosumdb.key:
        try:
            VerifierKey.parse(settings.gosumdb.key)
        except SettingError as error:
            raise SettingError(f'gosumdb = "{settings.gosumdb}": {error.message}') from None


def databases_of(settings: Settings, transport: Transport) -> ChecksumUpstreams:
    """Where the databases can be asked; what they answer is not verified there."""
    return ChecksumUpstreams(_places(settings), transport, instance=instance_id(settings.state))


def clients_of(settings: Settings, databases: ChecksumDatabases, heads: TreeHeads) -> Mapping[str, Client]:
    """A verifying client for each database whose key is known, by every name that it is asked by."""
    base = settings.state / "sumdb"
    clients: dict[str, Client] = {}
    for name in (*KNOWN_KEYS, settings.gosumdb.name, *SAME_DATABASE):
        key = key_of(settings, name)
        if key is None or not databases.known(key.name):
            continue
        # Two names of one database are one client: the tree is one, and so is what is known of it.
        clients[name] = clients.get(key.name) or Client(key, SumDBOps(key.name, databases, heads, base))
    return clients


def key_of(settings: Settings, name: str) -> VerifierKey | None:
    """The key by which a database is believed; None where it is not known."""
    name = SAME_DATABASE.get(name, name)
    if settings.gosumdb.key and name == settings.gosumdb.name:
        return VerifierKey.parse(settings.gosumdb.key)
    return VerifierKey.parse(KNOWN_KEYS[name]) if name in KNOWN_KEYS else None


def checker_of(
    settings: Settings, clients: Mapping[str, Client], state: State, *, pins: Pins | None = None
) -> Checker:
    """The verifier of everything that is published. `pins` stand in the place of the state's."""
    check_database(settings)
    database = clients[settings.gosumdb.name] if settings.gosumdb.name else None
    # A database of one's own may have toolchains too, as GOSUMDB with a key has it for the go command.
    toolchains = database if settings.gosumdb.key else clients.get(TOOLCHAINS)
    return Checker(
        database=database,
        toolchains=toolchains,
        outside=",".join((*settings.private, *settings.gonosumdb)),
        pins=pins or state.pins,
        lies=state.lies,
        lenient=settings.verify == "prefer",
    )


def _places(settings: Settings) -> Mapping[str, tuple[str, ...]]:
    return places_of(settings.gosumdb, settings.sumdb, settings.upstream)
