"""Keepalives: a server whose machine is gone says nothing, not even goodbye."""

from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo

_ALIVE: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""For libpq, in seconds and, the last, milliseconds."""


def with_keepalives(conninfo: str) -> str:
    """A conninfo whose connections are lost half a minute after a server has vanished from the network; what it says
    about that itself goes first."""
    return make_conninfo(**(_ALIVE | conninfo_to_dict(conninfo)))
