"""Where a repository's URL may be connected to, and what a failed command says about it."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit
from weakref import WeakValueDictionary

from goproxy_mirror.errors import Blocked, MirrorError, NoRepository, SourceTimeout, SourceUnavailable
from goproxy_mirror.process import Completed
from goproxy_mirror.transport import Reply, Target, Transport, UrlError, shown
from goproxy_mirror.vcs import giterrors
from goproxy_mirror.vcs.gitcmd import Remote

_ADVERTISEMENT = "/info/refs?service=git-upload-pack"
_ADVERTISEMENT_TYPE = "application/x-git-upload-pack-advertisement"
_MOVED_SECONDS = 3600.0

Attempt = Callable[[Remote], Awaitable[Completed]]


def local_path(url: str) -> Path | None:
    """The path of a `file://` URL or of an absolute path; None for anything else."""
    if url.startswith("file://"):
        parts = urlsplit(url)
        path = unquote(parts.path, errors="surrogateescape")
        return Path(path) if parts.netloc in {"", "localhost"} and path.startswith("/") else None
    return Path(url) if Path(url).is_absolute() and "\0" not in url else None


class Slots:
    """How many commands speak with remotes at once: in all, and with one host, so that a slow one leaves room."""

    def __init__(self, *, total: int = 64, per_host: int = 16) -> None:
        self._total = asyncio.Semaphore(total)
        self._per_host = per_host
        self._hosts: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def take(self, host: str) -> AsyncIterator[None]:
        """Wait for a slot, and keep it for the block."""
        of_host = self._hosts.get(host)
        if of_host is None:
            of_host = self._hosts[host] = asyncio.Semaphore(self._per_host)
        async with of_host, self._total:
            yield


class Endpoint:
    """One repository's URL, and how it is reached today.

    `trusted` says that the operator named the URL: then a local path and plain http are allowed and the first
    address needs no vetting. Otherwise it is https, and each address that git connects to has been vetted.
    git itself follows no redirect: where the server has moved, the transport finds out where to.
    """

    def __init__(
        self, url: str, *, trusted: bool, transport: Transport | None, slots: Slots | None = None
    ) -> None:
        """Raises `Blocked` where such a URL is never asked."""
        self._trusted = trusted
        self._slots = slots or Slots()
        self._transport = transport
        self._moved: tuple[str, float] | None = None
        self.local = local_path(url) if trusted else None
        if self.local is not None:
            self.url = url
            self.name = f"in the local folder {self.local.name}"
            self.host = ""
            return
        self.url = self.name = shown(url)
        try:
            self._target = Target.parse(url)
        except UrlError as error:
            raise Blocked(f"the repository URL {self.url!r} cannot be used: {error}") from None
        self.host = self._target.authority
        if transport is None and not trusted:
            raise Blocked(f"the repository {self.url} is not asked: nothing here can vet its address")
        if self._target.scheme != "https" and not trusted:
            raise Blocked(f"the repository {self.url} is not asked: only https is, for what a page led to")
        if self._target.authorization is not None and not trusted:
            raise Blocked(f"the repository {self.url} is not asked: its URL held a user name")
        # Of a URL that nobody vouches for git gets what was parsed, so that both mean the same host.
        self._given = url if trusted else self._target.url

    async def talk(self, attempt: Attempt) -> Completed:
        """Run a command that speaks with the remote, and once more at its new place if the server has moved.

        Any exit status is an answer; `failure` says what one means. Raises `Unreachable`, `SourceTimeout`,
        `SourceUnavailable`, `Blocked`, `NotFound`.
        """
        done = await self._attempt(attempt)
        if done.returncode != 0 and giterrors.is_redirect(done.stderr) and await self._follow():
            done = await self._attempt(attempt)
        return done

    def failure(self, done: Completed) -> MirrorError:
        """What a command that failed says about the remote."""
        return giterrors.failure(done.stderr, url=self.name, host=self.host)

    async def _attempt(self, attempt: Attempt) -> Completed:
        remote = await self._remote()
        try:
            async with self._slots.take(self.host):
                return await attempt(remote)
        except SourceTimeout as late:
            raise SourceTimeout(f"the repository {self.name}: {late.message}", source=self.url) from None

    async def _remote(self) -> Remote:
        if self.local is not None:
            return Remote(str(self.local), "file")
        url, moved = self._given, False
        if self._moved is not None and time.monotonic() < self._moved[1]:
            url, moved = self._moved[0], True
        target = Target.parse(url)
        if self._transport is None:
            return Remote(url, target.scheme, follow=True)
        led = not self._trusted or (moved and not self._target.same_home(target))
        address = await self._transport.connectable(url, led=led)
        pinned = None
        if address.ip is not None and target.literal is None:
            ip = f"[{address.ip}]" if ":" in address.ip else address.ip
            pinned = f"{address.host}:{address.port}:{ip}"
        return Remote(url, target.scheme, pinned)

    async def confirm_empty(self) -> None:
        """Make sure that a remote without any ref is a git repository.

        git takes a page for people (a captive portal's, say) for an old server's empty repository, and an empty
        repository is somebody's word that there are no versions. Raises `SourceUnavailable`.
        """
        if self.local is None and self._transport is not None:
            reply = await self._look()
            if reply.status != 200 or reply.headers.get("content-type") != _ADVERTISEMENT_TYPE:
                raise self.refused("answered with something that is no git repository")

    async def _follow(self) -> bool:
        """Ask over HTTP where the repository has moved to. Whether that is another place."""
        if self._transport is None:
            return False
        reply = await self._look()
        if reply.status in {404, 410, 401}:
            raise NoRepository(f"there is no public git repository at {self.name}", source=self.url)
        if reply.status != 200:
            raise self.refused(f"answered with status {reply.status}")
        base = reply.url.removesuffix(_ADVERTISEMENT)
        there = Target.parse(base)
        if base == reply.url or there.scheme not in {"https", self._target.scheme}:
            raise self.refused(f"moved to {shown(reply.url)}, which is no git repository over https")
        self._moved = (base, time.monotonic() + _MOVED_SECONDS)
        return base != self._given

    async def _look(self) -> Reply:
        assert self._transport is not None
        return await self._transport.get(
            self._given.rstrip("/") + _ADVERTISEMENT,
            limit=1 << 16,
            led=not self._trusted,
            timeout=60.0,
            headers={"git-protocol": "version=2"},
            cut=True,
        )

    def refused(self, what: str) -> MirrorError:
        """The remote did something that is not followed."""
        return SourceUnavailable(f"the repository {self.name} {what}", source=self.url)


def folder_name(url: str) -> str:
    """A name for the folder of a URL: a digest that is its own, and a tail for people."""
    tail = "".join(char if char.isalnum() and char.isascii() else "-" for char in shown(url).lower())
    digest = hashlib.sha256(url.encode("utf-8", "surrogateescape")).hexdigest()
    return f"{digest[:32]}-{tail[-40:].strip('-')}"
