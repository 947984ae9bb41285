"""A home whose word is checked: nothing that it brings is passed on before it is held against the signed record.

Files are proven by their hash. What stands in no record (`.info`, lists, `@latest`, queries) is believed from who may be
believed: upstreams and the origin speak for themselves, a mirror only about modules of which one of its versions has matched
its record; and whoever names a version, it must have a record. This stands inside the walk over the homes, so that after a
lie the next one is asked within the same request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import structlog

from goproxy_mirror.errors import (
    InvalidVersion,
    MirrorError,
    NotFound,
    NotRecorded,
    OutageDisguised,
    SecurityError,
    SourceUnavailable,
    Unproven,
)
from goproxy_mirror.module.gojson import go_json
from goproxy_mirror.module.infofile import commit_of
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.pseudo import pseudo_rev, pseudo_time
from goproxy_mirror.module.version import ModuleVersion, Query, Version
from goproxy_mirror.ports import Found, Info, Source, Verifier, Witness

_LOOKUPS = 8
"""Records of one list that are looked up at the same time."""

_LIST_WAIT = 20.0
"""Seconds that looking up a mirror's list may take; what has no record by then is not listed this time."""

_INVENTIONS = 10
"""Versions at the top of an upstream's list that are looked up, one after the other, until one has a record."""

_DENIAL_WAIT = 5.0
"""Seconds for which a no waits to be contradicted by the database."""


log = structlog.get_logger(__name__)


class ProvenSource:
    """`ports.Source` in front of one home. Raises `SecurityError` for what contradicts the record, `Unproven` and
    `NotRecorded` for what nobody vouches for, besides what the home raises."""

    def __init__(self, inner: Source, witness: Witness, verifier: Verifier) -> None:
        self._inner = inner
        self._witness = witness
        self._verifier = verifier
        self._builds = witness.home.kind != "upstream"

    async def versions(self, path: ModulePath) -> Found[tuple[Version, ...]]:
        self._check_trust(path)
        found = await self._inner.versions(path)
        if not found.value:
            return found
        if self._witness.authority:
            if self._builds or self._verifier.outside(path):
                return found
            return replace(found, value=await self._without_inventions(path, found.value))
        # A mirror could invent versions: only those are listed that have a record, and only if the newest is what it says.
        if self._verifier.outside(path):
            self._check_named(path)
            return found
        recorded = await self._recorded(path, found.value)
        if recorded:
            await self.go_mod(ModuleVersion(path, _newest(recorded) or recorded[0]))
        return replace(found, value=recorded)

    async def latest(self, path: ModulePath) -> Found[Info]:
        self._check_trust(path)
        return await self._believed(path, await self._inner.latest(path))

    async def resolve(self, path: ModulePath, query: Query) -> Found[Info]:
        self._check_trust(path)
        return await self._believed(path, await self._inner.resolve(path, query))

    async def info(self, mv: ModuleVersion) -> Found[Info]:
        if self._builds and not self._verifier.outside(mv.path):
            # The same revision has to carry the proven go.mod.
            made = await self.go_mod(mv)
            if made.info is not None:
                return Found(made.info, made.home)
        self._check_trust(mv.path)
        async with self._looking_up(mv) as lookup:
            try:
                found = await self._inner.info(mv)
            except NotFound as error:
                raise await self._denied(mv, error, lookup) from error
        return replace(found, value=self._checked(mv.path, found.value))

    async def go_mod(self, mv: ModuleVersion) -> Found[bytes]:
        self._check_trust(mv.path)
        async with self._looking_up(mv) as lookup:
            try:
                found = await self._inner.go_mod(mv)
            except NotFound as error:
                raise await self._denied(mv, error, lookup) from error
            proof = await self._verifier.go_mod(mv, found.value, self._witness)
        return replace(found, info=found.info and self._checked(mv.path, found.info), proof=proof)

    async def zip(self, mv: ModuleVersion, into: Path) -> Found[None]:
        self._check_trust(mv.path)
        async with self._looking_up(mv) as lookup:
            try:
                found = await self._inner.zip(mv, into)
            except NotFound as error:
                raise await self._denied(mv, error, lookup) from error
            proof = await self._verifier.zip(mv, into, self._witness)
        return replace(found, info=found.info and self._checked(mv.path, found.info), proof=proof)

    def _check_trust(self, path: ModulePath) -> None:
        reason = self._verifier.distrusted(self._witness.home, path)
        if reason is not None:
            raise SourceUnavailable(reason, source=self._witness.home.name)

    def _check_named(self, path: ModulePath) -> None:
        if not self._witness.named:
            raise Unproven(
                f"{path}: no checksum database is asked about it, so {self._witness.home.name}, which nobody named for it, is "
                "not believed",
                source=self._witness.home.name,
            )

    async def _without_inventions(self, path: ModulePath, versions: Sequence[Version]) -> tuple[Version, ...]:
        """An upstream's list without what stands at its top and has no record: a client would choose that, and fail.

        An upstream is believed about the rest; where the database cannot be asked, about all of it.
        """
        listed = list(versions)
        for _ in range(_INVENTIONS):
            newest = _newest(listed)
            if newest is None:
                break
            try:
                async with asyncio.timeout(_DENIAL_WAIT):
                    await self._verifier.vouched(ModuleVersion(path, newest))
            except NotRecorded:
                log.warning(
                    "a version without a record is not listed",
                    module=str(path),
                    version=str(newest),
                    home=self._witness.home.name,
                )
                listed.remove(newest)
                continue
            except (Unproven, SecurityError, TimeoutError):
                return tuple(versions)
            break
        return tuple(listed)

    async def _believed(self, path: ModulePath, found: Found[Info]) -> Found[Info]:
        """What a home says of its newest revision, or of a branch: the version that it names must have a record."""
        found = replace(found, value=self._checked(path, found.value))
        mv = ModuleVersion(path, found.value.version)
        if self._verifier.outside(path):
            if not self._witness.authority:
                self._check_named(path)
            return found
        if self._builds:
            made = await self.go_mod(mv)
            if made.info is not None and commit_of(made.info.body) != commit_of(found.value.body):
                raise SecurityError(
                    f"{path}: {found.home.name} says that {mv.version} is another revision than the one its tag leads to",
                    source=found.home.name,
                )
        else:
            await self._vouched(mv)
        return found

    async def _vouched(self, mv: ModuleVersion) -> None:
        try:
            await self._verifier.vouched(mv)
        except NotRecorded as error:
            raise NotRecorded(
                f"{self._witness.home.name} names {mv}, of which the checksum database has no record. If the module is private, "
                f"name it in GOPRIVATE here and for the go command\n{error.message}",
                source=self._witness.home.name,
            ) from error

    async def _recorded(self, path: ModulePath, versions: Sequence[Version]) -> tuple[Version, ...]:
        """Those of a list that have a record. Raises `Unproven` where nobody could say it of any."""
        places = asyncio.Semaphore(_LOOKUPS)
        failures: list[MirrorError] = []

        async def has_record(version: Version) -> bool:
            async with places:
                try:
                    await self._verifier.vouched(ModuleVersion(path, version))
                except NotRecorded:
                    return False
                except (Unproven, SecurityError) as error:
                    failures.append(error)
                    return False
                return True

        tasks = {asyncio.ensure_future(has_record(version)): version for version in versions}
        try:
            await asyncio.wait(tasks, timeout=_LIST_WAIT)
            recorded = tuple(
                version
                for task, version in tasks.items()
                if task.done() and not task.cancelled() and task.result()
            )
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if not recorded and failures:
            raise failures[0]
        return recorded

    def _checked(self, path: ModulePath, info: Info) -> Info:
        """A pseudo-version says when its commit was made, and how its id begins: its `.info` says the same here.

        A commit that is another one is a lie. A time that is another one need not be (public proxies have such, for
        k8s.io/kube-openapi v0.0.0-20191107075043-30be4d16710a as one of many), but is not passed on either.
        """
        version = info.version
        if not version.is_pseudo:
            return info
        try:
            time, revision = pseudo_time(str(version)), pseudo_rev(str(version))
        except InvalidVersion:
            return info
        commit = commit_of(info.body)
        if commit is not None and not commit.startswith(revision):
            raise SecurityError(
                f"{path}@{version}: {self._witness.home.name} says that it is commit {commit:.12}, and the version says that it "
                f"is {revision}",
                source=self._witness.home.name,
            )
        if info.time is None or info.time.replace(microsecond=0) == time:
            return info
        return Info(version, time, go_json({"Version": str(version), "Time": f"{time:%Y-%m-%dT%H:%M:%SZ}"}))

    @asynccontextmanager
    async def _looking_up(self, mv: ModuleVersion) -> AsyncIterator[asyncio.Task[bool]]:
        """The record is looked up while the home is asked; whoever leaves ends the look-up."""
        task = asyncio.create_task(self._verifier.recorded(mv))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _denied(self, mv: ModuleVersion, error: NotFound, lookup: asyncio.Task[bool]) -> MirrorError:
        """A home's no, unless the database has a record of the version: then it exists, and another home may have it."""
        if self._verifier.outside(mv.path):
            return error
        try:
            async with asyncio.timeout(_DENIAL_WAIT):
                recorded = await asyncio.shield(lookup)
        except (MirrorError, TimeoutError):
            return error
        if not recorded:
            return error
        return OutageDisguised(
            f"{error.message} (and yet the checksum database has a record of it)", source=error.source
        )


def _newest(versions: Sequence[Version]) -> Version | None:
    """What a client would choose: the highest release, or else the highest prerelease."""
    return max(versions, key=lambda version: (not version.is_prerelease, version), default=None)
