"""All versions at once, and the records made anew: within one transaction. All of it blocks."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Subquery,
    and_,
    bindparam,
    case,
    delete,
    func,
    or_,
    select,
    true,
    tuple_,
    update,
)

from goproxy_mirror.module.path import unescape
from goproxy_mirror.ports import FileRecord, FoundFile, KeptVersion, Settled, StoreSize
from goproxy_mirror.state.filerows import FileRows, record_of
from goproxy_mirror.state.statements import insert_into
from goproxy_mirror.state.tables import feed, pins, provenance, uses
from goproxy_mirror.state.userows import SINCE

BY_STORE = "store"
"""Who vouches for a file whose record was lost: it stood in the store, where nothing comes unproven. `verify` proves it anew."""

BY_PIN = "pin"
"""The same, for a file that no checksum database knows: its pin does."""

_RESTORED = 0
"""Since when versions are gone that were put back into the feeds, until somebody has looked for them."""

_BATCH = 500
_SPLIT = "/@v/"


class KeepRows(FileRows):
    """What can be asked about the store as a whole."""

    def sizes(self) -> StoreSize:
        versions = _versions()
        count, size = self._connection.execute(
            select(func.count(), func.coalesce(func.sum(versions.c.size), 0)).select_from(versions)
        ).one()
        return StoreSize(count, int(size), self._tracked())

    def _tracked(self) -> int | None:
        day: int | None = self._connection.execute(
            select(uses.c.day).where(uses.c.stem == SINCE)
        ).scalar_one_or_none()
        return day

    def each_version(self, *, zips: bool, by_age: bool) -> Iterator[KeptVersion]:
        """Streamed, so that it takes no more memory for a large store than for a small one."""
        versions = _versions()
        days = [] if by_age else [uses.c.zip_day] if zips else [uses.c.day, uses.c.zip_day]
        last = versions.c.seen / 86400
        for day in days:
            last = case((day > last, day), else_=last)
        # Whatever was used before that day may have been used since, of which nobody knows.
        tracked = 0 if by_age else self._tracked() or 0
        rows = self._connection.execute(
            select(versions, uses.c.day, uses.c.zip_day)
            .join_from(versions, uses, uses.c.stem == versions.c.stem, isouter=True)
            .order_by(case((last > tracked, last), else_=tracked), last, versions.c.stem)
            .execution_options(yield_per=_BATCH)
        )
        for some in rows.partitions():
            # A pin outlives the record that names it.
            pinned = self.pinned_of([row.stem for row in some])
            for row in some:
                zip_size = int(row.zip_size) if row.zips else None
                by_pin = bool(row.pinned) or row.stem in pinned
                yield KeptVersion(row.stem, int(row.size), zip_size, row.seen, row.day, row.zip_day, by_pin)

    def used(self, stems: Collection[str]) -> dict[str, tuple[int | None, int | None]]:
        rows = self._connection.execute(
            select(uses.c.stem, uses.c.day, uses.c.zip_day).where(uses.c.stem.in_(stems))
        )
        return {row.stem: (row.day, row.zip_day) for row in rows}

    def pinned_of(self, stems: Collection[str]) -> frozenset[str]:
        plain = {_plain(stem): stem for stem in stems}
        rows = self._connection.execute(
            select(pins.c.module, pins.c.version).where(tuple_(pins.c.module, pins.c.version).in_(plain))
        )
        return frozenset(plain[row.module, row.version] for row in rows)

    def drop_files(self, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), _BATCH):
            some = keys[start : start + _BATCH]
            self._connection.execute(delete(provenance).where(provenance.c.key.in_(some)))
            self._dropped(some)

    def files(self, keys: Sequence[str]) -> dict[str, FileRecord]:
        rows = self._connection.execute(select(provenance).where(provenance.c.key.in_(keys)))
        return {row.key: record_of(row) for row in rows}

    def found(self, files: Sequence[FoundFile]) -> None:
        if not files:
            return
        c = provenance.c
        pinned = self.pinned_of({file.key.rpartition(".")[0] for file in files})
        statement = insert_into(self._connection, provenance)
        new = statement.excluded
        no_hash = c.hash.is_(None)
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["key"],
                set_={
                    "size": func.coalesce(c.size, new.size),
                    "hash": func.coalesce(c.hash, new.hash),
                    # A file that was recorded as an unproven one stays that.
                    "proven_by": c.proven_by,
                },
                where=or_(c.size.is_(None), and_(no_hash, new.hash.is_not(None))),
            ),
            [_row(file, BY_PIN if file.key.rpartition(".")[0] in pinned else BY_STORE) for file in files],
        )

    def keys(self, after: str, limit: int) -> list[tuple[str, float]]:
        c = provenance.c
        rows = self._connection.execute(
            select(c.key, c.first_seen).where(c.key > after).order_by(c.key).limit(limit)
        )
        return [(row.key, row.first_seen) for row in rows]

    def unfed(self) -> Iterator[tuple[str, float]]:
        info, mod = provenance.alias("info"), provenance.alias("mod")
        stem = func.substr(info.c.key, 1, func.length(info.c.key) - 5)
        seen = case((info.c.first_seen > mod.c.first_seen, info.c.first_seen), else_=mod.c.first_seen)
        fed = (
            select(true())
            .where(feed.c.stem == stem, feed.c.at.is_not(None), feed.c.gone.is_(None))
            .correlate(info)
        )
        rows = self._connection.execute(
            select(stem.label("stem"), seen.label("seen"))
            .join_from(info, mod, mod.c.key == stem + ".mod")
            .where(info.c.kind == ".info", ~fed.exists())
            .order_by(seen, stem)
            .execution_options(yield_per=_BATCH)
        )
        for row in rows:
            yield row.stem, row.seen

    def oldest_fed(self) -> int | None:
        known = or_(feed.c.gone.is_(None), feed.c.gone != _RESTORED)
        oldest: int | None = self._connection.execute(select(func.min(feed.c.at)).where(known)).scalar_one()
        return oldest

    def restore(self, times: Sequence[tuple[str, int]], before: int | None) -> None:
        self.lock_feed()
        rows = {stem: at for stem, at in times if before is None or at < before}
        taken = self._at(rows.values())
        free = {at: stem for stem, at in rows.items() if taken.get(at, stem) == stem}
        if not free:
            return
        statement = insert_into(self._connection, feed)
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["stem"],
                set_={"at": statement.excluded["at"]},
                where=and_(feed.c.gone == _RESTORED, feed.c.at < statement.excluded["at"]),
            ),
            [{"stem": stem, "at": at, "gone": _RESTORED} for at, stem in free.items()],
        )

    def take_out(self, times: Sequence[tuple[str, int]]) -> None:
        if times:
            self._connection.execute(
                update(feed)
                .where(feed.c.stem == bindparam("of"), feed.c.gone == _RESTORED, feed.c.at <= bindparam("on"))
                .values(gone=bindparam("on")),
                [{"of": stem, "on": at} for stem, at in times],
            )

    def settle_restored(self, after: int) -> Settled | None:
        self.lock_feed()
        rows = self._connection.execute(
            select(feed.c.stem, feed.c.at)
            .where(feed.c.gone == _RESTORED, feed.c.at > after)
            .order_by(feed.c.at)
            .limit(_BATCH)
        ).all()
        if not rows:
            return None
        stems = [row.stem for row in rows]
        keys = [stem + kind for stem in stems for kind in (".info", ".mod")]
        there = set(self._connection.scalars(select(provenance.c.key).where(provenance.c.key.in_(keys))))
        held = [stem for stem in stems if {f"{stem}.info", f"{stem}.mod"} <= there]
        self._connection.execute(update(feed).where(feed.c.stem.in_(held)).values(gone=None))
        self._connection.execute(
            update(feed)
            .where(feed.c.stem.in_(stems), feed.c.gone == _RESTORED)
            .values(gone=time.time_ns() // 1000)
        )
        return Settled(rows[-1].at, len(held), len(stems) - len(held))

    def _at(self, times: Collection[int]) -> dict[int, str]:
        """Who has these times already."""
        wanted, found = list(times), dict[int, str]()
        for start in range(0, len(wanted), _BATCH):
            some = select(feed.c.at, feed.c.stem).where(feed.c.at.in_(wanted[start : start + _BATCH]))
            found |= {row.at: row.stem for row in self._connection.execute(some)}
        return found

    def feed_late(self, stems: Sequence[tuple[str, float]], before: int, after: int) -> int:
        """`stems` in the order of their times; the time of the last one that is older than `before`, or `after`."""
        self.lock_feed()
        taken = set[int]()
        while True:
            last, early, rest = after, list[tuple[str, int]](), list[str]()
            for stem, seen in stems:
                at = max(round(seen * 1_000_000), last + 1)
                while at in taken:
                    at += 1
                if at < before:
                    last = at
                    early.append((stem, at))
                else:
                    rest.append(stem)
            # Others may have been entered with their times from beside the store.
            clash = self._at([at for _, at in early]).keys()
            if not clash:
                break
            taken |= clash
        self._enter(early)
        self.put_held(rest)
        return last


def _versions() -> Subquery:
    """One row for each version with recorded files."""
    c = provenance.c
    stem = func.substr(c.key, 1, func.length(c.key) - func.length(c.kind))
    size = func.coalesce(c.size, 0)
    is_zip: ColumnElement[bool] = c.kind == ".zip"
    return (
        select(
            stem.label("stem"),
            func.sum(size).label("size"),
            func.sum(case((is_zip, size), else_=0)).label("zip_size"),
            func.sum(case((is_zip, 1), else_=0)).label("zips"),
            func.min(c.first_seen).label("seen"),
            func.max(case((c.proven_by == BY_PIN, 1), else_=0)).label("pinned"),
        )
        .group_by(stem)
        .subquery("versions")
    )


def _row(file: FoundFile, by: str) -> dict[str, Any]:
    return {
        "key": file.key,
        "kind": f".{file.key.rpartition('.')[2]}",
        "size": file.size,
        "hash": file.hash,
        "proven_by": None if file.key.endswith(".info") else by,
        "first_seen": file.seen,
    }


def _plain(stem: str) -> tuple[str, str]:
    path, _, version = stem.partition(_SPLIT)
    return unescape(path), unescape(version)
