"""Tree heads and forks, pins, lies, hosts, and where each published file came from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "tree_heads",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_tree_heads"),
    )
    op.create_table(
        "forks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("evidence", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_forks"),
    )
    op.create_table(
        "pins",
        sa.Column("module", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("home", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("module", "version", "kind", name="pk_pins"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "lies",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("home_kind", sa.Text(), nullable=False),
        sa.Column("home", sa.Text(), nullable=False),
        sa.Column("module", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("known", sa.Text(), nullable=False),
        sa.Column("brought", sa.Text(), nullable=False),
        sa.Column("first", sa.Float(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_lies"),
    )
    op.create_index("lies_at", "lies", ["at"])
    op.create_index("lies_module_version", "lies", ["module", "version"])
    op.create_table(
        "hosts",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("slow", sa.Float(), nullable=False),
        sa.Column("failures", sa.Float(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("host", name="pk_hosts"),
    )
    op.create_table(
        "provenance",
        sa.Column("key", _KEY, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("home_kind", sa.Text(), nullable=True),
        sa.Column("home", sa.Text(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("hash", sa.Text(), nullable=True),
        sa.Column("proven_by", sa.Text(), nullable=True),
        sa.Column("tree", sa.BigInteger(), nullable=True),
        sa.Column("first_seen", sa.Float(), nullable=False),
        sa.Column("verified", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("key", name="pk_provenance"),
        sqlite_with_rowid=False,
    )
    unproven = sa.text("proven_by IS NULL AND kind <> '.info'")
    op.create_index(
        "provenance_unproven",
        "provenance",
        ["key", "kind", "proven_by"],
        sqlite_where=unproven,
        postgresql_where=unproven,
    )


def downgrade() -> None:
    """Drop them, with all that they hold."""
    for table in ("provenance", "hosts", "lies", "pins", "forks", "tree_heads"):
        op.drop_table(table)
