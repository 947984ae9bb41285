"""From the URL of a PostgreSQL database to what its client library is told."""

from __future__ import annotations

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from goproxy_mirror.errors import StorageError

CONNECTING = 3
"""Seconds that a connection may take, its handshake included, where the URL says nothing else."""

_OURS: dict[str, str | int] = {
    "connect_timeout": CONNECTING,
    # A server that is gone without a word is noticed, also while nothing is asked.
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


def conninfo_of(url: str, *, application: str = "goproxy-mirror") -> str:
    """What the URL says, by the library's own rules, and of ours what it leaves open.

    Raises `StorageError`, which has nothing of the URL in it but the name of an option that there is none of.
    """
    try:
        said = conninfo_to_dict(url)
    except psycopg.Error as error:
        option = str(error).partition('URI query parameter: "')[2].partition('"')[0]
        what = f"there is no option {option!a}" if option else "it is none of PostgreSQL"
        raise StorageError(f"the state database cannot be connected to as its URL says: {what}") from None
    return make_conninfo("", **{**_OURS, "fallback_application_name": application, **said})
