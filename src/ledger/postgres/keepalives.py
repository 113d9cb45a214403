"""Keepalives: without them, a client never notices that the server's machine has disappeared."""

from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo

_ALIVE: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""Parameters of libpq: seconds, except the timeout, which is in milliseconds."""


def with_keepalives(conninfo: str) -> str:
    """The conninfo with keepalives, so that a connection fails half a minute after its server has disappeared.

    Keepalive parameters in `conninfo` take precedence.
    """
    return make_conninfo(**(_ALIVE | conninfo_to_dict(conninfo)))
