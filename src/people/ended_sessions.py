"""Sessions that ended long ago: whatever begins one deletes some of them."""

from datetime import datetime, timedelta
from typing import Any

import psycopg

from ledger.postgres.named_sql import queries

FORGOTTEN_AFTER = timedelta(days=7)
"""The time after which a session is deleted. Until then an old cookie is answered: the session is over."""
_SQL = queries("people", "sql/ended_sessions.sql")


async def forget_ended(connection: psycopg.AsyncConnection[Any], now: datetime) -> None:
    """Delete sessions that ended long ago, not all at once. Raises psycopg.Error."""
    await connection.execute(_SQL["forget"], {"before": now - FORGOTTEN_AFTER})
