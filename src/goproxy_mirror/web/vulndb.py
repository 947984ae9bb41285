"""The Go vulnerability database by way of this server: `govulncheck -db https://this-server/vulndb`.

The protocol (https://go.dev/security/vuln/database) knows no headers: govulncheck looks with HEAD whether there is an index,
then gets gzipped files as such, which must not be called an encoding of others.
"""

from __future__ import annotations

from goproxy_mirror import observe
from goproxy_mirror.errors import NotFound
from goproxy_mirror.web.incoming import Incoming, hops
from goproxy_mirror.web.responses import Response, text_response
from goproxy_mirror.web.services import VulnJourney

PREFIX = "/vulndb/"


class Vulnerabilities:
    """Requests below `/vulndb/`. `instance` is our own name in the hop header."""

    def __init__(self, vulnerabilities: VulnJourney | None, instance: str) -> None:
        self._vulnerabilities = vulnerabilities
        self._instance = instance

    async def __call__(self, incoming: Incoming) -> Response:
        """Answer one request; raises what the journey raises."""
        if self._vulnerabilities is None:
            raise NotFound("this server serves no vulnerability database (vulndb = off)")
        passed = hops(incoming.headers, self._instance)
        if passed:
            observe.hops.set(passed)
        return text_response(await self._vulnerabilities.answer(incoming.path.removeprefix(PREFIX)), incoming)
