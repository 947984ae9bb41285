"""The only HTTP client: deadlines, caps, hops, vetted addresses, and failures said in our own words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from pyreqwest.client import Client
from pyreqwest.exceptions import DetailedPyreqwestError
from pyreqwest.response import Response

from goproxy_mirror import observe
from goproxy_mirror.errors import (
    Blocked,
    SourceTimeout,
    SourceUnavailable,
    Unreachable,
    disk_failures,
)
from goproxy_mirror.ports import Credential, Credentials
from goproxy_mirror.transport import answers
from goproxy_mirror.transport.addresses import AddressPolicy
from goproxy_mirror.transport.answers import Reply, Saved
from goproxy_mirror.transport.cancelling import Heeding
from goproxy_mirror.transport.clients import Clients
from goproxy_mirror.transport.connect import (
    Connector,
    Resolver,
    SystemResolver,
    VettedAddress,
    followed,
    target_of,
)
from goproxy_mirror.transport.failures import broke_before_answer, translated
from goproxy_mirror.transport.gate import Gate
from goproxy_mirror.transport.hosts import Hosts
from goproxy_mirror.transport.proxies import Proxies
from goproxy_mirror.transport.trust import Trust
from goproxy_mirror.transport.urls import Target, shown

MOST_REDIRECTS = 10
"""As many as the go command follows."""

ERROR_LIMIT = 64 << 10
"""Bytes that are read of an answer that is no success."""

_BATCH = 1 << 18
_LAST_RESORT = 1.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Transport:
    """GET, for everybody (and one POST).

    `led` tells who named the host: False where the operator did (settings), True where a page, a repository's
    list or another answer did. Then the address must be public, and is pinned; and so is every host that a
    redirect leads to. All methods raise `Unreachable` (no address, connection or handshake), `SourceTimeout`
    (later than that), `SourceUnavailable` (no whole, or too large an answer), and `Blocked` (an address, port
    or scheme that may not be used). Status codes are no errors here.

    `credentials` says whether what the operator has set for a URL may be used for it; by default, for what the operator
    named. They go to the URL's own host alone: over https, and not after a redirect to another one.
    """

    def __init__(
        self,
        *,
        policy: AddressPolicy,
        user_agent: str,
        proxies: Proxies | None = None,
        ca_files: Sequence[Path] = (),
        hosts: Hosts | None = None,
        connect_timeout: float = 5.0,
        answer_timeout: float = 60.0,
        stall_timeout: float = 30.0,
        resolver: Resolver | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        """Times in seconds: to a connection with its handshake; to an answer's first byte (public proxies
        take up to 60 s for a module that is new to them); between two bytes of a body. Raises
        `SettingError`."""
        trust = Trust(ca_files)
        self.hosts = hosts or Hosts()
        self._credentials = credentials
        self._proxies = proxies or Proxies()
        self._connect_timeout = connect_timeout
        self._answer_timeout = answer_timeout
        self._stall_timeout = stall_timeout
        self._system = SystemResolver(timeout=connect_timeout) if resolver is None else None
        self._clients = Clients(trust=trust, user_agent=user_agent, connect_timeout=connect_timeout)
        self._connector = Connector(
            policy=policy,
            proxies=self._proxies,
            hosts=self.hosts,
            trust=trust,
            resolver=resolver or self._system,  # type: ignore[arg-type]
            timeout=connect_timeout,
        )

    async def get(
        self,
        url: str,
        *,
        limit: int,
        led: bool = False,
        timeout: float = 120.0,
        headers: Mapping[str, str] | None = None,
        cut: bool = False,
        credentials: bool | None = None,
    ) -> Reply:
        """Fetch into memory. A success of more than `limit` bytes is `SourceUnavailable`, or is cut there if
        `cut`.

        `timeout` in seconds is for all of it. Other answers are cut at 64 KiB, or at `limit` if `cut`.
        """
        entrusted = not led if credentials is None else credentials
        async with self._answer(url, led, entrusted, timeout, headers) as answer:
            response, target = answer.response, answer.target
            if response.status != 200:
                limit, cut = limit if cut else min(limit, ERROR_LIMIT), True
            names = answers.names(response)
            body, whole = await self._read(response, target, limit=limit, cut=cut)
            if answers.encoded(names):
                decode = partial(answers.decoded, body, names, target, limit=limit, cut=cut)
                body, whole = await asyncio.to_thread(decode)
            return Reply(response.status, names, body, target.url, whole, answer.credential)

    async def post(
        self, url: str, body: bytes, *, limit: int, headers: Mapping[str, str], timeout: float = 60.0
    ) -> Reply:
        """POST to a URL that the operator named. A redirect is an answer as any; at most 64 KiB are read."""
        async with self._answer(url, False, False, timeout, headers, body=body) as answer:
            limit = min(limit, ERROR_LIMIT)
            text, whole = await self._read(answer.response, answer.target, limit=limit, cut=True)
            return Reply(
                answer.response.status, answers.names(answer.response), text, answer.target.url, whole
            )

    async def save(
        self,
        url: str,
        into: Path,
        *,
        limit: int,
        led: bool = False,
        timeout: float = 900.0,
        headers: Mapping[str, str] | None = None,
        credentials: bool | None = None,
    ) -> Saved:
        """Fetch to a file that exists; a status other than 200 leaves it alone. More than `limit` bytes, or
        fewer than announced, is `SourceUnavailable`. On failure what stands in the file is worthless. Raises
        `StorageError` too.
        """
        entrusted = not led if credentials is None else credentials
        async with self._answer(url, led, entrusted, timeout, headers) as answer:
            response, target = answer.response, answer.target
            names = answers.names(response)
            if response.status != 200:
                body, _ = await self._read(response, target, limit=ERROR_LIMIT, cut=True)
                return Saved(response.status, names, 0, target.url, body, answer.credential)
            if answers.encoded(names):
                raise SourceUnavailable(f"{target.shown} answered compressed, which was not asked for")
            size = 0
            with disk_failures("write the file"):
                file = await asyncio.to_thread(into.open, "wb")
                try:
                    async for batch in self._batches(response, target, limit=limit):
                        size += sum(map(len, batch))
                        await asyncio.to_thread(file.writelines, batch)
                finally:
                    await asyncio.to_thread(file.close)
            length = names.get("content-length", "")
            if length.isdigit() and int(length) != size:
                raise SourceUnavailable(f"{target.shown} announced {length} bytes and sent {size}")
            return Saved(response.status, names, size, target.url)

    async def connectable(self, url: str, *, led: bool = True) -> VettedAddress:
        """Whether a connection and, for https, a handshake come about within the time to connect; kept for 60
        s.

        For git, which is then given the address. With a forward proxy in between it is the proxy that is
        tried, and no address comes back. `led` False: the operator named the URL, so any address will do.
        """
        target = target_of(url, led=led)
        self._refuse_resting(target)
        return await self._connector.connectable(target, led=led)

    def gate(self, page: bytes) -> Gate:
        """A forward proxy for a program that cannot be given the address; who has its `page_url` gets `page`."""
        return Gate(self._connector, page)

    async def is_back(self, url: str, *, led: bool = False) -> bool:
        """Whether a host that rests can be connected to again.

        Waits for a second at most, and looks every few seconds only. The trial goes on behind, and ends the rest where it
        comes about: so hardly anybody loses time to a host that the network swallows, and who asks one that is back
        gets its answer.
        """
        try:
            target = target_of(url, led=led)
            if not self.hosts.silent(target.authority):
                return True
            async with asyncio.timeout(_LAST_RESORT):
                await self._connector.try_again(target, led=led)
        except (SourceUnavailable, Blocked, TimeoutError):
            return False
        return not self.hosts.silent(target.authority)

    async def aclose(self) -> None:
        """Close the connections; requests under way fail."""
        await self._connector.aclose()
        await self._clients.aclose()
        if self._system is not None:
            self._system.close()

    @asynccontextmanager
    async def _answer(
        self,
        url: str,
        led: bool,
        entrusted: bool,
        timeout: float,
        headers: Mapping[str, str] | None,
        *,
        body: bytes | None = None,
    ) -> AsyncIterator[answers.Answer]:
        """The head of the last hop's answer; the body is read inside the block."""
        home = target = target_of(url, led=led)
        try:
            async with asyncio.timeout(timeout):
                for _ in range(MOST_REDIRECTS + 1):
                    client = await self._client(target, led=led)
                    credential = self._credential(target) if entrusted and home.same_home(target) else None
                    if credential is not None:
                        target = replace(target, authorization=await credential.authorization())
                    async with Heeding(), AsyncExitStack() as hop:
                        began = time.monotonic()
                        response = await self._send(hop, client, target, headers or {}, body)
                        seconds = time.monotonic() - began
                        self.hosts.answered(target.authority)
                        observe.going_on()
                        if credential is not None and response.status == 401:
                            credential.refused()
                        location = response.get_header("location")
                        if response.status not in _REDIRECTS or location is None or body is not None:
                            yield answers.Answer(response, target, credential.name if credential else None)
                            self._tell(target, response, seconds)
                            return
                        self._tell(target, response, seconds)
                    there = followed(target, location, led=led)
                    if home.same_home(there) and not led:
                        there = replace(there, authorization=home.authorization)
                    else:
                        led = True
                    target = there
                raise SourceUnavailable(f"{shown(url)} led through more than {MOST_REDIRECTS} redirects")
        except DetailedPyreqwestError as error:
            failure = translated(error, target, connect_timeout=self._connect_timeout)
            if isinstance(failure, Unreachable):
                self.hosts.rest(failure.host)
            else:
                self.hosts.failed(target.authority)
            raise failure from None
        except SourceTimeout:
            self.hosts.failed(target.authority)
            raise
        except TimeoutError:
            self.hosts.failed(target.authority)
            raise SourceTimeout(f"{target.shown} did not finish within {timeout:g} s") from None

    def _tell(self, target: Target, response: Response, seconds: float) -> None:
        """How the host has answered, for those who have a choice."""
        if response.status >= 500:
            self.hosts.failed(target.authority)
        else:
            self.hosts.took(target.authority, seconds)

    async def _client(self, target: Target, *, led: bool) -> Client:
        proxy = self._proxies.of(target)
        if not led:
            return self._clients.by_proxy(proxy)
        self._refuse_resting(target)
        try:
            address = await self._connector.address(target)
        except Unreachable as failure:
            self.hosts.rest(failure.host)
            raise
        return self._clients.by_proxy(proxy) if address.ip is None else self._clients.pinned(address)

    def _refuse_resting(self, target: Target) -> None:
        if self.hosts.silent(target.authority):
            message = f"{target.authority} did not answer a moment ago and is left alone for a minute"
            raise Unreachable(message, host=target.authority)

    async def _send(
        self,
        hop: AsyncExitStack,
        client: Client,
        target: Target,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> Response:
        """One exchange up to the head. A connection that broke before the answer began is tried once more."""
        try:
            return await self._exchange(hop, client, target, headers, body)
        except DetailedPyreqwestError as error:
            if not broke_before_answer(error):
                raise
        return await self._exchange(hop, client, target, headers, body)

    async def _exchange(
        self,
        hop: AsyncExitStack,
        client: Client,
        target: Target,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> Response:
        try:
            request = (client.get if body is None else client.post)(target.url).header(
                "accept-encoding", "identity"
            )
            request = request.headers(dict(headers))
            if body is not None:
                request = request.body_bytes(body)
            # Else the head would be withheld until 64 KiB of the body have come.
            request = request.streamed_read_buffer_limit(0)
        except ValueError:
            raise SourceUnavailable(f"{target.shown} cannot be asked: a header cannot be sent") from None
        if target.authorization is not None:
            request = request.header("authorization", target.authorization, is_sensitive=True)
        try:
            async with asyncio.timeout(self._answer_timeout), Heeding():
                return await hop.enter_async_context(request.build_streamed())
        except TimeoutError as error:
            if isinstance(error, DetailedPyreqwestError):
                raise
            message = f"{target.shown} did not answer within {self._answer_timeout:g} s"
            raise SourceTimeout(message) from None

    def _credential(self, target: Target) -> Credential | None:
        """What is set for a URL; the URL's own user name and password go before it."""
        if self._credentials is None or target.authorization is not None:
            return None
        return self._credentials.find(target.url)

    async def _chunks(self, response: Response, target: Target, *, limit: int) -> AsyncIterator[bytes]:
        """The body as it comes, until one chunk has gone over the limit."""
        size = 0
        while size <= limit:
            try:
                async with asyncio.timeout(self._stall_timeout), Heeding():
                    chunk = await response.body_reader.read_chunk()
            except TimeoutError as error:
                if isinstance(error, DetailedPyreqwestError):
                    raise
                message = (
                    f"{target.shown} sent nothing for {self._stall_timeout:g} s in the middle of its answer"
                )
                raise SourceTimeout(message) from None
            if chunk is None:
                return
            size += len(chunk)
            observe.going_on()
            yield bytes(chunk)

    async def _read(self, response: Response, target: Target, *, limit: int, cut: bool) -> tuple[bytes, bool]:
        """The body, and whether that is all of it."""
        if not cut:
            answers.refuse_announced(response, target, limit)
        body = b"".join([chunk async for chunk in self._chunks(response, target, limit=limit)])
        if len(body) <= limit:
            return body, True
        if not cut:
            raise answers.too_large(target, limit)
        return body[:limit], False

    async def _batches(self, response: Response, target: Target, *, limit: int) -> AsyncIterator[list[bytes]]:
        """The body in lists of about 256 KiB, each worth a thread's while."""
        answers.refuse_announced(response, target, limit)
        size = held = 0
        batch: list[bytes] = []
        async for chunk in self._chunks(response, target, limit=limit):
            size += len(chunk)
            held += len(chunk)
            if size > limit:
                raise answers.too_large(target, limit)
            batch.append(chunk)
            if held >= _BATCH:
                yield batch
                batch, held = [], 0
        if batch:
            yield batch
