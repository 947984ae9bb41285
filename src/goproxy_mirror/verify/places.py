"""How one place of a checksum database answers, and whether what it shows is the history that we know."""

from __future__ import annotations

import asyncio
import time

from goproxy_mirror.errors import MirrorError, SecurityError
from goproxy_mirror.ports import ChecksumDatabases, DatabaseState
from goproxy_mirror.ports.inspection import PlaceReport
from goproxy_mirror.sumdb.client import Client
from goproxy_mirror.sumdb.note import Malformed, VerifierKey, open_note
from goproxy_mirror.sumdb.tlog import Tree


async def ask_place(
    name: str,
    url: str,
    host: str | None,
    place: ChecksumDatabases,
    key: VerifierKey | None,
    client: Client | None,
    *,
    timeout: float,
) -> PlaceReport:
    """Ask for the newest tree. `place` is that place alone, and `client` asks nowhere else; without a key nothing is verified."""
    began = time.monotonic()
    seconds: float | None = None
    size: int | None = None
    try:
        async with asyncio.timeout(timeout):
            found = await place.get(name, "latest")
            seconds = time.monotonic() - began
            if key is None or client is None:
                return PlaceReport(
                    url, host, seconds, None, None, "its key is not known here, so it is passed on as it is"
                )
            size = Tree.parse(open_note(found.value, [key])).size
            await client.look()
    except Malformed as error:
        return PlaceReport(url, host, seconds, size, False, f"it answered with what is no tree: {error}")
    except SecurityError as error:
        return PlaceReport(url, host, seconds, size, False, _line(str(error)))
    except MirrorError as error:
        return PlaceReport(url, host, seconds, size, None, _line(error.message))
    except TimeoutError:
        return PlaceReport(url, host, seconds, size, None, f"it did not answer within {timeout:g} s")
    return PlaceReport(url, host, seconds, size, agrees=True)


def size_of(known: DatabaseState | None) -> int | None:
    """The number of records in a head that was kept, as it says itself."""
    if known is None or not known.note:
        return None
    try:
        return Tree.parse(known.note.partition(b"\n\n")[0] + b"\n").size
    except Malformed:
        return None


def _line(text: str) -> str:
    return " ".join(text.split())
