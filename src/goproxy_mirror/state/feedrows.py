"""The table of the feeds, within one transaction. All of it blocks.

A version is named by the stem of its keys (`golang.org/x/text/@v/v0.3.0`). It is due (without a time) from when its `.info` and
its `.mod` are recorded, which is before they can be seen, until somebody says that it is held: whatever happens in between, what
is due is looked for again.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import ColumnElement, Connection, delete, func, or_, select, update

from goproxy_mirror.state.statements import insert_into
from goproxy_mirror.state.tables import feed, provenance

_SIBLINGS = {".info": ".mod", ".mod": ".info"}
_LOCK = 0x676F70726F787901
"""Of PostgreSQL's advisory locks, the one that the transaction holds which gives times."""


class FeedRows:
    """What can be asked about the feeds. Times are in microseconds since the epoch."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def lock_feed(self) -> None:
        """Let no other transaction give times before this one has ended; SQLite has one writer anyway."""
        if self._connection.dialect.name == "postgresql":
            self._connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))

    def put_held(self, stems: Sequence[str]) -> None:
        """The versions are held from now on; what stands in the feed already stays where it is."""
        self.lock_feed()
        last = self._connection.execute(select(func.max(feed.c.at))).scalar_one()
        at = time.time_ns() // 1000
        if last is not None:
            at = max(at, last + 1)
        self._enter(
            [(stem, at + number) for number, stem in enumerate(stems)],
            where=or_(feed.c.at.is_(None), feed.c.gone.is_not(None)),
        )

    def _enter(self, rows: Sequence[tuple[str, int]], where: ColumnElement[bool] | None = None) -> None:
        """Stems with their times; one that is there is changed where `where` holds."""
        if not rows:
            return
        statement = insert_into(self._connection, feed)
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["stem"], set_={"at": statement.excluded["at"], "gone": None}, where=where
            ),
            [{"stem": stem, "at": at} for stem, at in rows],
        )

    def feed_page(self, since: int, limit: int, *, gone: bool) -> list[tuple[str, int]]:
        statement = select(feed.c.stem, feed.c.at).where(feed.c.at >= since)
        if not gone:
            statement = statement.where(feed.c.gone.is_(None))
        rows = self._connection.execute(statement.order_by(feed.c.at).limit(limit))
        return [(row.stem, row.at) for row in rows]

    def feed_known(self, stems: Collection[str]) -> frozenset[str]:
        """Those of the stems that are in the feed, or due."""
        known = select(feed.c.stem).where(feed.c.stem.in_(stems), feed.c.gone.is_(None))
        return frozenset(self._connection.scalars(known))

    def feed_due(self, limit: int) -> list[str]:
        return list(self._connection.scalars(select(feed.c.stem).where(feed.c.at.is_(None)).limit(limit)))

    def taken_out(self, stem: str, since: float) -> bool:
        """Whether a version has been taken out after that time (seconds since the epoch), and not come back."""
        gone = select(feed.c.gone).where(feed.c.stem == stem, feed.c.gone > int(since * 1_000_000))
        return self._connection.execute(gone).first() is not None

    def drop_due(self, stems: Collection[str]) -> None:
        self._connection.execute(delete(feed).where(feed.c.stem.in_(stems), feed.c.at.is_(None)))

    def _recorded(self, key: str) -> None:
        """A file was recorded: with both of them the version is due."""
        stem, sibling = _version_of(key)
        if not sibling:
            return
        both = select(provenance.c.key).where(provenance.c.key == stem + sibling)
        if self._connection.execute(both).first() is None:
            return
        self._connection.execute(
            insert_into(self._connection, feed)
            .values(stem=stem)
            .on_conflict_do_update(
                index_elements=["stem"],
                set_={"at": None, "gone": None},
                where=feed.c.gone.is_not(None),
            )
        )

    def _dropped(self, keys: Iterable[str]) -> None:
        """Files are not published any more: without both of them a version is not held."""
        stems = {stem for stem, sibling in map(_version_of, keys) if sibling}
        if not stems:
            return
        self.drop_due(stems)
        self._connection.execute(
            update(feed)
            .where(feed.c.stem.in_(stems), feed.c.gone.is_(None))
            .values(gone=time.time_ns() // 1000)
        )


def _version_of(key: str) -> tuple[str, str]:
    """The stem of a key, and the ending of the other file that its version is held by; empty for a zip."""
    stem, dot, ending = key.rpartition(".")
    return stem, _SIBLINGS.get(dot + ending, "")
