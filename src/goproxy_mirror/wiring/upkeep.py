"""What a process does behind its answers: it tidies up, and shares what it has learned with the others and the next."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

import structlog

from goproxy_mirror.errors import StorageError
from goproxy_mirror.mirror.ahead import Ahead, AheadCounts
from goproxy_mirror.mirror.chronicle import Chronicle
from goproxy_mirror.mirror.doubts import Doubts
from goproxy_mirror.mirror.feed import Feed
from goproxy_mirror.mirror.uses import Uses
from goproxy_mirror.state.files import FileAnswers
from goproxy_mirror.state.opening import State
from goproxy_mirror.transport import Hosts
from goproxy_mirror.vcs.git import GitRepositories
from goproxy_mirror.verify.checker import Checker

log = structlog.get_logger(__name__)

_SHARE = 60.0
"""Seconds between two looks at what the other processes have learned."""

_TIDY = 600.0
"""Seconds between two looks at the git repositories, as often as one may have grown."""


_PATIENCE = 5.0
"""Seconds that the end waits for first-seen times to be written beside the store; else the next process writes them."""


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Runs until it is cancelled; `last` is for the end. `git_cache_size` in bytes."""

    state: State
    hosts: Hosts
    verifier: Checker
    doubts: Doubts
    repositories: GitRepositories
    answers: FileAnswers
    feed: Feed
    uses: Uses
    ahead: Ahead
    chronicle: Chronicle
    git_cache_size: int

    async def run(self) -> None:
        await asyncio.gather(
            self.doubts.load(), self.verifier.refresh(), self._restore(), self.state.catch_up()
        )
        tidied = time.monotonic()
        told = AheadCounts()
        while True:
            await asyncio.sleep(_SHARE)
            await self._share()
            told = self._tell(self.ahead.counts(), told)
            await self._settle()
            await self.chronicle.keep_up()
            await asyncio.gather(self.doubts.load(), self.verifier.refresh())
            if time.monotonic() - tidied >= _TIDY:
                await self._tidy()
                tidied = time.monotonic()

    async def last(self) -> None:
        """Leave to others what this process has learned."""
        self._tell(self.ahead.last(), AheadCounts())
        await self._share()
        await self.uses.leave()
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await self.chronicle.keep_up(all_=True)

    def _tell(self, counts: AheadCounts, told: AheadCounts) -> AheadCounts:
        """Log what was fetched ahead since the start, and of what use it was, where there is something new to say."""
        if counts != told:
            log.info("fetched ahead", files=counts.fetched, used=counts.used, wasted=counts.wasted)
        return counts

    async def _share(self) -> None:
        await self.state.catch_up()
        try:
            await self.state.health.save(self.hosts.snapshot())
        except StorageError as error:
            log.warning("the health of hosts is not kept", reason=error.message)
        try:
            await self.feed.look_after(await self.uses.flush())
        except StorageError as error:
            log.warning("what was asked for is written down later", reason=error.message)

    async def _restore(self) -> None:
        try:
            self.hosts.restore(await self.state.health.load())
        except StorageError as error:
            log.warning("the health of hosts is not known", reason=error.message)

    async def _settle(self) -> None:
        try:
            await self.feed.settle()
        except StorageError as error:
            log.warning("what was published last is not looked for", reason=error.message)

    async def _tidy(self) -> None:
        try:
            await self.repositories.prune(self.git_cache_size)
        except OSError as error:
            log.warning("git repositories not pruned", reason=error.strerror)
        await self.answers.prune()
