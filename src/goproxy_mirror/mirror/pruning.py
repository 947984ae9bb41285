"""Old versions taken out of the store: chosen from what is recorded, removed beside a running server.

Nothing that is pinned is chosen: its pin says what it has to be, but only the file is it. Of what is removed, nothing is lost
that cannot be fetched again, as long as its home is there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, field

import structlog

from goproxy_mirror.errors import MirrorError, StorageFull
from goproxy_mirror.mirror.catalog import Catalog
from goproxy_mirror.mirror.chronicle import Chronicle
from goproxy_mirror.mirror.selection import Selection
from goproxy_mirror.mirror.spool import Spool
from goproxy_mirror.mirror.together import together
from goproxy_mirror.module.path import ModulePath, unescape
from goproxy_mirror.module.patterns import match_globs
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileKind, KeepingRecords, KeptVersion, Storage, Turns
from goproxy_mirror.protocol import file_key

log = structlog.get_logger(__name__)

_DAY = 86400.0
_BATCH = 2000
_PARALLEL = 8


@dataclass(frozen=True, slots=True)
class Rules:
    """What is to go; each one that is set narrows it. `matching` nothing means everything; `keep` counts before all others.

    `older_than` and `unused_for` are in seconds. `max_size` in bytes: of all that fits, those that were not asked for the longest
    go first, until the store is no larger. `zips_only`: of each version the zip, which is what is large. `by_age`: nothing is
    believed of uses, so those go first that came the longest ago.
    """

    older_than: float | None = None
    unused_for: float | None = None
    max_size: int | None = None
    matching: Sequence[Selection] = ()
    keep: Sequence[Selection] = ()
    zips_only: bool = False
    by_age: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """A version that is to go, or its zip; `size` is what that frees. `last` and `seen` in seconds since the epoch. `zipped`: it
    had a zip when it was chosen."""

    stem: str
    size: int
    last: float
    seen: float
    zipped: bool

    @property
    def mv(self) -> ModuleVersion:
        path, _, version = self.stem.partition("/@v/")
        return ModuleVersion(ModulePath.unescape(path), Version(unescape(version)))

    @property
    def name(self) -> str:
        """As people write it."""
        path, _, version = self.stem.partition("/@v/")
        return f"{unescape(path)}@{unescape(version)}"


@dataclass(slots=True)
class Plan:
    """What would go: how many versions (or zips), and their bytes. `pinned` also fit, and stay."""

    rules: Rules
    spool: Spool
    made: float
    versions: int = 0
    size: int = 0
    pinned: int = 0

    def each(self) -> Iterator[Chosen]:
        """In the order in which they go. Blocks now and then."""
        for batch in self.spool.batches(_BATCH):
            for row in batch:
                yield Chosen(*row)


@dataclass(slots=True)
class Outcome:
    """What has become of a batch: what went, what was kept since it was asked for meanwhile, and what could not be removed."""

    gone: list[Chosen] = field(default_factory=list)
    kept: list[Chosen] = field(default_factory=list)
    failed: list[tuple[Chosen, str]] = field(default_factory=list)


class Pruning:
    """Makes a plan, and carries it out. Raises `StorageError` where the state cannot be read or written."""

    def __init__(
        self,
        records: KeepingRecords,
        storage: Storage,
        turns: Turns,
        catalog: Catalog,
        chronicle: Chronicle | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._records = records
        self._storage = storage
        self._turns = turns
        self._catalog = catalog
        self._chronicle = chronicle
        self._clock = clock

    async def plan(self, rules: Rules, spool: Spool) -> Plan:
        """Choose; nothing is touched. The rows are in `spool`, so the memory that is needed does not grow with the store."""
        plan = Plan(rules, spool, self._clock())
        sizes = await self._records.sizes()
        tracked = (sizes.tracked or 0) * _DAY

        def choose(versions: Iterator[KeptVersion]) -> None:
            left = sizes.size
            for version in versions:
                if rules.max_size is not None and left <= rules.max_size:
                    return
                chosen = _chosen(version, rules, plan.made, tracked)
                if chosen is None:
                    continue
                if version.pinned:
                    plan.pinned += 1
                    continue
                spool.add(*astuple(chosen))
                plan.versions += 1
                plan.size += chosen.size
                left -= chosen.size

        await self._records.each_version(choose, zips=rules.zips_only, by_age=rules.by_age)
        return plan

    async def carry_out(self, plan: Plan) -> AsyncIterator[Outcome]:
        """Remove what was chosen, in batches; what was asked for on a later day, or published since the plan was made, stays."""
        batches = plan.spool.batches(_BATCH)
        while batch := await asyncio.to_thread(next, batches, None):
            yield await self._remove([Chosen(*row) for row in batch], plan)

    async def _remove(self, batch: Sequence[Chosen], plan: Plan) -> Outcome:
        outcome = Outcome()
        stems = [each.stem for each in batch]
        pinned, used = await self._records.pinned(stems), await self._records.used(stems)
        doomed: dict[str, list[Chosen]] = {}
        for each in batch:
            days = used.get(each.stem, (None, None))[1 if plan.rules.zips_only else 0 :]
            if each.stem in pinned or any(day is not None and day * _DAY > each.last for day in days):
                outcome.kept.append(each)
            else:
                doomed.setdefault(each.stem.partition("/@v/")[0], []).append(each)
        whole = not plan.rules.zips_only
        places = asyncio.Semaphore(_PARALLEL)

        async def remove(group: Sequence[Chosen]) -> None:
            async with places:
                await self._remove_from_module(group, plan.made, outcome, whole=whole)

        try:
            await together(remove(group) for group in doomed.values())
        finally:
            if self._chronicle is not None and whole:
                await self._chronicle.taken_out([each.mv for each in outcome.gone], "pruned")
        return outcome

    async def _remove_from_module(
        self, group: Sequence[Chosen], before: float, outcome: Outcome, *, whole: bool
    ) -> None:
        path = group[0].mv.path
        left = list(group)
        try:
            if whole:
                await self._withdraw(path, frozenset(each.mv.version for each in group))
            while left:
                removed = await self._remove_version(left[0], before, whole=whole)
                (outcome.gone if removed else outcome.kept).append(left.pop(0))
        except MirrorError as error:
            outcome.failed += [(each, error.line) for each in left]
        finally:
            if whole:
                await self._derive(path)

    async def _withdraw(self, path: ModulePath, versions: Collection[Version]) -> None:
        """No front may list for a moment what it cannot give any more; but a full disk takes no new list before there is room."""
        with suppress(StorageFull):
            await self._catalog.withdraw(path, versions)

    async def _derive(self, path: ModulePath) -> None:
        """The list names again what was not removed."""
        self._catalog.changed(path)
        try:
            await self._catalog.derive(path)
        except MirrorError as error:
            log.warning("a list is not up to date", module=str(path), reason=error.message)

    async def _remove_version(self, each: Chosen, before: float, *, whole: bool) -> bool:
        """The zip first, then the `.mod` with the `.info`, so that there is no moment at which one of those is published anew and
        the other is about to go. False where one of them was published after `before`: somebody has just asked for it.
        """
        info, mod, zip_ = (file_key(each.mv, kind) for kind in (FileKind.INFO, FileKind.MOD, FileKind.ZIP))
        if each.zipped:
            async with self._turns.hold(zip_):
                if not await self._remove_files([zip_], before):
                    return False
        if not whole:
            return True
        # In the order in which a fetch takes them.
        async with self._turns.hold(info), self._turns.hold(mod):
            return await self._remove_files([mod, info], before)

    async def _remove_files(self, keys: Sequence[str], before: float) -> bool:
        """The records go last, and within the turn: a kill in between leaves records of what is not there, which the next run
        drops, and no file that nobody knows of."""
        for key in keys:
            measured = await self._storage.measure(key)
            if measured is not None and measured[1] > before:
                return False
        gone: list[str] = []
        try:
            for key in keys:
                await self._storage.delete(key)
                gone.append(key)
        finally:
            if gone:
                await self._records.drop(gone)
        return True


def _chosen(version: KeptVersion, rules: Rules, now: float, tracked: float) -> Chosen | None:
    """What of a version goes by the rules, whatever is pinned; `tracked` is since when all uses are known."""
    size = version.zip_size if rules.zips_only else version.size
    if size is None:
        return None
    days = [version.zip_day] if rules.zips_only else [version.day, version.zip_day]
    known = [day for day in days if day is not None and not rules.by_age]
    last = max(known) * _DAY if known else version.seen
    if not rules.by_age:
        last = max(last, tracked)
    if rules.older_than is not None and version.seen > now - rules.older_than:
        return None
    # Of the day of the last use nobody knows the hour.
    if rules.unused_for is not None and last + (_DAY if known else 0) > now - rules.unused_for:
        return None
    path, _, text = version.stem.partition("/@v/")
    path, text = unescape(path), unescape(text)
    if rules.matching and not any(_fits(each, path, text) for each in rules.matching):
        return None
    if any(_fits(each, path, text) for each in rules.keep):
        return None
    return Chosen(version.stem, size, last, version.seen, version.zip_size is not None)


def _fits(selection: Selection, path: str, version: str) -> bool:
    if selection.version is not None:
        return path == selection.glob and version == selection.version.value
    return match_globs(selection.glob, path)
