"""From a module path to the repository that holds the module (https://go.dev/ref/mod#vcs-find).

Known hosts tell by the path alone (`hosts.py`); all others are asked for a page with go-import entries
(`pages.py`). What the go command refuses is `NotFound`, as it is with the go command; what it would take and
this server does not, `Blocked`. Nobody but the host that was asked has vouched for what a page says, so
pages, and the URLs in them, lead to public addresses only (`Transport`, `led`).
"""

from __future__ import annotations

import asyncio
import posixpath
import re
from dataclasses import dataclass

from goproxy_mirror.errors import Blocked, CredentialsRefused, NotFound, SourceUnavailable
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.patterns import match_globs
from goproxy_mirror.ports import RepoRoot
from goproxy_mirror.transport import Memo, Reply, Target, Transport, UrlError, shown
from goproxy_mirror.vcs.hosts import SYSTEMS, static_root
from goproxy_mirror.vcs.pages import Import, Page, TooManyError, read_page

MOST_PAGE = 2 << 20
"""Bytes of a page; what comes after is not read."""

_LONG = 64 << 10
"""Characters above which a page is not read on the event loop."""

_PAGE_TIMEOUT = 30.0
_ABSENCE_TTL = 60.0

# As GOVCS has it where nobody has set it: these two have had the attention that clients of strangers need.
_PUBLIC_SYSTEMS = frozenset({"git", "hg"})

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_PLAIN_URL = re.compile(r"https://[\[\]\w.:-]+(?:/[\w.~!$&'()*+,;=:@%/-]*)?", re.ASCII)
_ENCODED_CONTROL = re.compile(r"%(?:[01][0-9A-Fa-f]|7[Ff])")

# Statuses by which a host says that it cannot say: too many requests, too early, and its own failures.
_UNDECIDED = frozenset({408, 421, 425, 429})


@dataclass(frozen=True, slots=True)
class _Read:
    """A page that was read: `url` is where, fit for a message."""

    url: str
    imports: tuple[Import, ...]


class Discovery:
    """Finds repositories. What pages say is kept in memory for a time to live, and beyond it while their host
    is down."""

    def __init__(self, transport: Transport, *, private: str = "", ttl: float = 600.0) -> None:
        """`private`: globs of paths whose repositories may be kept in any system. `ttl` in seconds."""
        self._transport = transport
        self._private = private
        self._pages: Memo[str, _Read] = Memo(ttl=ttl, error_ttl=_error_ttl, size=256)
        self._known: dict[str, RepoRoot] = {}

    def static(self, path: ModulePath | str) -> RepoRoot | None:
        """The repository where the path alone tells it. Raises `NotFound` for a known host's path that can
        have none."""
        root = static_root(str(path))
        if root is not None:
            self._check_system(root.vcs, root.root)
        return root

    async def find(self, path: ModulePath | str) -> RepoRoot:
        """The repository of a module path.

        Raises `NotFound` (the host was read and knows none, or one that no go command takes), `Unreachable`
        or another `SourceUnavailable` (nobody could say), and `Blocked` (a page led to where this server does
        not go).
        """
        text = str(path)
        root = self.static(text)
        if root is not None:
            return root
        try:
            root = await self._find(text)
        except SourceUnavailable:
            if text in self._known:
                return self._known[text]
            raise
        self._remember(text, root)
        return root

    async def _find(self, path: str) -> RepoRoot:
        page = await self._page(path)
        entry = _match(page, path)
        if entry.prefix != path:
            # Whoever may write a page below a prefix has no say about the prefix: its own page has to agree.
            above = await self._page(entry.prefix)
            if _match(above, path) != entry:
                raise NotFound(
                    f"{path}: {page.url} and {above.url} disagree about {entry.prefix}", source=page.url
                )
        return self._root(path, page.url, entry)

    async def _page(self, path: str) -> _Read:
        return await self._pages.get(path, lambda: self._fetch(path))

    async def _fetch(self, path: str) -> _Read:
        """The entries of a path's page. `NotFound` where it has none."""
        host, _, rest = path.partition("/")
        if "." not in host:
            raise NotFound(f"{path}: does not begin with the name of a host")
        asked = f"https://{host}/{rest}"
        url = f"{asked}?go-get=1"
        # The host is the module's own, so what is set for it may be sent; hosts know modules that they show to some.
        reply = await self._transport.get(
            url, limit=MOST_PAGE, led=True, credentials=True, timeout=_PAGE_TIMEOUT, cut=True
        )
        try:
            text = reply.body.decode("utf-8", "replace")
            page = await asyncio.to_thread(read_page, text) if len(text) > _LONG else read_page(text)
        except TooManyError as error:
            raise SourceUnavailable(f"{path}: {url} cannot be read: {error}", source=asked) from None
        if not page.imports:
            raise _without_entries(path, url, asked, reply, page)
        return _Read(url, page.imports)

    def _root(self, path: str, page: str, entry: Import) -> RepoRoot:
        """What an entry says, checked."""
        if entry.vcs not in {"mod", *SYSTEMS}:
            dropped = ", which Go 1.27 dropped" if entry.vcs == "bzr" else ""
            raise NotFound(
                f"{path}: {page} names the unknown version control system {entry.vcs!a:.40}{dropped}"
            )
        subdir = _subdir(path, page, entry.subdir)
        url = _repository(path, page, entry.url)
        self._check_system(entry.vcs, entry.prefix)
        return RepoRoot(entry.prefix, entry.vcs, url, subdir)

    def _check_system(self, vcs: str, root: str) -> None:
        if vcs == "mod" or vcs in _PUBLIC_SYSTEMS or (self._private and match_globs(self._private, root)):
            return
        raise NotFound(f"{root} is kept in {vcs}, which GOVCS does not allow for public modules")

    def _remember(self, path: str, root: RepoRoot) -> None:
        self._known.pop(path, None)
        if len(self._known) >= 4096:
            del self._known[next(iter(self._known))]
        self._known[path] = root


def _error_ttl(error: Exception) -> float:
    return _ABSENCE_TTL if isinstance(error, NotFound) else 0.0


def _without_entries(
    path: str, url: str, source: str, reply: Reply, page: Page
) -> NotFound | SourceUnavailable:
    """What a page without entries means: the host's no, unless it failed or the page could not be read."""
    status = reply.status
    if status in {401, 403} and reply.credential is not None:
        message = f"{path}: {url} answered with status {status} to the credentials for {reply.credential}"
        return CredentialsRefused(message, source=source)
    if status >= 500 or status in _UNDECIDED or 300 <= status < 400:
        return SourceUnavailable(f"{path}: {url} answered with status {status}", source=source)
    if not page.ended and (page.broken or not reply.whole):
        message = f"{path}: {url} is no page that can be read to the end of its head"
        return SourceUnavailable(message, source=source)
    said = "" if status == 200 else f" (status {status})"
    if status in {401, 403}:
        said += "; for a private module, credentials are needed (settings credentials, netrc)"
    return NotFound(f"{path}: {url} has no go-import entry{said}", source=source)


def _match(page: _Read, path: str) -> Import:
    """The one entry for the path; entries of proxies come first and beat all others. Raises `NotFound`."""
    entries = [entry for entry in page.imports if entry.covers(path)]
    if not entries:
        others = ", ".join(f"{entry.prefix:.100}" for entry in page.imports[:3])
        raise NotFound(
            f"{path}: {page.url} has go-import entries for other paths only ({others})", source=page.url
        )
    if len(entries) > 1 and (entries[0].vcs != "mod" or entries[1].vcs == "mod"):
        raise NotFound(f"{path}: {page.url} has several go-import entries for it", source=page.url)
    return entries[0]


def _repository(path: str, page: str, url: str) -> str:
    """The repository's URL if it is one that may be given to git. Raises `NotFound` or `Blocked`."""
    if url.startswith("-"):
        raise Blocked(f"{path}: {page} names a repository that begins with a dash")
    scheme = _SCHEME.match(url)
    if scheme is None or scheme[0].lower() == "file:":
        raise NotFound(f"{path}: {page} names no repository on a host ({url!a:.200})")
    if scheme[0].lower() != "https:":
        raise Blocked(
            f"{path}: {page} names a repository by {scheme[0]}, and only https: is used for such ({shown(url)!a:.200})"
        )
    try:
        target = Target.parse(url)
    except UrlError as error:
        raise Blocked(f"{path}: {page} names a repository that cannot be asked: {error}") from None
    if target.authorization is not None:
        raise Blocked(f"{path}: {page} names a repository with credentials in its URL")
    # Git parses the URL again, so it gets what was understood here, and nothing that could be read in two ways.
    if not _PLAIN_URL.fullmatch(target.url) or _ENCODED_CONTROL.search(target.url):
        raise Blocked(
            f"{path}: {page} names a repository by a URL with unusual characters ({shown(url)!a:.200})"
        )
    return url if target.url == f"{url}/" else target.url


def _subdir(path: str, page: str, subdir: str) -> str:
    if subdir.startswith(("/", "-")):
        raise NotFound(f"{path}: {page} names the invalid subdirectory {subdir!a:.200}")
    if ".." in subdir.split("/") or "\\" in subdir or not subdir.isprintable():
        raise Blocked(f"{path}: {page} names the subdirectory {subdir!a:.200}, which may lead anywhere")
    clean = posixpath.normpath(subdir) if subdir else ""
    return "" if clean == "." else clean
