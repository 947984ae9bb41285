"""The table of published files, within one transaction. All of it blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast

from sqlalchemy import Row, case, delete, func, or_, select, update

from goproxy_mirror.ports import FileCounts, FileRecord, Home, Proof
from goproxy_mirror.state.feedrows import FeedRows
from goproxy_mirror.state.statements import insert_into
from goproxy_mirror.state.tables import UNPROVEN, provenance

_INFO = ".info"
_PIN = "pin"


class FileRows(FeedRows):
    """What can be asked about published files. Keys are those of the store."""

    def put_file(self, key: str, home: Home, *, size: int, proof: Proof | None, at: float) -> None:
        """The file is about to be published: what was known of an earlier one under the key counts no more, but for when
        the key was seen first."""
        values = _row(key, home, size, proof, at)
        self._connection.execute(
            insert_into(self._connection, provenance)
            .values(values)
            .on_conflict_do_update(
                index_elements=["key"],
                set_={name: value for name, value in values.items() if name not in {"key", "first_seen"}},
            )
        )
        self._recorded(key)

    def add_files(self, rows: Sequence[tuple[str, Home, int, float]]) -> None:
        """Files that an earlier version published without proof: key, home, size, time. What is known already stays."""
        values = [_row(key, home, size, None, at) for key, home, size, at in rows]
        self._connection.execute(insert_into(self._connection, provenance).on_conflict_do_nothing(), values)
        for key, *_ in rows:
            self._recorded(key)

    def put_proof(self, key: str, proof: Proof, at: float) -> None:
        proven = {
            "hash": proof.hash,
            "proven_by": proof.by or None,
            "tree": proof.tree,
            "verified": at if proof.by else None,
        }
        self._connection.execute(
            insert_into(self._connection, provenance)
            .values(key=key, kind=_kind(key), first_seen=at, **proven)
            .on_conflict_do_update(index_elements=["key"], set_=proven)
        )

    def put_verified(self, keys: Sequence[str], at: float) -> None:
        for key in keys:
            self._connection.execute(update(provenance).where(provenance.c.key == key).values(verified=at))

    def drop_file(self, key: str) -> None:
        self._connection.execute(delete(provenance).where(provenance.c.key == key))
        self._dropped([key])

    def unproven(self) -> frozenset[str]:
        return frozenset(self._connection.scalars(select(provenance.c.key).where(UNPROVEN)))

    def file(self, key: str) -> FileRecord | None:
        row = self._connection.execute(select(provenance).where(provenance.c.key == key)).one_or_none()
        return None if row is None else record_of(row)

    def hashed(self, prefix: str, after: str, before: float, limit: int) -> list[FileRecord]:
        """The next files whose hash is known and that were not verified since `before`, by key."""
        c = provenance.c
        statement = select(provenance).where(
            c.key > after, c.hash.is_not(None), or_(c.verified.is_(None), c.verified < before)
        )
        if prefix:
            # The keys that begin so are a range: the last character of the end is the next one.
            statement = statement.where(c.key >= prefix, c.key < prefix[:-1] + chr(ord(prefix[-1]) + 1))
        rows = self._connection.execute(statement.order_by(c.key).limit(limit))
        return [record_of(row) for row in rows]

    def counts(self) -> FileCounts:
        c = provenance.c
        infos, others, pinned = self._connection.execute(
            select(
                func.coalesce(func.sum(case((c.kind == _INFO, 1), else_=0)), 0),
                func.coalesce(func.sum(case((c.kind == _INFO, 0), else_=1)), 0),
                func.coalesce(func.sum(case((c.proven_by == _PIN, 1), else_=0)), 0),
            )
        ).one()
        unproven = self._connection.execute(
            select(func.count()).select_from(provenance).where(UNPROVEN)
        ).scalar_one()
        return FileCounts(infos=infos, proven=others - unproven, unproven=unproven, pinned=pinned)


def plain(said: str) -> str:
    """A text from outside as every database takes it: no lone surrogates, no NUL."""
    return said.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def home_of(kind: str, name: str) -> Home:
    return Home(cast("Literal['upstream', 'origin', 'mirror']", kind), name)


def _row(key: str, home: Home, size: int, proof: Proof | None, at: float) -> dict[str, Any]:
    return {
        "key": key,
        "kind": _kind(key),
        "home_kind": home.kind,
        "home": plain(home.name),
        "size": size,
        "hash": proof.hash if proof else None,
        "proven_by": (proof.by or None) if proof else None,
        "tree": proof.tree if proof else None,
        "first_seen": at,
        "verified": at if proof and proof.by else None,
    }


def _kind(key: str) -> str:
    return f".{key.rpartition('.')[2]}"


def record_of(row: Row[Any]) -> FileRecord:
    """A row of the table, all columns of it."""
    return FileRecord(
        key=row.key,
        home=None if row.home is None else home_of(row.home_kind, row.home),
        size=row.size,
        proof=None if row.hash is None else Proof(row.hash, row.proven_by or "", row.tree),
        first_seen=row.first_seen,
        verified=row.verified,
    )
