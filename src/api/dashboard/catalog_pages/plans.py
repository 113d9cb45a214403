"""The plans and packages that are offered, for account holders who compare them."""

from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.rendering import page
from api.http.billing.catalog import entries_of
from api.http.queries.query import known_account
from api.http.queries.reads import reads_of


async def plans(request: Request, current_plan: str | None = None) -> Response:
    """Show what is listed, with the plan of the account marked, if it has one (`current_plan` is its id)."""
    account_id, reads = request.path_params["account_id"], reads_of(request)
    await known_account(reads.ledger, account_id)
    return await page(
        request,
        "plans.html",
        account_id=account_id,
        plans=await entries_of(reads, "plan", listed=True),
        packages=await entries_of(reads, "package", listed=True),
        current_plan=current_plan,
    )
