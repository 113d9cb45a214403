"""Queries to the payments: pages of an account's payments."""

from datetime import datetime
from typing import Any

from projections.models.payments.projection import PAYMENTS
from projections.models.views import Snapshot


async def page(
    moment: Snapshot, account_id: str, *, now: datetime, before: int, status: str | None, limit: int
) -> list[dict[str, Any]]:
    """A page of payments with versions below `before`, newest first, each with the grants that it bought."""
    statement = PAYMENTS.statements["page"]
    return await moment.rows(statement, account=account_id, now=now, before=before, status=status, limit=limit)
