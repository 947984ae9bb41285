"""Asking a remote what it advertises, as seldom as its time to live allows."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

from goproxy_mirror.process import Completed, Limits
from goproxy_mirror.vcs import gitrefs, objects
from goproxy_mirror.vcs.gitcmd import REMOTE, Git, Remote
from goproxy_mirror.vcs.gitrefs import Advertised
from goproxy_mirror.vcs.gitremote import Endpoint
from goproxy_mirror.vcs.shared import Shared

_LIMIT = 64 << 20
"""Bytes of refs (heads and tags alone) that are read from a remote: about a million."""
_LINE_LIMIT = 1 << 16

# git keeps all refs in memory before it prints the first, and a server may never come to an end of them. A million
# takes a third of this.
_LIMITS = Limits(memory=1 << 30)


class RemoteRefs:
    """The refs of one remote, kept in memory and, for the other processes, in the file `kept`.

    `ttl` and `timeout` in seconds.
    """

    def __init__(self, git: Git, endpoint: Endpoint, kept: Path, *, ttl: float, timeout: float) -> None:
        self._git = git
        self._endpoint = endpoint
        self._kept = kept
        self._ttl = ttl
        self._timeout = timeout
        self._advertised: Advertised | None = None
        self._asking: Shared[Advertised] = Shared()

    async def current(self) -> Advertised:
        """What the remote advertises, no older than the time to live; all who ask at once share one answer.

        Raises `NotFound`, `Unreachable`, `SourceTimeout`, `SourceUnavailable`, `Blocked`.
        """
        known = self._advertised
        now = time.time()
        if known is not None and now - self._ttl <= known.fetched <= now:
            return known
        return await self._asking.do(None, self._ask)

    async def _ask(self) -> Advertised:
        now = time.time()
        found = await asyncio.to_thread(gitrefs.load, self._kept, now - self._ttl, now)
        if found is None:
            lines: list[bytes] = []
            done = await self._endpoint.talk(lambda remote: self._list_remote(remote, lines))
            if done.returncode != 0:
                raise self._endpoint.failure(done)
            if not lines:
                await self._endpoint.confirm_empty()
            found = await asyncio.to_thread(gitrefs.keep, self._kept, lines, now)
        self._advertised = found
        # A million tags take a third of a gigabyte; they are let go when they are of no use any more.
        asyncio.get_running_loop().call_later(self._ttl, self._let_go, found)
        return found

    async def _list_remote(self, remote: Remote, lines: list[bytes]) -> Completed:
        """Run `git ls-remote`, and put what it says about HEAD, heads and tags into `lines`."""
        lines.clear()
        arguments = ("ls-remote", "--quiet", "--end-of-options", REMOTE)
        stream = self._git.stream(None, arguments, remote=remote, timeout=self._timeout, limits=_LIMITS)
        async with stream as running:
            running.stdin.close()
            size, left = 0, b""
            while chunk := await running.stdout.read(objects.CHUNK):
                *whole, left = (left + chunk).split(b"\n")
                wanted = [line for line in whole if gitrefs.is_wanted(line)]
                size += sum(map(len, wanted))
                if size > _LIMIT or len(left) > _LINE_LIMIT:
                    raise self._endpoint.refused(f"advertises more than {_LIMIT} bytes of heads and tags")
                lines += wanted
            return Completed(await running.wait(), b"", running.stderr)

    def _let_go(self, advertised: Advertised) -> None:
        if self._advertised is advertised:
            self._advertised = None

    async def forget(self) -> None:
        """Ask anew the next time: the remote is known to have changed."""
        self._advertised = None
        with contextlib.suppress(OSError):
            await asyncio.to_thread(self._kept.unlink, missing_ok=True)
