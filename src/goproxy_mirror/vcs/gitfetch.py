"""One fetch into one bare repository, and what is missing there."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from goproxy_mirror.errors import SourceUnavailable
from goproxy_mirror.process import Completed, Limits
from goproxy_mirror.vcs import gitbare, giterrors, packs
from goproxy_mirror.vcs.gitcmd import REMOTE, Git, Remote
from goproxy_mirror.vcs.gitprogress import pack_progress
from goproxy_mirror.vcs.gitremote import Endpoint

_FETCH = ("fetch", "--quiet", "--no-progress", "--no-write-fetch-head", "--no-auto-maintenance", "--force")
_TELLING_NOTHING = ("-c", "fetch.negotiationAlgorithm=noop")
_PACKS = 32
_LOOKED_UP = 20_000


class Moved(SourceUnavailable):
    """The remote no longer has what it advertised; its refs must be read again."""


class UnknownId(SourceUnavailable):
    """The remote does not have, or does not give, an object that was asked for by its id."""


class Broken(SourceUnavailable):
    """The connection broke; what the server can do is not known."""


class Damaged(SourceUnavailable):
    """Our copy is not what it was; it will be made anew."""


class TooMuch(SourceUnavailable):
    """What the remote sent takes more memory or disk than a fetch may; asking in another way would not make it less."""


class Fetcher:
    """Fetches from one remote. `timeout` in seconds and `limits` bound each fetch."""

    def __init__(self, git: Git, endpoint: Endpoint, *, timeout: float, limits: Limits) -> None:
        self._git = git
        self._endpoint = endpoint
        self._timeout = timeout
        self._limits = limits

    async def fetch(
        self,
        repository: Path,
        names: Sequence[str],
        *options: str,
        leaving_out: str | None,
        lock: int,
        telling: bool = True,
        at_most: int | None = None,
    ) -> None:
        """Fetch some refs or ids. The descriptor `lock` stays open until git has ended.

        `leaving_out` is a filter of rev-list(1), or None. `telling` the remote what is here already saves that from
        coming again, but makes it take a revision that is here in parts for a whole one. `at_most` bounds the bytes of
        the pack, where the system can (see `process.Limits`).
        Raises `Moved`, `UnknownId`, `Broken`, `Damaged`, `TooMuch`, and what `Endpoint.talk` and `Endpoint.failure` name.
        """
        said = () if telling else _TELLING_NOTHING
        filtered = "--no-filter" if leaving_out is None else f"--filter={leaving_out}"
        arguments = (*said, *_FETCH, *options, filtered, "--stdin", "--end-of-options", REMOTE)
        stdin = "".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape")
        limits = self._limits if at_most is None else replace(self._limits, file_size=at_most)

        async def attempt(remote: Remote) -> Completed:
            async with pack_progress(repository):
                return await self._git.run(
                    repository,
                    arguments,
                    remote=replace(remote, promising=leaving_out is not None),
                    stdin=stdin,
                    timeout=self._timeout,
                    limits=limits,
                    inherit=(lock,),
                )

        done = await self._endpoint.talk(attempt)
        if done.returncode != 0:
            if giterrors.is_gone(done.stderr):
                raise self.moved()
            if giterrors.is_unknown_id(done.stderr):
                raise UnknownId(self.moved().message, source=self._endpoint.url)
            if giterrors.is_too_much(done.stderr):
                name = self._endpoint.name
                raise TooMuch(f"what {name} sent takes more room than a fetch may", source=self._endpoint.url)
            if giterrors.is_damage(done.stderr):
                raise self.damaged()
            failure = self._endpoint.failure(done)
            if giterrors.is_broken(done.stderr):
                raise Broken(failure.message, source=failure.source)
            raise failure
        await self._index_packs(repository)

    async def missing(self, repository: Path, oids: Iterable[str]) -> list[str]:
        """Which of these objects a repository does not have; all, if it cannot be read."""
        oids = list(oids)
        if not oids or not gitbare.is_made(repository):
            return oids
        if len(oids) <= _LOOKED_UP:
            lacking = await asyncio.to_thread(packs.lacking, repository, oids)
            if lacking is not None:
                return lacking
        stdin = "".join(f"{oid}\n" for oid in oids).encode("ascii")
        check = ("cat-file", "--batch-check", "--buffer")
        done = await self._git.run(repository, check, stdin=stdin, output_limit=128 * len(oids) + 4096)
        answers = done.stdout.splitlines()
        if done.returncode != 0 or len(answers) != len(oids):
            return oids
        return [oid for oid, answer in zip(oids, answers, strict=True) if answer.endswith(b" missing")]

    def moved(self) -> Moved:
        """The remote no longer has what it advertised."""
        message = f"the repository {self._endpoint.name} no longer has the revision that it advertised"
        return Moved(message, source=self._endpoint.url)

    def damaged(self) -> Damaged:
        """Our copy cannot be read."""
        message = f"the copy of the repository {self._endpoint.name} could not be read"
        return Damaged(message, source=self._endpoint.url)

    async def _index_packs(self, repository: Path) -> None:
        """One index over all packs, now and then: each fetch leaves one, and each would be looked through."""
        found = sum(name.endswith(".pack") for name in os.listdir(repository / "objects" / "pack"))  # noqa: PTH208
        if found % _PACKS == 0 and found > 0:
            await self._git.run(repository, ("multi-pack-index", "write"))
