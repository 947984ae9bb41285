"""The tables of the state database as they are moved: a few rows at a time, whatever database they come from or go to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from goproxy_mirror.state.database import Database

if TYPE_CHECKING:
    from goproxy_mirror.state.session import Session

_AT_ONCE = 2000


class SQLTables:
    """`ports.Tables`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_files(self, keys: Sequence[str]) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        from goproxy_mirror.state.dumprows import tables_of_files  # noqa: PLC0415 (imports SQLAlchemy)

        def found(session: Session) -> dict[str, Sequence[Mapping[str, Any]]]:
            return {name: session.rows_of(name, keys) for name in tables_of_files()}

        return await self._database.read(found)

    async def others(self) -> AsyncIterator[tuple[str, Sequence[Mapping[str, Any]]]]:
        from goproxy_mirror.state.dumprows import other_tables  # noqa: PLC0415

        for name in other_tables():
            last: Mapping[str, Any] | None = None
            while rows := await self._after(name, last):
                yield name, rows
                last = rows[-1]

    async def put(self, name: str, rows: Sequence[Mapping[str, Any]], *, beside: bool) -> int:
        return await self._database.write(lambda session: session.put_rows(name, rows, beside=beside))

    async def has(self, name: str) -> bool:
        return await self._database.read(lambda session: session.has_rows(name))

    async def _after(self, name: str, last: Mapping[str, Any] | None) -> Sequence[Mapping[str, Any]]:
        return await self._database.read(lambda session: session.rows_after(name, last, _AT_ONCE))
