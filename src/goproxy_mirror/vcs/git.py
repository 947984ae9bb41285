"""Git repositories, read without ever being checked out: one folder of bare copies per URL."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

from goproxy_mirror.ports import Credentials
from goproxy_mirror.process import Limits, Runner
from goproxy_mirror.transport import Transport
from goproxy_mirror.vcs import gitbare
from goproxy_mirror.vcs.gitcmd import Git
from goproxy_mirror.vcs.gitfetch import Fetcher
from goproxy_mirror.vcs.gitlock import try_lock
from goproxy_mirror.vcs.gitremote import Endpoint, Slots, folder_name, local_path
from goproxy_mirror.vcs.gitremoterefs import RemoteRefs
from goproxy_mirror.vcs.gitrepo import USED_SECONDS, GitRepository
from goproxy_mirror.vcs.gitstore import LocalCopy
from goproxy_mirror.vcs.packedfiles import Kept, PackedFiles
from goproxy_mirror.vcs.smallblobs import SmallBlobs

_MOST_OPENED = 1024
_BLOBS_KEPT = 8 << 20
_FILES_KEPT = 16 << 20

DEFAULT_LIMITS = Limits(memory=4 << 30, file_size=8 << 30)
"""For one command: what unpacking a hostile pack may take, and the largest pack."""

WHOLE_UP_TO = 8 << 20
"""Bytes that a repository may come to and still be fetched whole; a larger one loses as much as that, once."""


class GitRepositories:
    """The copies of all repositories, in subfolders of `folder`.

    Times in seconds: `refs_ttl` for which a remote's list of refs is used again, `refs_timeout` and `fetch_timeout`
    for one exchange with a remote. `limits` hold for each command. `whole_up_to`: bytes that the first revision of a
    remote repository may come to, compressed, to be fetched with all its files at once. Without `transport` no
    address is looked at before git connects, so only trusted URLs can be opened.
    """

    def __init__(
        self,
        folder: Path,
        runner: Runner,
        transport: Transport | None = None,
        *,
        refs_ttl: float = 60.0,
        refs_timeout: float = 60.0,
        fetch_timeout: float = 900.0,
        limits: Limits = DEFAULT_LIMITS,
        credentials: Credentials | None = None,
        whole_up_to: int = WHOLE_UP_TO,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._git = Git(runner, folder, limits=limits)
        self._transport = transport
        self._refs_ttl = refs_ttl
        self._refs_timeout = refs_timeout
        self._fetch_timeout = fetch_timeout
        self._limits = limits
        self._credentials = credentials
        self._whole_up_to = whole_up_to
        self._kept = Kept(SmallBlobs(_BLOBS_KEPT), PackedFiles(_FILES_KEPT))
        self._slots = Slots()
        self._opened: dict[tuple[str, bool, bool], GitRepository] = {}

    def open(self, url: str, *, trusted: bool, credentials: bool = False) -> GitRepository:
        """The repository at a URL; nothing is asked yet.

        `trusted`: the operator named this URL, so `file://`, absolute paths, SSH addresses and plain http are allowed and
        no address is vetted. Otherwise https only. `credentials`: what is set for the URL may be used; always for a
        trusted one. Raises `Blocked`.
        """
        opens = (trusted or credentials) and self._opens(url)
        key = (url, trusted, opens)
        repository = self._opened.pop(key, None)
        if repository is None:
            endpoint = Endpoint(
                url,
                trusted=trusted,
                transport=self._transport,
                slots=self._slots,
                credentials=self._credentials if opens else None,
            )
            folder = self._folder / folder_name(url, opened=opens)
            refs = RemoteRefs(
                self._git, endpoint, folder / "refs", ttl=self._refs_ttl, timeout=self._refs_timeout
            )
            fetcher = Fetcher(self._git, endpoint, timeout=self._fetch_timeout, limits=self._limits)
            # Whoever waits for the lock waits for another's fetch.
            wait = self._fetch_timeout + 60.0
            whole = None if endpoint.local is not None else self._whole_up_to
            copy = LocalCopy(self._git, folder, fetcher, whole_up_to=whole, wait=wait)
            repository = GitRepository(self._git, endpoint, refs, copy, self._kept)
        self._opened[key] = repository
        if len(self._opened) > _MOST_OPENED:
            del self._opened[next(iter(self._opened))]
        return repository

    def _opens(self, url: str) -> bool:
        """Whether there are credentials for the URL. Raises `Blocked`."""
        known = self._credentials
        if known is None or local_path(url) is not None:
            return False
        return known.by_ssh(url) is not None or known.find(url) is not None

    async def prune(self, limit_bytes: int) -> int:
        """Remove the copies that were not used for longest until all take `limit_bytes` at most.

        Copies used within the last quarter of an hour, or being written, stay. Returns the bytes left.
        """
        return await asyncio.to_thread(self._prune, limit_bytes)

    def _prune(self, limit_bytes: int) -> int:
        copies = []
        for folder in self._folder.iterdir():
            if folder.is_dir():
                with contextlib.suppress(OSError):
                    used = (folder / "used").stat().st_mtime if (folder / "used").exists() else 0.0
                    copies.append((used, gitbare.size_of(folder), folder))
        total = sum(size for _, size, _ in copies)
        recent = time.time() - USED_SECONDS
        for used, size, folder in sorted(copies):
            if total <= limit_bytes or used > recent:
                break
            with try_lock(folder / "lock") as mine:
                if mine:
                    gitbare.remove(folder)
                    total -= size
        return total
