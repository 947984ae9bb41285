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

from goproxy_mirror.errors import (
    Blocked,
    MirrorError,
    NoRepository,
    SourceTimeout,
    SourceUnavailable,
    Unreachable,
)
from goproxy_mirror.module.sshaddress import is_ssh
from goproxy_mirror.ports import Credential, Credentials, SSHWay
from goproxy_mirror.process import Completed
from goproxy_mirror.transport import Reply, Target, Transport, UrlError, shown
from goproxy_mirror.vcs import giterrors
from goproxy_mirror.vcs.gitcmd import Remote

_ADVERTISEMENT = "/info/refs?service=git-upload-pack"
_ADVERTISEMENT_TYPE = "application/x-git-upload-pack-advertisement"
_MOVED_SECONDS = 3600.0
_BROKEN_SECONDS = 60.0

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

    `credentials` are those that may be used for this repository, if any may. Their secrets are in git's environment
    and nowhere else. A trusted URL may be an SSH address, and any URL may be set to be reached by SSH.
    """

    def __init__(
        self,
        url: str,
        *,
        trusted: bool,
        transport: Transport | None,
        slots: Slots | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        """Raises `Blocked` where such a URL is never asked."""
        self._trusted = trusted
        self._credentials = credentials
        self._credential: Credential | None = None
        self._way: SSHWay | None = None
        self._slots = slots or Slots()
        self._transport = transport
        self._moved: tuple[str, float] | None = None
        self._there = ""
        self._broke = -_BROKEN_SECONDS
        self.local = local_path(url) if trusted else None
        if self.local is not None:
            self.url = url
            self.name = f"file://.../{ascii(self.local.name)[1:-1]}"
            self.host = ""
            return
        if credentials is not None and (trusted or not is_ssh(url)):
            self._way = credentials.by_ssh(url)
        if self._way is not None:
            self.url = self._way.shown if is_ssh(url) else shown(url)
            self.name = self._way.shown
            self.host = self._way.host
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
        if done.returncode != 0 and giterrors.is_broken(done.stderr) and self._may_try_again():
            done = await self._attempt(attempt)
        if done.returncode != 0 and giterrors.is_redirect(done.stderr) and await self._follow():
            done = await self._attempt(attempt)
        if done.returncode != 0 and self._credential is not None and giterrors.is_refusal(done.stderr):
            # A token may have been taken back before its end; then another can be had.
            done = await self._attempt(attempt) if self._credential.refused() else done
        return done

    def failure(self, done: Completed) -> MirrorError:
        """What a command that failed says about the remote."""
        credential = self._credential.name if self._credential is not None else None
        return giterrors.failure(done.stderr, url=self.name, host=self._there, credential=credential)

    async def _attempt(self, attempt: Attempt) -> Completed:
        remote = await self._remote()
        try:
            async with self._slots.take(self.host):
                began = time.monotonic()
                done = await attempt(remote)
        except SourceTimeout as late:
            if self._transport is not None and self.local is None:
                self._transport.hosts.failed(self._there)
            raise SourceTimeout(f"the repository {self.name}: {late.message}", source=self.url) from None
        self._tell(done, time.monotonic() - began)
        return done

    def _may_try_again(self) -> bool:
        """Whether a connection that broke is worth another: one within a while is."""
        now = time.monotonic()
        if self.local is not None or now < self._broke + _BROKEN_SECONDS:
            return False
        self._broke = now
        return True

    def _tell(self, done: Completed, seconds: float) -> None:
        """How the host has answered, for those who have a choice."""
        if self._transport is None or self.local is not None:
            return
        hosts = self._transport.hosts
        failure = self.failure(done) if done.returncode != 0 else None
        if isinstance(failure, Unreachable):
            hosts.rest(self._there)
        elif failure is not None and giterrors.is_outage(done.stderr):
            hosts.failed(self._there)
        elif failure is None or isinstance(failure, NoRepository):
            hosts.took(self._there, seconds)

    async def _remote(self) -> Remote:
        self._there = self.host
        if self.local is not None:
            return Remote(str(self.local), "file")
        if self._way is not None:
            return Remote(self._way.url, "ssh", ssh=self._way.command)
        url, moved = self._given, False
        if self._moved is not None and time.monotonic() < self._moved[1]:
            url, moved = self._moved[0], True
        target = Target.parse(url)
        self._there = target.authority
        authorization = await self._authorization(target)
        if target.authorization is not None:
            url = target.url
        if self._transport is None:
            return Remote(url, target.scheme, follow=authorization is None, authorization=authorization)
        led = not self._trusted or (moved and not self._target.same_home(target))
        address = await self._transport.connectable(url, led=led)
        pinned = None
        if address.ip is not None and target.literal is None:
            ip = f"[{address.ip}]" if ":" in address.ip else address.ip
            pinned = f"{address.host}:{address.port}:{ip}"
        return Remote(
            url, target.scheme, pinned=pinned, proxy=address.proxy or "", authorization=authorization
        )

    async def _authorization(self, target: Target) -> str | None:
        """What is sent along: the URL's own user and password, or what is set for it; nothing to another host."""
        if target.authorization is not None:
            return target.authorization
        self._credential = None
        if self._credentials is not None and self._target.same_home(target):
            self._credential = self._credentials.find(target.url)
        return await self._credential.authorization() if self._credential is not None else None

    async def confirm_empty(self) -> None:
        """Make sure that a remote without any ref is a git repository.

        git takes a page for people (a captive portal's, say) for an old server's empty repository, and an empty
        repository is somebody's word that there are no versions. Raises `SourceUnavailable`.
        """
        if self.local is None and self._way is None and self._transport is not None:
            reply = await self._look()
            if reply.status != 200 or reply.headers.get("content-type") != _ADVERTISEMENT_TYPE:
                raise self.refused("answered with something that is no git repository")

    async def _follow(self) -> bool:
        """Ask over HTTP where the repository has moved to. Whether that is another place."""
        if self._transport is None or self._way is not None:
            return False
        reply = await self._look()
        if reply.status in {401, 403, 404, 410} and reply.credential is not None:
            said = f"The requested URL returned error: {reply.status}".encode()
            raise giterrors.failure(said, url=self.name, host=self.host, credential=reply.credential)
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
            credentials=self._credentials is not None,
            timeout=60.0,
            headers={"git-protocol": "version=2"},
            cut=True,
        )

    def refused(self, what: str) -> MirrorError:
        """The remote did something that is not followed."""
        return SourceUnavailable(f"the repository {self.name} {what}", source=self.url)


def folder_name(url: str, *, opened: bool = False) -> str:
    """A name for the folder of a URL: a digest that is its own, and a tail for people.

    What was fetched with credentials (`opened`) is kept apart from what anybody may see.
    """
    tail = "".join(char if char.isalnum() and char.isascii() else "-" for char in shown(url).lower())
    digest = hashlib.sha256(url.encode("utf-8", "surrogateescape") + b"\nopened" * opened).hexdigest()
    return f"{digest[:32]}-{tail[-40:].strip('-')}"
