"""The feeds of held versions, with everything that is held by now, and when versions were used last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

# A version is held since the later of its two files was seen. No two may have the same time: each that would not be later than
# the one before is moved on to the next microsecond.
_FILL = """
INSERT INTO feed (stem, at)
SELECT stem, number + MAX(seen - number) OVER (ORDER BY number ROWS UNBOUNDED PRECEDING)
FROM (
    SELECT stem, seen, ROW_NUMBER() OVER (ORDER BY seen, stem) AS number
    FROM (
        SELECT SUBSTR(info.key, 1, LENGTH(info.key) - 5) AS stem,
            CAST(1000000 * CASE WHEN info.first_seen > mod.first_seen THEN info.first_seen ELSE mod.first_seen END AS BIGINT)
                AS seen
        FROM provenance AS info
        JOIN provenance AS mod ON mod.key = SUBSTR(info.key, 1, LENGTH(info.key) - 5) || '.mod'
        WHERE info.kind = '.info'
    ) AS versions
) AS numbered
"""


def upgrade() -> None:
    """Make the tables, and fill the feed with what is recorded."""
    op.create_table(
        "feed",
        sa.Column("stem", _KEY, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=True),
        sa.Column("gone", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("stem", name="pk_feed"),
        sqlite_with_rowid=False,
    )
    op.create_index("feed_at", "feed", ["at"], unique=True)
    op.create_table(
        "uses",
        sa.Column("stem", _KEY, nullable=False),
        sa.Column("day", sa.Integer(), nullable=True),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("zip_day", sa.Integer(), nullable=True),
        sa.Column("zip_times", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("stem", name="pk_uses"),
        sqlite_with_rowid=False,
    )
    op.execute(_FILL)


def downgrade() -> None:
    """Drop them, with all that they hold."""
    op.drop_table("uses")
    op.drop_table("feed")
