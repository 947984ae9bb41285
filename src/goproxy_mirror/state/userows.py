"""The table of uses, within one transaction. All of it blocks."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import ColumnElement, Connection, case, or_, update

from goproxy_mirror.state.statements import insert_into
from goproxy_mirror.state.tables import uses

SINCE = ""
"""The stem of no version; its row has the day since when every use was written down."""

_ZIP = ".zip"


class UseRows:
    """What can be asked about uses. Days are counted from the epoch."""

    _connection: Connection

    def add_uses(self, counts: Mapping[str, int], day: int, *, complete: bool = True) -> None:
        """How often files were asked for on a day, by key; with `complete` off, others were too."""
        if counts:
            self._add(counts, day)
        if not complete:
            self._connection.execute(
                update(uses).where(uses.c.stem == SINCE, uses.c.day < day).values(day=day)
            )

    def _add(self, counts: Mapping[str, int], day: int) -> None:
        rows: dict[str, dict[str, object]] = {}
        # In one order everywhere, so that no two transactions wait for each other.
        for key, count in sorted(counts.items()):
            stem, dot, ending = key.rpartition(".")
            row = rows.setdefault(
                stem, {"stem": stem, "day": None, "times": 0, "zip_day": None, "zip_times": 0}
            )
            which = "zip_" if dot + ending == _ZIP else ""
            row[f"{which}day"] = day
            row[f"{which}times"] = int(str(row[f"{which}times"])) + count
        # Since when there is anything to know: a version without a row was not asked for since then.
        self._connection.execute(
            insert_into(self._connection, uses)
            .values(stem=SINCE, day=day, times=0, zip_times=0)
            .on_conflict_do_nothing()
        )
        statement = insert_into(self._connection, uses)
        new = statement.excluded
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["stem"],
                set_={
                    "day": _later(uses.c.day, new.day),
                    "times": uses.c.times + new.times,
                    "zip_day": _later(uses.c.zip_day, new.zip_day),
                    "zip_times": uses.c.zip_times + new.zip_times,
                },
            ),
            list(rows.values()),
        )


def _later(old: ColumnElement[int | None], new: ColumnElement[int | None]) -> ColumnElement[int | None]:
    return case((or_(old.is_(None), new > old), case((new.is_(None), old), else_=new)), else_=old)
