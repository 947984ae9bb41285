"""From the settings to the vulnerability database that is served."""

from __future__ import annotations

from hashlib import sha256

from goproxy_mirror.config import Settings
from goproxy_mirror.mirror.flights import Flights
from goproxy_mirror.mirror.freshness import Absences
from goproxy_mirror.mirror.vulndb import VulnService
from goproxy_mirror.ports import Answers, Turns
from goproxy_mirror.sources.vulndb import VulnDatabaseSites
from goproxy_mirror.transport import Transport


def vulnerabilities_of(
    settings: Settings,
    transport: Transport,
    *,
    instance: str,
    answers: Answers,
    turns: Turns,
    flights: Flights,
) -> VulnService | None:
    """The journey of `/vulndb/`; None where the setting is `off`."""
    if not settings.vulndb:
        return None
    return VulnService(
        VulnDatabaseSites(settings.vulndb, transport, instance=instance),
        # What was kept of another database must not be taken for this one's.
        name=sha256("\n".join(sorted(settings.vulndb)).encode()).hexdigest()[:12],
        answers=answers,
        turns=turns,
        flights=flights,
        absences=Absences(settings.negative_ttl),
        fetch_timeout=settings.fetch_timeout,
    )
