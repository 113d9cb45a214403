"""Queries to the uncollected amounts: pages of deductions, of one account or of all."""

from typing import Any

from projections.models.uncollected.projection import UNCOLLECTED
from projections.models.views import Snapshot


async def page(
    moment: Snapshot, *, account_id: str | None, before: int, open_only: bool, limit: int
) -> list[dict[str, Any]]:
    """A page of deductions at positions below `before`, newest first; `open_only` leaves out what is waived."""
    if account_id is not None:
        statement = UNCOLLECTED.statements["page_of_account"]
        return await moment.rows(statement, account=account_id, before=before, open=open_only, limit=limit)
    statement = UNCOLLECTED.statements["open_page" if open_only else "page"]
    return await moment.rows(statement, before=before, limit=limit)
