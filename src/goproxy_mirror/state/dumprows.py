"""Whole tables as rows of plain values, so that they can be put into another database. All of it blocks.

Every table of `tables.metadata` is among them, whoever adds one. A table whose key is `key` says something of published files,
whose rows travel with them; the others travel by themselves. A number that a database gives by itself (`id`) is left to it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Integer, Select, Table, and_, or_, select

from goproxy_mirror.state.filerows import FileRows
from goproxy_mirror.state.statements import insert_into
from goproxy_mirror.state.tables import metadata

Row = Mapping[str, Any]

_BYTES = "base64"
_MOST = 1 << 63
_KINDS = {str: str, bytes: bytes, int: int, float: int | float}


def tables_of_files() -> list[str]:
    """The tables that have a row for each published file."""
    return [table.name for table in metadata.sorted_tables if _is_of_files(table)]


def other_tables() -> list[str]:
    """All other tables."""
    return [table.name for table in metadata.sorted_tables if not _is_of_files(table)]


class DumpRows(FileRows):
    """What can be asked about tables of which nothing is known but their names."""

    def rows_of(self, name: str, keys: Sequence[str]) -> list[Row]:
        """The rows of some published files."""
        table = metadata.tables[name]
        found = select(table).where(table.c.key.in_(keys)).order_by(table.c.key)
        return [_plain(row) for row in self._connection.execute(found).mappings()]

    def rows_after(self, name: str, last: Row | None, most: int) -> list[Row]:
        """The rows behind one, in the order of their primary key; from the first on where there is none."""
        table = metadata.tables[name]
        key = list(table.primary_key.columns)
        found: Select[Any] = select(table).order_by(*key).limit(most)
        if last is not None:
            values = _values(table, last)
            found = found.where(_behind(key, [values[each.name] for each in key]))
        return [_plain(row) for row in self._connection.execute(found).mappings()]

    def has_rows(self, name: str) -> bool:
        table = metadata.tables.get(name)
        if table is None:
            return False
        return self._connection.execute(select(*table.primary_key.columns).limit(1)).first() is not None

    def put_rows(self, name: str, rows: Iterable[Row], *, beside: bool) -> int:
        """Add the rows that are not there yet; how many those were. What is there stays as it is.

        Columns that the table does not have any more are left out. `beside` others, what must be different in every row and may
        be left open is left open: the feed gives such entries a time anew, so that its followers see them. Raises ValueError for
        a table that is not known, and for what is no row of it.
        """
        table = metadata.tables.get(name)
        if table is None:
            raise ValueError(f"there is no table {name}")
        given = _given(table)
        left_open = _singular(table) if beside else set()
        fresh = []
        for row in rows:
            values = {key: value for key, value in _values(table, row).items() if key != given}
            _check(table, values, given)
            values |= dict.fromkeys(left_open & values.keys())
            known = (
                [column for column in table.columns if column.name in values]
                if given
                else list(table.primary_key.columns)
            )
            same = and_(*(column.is_not_distinct_from(values[column.name]) for column in known))
            if self._connection.execute(select(*table.primary_key.columns).where(same)).first() is None:
                fresh.append(values)
        if fresh:
            self._connection.execute(insert_into(self._connection, table).on_conflict_do_nothing(), fresh)
        return len(fresh)


def _is_of_files(table: Table) -> bool:
    return [column.name for column in table.primary_key.columns] == ["key"]


def _given(table: Table) -> str | None:
    """The column that the database numbers by itself."""
    key = list(table.primary_key.columns)
    return key[0].name if len(key) == 1 and isinstance(key[0].type, Integer) else None


def _singular(table: Table) -> set[str]:
    """The columns of which no two rows have the same value, and that need not have one."""
    alone = [list(index.columns) for index in table.indexes if index.unique and len(index.columns) == 1]
    return {column.name for (column,) in alone if column.nullable}


def _behind(key: Sequence[Column[Any]], values: Sequence[Any]) -> Any:
    """What stands behind these values: not every database compares whole rows alike."""
    return or_(
        *(
            and_(*(key[n] == values[n] for n in range(place)), key[place] > values[place])
            for place in range(len(key))
        )
    )


def _plain(row: Mapping[Any, Any]) -> Row:
    return {
        name: {_BYTES: base64.b64encode(value).decode()} if isinstance(value, bytes | memoryview) else value
        for name, value in row.items()
    }


def _values(table: Table, row: Row) -> dict[str, Any]:
    return {
        name: base64.b64decode(value.get(_BYTES, "-"), validate=True) if isinstance(value, Mapping) else value
        for name, value in row.items()
        if name in table.columns
    }


def _check(table: Table, values: Row, given: str | None) -> None:
    """Whether every database takes it. Raises ValueError."""
    for column in table.columns:
        if column.name == given:
            continue
        value = values.get(column.name)
        if value is None:
            if not column.nullable and column.default is None and column.server_default is None:
                raise ValueError(f"a row of {table.name} has no {column.name}")
        elif not isinstance(value, _KINDS.get(column.type.python_type, ())) or (
            isinstance(value, int) and not -_MOST <= value < _MOST
        ):
            raise ValueError(
                f"{column.name} in a row of {table.name} is no {column.type.python_type.__name__}"
            )
        elif isinstance(value, str) and not _is_text(value):
            raise ValueError(f"{column.name} in a row of {table.name} is no text")


def _is_text(value: str) -> bool:
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False
