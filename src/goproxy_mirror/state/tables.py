"""The tables of the state database. Every change here goes with a revision in `migrations/versions/`.

Times are in seconds since the epoch, kinds are files' endings, hashes are `h1:…`. All types and statements are such that
PostgreSQL has them too.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, Table, Text, text

metadata = MetaData(naming_convention={"pk": "pk_%(table_name)s"})

tree_heads = Table(
    "tree_heads",
    metadata,
    Column("name", Text, primary_key=True),
    Column("note", LargeBinary, nullable=False),
    Column("at", Float, nullable=False),
)

forks = Table(
    "forks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("evidence", LargeBinary, nullable=False),
    Column("at", Float, nullable=False),
)

pins = Table(
    "pins",
    metadata,
    Column("module", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("hash", Text, nullable=False),
    Column("home", Text, nullable=False),
    Column("at", Float, nullable=False),
    sqlite_with_rowid=False,
)

# One row for each different lie: `first` and `at` are when it was told for the first and the last time.
lies = Table(
    "lies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("home_kind", Text, nullable=False),
    Column("home", Text, nullable=False),
    Column("module", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("known", Text, nullable=False),
    Column("brought", Text, nullable=False),
    Column("first", Float, nullable=False),
    Column("at", Float, nullable=False),
    Column("times", Integer, nullable=False),
    Index("lies_at", "at"),
    Index("lies_module_version", "module", "version"),
)

hosts = Table(
    "hosts",
    metadata,
    Column("host", Text, primary_key=True),
    Column("seconds", Float, nullable=False),
    Column("slow", Float, nullable=False),
    Column("failures", Float, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("seen", Float, nullable=False),
)

_KEY = Text().with_variant(Text(collation="C"), "postgresql")
"""Keys are compared byte by byte, whatever language a PostgreSQL sorts in: a module's files are a range of keys."""

UNPROVEN = text("proven_by IS NULL AND kind <> '.info'")
"""As the index has it: a database takes a partial index only for a condition that it can see is the same."""

# One row for each published file. The key says which module and version; a module's files are a range of keys.
provenance = Table(
    "provenance",
    metadata,
    Column("key", _KEY, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("home_kind", Text),
    Column("home", Text),
    Column("size", BigInteger),
    Column("hash", Text),
    Column("proven_by", Text),
    Column("tree", BigInteger),
    Column("first_seen", Float, nullable=False),
    Column("verified", Float),
    sqlite_with_rowid=False,
)
# The columns of its condition are in the index too, so that SQLite need not look each of them up in the table.
Index(
    "provenance_unproven",
    *(provenance.c[name] for name in ("key", "kind", "proven_by")),
    sqlite_where=UNPROVEN,
    postgresql_where=UNPROVEN,
)

# One row for each version that was ever held, by the stem of its keys. Times are in microseconds: `at` is when it became held,
# and is NULL while its files are recorded and nobody has said so yet; `gone` is since when it is not held any more.
feed = Table(
    "feed",
    metadata,
    Column("stem", _KEY, primary_key=True),
    Column("at", BigInteger),
    Column("gone", BigInteger),
    Index("feed_at", "at", unique=True),
    sqlite_with_rowid=False,
)

# When each version was asked for last, in days since the epoch, and how often: its `.info` and `.mod`, and apart its zip.
uses = Table(
    "uses",
    metadata,
    Column("stem", _KEY, primary_key=True),
    Column("day", Integer),
    Column("times", BigInteger, nullable=False),
    Column("zip_day", Integer),
    Column("zip_times", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
