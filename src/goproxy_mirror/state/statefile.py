"""The file of the state database, as far as the standard library can tell: which revision it has, and what ails it.

Nothing here needs SQLAlchemy or Alembic, whose import takes a good part of the time that a start may take.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from goproxy_mirror.errors import SettingError, StorageError, StorageFull

NAME = "state.db"
JOURNAL = "provenance.jsonl"
"""Where earlier versions recorded the published files."""

REVISIONS = ("0001", "0002")
"""The revisions that this program knows, oldest first: those in `migrations/versions/`."""

HEAD = REVISIONS[-1]

_ANEW = (
    f"to begin anew, stop the server and move {NAME}, {NAME}-wal and {NAME}-shm in the state folder away: lost are then the "
    "pins of private modules, the newest tree heads, who lied, where each file came from and which are still unproven; the "
    "stored files stay"
)
_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_CLOSED = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}


def check_state(folder: Path, url: str = "") -> None:
    """Refuse a database that only a newer program can read; nothing is changed. Raises `SettingError`.

    Every other fault of the database is left to those who use it, since stored files are served without it; but a server
    (`url`) that is there, and has no such database or does not let us in, is a wrong setting too.
    """
    if url:
        from goproxy_mirror.state.server import check_server  # noqa: PLC0415 (as slow to import as SQLAlchemy)

        check_server(url)
        return
    try:
        revision, _ = stored_revision(folder / NAME)
    except StorageError:
        return
    problem = unknown_revision(revision)
    if problem:
        raise SettingError(problem)


def unknown_revision(revision: str | None) -> str | None:
    """Why a database of that revision cannot be used; None where it can."""
    if revision is None or revision in REVISIONS:
        return None
    return (
        f"the state database ({NAME} in the state folder) has revision {revision!a}, which this version of the program does "
        f"not know (its newest is {HEAD!a}): a newer version has been here. Nothing was changed; start that version, or {_ANEW}"
    )


def unknown_on_server(revision: str | None) -> str | None:
    """The same of a database that several nodes share."""
    if revision is None or revision in REVISIONS:
        return None
    return (
        f"the state database has revision {revision!a}, which this version of the program does not know (its newest is "
        f"{HEAD!a}): a newer version has been here. Nothing was changed; start that version, or name another (--database)"
    )


def stored_revision(path: Path) -> tuple[str | None, bool]:
    """The revision of a database, None where it has none or is not there; and whether it has a write-ahead log.

    Raises `StorageError`.
    """
    if not path.exists():
        return None, False
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=5)
        ) as connection:
            (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
            if not connection.execute(
                "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
            ).fetchone():
                return None, mode == "wal"
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            return (str(row[0]) if row else None), mode == "wal"
    except sqlite3.Error as error:
        raise explained(error) from error


def explained(error: sqlite3.Error) -> StorageError:
    """What SQLite says, in words for whoever runs the server (https://www.sqlite.org/rescode.html)."""
    code = getattr(error, "sqlite_errorcode", None)
    # The lower byte is the kind, the rest says more about it.
    kind = None if code is None else code & 0xFF
    said = getattr(error, "sqlite_errorname", None) or type(error).__name__
    # The second is the file beside it that its users share, which is made when the first of them comes.
    if kind == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_SHMSIZE:
        return StorageFull(
            f"the state database cannot grow: there is no room left in the state folder ({said})"
        )
    if kind in _LOCKED:
        return StorageError(
            f"the state database is locked by another program for too long ({said}): is {NAME} in the state folder open in one?"
        )
    if kind in _DAMAGED:
        return StorageError(f"the state database is damaged ({said}); {_ANEW}")
    if kind in _CLOSED:
        return StorageError(
            f"the state database cannot be written to ({said}): this user must be allowed to write to {NAME} in the state "
            f"folder, and to make files beside it"
        )
    if kind == sqlite3.SQLITE_IOERR:
        return StorageError(
            f"the disk failed under the state database ({said}); if it is well again and this stays, {_ANEW}"
        )
    return StorageError(f"the state database failed ({said}: {error}); if this stays, {_ANEW}")
