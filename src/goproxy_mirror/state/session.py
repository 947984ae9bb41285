"""What can be done within one transaction: every statement that the program sends to its database stands here, in
`filerows.py`, `keeprows.py`, `feedrows.py`, `userows.py` and `dumprows.py`. All of it blocks."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import Row, and_, case, delete, or_, select, update

from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import DatabaseState, FileKind, HostHealth, Lie, Pin, Pinned, Standing
from goproxy_mirror.state.dumprows import DumpRows
from goproxy_mirror.state.filerows import home_of, plain
from goproxy_mirror.state.keeprows import KeepRows
from goproxy_mirror.state.statements import insert_into
from goproxy_mirror.state.tables import forks, hosts, lies, pins, tree_heads
from goproxy_mirror.state.userows import UseRows

MOST_LIES = 100_000
"""Different lies that are remembered; older ones are dropped, so that no liar can fill the disk."""

_UNSEEN = 90 * 86400.0
"""Seconds after which a host that nobody has asked is forgotten."""


class Session(DumpRows, KeepRows, UseRows):
    """One transaction's connection, and what may be asked of it."""

    # Pins.

    def pin(self, mv: ModuleVersion, kind: FileKind) -> Pin | None:
        row = self._connection.execute(
            select(pins.c.hash, pins.c.home, pins.c.at).where(
                pins.c.module == mv.path.value, pins.c.version == mv.version.value, pins.c.kind == kind.value
            )
        ).one_or_none()
        return None if row is None else Pin(row.hash, row.home, row.at)

    def add_pin(self, mv: ModuleVersion, kind: FileKind, pin: Pin) -> None:
        """Keep the pin unless the file has one."""
        self._connection.execute(
            insert_into(self._connection, pins)
            .values(
                module=mv.path.value,
                version=mv.version.value,
                kind=kind.value,
                hash=pin.hash,
                home=plain(pin.home),
                at=pin.at,
            )
            .on_conflict_do_nothing()
        )

    def pins_of(self, path: ModulePath) -> list[Pinned]:
        rows = self._connection.execute(select(pins).where(pins.c.module == path.value))
        found = [
            Pinned(
                ModuleVersion(path, Version(row.version)),
                FileKind(row.kind),
                Pin(row.hash, row.home, row.at),
            )
            for row in rows
        ]
        return sorted(found, key=lambda pinned: (pinned.mv.version, pinned.kind.value))

    def pins_after(self, last: Pinned | None, most: int) -> list[Pinned]:
        """The next pins, in the order of the table's key."""
        statement = select(pins).order_by(pins.c.module, pins.c.version, pins.c.kind).limit(most)
        if last is not None:
            m, v, k = last.mv.path.value, last.mv.version.value, last.kind.value
            statement = statement.where(
                or_(
                    pins.c.module > m,
                    and_(pins.c.module == m, pins.c.version > v),
                    and_(pins.c.module == m, pins.c.version == v, pins.c.kind > k),
                )
            )
        return [
            Pinned(
                ModuleVersion(ModulePath(row.module), Version(row.version)),
                FileKind(row.kind),
                Pin(row.hash, row.home, row.at),
            )
            for row in self._connection.execute(statement)
        ]

    # Tree heads.

    def head(self, name: str) -> bytes:
        return (
            self._connection.execute(
                select(tree_heads.c.note).where(tree_heads.c.name == name)
            ).scalar_one_or_none()
            or b""
        )

    def standing(self, name: str) -> Standing:
        note = select(tree_heads.c.note).where(tree_heads.c.name == name).scalar_subquery()
        evidence = select(forks.c.evidence).where(forks.c.name == name).scalar_subquery()
        row = self._connection.execute(select(note.label("note"), evidence.label("evidence"))).one()
        return Standing(row.note or b"", row.evidence)

    def advance(self, name: str, old: bytes, new: bytes, at: float) -> bool:
        if old:
            statement = (
                update(tree_heads)
                .where(tree_heads.c.name == name, tree_heads.c.note == old)
                .values(note=new, at=at)
            )
            return self._connection.execute(statement).rowcount == 1
        first = (
            insert_into(self._connection, tree_heads)
            .values(name=name, note=new, at=at)
            .on_conflict_do_nothing()
        )
        return self._connection.execute(first, execution_options={"preserve_rowcount": True}).rowcount == 1

    def fork(self, name: str) -> bytes | None:
        return self._connection.execute(
            select(forks.c.evidence).where(forks.c.name == name)
        ).scalar_one_or_none()

    def add_fork(self, name: str, evidence: bytes, at: float) -> None:
        self._connection.execute(
            insert_into(self._connection, forks)
            .values(name=name, evidence=evidence, at=at)
            .on_conflict_do_nothing()
        )

    def drop_fork(self, name: str) -> bool:
        return self._connection.execute(delete(forks).where(forks.c.name == name)).rowcount == 1

    def drop_head(self, name: str) -> None:
        self._connection.execute(delete(tree_heads).where(tree_heads.c.name == name))

    def databases(self) -> list[DatabaseState]:
        heads = {row.name: row for row in self._connection.execute(select(tree_heads))}
        forked = {row.name: row for row in self._connection.execute(select(forks))}
        return [_database(name, heads.get(name), forked.get(name)) for name in sorted({*heads, *forked})]

    # Lies.

    def add_lie(self, lie: Lie) -> None:
        told = {
            "home_kind": lie.home.kind,
            "home": plain(lie.home.name),
            "module": lie.mv.path.value,
            "version": lie.mv.version.value,
            "kind": plain(lie.kind),
            "known": plain(lie.known),
            "brought": plain(lie.brought),
        }
        again = (
            update(lies)
            .where(*(lies.c[name] == value for name, value in told.items()))
            .values(times=lies.c.times + 1, at=case((lies.c.at < lie.at, lie.at), else_=lies.c.at))
        )
        if self._connection.execute(again).rowcount:
            return
        added = self._connection.execute(
            insert_into(self._connection, lies).values(**told, first=lie.at, at=lie.at, times=1)
        )
        newest = added.inserted_primary_key
        if newest is not None:
            self._connection.execute(delete(lies).where(lies.c.id <= newest.id - MOST_LIES))

    def lies_since(self, at: float) -> list[Lie]:
        rows = self._connection.execute(select(lies).where(lies.c.at >= at).order_by(lies.c.at, lies.c.id))
        return [
            Lie(
                home=home_of(row.home_kind, row.home),
                mv=ModuleVersion(ModulePath(row.module), Version(row.version)),
                kind=row.kind,
                known=row.known,
                brought=row.brought,
                at=row.at,
            )
            for row in rows
        ]

    # Hosts.

    def hosts(self) -> list[HostHealth]:
        rows = self._connection.execute(select(hosts).order_by(hosts.c.host))
        return [
            HostHealth(row.host, row.seconds, row.slow, row.failures, row.requests, row.seen) for row in rows
        ]

    def put_hosts(self, health: Sequence[HostHealth]) -> None:
        statement = insert_into(self._connection, hosts)
        measured = ("seconds", "slow", "failures", "requests", "seen")
        if health:
            self._connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["host"], set_={name: statement.excluded[name] for name in measured}
                ),
                [
                    {"host": plain(each.host), **{name: getattr(each, name) for name in measured}}
                    for each in health
                ],
            )
        self._connection.execute(delete(hosts).where(hosts.c.seen < time.time() - _UNSEEN))


def _database(
    name: str, head: Row[tuple[object, ...]] | None, fork: Row[tuple[object, ...]] | None
) -> DatabaseState:
    return DatabaseState(
        name=name,
        note=head.note if head else b"",
        advanced=head.at if head else None,
        evidence=fork.evidence if fork else None,
        forked=fork.at if fork else None,
    )
