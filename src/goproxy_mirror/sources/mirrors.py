"""What stands behind `direct`: the origin and the mirrors of its repository, in the operator's order.

Here is found out which they are; `candidates.py` asks them and says what follows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, Protocol, TypeVar

from goproxy_mirror.errors import (
    MirrorError,
    NotFound,
    Undiscovered,
    Unreachable,
)
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.sshaddress import SSHAddress, is_ssh
from goproxy_mirror.ports import Found, Home, RepoRoot, Repository, Source, Witness
from goproxy_mirror.sources.candidates import Candidate, Round
from goproxy_mirror.sources.origin import Fallback, FallbackSource, RepositorySource
from goproxy_mirror.sources.rules import MirrorRules
from goproxy_mirror.sources.walk import Question, Reach, Walking
from goproxy_mirror.transport import Target, UrlError, shown

T = TypeVar("T")


class Finder(Protocol):
    """From a module path to its repository (`vcs.discovery`)."""

    def static(self, path: str) -> RepoRoot | None:
        """The repository, where the path alone tells it."""
        ...

    async def find(self, path: str) -> RepoRoot: ...


class Repositories(Protocol):
    """Opens repositories by URL (`vcs.git`); `trusted` ones were named by the operator."""

    def open(self, url: str, *, trusted: bool, credentials: bool = False) -> Repository:
        """`credentials`: what is set for the URL may be used; always for a trusted one."""
        ...


class ModuleHomes(Walking):
    """`chain.Homes`. `origin_wait`: seconds that the origin has to connect before its mirrors are asked.

    `connect(url)` raises `Unreachable` or `Blocked`; `is_back(url, led)` finds out, within a second or so, whether a host
    that rests can be connected to again; `proxy(url, credentials)` is the source for a go-import entry with `mod`.
    `vouch(source, witness)` is the source as its answers may be believed: each home's passes through it.
    """

    def __init__(
        self,
        *,
        finder: Finder,
        repositories: Repositories,
        rules: MirrorRules,
        reach: Reach,
        order: Sequence[Literal["origin", "mirrors"]],
        connect: Callable[[str], Awaitable[object]],
        is_back: Callable[[str, bool], Awaitable[bool]],
        proxy: Callable[[str, bool], Source],
        fallback: Callable[[RepoRoot], Fallback],
        origin_wait: float,
        vouch: Callable[[Source, Witness], Source] = lambda source, _: source,
    ) -> None:
        self._finder = finder
        self._repositories = repositories
        self._rules = rules
        self._reach = reach
        self._mirrors_first = tuple(order) == ("mirrors", "origin")
        self._connect = connect
        self._is_back = is_back
        self._proxy = proxy
        self._fallback = fallback
        self._origin_wait = origin_wait
        self._vouch = vouch

    def mirrors_of(self, path: ModulePath, *, builtin: bool) -> Source | None:
        return _MirrorsAlone(self) if self._rules.find(path.value, builtin=builtin) else None

    async def ask_mirrors(self, path: ModulePath, ask: Question[T]) -> Found[T]:
        """The answer of the mirrors that a rule names, without their origin."""
        walk = Round(self._reach, self._is_back)
        return walk.ended(path, await walk.over(self._mirrors(path, None), ask))

    async def _walk(self, path: ModulePath, ask: Question[T]) -> Found[T]:
        walk = Round(self._reach, self._is_back)
        if self._mirrors_first:
            return walk.ended(path, await self._mirrors_then_origin(path, ask, walk))
        return walk.ended(path, await self._origin_then_mirrors(path, ask, walk))

    async def _mirrors_then_origin(self, path: ModulePath, ask: Question[T], walk: Round) -> Found[T] | None:
        root = self._finder.static(path.value)
        mirrors = self._mirrors(path, root)
        found = await walk.over(mirrors, ask)
        if found is not None:
            return found
        root = root or await self._discover(path, walk)
        if root is None:
            return None
        asked = {mirror.url for mirror in mirrors}
        late = [mirror for mirror in self._mirrors(path, root) if mirror.url not in asked]
        return await walk.over([*late, self._origin(path, root)], ask)

    async def _origin_then_mirrors(self, path: ModulePath, ask: Question[T], walk: Round) -> Found[T] | None:
        root = self._finder.static(path.value)
        if root is None:
            root = await self._discover(path, walk, hurry=self._rules.find(path.value) is not None)
        mirrors = self._mirrors(path, root)
        if root is None:
            return await walk.over(mirrors, ask)
        origin = self._origin(path, root)
        if not mirrors:
            return await walk.over([origin], ask)
        connected = await self._connects(origin, walk)
        found = await walk.over([origin, *mirrors] if connected else mirrors, ask)
        if found is None and not connected and origin.host and not walk.was_denied:
            # No mirror could say anything: now the origin may take the time that it needs to connect.
            self._reach.forgive(origin.host)
            found = await walk.over([origin], ask)
        return found

    async def _discover(self, path: ModulePath, walk: Round, *, hurry: bool = False) -> RepoRoot | None:
        """Where the origin is; None where that could not be found out, or where a rule knows what the origin's page does not."""
        host = path.value.partition("/")[0]
        try:
            if hurry:
                await self._connect_soon(f"https://{host}/", host)
            return await self._finder.find(path.value)
        except Unreachable as error:
            self._reach.rest(error.host)
            walk.failed(Undiscovered(error.message, host=error.host, source=error.source))
        except NotFound as error:
            if not hurry:
                raise
            walk.failed(error)
        except MirrorError as error:
            walk.failed(error)
        return None

    async def _connects(self, origin: Candidate, walk: Round) -> bool:
        if origin.host is None:
            return True
        try:
            await self._connect_soon(origin.url, origin.host)
        except MirrorError as error:
            walk.failed(error)
            return False
        return True

    async def _connect_soon(self, url: str, host: str) -> None:
        if self._reach.silent(host):
            raise Unreachable(
                f"{url}: {host} did not answer a moment ago and was not asked again", host=host, source=url
            )
        try:
            async with asyncio.timeout(self._origin_wait):
                await self._connect(url)
        except TimeoutError:
            self._reach.rest(host)
            raise Unreachable(
                f"{url}: {host} did not connect within {self._origin_wait:g} s", host=host, source=url
            ) from None
        except Unreachable:
            self._reach.rest(host)
            raise

    def _origin(self, path: ModulePath, root: RepoRoot) -> Candidate:
        host = _host(root.url)
        # A page names whatever URL it likes. It must not open what the module's own host has no say about.
        opens = self._rules.is_private(path.value) or host == path.value.partition("/")[0].lower()
        home = Home("origin", root.url)
        source: Source
        if root.vcs == "mod":
            source, home = self._proxy(root.url, opens), Home("upstream", shown(root.url))
        elif root.vcs == "git":
            repository = self._repositories.open(root.url, trusted=False, credentials=opens)
            source = RepositorySource(repository, root, home, authority=True)
        else:
            source = FallbackSource(self._fallback(root), home)
        vouched = self._vouch(source, Witness(home, named=True))
        return Candidate(vouched, root.url, host, authority=True, origin=True)

    def _mirrors(self, path: ModulePath, root: RepoRoot | None) -> list[Candidate]:
        """The mirrors that a rule names, and what the rewrites make of them and of the origin's URL."""
        roots: dict[str, RepoRoot] = {}
        named: set[str] = set()
        mirrored = self._rules.find(path.value)
        if mirrored is not None:
            for url in filter(_can_be, mirrored.urls):
                for each in (url, *self._rewritten(path, url)):
                    canonical = root if root is not None and root.root == mirrored.root else None
                    roots.setdefault(each, canonical or RepoRoot(mirrored.root, "git", _public(each)))
            if mirrored.own:
                named.update(roots)
        if root is not None and root.vcs == "git":
            roots.pop(root.url, None)
            for url in self._rewritten(path, root.url):
                roots.setdefault(url, root)
                named.add(url)
        return [self._mirror(url, at, named=url in named) for url, at in roots.items()]

    def _mirror(self, url: str, root: RepoRoot, *, named: bool) -> Candidate:
        repository = self._repositories.open(url, trusted=True)
        home = Home("mirror", "a local repository" if repository.local else repository.url)
        source = RepositorySource(repository, root, home, authority=repository.local)
        vouched = self._vouch(source, Witness(home, named=named, authority=repository.local))
        return Candidate(vouched, url, None if repository.local else _host(url), authority=repository.local)

    def _rewritten(self, path: ModulePath, url: str) -> tuple[str, ...]:
        return () if self._rules.is_private(path.value) else self._rules.rewritten(url)


class _MirrorsAlone(Walking):
    """The mirrors without their origin, for a list that does not come to `direct`."""

    def __init__(self, homes: ModuleHomes) -> None:
        self._homes = homes

    async def _walk(self, path: ModulePath, ask: Question[T]) -> Found[T]:
        return await self._homes.ask_mirrors(path, ask)


def _host(url: str) -> str | None:
    """Whom a URL asks, as `Unreachable.host` names it; None on this machine."""
    if is_ssh(url) and _can_be(url):
        return SSHAddress.parse(url).authority
    try:
        return Target.parse(url).authority
    except UrlError:
        return None


def _can_be(url: str) -> bool:
    """Whether a rule's template has become something that can be asked: not every name of a module can be one by SSH."""
    if is_ssh(url):
        try:
            SSHAddress.parse(url)
        except ValueError:
            return False
    return True


def _public(url: str) -> str:
    """The URL that `.info` may name as the origin: never a path of this machine, never a credential."""
    if is_ssh(url):
        return SSHAddress.parse(url).shown
    return shown(url) if _host(url) is not None else ""
