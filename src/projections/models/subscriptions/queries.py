"""Queries to the subscriptions: the accounts with due allowances."""

from datetime import datetime
from typing import Any

from psycopg import AsyncConnection

from projections.models.subscriptions.projection import SUBSCRIPTIONS


async def due(connection: AsyncConnection[Any], now: datetime, limit: int) -> list[str]:
    """Accounts with an allowance that is due by `now`, the longest overdue first. It lags like the projection."""
    cursor = await connection.execute(SUBSCRIPTIONS.statements["due"], {"now": now, "limit": limit})
    return [account_id for (account_id,) in await cursor.fetchall()]
