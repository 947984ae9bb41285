"""Alembic without its files of settings: the revisions in `migrations/versions/`, run on an open connection.

Only a database that is not of the newest revision needs this; Alembic's import takes longer than many a start.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

_FOLDER = Path(__file__).with_name("migrations")


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run what is missing, within the connection's transaction: all of it or nothing."""
    command.upgrade(_config(connection), revision)


def downgrade(connection: Connection, revision: str) -> None:
    """Undo revisions down to the one that is named, or to `base`; what they held is lost."""
    command.downgrade(_config(connection), revision)


def revisions() -> list[str]:
    """The names of all revisions, oldest first."""
    return [script.revision for script in ScriptDirectory(str(_FOLDER)).walk_revisions()][::-1]


def _config(connection: Connection) -> Config:
    config = Config()
    # A percent sign would be the beginning of a variable.
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
